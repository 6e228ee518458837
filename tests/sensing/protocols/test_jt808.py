"""JT/T 808: messages of both editions as makers have published them, escapes, sub-packets, items, answers."""

from datetime import datetime

import pytest

from cityloom.sensing.intake.framing import CHINA, Packet, Unreadable
from cityloom.sensing.intake.jt808 import bodies, frames, positions
from cityloom.sensing.intake.jt808.bodies import Answer, Authentication, Id, RegisterAnswer, Registration
from cityloom.sensing.intake.jt808.positions import Item, Position
from cityloom.sensing.intake.parts import Budget, Parts
from sensing.protocols import vectors

NOW = datetime(2026, 1, 1, tzinfo=CHINA)


def messages() -> list[frames.Message]:
    return [each for raw in vectors.binary("jt808") for each in frames.feed(raw).frames]


def test_published_messages_are_read_and_written_back() -> None:
    read = messages()
    assert [(each.id, each.edition, each.phone, each.serial) for each in read] == [
        (0x0100, 2013, "000123456789", 10), (0x8100, 2013, "012345678900", 10), (0x8100, 2013, "012345678900", 10),
        (0x0102, 2013, "012345678900", 12345), (0x0002, 2013, "040021679287", 43), (0x0200, 2013, "123456789012", 126),
        (0x0704, 2013, "112233445566", 8888), (0x0001, 2013, "012345678900", 1203), (0x8001, 2013, "012345678900", 10),
        (0x0100, 2019, "00000000000123456789", 10), (0x0102, 2019, "00000000017299841738", 65535),
        (0x8100, 2019, "00000000017299841738", 65535), (0x0002, 2019, "12345678901234567890", 65535),
        (0x8001, 2019, "12345678901234567890", 65535), (0x0200, 2019, "00000860615754295917", 444),
        (0x8004, 2019, "00000000123456789012", 1),
    ]  # fmt: skip
    for each in read:
        again = frames.write(each.id, each.phone, each.serial, each.body, each.edition, protocol=each.protocol)
        assert again == each.raw
    (broken,) = [fault for raw in vectors.binary("jt808") for fault in frames.feed(raw).faults]
    assert (broken.code, broken.raw) == ("checksum_wrong", vectors.binary("jt808")[-1])


def test_registration_and_authentication() -> None:
    old, new = (bodies.registration(each) for each in messages() if each.id == Id.register)
    assert old == Registration(40, 50, "1234", "smallchi123", "CHI123", 1, "粤A12345", 2013)
    assert new == Registration(40, 50, "1234", "smallchi123", "CHI123", 1, "粤A12345", 2019)
    for said in (old, new, Registration(44, 300, "M", "MODEL", "T1", 0, "VIN", 2011)):
        edition: frames.Edition = 2019 if said.year == 2019 else 2013
        (message,) = frames.feed(frames.write(Id.register, "1", 1, bodies.write_registration(said), edition)).frames
        assert bodies.registration(message) == said
    first, second = (each for each in messages() if each.id == Id.authenticate)
    assert bodies.authentication(first) == Authentication("456121111")
    said = bodies.authentication(second)
    assert said == Authentication("pmYGzGukO8K4Z5lpIOTg8dqb3eprYaHBbXSPLtdbyG8=", "123456789012345", "3.7.15")
    assert bodies.write_authentication(said, 2019) == second.body


def test_answers() -> None:
    ready, unknown, new = (bodies.register_answer(each.body) for each in messages() if each.id == Id.register_answer)
    assert (ready, unknown) == (RegisterAnswer(100, 0, "123456"), RegisterAnswer(100, 4))
    assert new.code == "chwD0SE1fchwD0SE1fchwD0SE1f"
    assert bodies.write_register_answer(ready).hex() == "006400313233343536"
    assert bodies.write_register_answer(unknown).hex() == "006404"
    assert [bodies.answer(each.body) for each in messages() if each.id in (Id.terminal_answer, Id.platform_answer)] == [
        Answer(1000, 2, 0), Answer(100, 0x0200, 0), Answer(123, 456, 3)
    ]  # fmt: skip
    assert bodies.write_answer(Answer(123, 456, 3)).hex() == "007b01c803"
    for edition, body in ((2013, "109903000100020009"), (2019, "10990003000100020009")):
        assert bodies.missing_packets(bytes.fromhex(body)) == (0x1099, (1, 2, 9))
        assert bodies.write_missing_packets(0x1099, (1, 2, 9), edition).hex() == body
    for read in (
        bodies.answer,
        bodies.register_answer,
        bodies.missing_packets,
        positions.position,
        positions.positions,
    ):
        with pytest.raises(Unreadable):
            read(b"\x01")


def test_positions() -> None:
    first, second = (positions.position(each.body) for each in messages() if each.id == Id.location)
    at = datetime(2018, 10, 15, 10, 10, 10, tzinfo=CHINA)
    items = (Item(1, bytes.fromhex("00000064")), Item(2, bytes.fromhex("007d")))
    assert first == Position(at, 132.444444, 12.222222, 40, 6.0, 0, 1, 2, items)
    assert positions.alarms(first.alarms) == ("sos",)
    assert (second.latitude, second.longitude, second.direction) == (22.589078, 113.837718, 107)
    assert second.at == datetime(2021, 9, 17, 17, 25, 59, tzinfo=CHINA)
    assert (second.fixed, second.item(0x30), second.item(0x31)) == (True, b"\x19", b"\x0a")
    assert [each.id for each in second.items] == [0x01, 0x30, 0x31, 0x61, 0xE2]
    for message in messages():
        if message.id == Id.location:
            assert positions.write_position(positions.position(message.body)) == message.body


def test_positions_in_a_batch() -> None:
    (message,) = [each for each in messages() if each.id == Id.locations]
    batch = positions.positions(message.body)
    assert (batch.backfill, batch.faults) == (False, ())
    assert [(each.latitude, each.longitude, each.speed, each.direction) for each in batch.positions] == [
        (12.222222, 132.444444, 6.0, 0), (13.333333, 132.555555, 5.4, 120)
    ]  # fmt: skip
    assert positions.write_positions(batch.positions) == message.body
    cut = positions.positions(message.body[:-1])
    assert (len(cut.positions), cut.faults) == (1, ("count_wrong",))
    late = positions.positions(positions.write_positions(batch.positions, backfill=True))
    assert late.backfill


def test_the_base_is_never_lost_for_what_follows_it() -> None:
    base = positions.write_position(Position(NOW, 114.05, -22.54, -3, 12.3, 359, 0, 3))
    said = positions.position(base + bytes.fromhex("0104000000ff00ff20"))
    assert (said.longitude, said.latitude, said.altitude) == (114.05, -22.54, -3)
    assert said.deviations == ("items_broken",)
    assert said.items == (Item(1, b"\0\0\0\xff"), Item(-1, bytes.fromhex("00ff20")))
    assert positions.position(base + bytes.fromhex("010100010100")).deviations == ("item_repeated",)


def test_swapped_axes_are_found() -> None:
    swapped = positions.write_position(Position(NOW, 40.058359, 116.307629, 0, 0, 0, 0, 0))
    assert positions.position(swapped).deviations == ("axes_swapped",)
    nowhere = positions.write_position(Position(NOW, 200.0, 116.0, 0, 0, 400, 0, 0))
    assert positions.position(nowhere).deviations == ("position_impossible", "direction_impossible")


def test_lost_zeros_are_seen_by_the_length_where_the_checksum_sees_nothing() -> None:
    raw = vectors.binary("jt808")[0]
    lost = raw.replace(b"\0\0\0\0", b"", 1)
    assert len(lost) < len(raw)
    assert [each.code for each in frames.feed(lost).faults] == ["length_wrong"]
    assert [
        each.code for each in frames.feed(raw.replace(b"\x11" if b"\x11" in raw else b"\x31", b"\x7d", 1)).faults
    ] == ["escape_broken"]


def test_everything_is_escaped_and_a_sign_may_be_shared() -> None:
    body = bytes(range(256)) + b"\x7e\x7d\x01\x02" * 100
    first = frames.write(0x0900, "13800138000", 7, body, 2013)
    assert first[1:-1].count(b"\x7e") == 0
    fed = frames.feed(first[:-1] + frames.write(2, "1", 1) + frames.write(2, "1", 2)[1:])
    assert [each.body for each in fed.frames] == [body, b"", b""]
    assert fed.faults == []
    with pytest.raises(ValueError, match="1023"):
        frames.write(1, "1", 1, bytes(1024))


def test_sub_packets_come_together_in_any_order_and_within_bounds() -> None:
    body = bytes(range(256)) * 12
    pieces = frames.feed(b"".join(frames.split(0x0801, "13800138000", 65534, body, 2013, 1000))).frames
    assert [each.packet for each in pieces] == [Packet(number, 4) for number in (1, 2, 3, 4)]
    budget = Budget(1 << 20)
    parts = Parts[frames.Message](budget, sets=2)

    def add(key: int, at: int) -> list[frames.Message] | None:
        packet = pieces[at].packet
        assert packet
        return parts.add(key, packet, pieces[at], len(pieces[at].raw), NOW)

    assert [add(0, at) for at in (2, 0, 0, 3)] == [None] * 4
    ((_key, held),) = parts.open()
    assert held.missing() == (2,)
    whole = add(0, 1)
    assert whole
    assert frames.whole(whole).body == body
    assert budget.left == 1 << 20
    for key in range(3):
        add(key, 0)
    assert [len(each.parts) for each in parts.lost] == [1]  # the oldest of three
    parts.close()
    assert budget.left == 1 << 20
    tight = Parts[frames.Message](Budget(500))
    assert tight.add(0, Packet(1, 2), pieces[0], 1000, NOW) is None
    assert len(tight.lost) == 1


def test_what_is_no_message_is_dropped_within_bounds() -> None:
    fed = frames.feed(b"\x7e" + bytes(frames.LONGEST + 1))
    assert (fed.frames, fed.rest, [each.code for each in fed.faults]) == ([], b"", ["message_long"])
