"""Devices on real sockets before a real database: registered, approved, heard, read again by SensorThings, and refused."""

import asyncio
import io
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest
from openpyxl import Workbook
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from cityloom.kernel.jobs import platform_context
from cityloom.sensing import jobs
from cityloom.sensing.contracts.devices import Protocol
from cityloom.sensing.gateways.serve import Gatehouse
from cityloom.sensing.intake.actors import ACTORS, Actor, Simulated
from cityloom.sensing.intake.framing import CHINA, Speech
from cityloom.sensing.intake.hj212 import frames as hj212
from sensing.conftest import City
from sensing.protocols.gateway_kit import Line, run, until
from sensing.sensing_kit import Door

ROOT = "/api/sensing/devices"
MN = "51A0000000000000000000A1"


def wish(protocol: str, number: str, station: str, **more: Any) -> dict[str, Any]:
    place = {} if protocol == "jt808" else {"longitude": 114.06, "latitude": 22.54, "district": "Futian"}
    secret = {"secret": more.pop("secret")} if "secret" in more else {}
    numbers = [{"protocol": protocol, "number": number, **secret}]
    return {"name": f"{station} {number}", "station": station, "numbers": numbers, **place, **more}


def registered(door: Door, **body: Any) -> Any:
    answer = door.send("POST", ROOT, wish(**body))
    assert answer.status_code == 201, answer.text
    return answer.json()


def done(answer: Any) -> Any:
    """The document of an answer that is no refusal."""
    assert answer.status_code == 200, answer.text
    return answer.json()


def moved(door: Door, id: int, move: str, reason: str = "") -> Any:
    return done(door.send("POST", f"{ROOT}/{id}/moves", {"move": move, "reason": reason}))


def approved(door: Door, **body: Any) -> int:
    made = registered(door, **body)
    return int(moved(door, made["device"]["id"], "approve")["id"])


@asynccontextmanager
async def gates(town: City) -> AsyncIterator[Gatehouse]:
    """The gateways of the town, on ports that the system chose."""
    house = Gatehouse(town.parts)
    await house.start("127.0.0.1")
    try:
        yield house
    finally:
        await house.stop()


async def dial(house: Gatehouse, speech: str) -> Line:
    return Line(*await asyncio.open_connection("127.0.0.1", house.ports[Protocol(speech)]))


async def answered(line: Line, actor: Actor, raw: bytes, keys: int = 1) -> list[str]:
    """The names of the answers to a frame."""
    await line.say(raw)
    heard: list[str] = []
    rest = b""
    async with asyncio.timeout(20):
        while len(heard) < keys:
            data = await line.reader.read(4096)
            assert data, "closed"
            rest, names, _replies = actor.hear(rest + data)
            heard += names
    return heard


def upload(mn: str, secret: str, at: datetime, *fields: tuple[str, str], cn: str = "2011", qn: str = "") -> bytes:
    """A frame of HJ 212 that wants an answer."""
    stamp = at.astimezone(CHINA).strftime("%Y%m%d%H%M%S")
    head = (("QN", qn or f"{stamp}000"), ("ST", "32"), ("CN", cn), ("PW", secret), ("MN", mn), ("Flag", "5"))
    return hj212.write(head, ((("DataTime", stamp),), fields))


def values(door: Door, thing: int, code: str, series: str = "now", aspect: str = "Rtd") -> list[Any]:
    """All Observations of one quantity, oldest first."""
    path = (
        f"Things({thing})/Datastreams?$filter=properties/code eq '{code}' and properties/series eq '{series}' and properties/aspect eq '{aspect}'"
        "&$expand=Observations($orderby=phenomenonTime)"
    )
    [found] = door.get(path)["value"]
    return list(found["Observations"])


def test_an_outlet_is_heard_over_a_socket_and_read_again(town: City) -> None:
    """HJ 212: answered after the commit; sent again it is kept once; a correction is kept; the frame is there as it came."""
    civil = town.civil
    id = approved(civil, protocol="hj212", number=MN, station="sewage_outlet", secret="123456")
    thing = civil.get(f"{ROOT}/{id}")["thing"]
    at = town.clock.now()
    first = upload(MN, "123456", at, ("w01018-Rtd", "32.5"), ("w01018-Flag", "N"), ("w99999-Rtd", "1"))
    hour = upload(
        MN,
        "123456",
        at,
        ("w01018-Avg", "30.25"),
        ("w01018-Max", "44"),
        ("w01018-Flag", "D"),
        cn="2061",
        qn="20260101000000001",
    )

    async def scene() -> None:
        async with gates(town) as house:
            line = await dial(house, "hj212")
            actor = ACTORS[Speech.hj212](Simulated(MN, "123456"), 1, 0)
            assert await answered(line, actor, first) == [hj212.feed(first).frames[0].qn]
            await answered(line, actor, first)
            await answered(line, actor, hour)
            mended = upload(MN, "123456", at, ("w01018-Rtd", "31"), ("w01018-Flag", "N"))
            await answered(line, actor, mended)
            line.writer.close()
        async with gates(town) as house:  # started anew, and told again what it knew
            line = await dial(house, "hj212")
            await answered(line, actor, first)
            line.writer.close()

    run(scene())
    found = values(civil, thing, "w01018")
    assert [each["result"] for each in found] == [32.5, 31]
    assert {datetime.fromisoformat(each["phenomenonTime"]) for each in found} == {at.replace(microsecond=0)}
    [mean] = values(civil, thing, "w01018", "hours", "Avg")
    start, _, end = mean["phenomenonTime"].partition("/")
    assert datetime.fromisoformat(end) - datetime.fromisoformat(start) == timedelta(hours=1)
    assert (mean["result"], mean["resultQuality"]) == (30.25, {"flag": "D"})
    device = civil.get(f"{ROOT}/{id}")
    assert (device["state"], device["signs"]["health"]) == ("in_service", "online")
    assert [device["signs"][each] for each in ("frames", "readings", "repeated", "undeclared")] == [5, 4, 2, 3]
    frames = civil.get(f"{ROOT}/{id}/frames")["items"]
    assert bytes.fromhex(frames[-1]["raw"]) == first.rstrip(b"\r\n")
    assert [each["kind"] for each in frames] == ["2011", "2011", "2061", "2011", "2011"]
    assert town.other.refused("GET", f"{ROOT}/{id}") == (404, "device_missing")
    acts = [each["act"] for each in civil.get(f"{ROOT}/{id}/log")]
    assert acts == ["in_service", "approve", "registered"]
    assert id not in [each["id"] for each in town.other.get(ROOT)["items"]]


def test_a_station_of_a_river_is_heard(town: City) -> None:
    """SL 651: level, rain and battery in one frame; the password stands for a hexadecimal number."""
    id = approved(town.civil, protocol="sl651", number="0012345678", station="river_station", secret="04d2")
    actor = ACTORS[Speech.sl651](Simulated("0012345678", "04D2"), 3, 0)

    async def scene() -> None:
        async with gates(town) as house:
            line = await dial(house, "sl651")
            said = actor.message(town.clock.now())
            assert await answered(line, actor, said.raw) == [said.key]
            line.writer.close()

    run(scene())
    thing = town.civil.get(f"{ROOT}/{id}")["thing"]
    [level] = values(town.civil, thing, "Z", "", "")
    assert 0 < level["result"] < 50
    [rain] = values(town.civil, thing, "PN05", "", "")
    assert rain["phenomenonTime"].count("/") == 1
    assert rain["result"] >= 0


def test_a_terminal_registers_itself_and_waits_until_somebody_approves_it(town: City) -> None:
    """JT/T 808: unknown while it waits, room for so many; then its code, its track, and its place; refused after that."""
    other = town.other
    number, late = "13900000001", "13900000002"

    async def introduce(house: Gatehouse, phone: str, seed: int = 1) -> tuple[Actor, Line, str]:
        actor = ACTORS[Speech.jt808](Simulated(phone, "simulated"), seed, 0)
        line = await dial(house, "jt808")
        said = actor.hello(town.clock.now())
        assert said is not None
        await answered(line, actor, said.raw)
        return actor, line, vars(actor)["_code"]

    async def waits() -> None:
        async with gates(town) as house:
            for phone in (number, late, "13900000003"):
                _actor, line, code = await introduce(house, phone)
                assert code == "simulated"  # the answer was no
                line.writer.close()

    run(waits())
    queue = other.get(f"{ROOT}?status=registered")["items"]
    assert [each["numbers"][0]["number"] for each in queue] == [number, late]
    assert queue[0]["traits"]["terminal"] == "0000001"
    waiting = town.civil.get(f"{ROOT}?status=registered")["items"]
    assert not {each["name"] for each in waiting} & {each["name"] for each in queue}
    moved(other, queue[0]["id"], "approve")
    moved(other, queue[1]["id"], "refuse", "not ours")

    async def drives() -> None:
        async with gates(town) as house:
            actor, line, code = await introduce(house, number)
            assert code != "simulated"
            for phone, same in ((number, code), (late, "simulated")):  # the same again: asking twice harms nobody
                _actor, second, again = await introduce(house, phone)
                assert again == same
                second.writer.close()
            said = actor.hello(town.clock.now())
            assert said is not None
            await answered(line, actor, said.raw)
            for _turn in range(2):
                report = actor.message(town.clock.now())
                assert await answered(line, actor, report.raw) == [report.key]
                town.clock.turn(seconds=30)
            line.writer.close()

    run(drives())
    vehicle = other.get(f"{ROOT}/{queue[0]['id']}")
    assert (vehicle["state"], vehicle["numbers"][0]["secret"]) == ("in_service", True)
    track = values(other, vehicle["thing"], "position", "", "")
    assert [each["result"]["type"] for each in track] == ["Point", "Point"]
    assert (
        len(values(other, vehicle["thing"], "speed", "", ""))
        == len(values(other, vehicle["thing"], "item_01", "", ""))
        == 2
    )
    [place] = other.get(f"Things({vehicle['thing']})/Locations")["value"]
    assert place["location"] == track[-1]["result"]


def test_strangers_and_the_suspended_are_not_heard_and_their_bytes_are_kept(town: City) -> None:
    civil = town.civil
    mn = "51A0000000000000000000A2"
    id = approved(civil, protocol="hj212", number=mn, station="sewage_outlet", secret="abcdef")
    at = town.clock.now()
    before = civil.get("Observations?$count=true&$top=0")["@iot.count"]

    async def scene() -> None:
        async with gates(town) as house:
            line = await dial(house, "hj212")
            for number, secret in (("51A0000000000000000000FF", "123456"), (mn, "wrong1")):
                await line.say(upload(number, secret, at, ("w01018-Rtd", "1")))
            assert await line.silent()
            actor = ACTORS[Speech.hj212](Simulated(mn, "abcdef"), 1, 0)
            await answered(line, actor, upload(mn, "abcdef", at, ("w01018-Rtd", "2")))
            await asyncio.to_thread(moved, civil, id, "suspend", "it lies")
            town.clock.turn(seconds=1)
            async with asyncio.timeout(10):  # forgotten by the running gateway, without a new connection
                while ("hj212", mn) in house.city._known:
                    await asyncio.sleep(0.05)
            await line.say(upload(mn, "abcdef", at + timedelta(minutes=1), ("w01018-Rtd", "3")))
            assert await line.silent()
            line.writer.close()

    run(scene())
    kept = civil.get("/api/sensing/quarantine")["items"]
    assert [each["reason"] for each in kept[:3]] == ["device_closed", "secret_wrong", "device_unknown"]
    assert b"w01018-Rtd=3" in bytes.fromhex(kept[0]["raw"])
    assert civil.get("Observations?$count=true&$top=0")["@iot.count"] == before + 1
    assert town.other.get("/api/sensing/quarantine?reason=secret_wrong")["items"] == []


def test_secrets_are_shown_once_and_rotated_and_revoked(town: City) -> None:
    civil, number = town.civil, "51A0000000000000000000A3"
    made = registered(civil, protocol="hj212", number=number, station="air_station")
    [issued] = made["issued"]
    assert len(issued["secret"]) == 6
    id = made["device"]["id"]
    with psycopg.connect(town.admin_url) as connection:
        rows = connection.execute("SELECT to_jsonb(n)::text FROM sensing.device_numbers n").fetchall()
    assert rows
    assert not any(issued["secret"] in row[0] for row in rows)
    again = civil.send("POST", f"{ROOT}/{id}/secrets", {"protocol": "hj212", "number": number}).json()
    assert again["secret"] != issued["secret"]
    assert civil.send("DELETE", f"{ROOT}/{id}/secrets/hj212/{number}").status_code == 204
    assert civil.get(f"{ROOT}/{id}")["numbers"][0]["secret"] is False
    refused = civil.refused("POST", f"{ROOT}/{id}/secrets", {"protocol": "sl651", "number": "0000000001"})
    assert refused == (404, "number_missing")
    assert civil.refused("POST", ROOT, wish("hj212", number, "air_station")) == (409, "number_taken")
    assert town.other.refused("POST", ROOT, wish("hj212", number, "air_station")) == (409, "number_taken")
    assert civil.refused("POST", f"{ROOT}/{id}/moves", {"move": "resume"}) == (409, "move_wrong")
    assert civil.refused("POST", f"{ROOT}/{id}/moves", {"move": "retire"}) == (422, "reason_needed")
    assert civil.refused("POST", ROOT, wish("hj212", "x;y", "air_station")) == (422, "number_wrong")
    assert civil.refused("POST", ROOT, wish("hj212", "B1", "nothing")) == (422, "station_unknown")


SHEET = [
    ("名称", "站点类型", "协议", "编号", "密码", "经度", "纬度", "行政区", "分组"),
    ("Outlet 1", "sewage_outlet", "HJ212", "51A0000000000000000000B1", "111111", 114.1, 22.6, "Luohu", "north; big"),
    ("Outlet 2", "sewage_outlet", "HJ212", "51A0000000000000000000B2", "", 114.1, 22.6, "Luohu", ""),
]
BROKEN = [
    ("", "sewage_outlet", "HJ212", "51A0000000000000000000B3", "", 114.1, 22.6, "", ""),
    ("A", "kiosk", "HJ212", "51A0000000000000000000B4", "", 114.1, 22.6, "", ""),
    ("B", "sewage_outlet", "telex", "51A0000000000000000000B5", "", 114.1, 22.6, "", ""),
    ("C", "sewage_outlet", "HJ212", "51A0000000000000000000B1", "", 999, 22.6, "", ""),
    ("D", "sewage_outlet", "HJ212", MN[:-1] + ";", "", 114.1, None, "", ""),
]


def sheet(rows: list[tuple[Any, ...]]) -> bytes:
    book = Workbook()
    assert book.active is not None
    for row in rows:
        book.active.append(row)
    kept = io.BytesIO()
    book.save(kept)
    return kept.getvalue()


def brought(door: Door, rows: list[tuple[Any, ...]], trial: bool) -> Any:
    headers = {**door.headers, "content-type": "application/octet-stream"}
    answer = door.client.post(f"{ROOT}/import?trial={str(trial).lower()}", content=sheet(rows), headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_sheet_of_devices_is_kept_whole_or_not_at_all(town: City) -> None:
    civil = town.civil
    count = len(civil.get(ROOT)["items"])
    for trial in (True, False):
        found = brought(civil, SHEET + BROKEN, trial)
        assert not found["kept"]
        assert [(each["row"], each["column"], each["code"].removeprefix("sensing.")) for each in found["faults"]] == [
            (4, "名称", "cell_empty"), (5, "站点类型", "station_unknown"), (6, "协议", "protocol_unknown"),
            (7, "经度", "cell_degrees"), (7, "编号", "number_twice"), (8, "编号", "number_wrong"),
        ]  # fmt: skip
        assert len(civil.get(ROOT)["items"]) == count
    assert brought(civil, SHEET, trial=True)["kept"] is False
    assert len(civil.get(ROOT)["items"]) == count
    found = brought(civil, SHEET, trial=False)
    assert (found["rows"], found["kept"], [each["number"][-2:] for each in found["issued"]]) == (2, True, ["B2"])
    both = civil.get(f"{ROOT}?group=north")["items"]
    assert [(each["name"], each["district"], each["state"]) for each in both] == [("Outlet 1", "Luohu", "registered")]
    taken = brought(civil, SHEET, trial=True)["faults"]
    assert [(each["row"], each["code"]) for each in taken] == [(2, "sensing.number_taken"), (3, "sensing.number_taken")]


def test_a_place_is_needed_and_moves_the_thing(town: City) -> None:
    civil = town.civil
    body = wish("hj212", "51A0000000000000000000A4", "noise_station")
    del body["longitude"], body["latitude"]
    id = civil.send("POST", ROOT, body).json()["device"]["id"]
    assert civil.refused("POST", f"{ROOT}/{id}/moves", {"move": "approve"}) == (422, "place_needed")
    assert civil.refused("PATCH", f"{ROOT}/{id}", {"longitude": 114.0}) == (422, "place_half")
    body = {"longitude": 114.0, "latitude": 22.5, "firmware": "2.1"}
    changed = done(civil.send("PATCH", f"{ROOT}/{id}", body))
    assert (changed["firmware"], changed["longitude"]) == ("2.1", 114.0)
    thing = moved(civil, id, "approve")["thing"]
    body = {"longitude": 114.2, "latitude": 22.6, "name": "At the gate"}
    done(civil.send("PATCH", f"{ROOT}/{id}", body))
    found = civil.get(f"Things({thing})?$expand=Locations,HistoricalLocations")
    assert found["name"] == "At the gate"
    assert [each["location"]["coordinates"] for each in found["Locations"]] == [[114.2, 22.6]]
    assert len(found["HistoricalLocations"]) == 2
    note = civil.send("POST", f"{ROOT}/{id}/log", {"note": "Battery replaced"}).json()
    assert (note[0]["act"], note[0]["note"]) == ("maintained", "Battery replaced")


def test_how_devices_are_is_found_and_counted(town: City) -> None:
    """The same value for hours; values that cannot be true; a level that went away; silence, and its end."""
    civil, clock = town.civil, town.clock
    numbers = {name: f"51A00000000000000000C{at:03d}" for at, name in enumerate(("stuck", "wild", "drift", "well"))}
    ids = {
        name: approved(civil, protocol="hj212", number=number, station="sewage_outlet", secret="111111")
        for name, number in numbers.items()
    }
    start = clock.now()

    def series(name: str, turn: int) -> tuple[str, str]:
        if name == "stuck":
            return ("w01018-Rtd", "30.0")
        if name == "wild":
            return ("w01001-Rtd", "99" if turn % 2 else f"7.{turn}")
        return ("w01001-Rtd", f"{(9.5 if name == 'drift' and turn >= 40 else 7) + turn / 1000:.3f}")

    async def scene() -> None:
        async with gates(town) as house:
            for name, number in numbers.items():
                line = await dial(house, "hj212")
                actor = ACTORS[Speech.hj212](Simulated(number, "111111"), 1, 0)
                # the first 40 of the day before, the others within the last hour
                frames = [
                    upload(number, "111111", start - timedelta(hours=30) + timedelta(minutes=turn) if turn < 40
                           else start - timedelta(minutes=80 - turn), series(name, turn), qn=f"2026010100000{turn:04d}")
                    for turn in range(80)
                ]  # fmt: skip
                commits = house.city.group.commits
                await answered(line, actor, b"".join(frames), 80)
                assert house.city.group.commits - commits < 8  # many frames, few commits
                line.writer.close()

    run(scene())
    judge = platform_context(town.parts, "test")
    jobs.judge_devices(judge)
    signs = {name: civil.get(f"{ROOT}/{id}")["signs"] for name, id in ids.items()}
    assert {name: (each["health"], each["causes"]) for name, each in signs.items()} == {
        "stuck": ("stuck", ["stuck w01018"]), "wild": ("implausible", ["implausible w01001"]),
        "drift": ("drifting", ["drifting w01001"]), "well": ("online", []),
    }  # fmt: skip
    clock.turn(hours=1)
    jobs.judge_devices(judge)
    assert civil.get(f"{ROOT}/{ids['well']}")["signs"]["health"] == "silent"
    assert len(civil.get(f"{ROOT}?health=silent&station=sewage_outlet")["items"]) >= 4
    coverage = civil.get("/api/sensing/coverage")["categories"]
    items = {item["code"]: item for category in coverage for theme in category["themes"] for item in theme["items"]}
    assert (len(coverage), sum(len(each["themes"]) for each in coverage), len(items)) == (6, 39, 106)
    outlet = items["sewage_outlet"]
    assert outlet["health"]["silent"] >= 4
    assert {each["district"] for each in outlet["districts"]} >= {"Futian"}
    assert sum(each["devices"] for each in outlet["districts"]) == outlet["devices"]
    assert items["tower_crane"]["devices"] == 0

    async def again() -> None:
        async with gates(town) as house:
            line = await dial(house, "hj212")
            actor = ACTORS[Speech.hj212](Simulated(numbers["well"], "111111"), 1, 0)
            await answered(line, actor, upload(numbers["well"], "111111", clock.now(), ("w01001-Rtd", "7.2")))
            line.writer.close()

    run(again())
    assert civil.get(f"{ROOT}/{ids['well']}")["signs"]["health"] == "online"


def test_frames_and_quarantine_go_when_their_time_is_over(town: City) -> None:
    civil = town.civil
    ctx = platform_context(town.parts, "test")
    number = "51A0000000000000000000A5"
    id = approved(civil, protocol="hj212", number=number, station="sewage_outlet", secret="111111")

    async def scene() -> None:
        async with gates(town) as house:
            line = await dial(house, "hj212")
            actor = ACTORS[Speech.hj212](Simulated(number, "111111"), 1, 0)
            await answered(line, actor, upload(number, "111111", town.clock.now(), ("w01001-Rtd", "7.2")))
            for turn in range(8):
                await line.say(upload(f"F{turn}", "111111", town.clock.now(), ("w01001-Rtd", "7.2")))
            await until(lambda: house.gateways[Protocol.hj212].figures.denied == 8)
            line.writer.close()

    run(scene())
    assert len(civil.get("/api/sensing/quarantine")["items"]) >= 8
    jobs.forget_frames(ctx)
    assert len(civil.get("/api/sensing/quarantine")["items"]) == 5
    assert len(civil.get(f"{ROOT}/{id}/frames")["items"]) == 1
    with psycopg.connect(town.admin_url) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute("SELECT sensing.drop_frames(current_date + 1, 0)")


@contextmanager
def away(town: City) -> Iterator[None]:
    """The database lets nobody in, and has thrown out whoever was."""
    name = conninfo_to_dict(town.admin_url)["dbname"]
    with psycopg.connect(make_conninfo(town.admin_url, dbname="postgres"), autocommit=True) as connection:
        connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false".encode())
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])
        try:
            yield
        finally:
            connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true".encode())


def test_what_the_database_cannot_take_now_is_not_acknowledged(town: City) -> None:
    """While the database is away nothing is answered, and the device sends again when it is back."""
    number = "51A0000000000000000000A6"
    id = approved(town.civil, protocol="hj212", number=number, station="sewage_outlet", secret="111111")
    thing = town.civil.get(f"{ROOT}/{id}")["thing"]
    first, second = (
        upload(number, "111111", town.clock.now() + timedelta(minutes=turn), ("w01001-Rtd", f"7.{turn}"), qn=f"2026010100000000{turn}")
        for turn in range(2)
    )  # fmt: skip

    async def scene() -> None:
        async with gates(town) as house:
            line = await dial(house, "hj212")
            actor = ACTORS[Speech.hj212](Simulated(number, "111111"), 1, 0)
            await answered(line, actor, first)
            with away(town):
                await line.say(second)
                await until(lambda: house.gateways[Protocol.hj212].figures.unavailable == 1)
                assert await line.silent()
            await answered(line, actor, second)
            line.writer.close()

    run(scene())
    assert [each["result"] for each in values(town.civil, thing, "w01001")] == [7.0, 7.1]
