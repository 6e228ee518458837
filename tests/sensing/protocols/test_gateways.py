"""Gateways on real sockets: what is acknowledged is kept, who is unknown is refused, and no device harms another."""

import asyncio
import random
from datetime import datetime, timedelta
from functools import partial

import msgspec
import pytest

from cityloom.sensing.gateways import hj212 as hj212_door
from cityloom.sensing.gateways import jt808 as jt808_door
from cityloom.sensing.gateways import sl651 as sl651_door
from cityloom.sensing.gateways.bucket import Bucket
from cityloom.sensing.gateways.contracts import Device
from cityloom.sensing.gateways.hj212 import Hj212
from cityloom.sensing.gateways.jt808 import Jt808
from cityloom.sensing.gateways.sl651 import Sl651
from cityloom.sensing.gateways.waiting import Absent, Busy, NoAnswer
from cityloom.sensing.intake.framing import CHINA, Packet
from cityloom.sensing.intake.hj212 import answers
from cityloom.sensing.intake.hj212 import frames as hj212
from cityloom.sensing.intake.jt808 import bodies, positions
from cityloom.sensing.intake.jt808 import frames as jt808
from cityloom.sensing.intake.jt808.bodies import Answer, Authentication, Id, RegisterAnswer, Registration
from cityloom.sensing.intake.jt808.positions import Position
from cityloom.sensing.intake.sl651 import bodies as reports
from cityloom.sensing.intake.sl651 import frames as sl651
from cityloom.sensing.intake.sl651 import hexadecimal
from sensing.protocols import vectors
from sensing.protocols.gateway_kit import NOW, QUICK, City, Line, run, running, until

MN, MN2 = "010000A8900016F000169DC0", "010000A8900016F000169DC1"
PHONE = "13800138000"
STATION = "0011223344"
HEADER = sl651.Header(5, STATION, 0x03E8)


def upload(mn: str = MN, cn: str = "2011", content: str = "w01018-Rtd=2.2,w01018-Flag=N", flag: int = 5) -> bytes:
    head = (("QN", "20260718110016000"), ("ST", "32"), ("CN", cn), ("PW", "123456"), ("MN", mn), ("Flag", str(flag)))
    items = ((("DataTime", "20260718110000"),), tuple(tuple(pair.split("=")) for pair in content.split(",")))
    return hj212.write(head, items)  # type: ignore[arg-type]


def position(minute: int = 0) -> bytes:
    return positions.write_position(Position(NOW - timedelta(minutes=minute), 114.05, 22.54, 10, 36.5, 90, 0, 3))


def test_data_is_acknowledged_after_it_is_kept_and_not_before() -> None:
    async def scene() -> None:
        city = City({MN: "123456"})
        async with running(Hj212, city) as door:
            line = await door.dial()
            city.committing.clear()
            await line.say(*vectors.hj212()[5:8], upload(flag=4))
            assert await line.silent()
            assert city.batches == []
            city.committing.set()
            heard = await line.hear(hj212.feed, 3)
            assert [(each.cn, each.st, each.qn) for each in heard] == [
                ("9014", "91", "20160801085857223"), ("9014", "91", "20160801085000001"), ("9014", "91", "20160801090000001")
            ]  # fmt: skip
            assert heard[0].raw == vectors.hj212()[4].removesuffix(b"\r\n")
            assert [(each.device, each.kind, len(each.readings)) for each in city.batches] == [
                (f"d{MN}", "2011", 2), (f"d{MN}", "2051", 7), (f"d{MN}", "2061", 8), (f"d{MN}", "2011", 1)
            ]  # fmt: skip
            assert city.batches[0].raw + b"\r\n" == vectors.hj212()[5]
            assert city.asked == 1
            assert door.gateway.figures.readings == 18

    run(scene())


def test_nothing_is_acknowledged_while_nothing_can_be_kept() -> None:
    async def scene() -> None:
        city = City({MN: "123456"})
        async with running(Hj212, city) as door:
            line = await door.dial()
            city.down = True
            await line.say(upload())
            assert await line.silent()
            city.down = False
            await line.say(upload())  # the device sends again
            assert [each.cn for each in await line.hear(hj212.feed)] == ["9014"]
            assert len(city.batches) == 1
            assert door.gateway.figures.unavailable == 1

    run(scene())


def test_unknown_devices_and_broken_frames_go_to_quarantine_with_their_bytes() -> None:
    async def scene() -> None:
        city = City({MN: "654321", MN2: "123456"})
        async with running(Hj212, city) as door:
            line = await door.dial()
            unknown, wrong = upload("0" * 24), upload(MN)
            broken = upload(MN2).replace(b"2.2", b"2.3")
            untimed = hj212.write((("CN", "2011"), ("PW", "123456"), ("MN", MN2)), ((("w-Rtd", "1"),),))
            await line.say(unknown, wrong, broken, b"noise\0\r\n", untimed, upload(MN2))
            assert [each.mn for each in await line.hear(hj212.feed)] == [MN2]
            assert [(each.reason, each.device, each.raw.removesuffix(b"\r\n")) for each in city.kept] == [
                ("crc_wrong", "", broken.removesuffix(b"\r\n")), ("garbage", "", b"noise\0"),
                ("device_unknown", "", unknown[:-2]), ("secret_wrong", "", wrong[:-2]),
                ("data_time_missing", f"d{MN2}", untimed[:-2]),
            ]  # fmt: skip
            assert all(each.address.startswith("127.0.0.1:") for each in city.kept)
            assert [each.device for each in city.batches] == [f"d{MN2}"]
            assert door.gateway.figures.denied == 2

    run(scene())


def test_who_is_refused_again_and_again_is_sent_away() -> None:
    async def scene() -> None:
        city = City({MN: "123456"})
        limits = msgspec.structs.replace(QUICK, faults=20)
        async with running(Hj212, city, limits) as door:
            line = await door.dial()
            await line.say(*[upload("0" * 24, flag=4)] * 20, upload())  # a good one at the end
            await line.hear(hj212.feed)
            await line.say(*[upload("0" * 24, flag=4)] * 21)
            assert await line.closed()
            assert door.gateway.figures.denied == 41
        async with running(Jt808, city, limits) as door:
            line = await door.dial()
            await line.say(
                *jt808.split(Id.locations, PHONE, 1, bytes(2000), 2019, 100), *[jt808.write(2, PHONE, 1)] * 5
            )
            assert await line.closed()
            assert door.gateway.figures.lost == 0  # nothing was held for somebody unknown
            assert city.batches[1:] == []

    run(scene())


def test_split_packets_without_a_time_of_their_own_have_that_of_the_first() -> None:
    async def scene() -> None:
        city = City({MN: "123456"})
        head = (("ST", "32"), ("CN", "2061"), ("PW", "123456"), ("MN", MN), ("Flag", "7"), ("PNUM", "2"))
        first = hj212.write((*head, ("PNO", "1")), ((("DataTime", "20260718100000"),), (("a-Avg", "1"),)))
        second = hj212.write((*head, ("PNO", "2")), ((("b-Avg", "2"),),))
        async with running(Hj212, city) as door:
            line = await door.dial()
            await line.say(first, second, second)
            await line.hear(hj212.feed, 3)
            times = [each.start for batch in city.batches for each in batch.readings]
            assert times == [datetime(2026, 7, 18, 10, tzinfo=CHINA)] * 3
            assert "data_time_missing" in city.batches[1].deviations

    run(scene())


def test_a_device_that_asks_for_the_time_gets_it() -> None:
    async def scene() -> None:
        async with running(Hj212, City({MN: "123456"})) as door:
            line = await door.dial()
            await line.say(upload(cn="1013", content="PolId=w01018"))
            notice, clock = await line.hear(hj212.feed, 2)
            assert (notice.cn, clock.cn, clock.value("SystemTime")) == ("9013", "1012", "20260718110016")

    run(scene())


async def _device(line: Line, script: list[tuple[str, tuple[tuple[str, str], ...]]]) -> hj212.Frame:
    """Answers one command as the script has it."""
    (asked,) = await line.hear(hj212.feed)
    for cn, pairs in script:
        head = (("QN", asked.qn), ("ST", asked.st), ("CN", cn), ("PW", asked.password), ("MN", asked.mn), ("Flag", "4"))
        await line.say(hj212.write(head, tuple((pair,) for pair in pairs)))
    return asked  # type: ignore[no-any-return]


def test_commands_are_answered_refused_or_given_up_after_three_tries() -> None:
    async def scene() -> None:
        city = City({MN: "123456"})
        async with running(Hj212, city) as door:
            ask = partial(hj212_door.command, door.gateway, f"d{MN}", MN)
            with pytest.raises(Absent):
                await ask("1011")
            line = await door.dial()
            await line.say(upload())
            await line.hear(hj212.feed)

            replies = [("9011", (("QnRtn", "1"),)), ("1061", (("RtdInterval", "30"),)), ("9012", (("ExeRtn", "1"),))]
            done, asked = await asyncio.gather(ask("1061"), _device(line, replies))
            assert (done.readiness, done.outcome) == (1, 1)
            assert [each.value("RtdInterval") for each in done.frames] == ["30"]
            assert (asked.cn, asked.st, asked.password, asked.wants_answer) == ("1061", "32", "123456", True)

            history = [
                ("9011", (("QnRtn", "1"),)), ("2061", (("DataTime", "20260718090000"), ("a-Avg", "1"))), ("9012", (("ExeRtn", "1"),))
            ]  # fmt: skip
            items = answers.between(NOW - timedelta(hours=3), NOW)
            before = len(city.batches)
            done, asked = await asyncio.gather(ask("2061", items), _device(line, history))
            assert asked.items == ((("BeginTime", "20260718080016"),), (("EndTime", "20260718110016"),))
            assert len(done.frames) == 1
            assert [each.kind for each in city.batches[before:]] == ["2061"]  # what was asked for is kept as well

            done, _asked = await asyncio.gather(ask("1072"), _device(line, [("9011", (("QnRtn", "2"),))]))
            assert (done.readiness, done.outcome) == (2, None)

            silent = asyncio.gather(
                ask("1012", answers.set_time(NOW)), line.hear(hj212.feed, 3), return_exceptions=True
            )
            outcome, tries = await silent
            assert isinstance(outcome, NoAnswer)
            assert [(each.cn, each.value("SystemTime")) for each in tries] == [("1012", "20260718110016")] * 3

            hanging = asyncio.ensure_future(ask("1011"))
            await line.hear(hj212.feed)
            with pytest.raises(Busy):
                await ask("1011")  # the clock stands still, so it is the same question
            line.writer.close()
            with pytest.raises(Absent):
                await hanging

    run(scene())


def test_a_terminal_registers_authenticates_and_reports() -> None:
    async def scene(edition: jt808.Edition) -> None:
        city = City({PHONE: "secret-code"})
        write = partial(jt808.write, phone=PHONE, edition=edition)
        async with running(Jt808, city) as door:
            line = await door.dial()
            await line.say(write(Id.location, serial=1, body=position()))
            (refused,) = await line.hear(jt808.feed)
            assert bodies.answer(refused.body) == Answer(1, Id.location, 1)
            assert city.batches == []

            said = Registration(44, 300, "MAKER", "MODEL", "T0001", 2, "粤B12345", edition)
            await line.say(write(Id.register, serial=2, body=bodies.write_registration(said)))
            (answer,) = await line.hear(jt808.feed)
            assert bodies.register_answer(answer.body) == RegisterAnswer(2, 0, "secret-code")
            assert (answer.edition, city.registered) == (edition, [said])
            for number, code, result in ((3, "wrong", 1), (4, "secret-code", 0)):
                body = bodies.write_authentication(Authentication(code, "123456789012345", "1"), edition)
                await line.say(write(Id.authenticate, serial=number, body=body))
                (answer,) = await line.hear(jt808.feed)
                assert bodies.answer(answer.body) == Answer(number, Id.authenticate, result)

            late = positions.write_positions([positions.position(position(each)) for each in (3, 2, 1)], backfill=True)
            await line.say(
                write(Id.heartbeat, serial=5), write(Id.location, serial=6, body=position()),
                *jt808.split(Id.locations, PHONE, 7, late, edition, 40), write(0x0F00, serial=20),
                write(Id.location, serial=21, body=b"short"), write(Id.query_time, serial=22),
            )  # fmt: skip
            heard = await line.hear(jt808.feed, 8)
            assert [bodies.answer(each.body) for each in heard[:-1]] == [
                Answer(5, Id.heartbeat, 0), Answer(6, Id.location, 0), Answer(7, Id.locations, 0), Answer(8, Id.locations, 0),
                Answer(9, Id.locations, 0), Answer(20, 0x0F00, 3), Answer(21, Id.location, 2),
            ]  # fmt: skip
            assert (heard[-1].id, heard[-1].body.hex()) == (Id.time_answer, "260718030016")
            places = [each for batch in city.batches for each in batch.places]
            assert [(each.position.at, each.backfill) for each in places] == [
                (NOW, False), *((NOW - timedelta(minutes=each), True) for each in (3, 2, 1))
            ]  # fmt: skip
            assert {each.device for each in city.batches} == {f"d{PHONE}"}
            assert [each.reason for each in city.kept] == [
                "not_authenticated", "secret_wrong", "message_unsupported", "body_short"
            ]  # fmt: skip

    run(scene(2013))
    run(scene(2019))


def test_missing_sub_packets_are_asked_for_and_a_terminal_can_be_located() -> None:
    class Ticking(msgspec.Struct):
        moment: datetime = NOW

        def now(self) -> datetime:
            self.moment += timedelta(milliseconds=20)
            return self.moment

    async def scene() -> None:
        city = City({PHONE: "code"})
        async with running(Jt808, city, clock=Ticking()) as door:
            line = await door.dial()
            await line.say(jt808.write(Id.authenticate, PHONE, 1, b"code", 2013))
            await line.hear(jt808.feed)
            body = positions.write_positions([positions.position(position(each)) for each in range(10)])
            pieces = jt808.split(Id.locations, PHONE, 10, body, 2013, 100)
            await line.say(pieces[0], pieces[3])
            (asked,) = await line.hear(jt808.feed)
            assert (asked.id, bodies.missing_packets(asked.body)) == (Id.ask_sub_packets, (10, (2, 3)))
            await line.say(pieces[1], pieces[2])
            heard = [each for each in await line.hear(jt808.feed, 4) if each.id == Id.platform_answer]
            assert sorted(bodies.answer(each.body).serial for each in heard) == [10, 11, 12, 13]
            assert len(city.batches[0].places) == 10

            locating = asyncio.ensure_future(jt808_door.locate(door.gateway, f"d{PHONE}"))
            (asked,) = await line.hear(jt808.feed)
            assert asked.id == Id.locate
            answer = asked.serial.to_bytes(2, "big") + position(1)
            await line.say(jt808.write(Id.locate_answer, PHONE, 30, answer, 2013))
            assert (await locating).longitude == 114.05

            await line.say(pieces[0])  # the rest never comes
            await until(lambda: door.gateway.figures.lost == 1)
            assert city.kept[-1].reason == "packets_missing"
            assert city.kept[-1].raw == pieces[0]

    run(scene())


def test_a_station_reports_and_is_confirmed_as_its_mode_has_it() -> None:
    async def scene() -> None:
        city = City(
            {STATION: "03E8", "0012345678": "1234"}, d0012345678=Device("d0012345678", answers=False)
        )  # fmt: skip
        async with running(Sl651, city) as door:
            line = await door.dial()
            timed, heartbeat = vectors.binary("sl651")[3], vectors.binary("sl651")[0]
            await line.say(timed)
            (answer,) = await line.hear(sl651.feed)
            assert (answer.function, answer.end, answer.station, answer.centre) == (0x32, sl651.EOT, STATION, 5)
            assert answer.body.hex() == "0034260718110016"
            await line.say(heartbeat, vectors.binary("sl651")[2])  # of a station of M1, which hears nothing
            assert await line.silent()
            assert [(each.device, each.kind, len(each.readings)) for each in city.batches] == [
                (f"d{STATION}", "32", 4), ("d0012345678", "2F", 0), ("d0012345678", "30", 4)
            ]  # fmt: skip
            assert "clock_wrong" in city.batches[2].deviations  # it says 2059
            assert "clock_wrong" not in city.batches[0].deviations

    run(scene())


def test_packets_of_a_picture_that_were_lost_are_asked_for_one_by_one() -> None:
    async def scene() -> None:
        city = City({"0012345678": "1234"})
        pieces = vectors.binary("sl651_picture")
        async with running(Sl651, city) as door:
            line = await door.dial()
            broken = pieces[4][:100] + b"\0" + pieces[4][101:]
            await line.say(*pieces[:4], broken, *pieces[5:9], *pieces[10:])
            for missing in (5, 10):
                (asked,) = await line.hear(sl651.feed)
                assert (asked.end, asked.packet, asked.body.hex()[:4]) == (sl651.NAK, Packet(missing, 13), "0005")
                assert city.batches == []
                await line.say(pieces[missing - 1])
            (done,) = await line.hear(sl651.feed)
            assert (done.end, done.packet) == (sl651.EOT, Packet(13, 13))
            (picture,) = city.batches[0].pictures
            assert (len(picture.image), picture.station) == (3313, "0012345678")
            assert [each.reason for each in city.kept] == ["crc_wrong"]
            await line.say(pieces[0])
            await until(lambda: door.gateway.budget.left < QUICK.held)

    run(scene())


def test_a_station_is_asked_and_its_answer_kept() -> None:
    async def scene() -> None:
        city = City({STATION: "03E8"})
        async with running(Sl651, city) as door:
            with pytest.raises(Absent):
                await sl651_door.query(door.gateway, f"d{STATION}", STATION, sl651.NOW)
            line = await door.dial()
            await line.say(vectors.binary("sl651")[3])
            await line.hear(sl651.feed)
            asking = asyncio.ensure_future(sl651_door.query(door.gateway, f"d{STATION}", STATION, sl651.NOW))
            (asked,) = await line.hear(sl651.feed)
            assert (asked.function, asked.end, asked.upward) == (0x37, sl651.ENQ, False)
            body = hexadecimal.head(9, NOW) + hexadecimal.address(STATION, "H") + hexadecimal.observed(NOW)
            await line.say(sl651.write(HEADER, sl651.NOW, body + hexadecimal.element("Z", 3.5), sl651.ETX))
            assert [each.number for each in (await asking).readings] == [3.5]
            assert [each.end for each in await line.hear(sl651.feed)] == [sl651.EOT]
            with pytest.raises(NoAnswer):
                await sl651_door.query(door.gateway, f"d{STATION}", STATION, sl651.STATUS)
            assert [each.function for each in await line.hear(sl651.feed, 3)] == [0x46] * 3
            assert reports.header(asked) == HEADER

    run(scene())


def test_a_flooding_device_is_slowed_and_others_are_not() -> None:
    async def scene() -> None:
        limits = msgspec.structs.replace(QUICK, frames_per_second=200, burst=0.5, answer=timedelta(seconds=5))
        async with running(Hj212, City({MN: "123456", MN2: "123456"}), limits) as door:
            flooding, quiet = await door.dial(), await door.dial()
            started = asyncio.get_running_loop().time()
            flood = asyncio.ensure_future(flooding.say(*[upload(flag=4)] * 300, upload()))
            waits = []
            for _turn in range(5):
                before = asyncio.get_running_loop().time()
                await quiet.say(upload(MN2))
                await quiet.hear(hj212.feed)
                waits.append(asyncio.get_running_loop().time() - before)
            await flood
            await flooding.hear(hj212.feed)
            took = asyncio.get_running_loop().time() - started
            assert took >= (301 - 100) / 200 * 0.9  # what it may send at once, and then its rate
            assert sorted(waits)[2] < took
            assert door.gateway.figures.frames == 306  # nothing of the flood is lost
            assert door.gateway.figures.slowed > 0

    run(scene())


@pytest.mark.parametrize("talk", [Hj212, Jt808, Sl651])
def test_garbage_ends_the_connection_and_harms_nobody(talk: type[Hj212 | Jt808 | Sl651]) -> None:
    async def scene() -> None:
        city = City({MN: "123456"})
        limits = msgspec.structs.replace(QUICK, faults=20, quarantine_per_second=0.1)
        chance = random.Random(7)  # noqa: S311 - no secret
        async with running(talk, city, limits) as door:
            line = await door.dial()
            try:
                for _turn in range(400):
                    await line.say(b"##0010\r\n\x7e\x7e\x01\x7e" + chance.randbytes(3000))
            except ConnectionError:
                pass
            assert await line.closed()
            await until(lambda: door.gateway.figures.connections == 0)
            assert len(city.kept) == 1  # as its rate allows; the others are counted
            assert all(len(each.raw) <= limits.kept for each in city.kept)
            assert door.gateway.figures.unkept == door.gateway.figures.faults - 1 >= limits.faults

    run(scene())


def test_who_does_not_say_who_he_is_and_who_says_nothing_is_sent_away() -> None:
    async def scene() -> None:
        limits = msgspec.structs.replace(
            QUICK, introduction=timedelta(milliseconds=600), idle=timedelta(milliseconds=1200), unknown=3, connections=6
        )
        async with running(Hj212, City({MN: "123456"}), limits) as door:
            strangers = [await door.dial() for _each in range(5)]
            assert await strangers[0].closed()  # the oldest two go for the newest two
            assert await strangers[1].closed()
            known = await door.dial()
            await known.say(upload())
            await known.hear(hj212.feed)
            for each in strangers[2:]:
                assert await each.closed()
            assert door.gateway.figures.connections == 1
            again = await door.dial()
            await again.say(upload())  # the same device on a new connection: the old one is dead
            await again.hear(hj212.feed)
            assert await known.closed()
            assert await again.closed()  # idle
            assert door.gateway.figures.opened == 7

    run(scene())


def test_hundreds_reconnect_at_once_within_bounds() -> None:
    async def scene() -> None:
        number = 200
        limits = msgspec.structs.replace(QUICK, identifying=8, answer=timedelta(seconds=20))
        names = [f"{each:024X}" for each in range(number)]
        city = City(dict.fromkeys(names, "123456"))

        async def one(name: str) -> str:
            line = await door.dial()
            await line.say(upload(name))
            (answer,) = await line.hear(hj212.feed)
            return str(answer.mn)

        async with running(Hj212, city, limits) as door:
            for _turn in range(2):
                assert await asyncio.gather(*map(one, names)) == names
            assert city.most_at_once <= 8
            assert len(city.batches) == 2 * number
            await until(lambda: door.gateway.figures.connections == number)  # each old connection was closed
            assert door.gateway.devices_present() == number

    run(scene())


def test_a_bucket() -> None:
    bucket = Bucket(10, 20)
    assert [bucket.take(10, 0.0), bucket.take(10, 0.0), bucket.take(5, 0.0)] == [0.0, 0.0, 0.5]
    assert bucket.take(0, 0.5) == 0.0
    assert not bucket.allows(1, 0.5)
    assert bucket.allows(20, 100.0)
