"""SL 651: published frames of every function, a published picture in 13 packets, both encodings written and read."""

from datetime import datetime, timedelta

import pytest

from cityloom.sensing.intake.framing import CHINA, Packet, Unreadable, implausible
from cityloom.sensing.intake.sl651 import bodies, characters, elements, frames, hexadecimal, numbers
from cityloom.sensing.intake.sl651.reports import Report
from cityloom.sensing.spec.quantities import Interval
from sensing.protocols import vectors

NOW = datetime(2026, 7, 18, 11, 0, 16, tzinfo=CHINA)
STATION = "0011223344"
HEX = frames.Header(5, STATION, 0x03E8)
ASCII = frames.Header(5, STATION, 0x03E8, "ascii")


def published() -> list[frames.Frame]:
    return [each for raw in vectors.binary("sl651") for each in frames.feed(raw).frames]


def report(function: int, station: str = STATION) -> Report:
    (frame,) = [each for each in published() if each.function == function and each.station == station]
    return bodies.read(frame)


def texts(said: Report) -> list[tuple[str, str]]:
    return [(each.code, each.text) for each in said.readings]


def test_published_frames_are_read_and_written_back() -> None:
    fed = [frames.feed(raw) for raw in vectors.binary("sl651")]
    assert [fault.code for each in fed for fault in each.faults] == ["crc_wrong"]
    assert len(published()) == 23
    for frame in published():
        if frame.deviations:  # one speaks upward with the addresses turned: read as what it is
            assert (frame.function, frame.deviations, frame.upward) == (0x50, ("direction_wrong",), False)
            assert (frame.station, frame.centre) == (STATION, 5)
            continue
        again = frames.write(bodies.header(frame), frame.function, frame.body, frame.end, frame.upward)
        assert again == frame.raw


def test_reports_of_a_river_station() -> None:
    timed = report(0x32)
    assert (timed.serial, timed.sent) == (52, datetime(2017, 7, 18, 11, 0, 16, tzinfo=CHINA))
    assert (timed.stations, timed.kinds) == ((STATION,), ("H",))
    assert texts(timed) == [("PJ", "4.0"), ("PT", "4.0"), ("Z", "10.490"), ("VT", "10.99")]
    assert [each.number for each in timed.readings] == [4.0, 4.0, 10.49, 10.99]
    assert {each.start for each in timed.readings} == {datetime(2017, 7, 18, 11, tzinfo=CHINA)}
    assert texts(report(0x33))[-1] == ("VT", "11.02")
    assert texts(report(0x30, "0012345678")) == [("PJ", "0.5"), ("PT", "0.5"), ("Z", "0.127"), ("VT", "11.15")]
    assert texts(report(0x37, "0012345678"))[2] == ("Z", "0.122")
    heartbeat = report(0x2F, "0012345678")
    assert (heartbeat.readings, heartbeat.sent) == ([], datetime(2059, 10, 11, 15, 51, 11, tzinfo=CHINA))


def test_the_hourly_report_has_four_groups_of_observations() -> None:
    hourly = report(0x34)
    rain = [each for each in hourly.readings if each.code == "DRP"]
    assert [each.number for each in rain] == [0.5, 0.0, 0.0, 0.0, 2.0, None, None, None, None, None, 0.0, 0.0]
    ten = datetime(2017, 7, 18, 10, tzinfo=CHINA)
    assert next((each.start, each.end) for each in rain) == (ten, ten + timedelta(minutes=5))
    assert rain[-1].end == ten + timedelta(hours=1)
    levels = [each for each in hourly.readings if each.code == "DRZ1"]
    assert [each.number for each in levels] == [0.12, 0.12, 0.28, 0.49, 0.49, None, None, None, None, None, 0.49, 0.49]
    assert levels[0].start == ten + timedelta(minutes=5)
    assert texts(hourly)[12] == ("PT", "4.0")
    assert texts(hourly)[-3:] == [("Z", "10.490"), ("PJ", "4.0"), ("VT", "10.99")]
    for function in (0x38, 0x3A):
        assert [each.number for each in report(function).readings] == [each.number for each in rain]


def test_what_is_no_series_of_values() -> None:
    assert report(0x39, "0012345678").manual == "Q 1.234"
    basic = {each.id: each.data for each in report(0x40, "0012345678").parameters}
    assert basic[0x01] == b"\5\0\0\0"
    assert basic[0x02] == bytes.fromhex(STATION)
    assert basic[0x0F] == b"1013112345678"
    assert [each.id for each in report(0x41).parameters] == [1, 2, 3, 4, 5, 12, 13, 15]
    for function in (0x42, 0x43):
        assert len(report(function).parameters) == 13
    assert report(0x45).rest == b"\x11DATA86-SW-V1.2(H)"
    state = report(0x46)
    assert state.status == 0x400
    assert elements.status(0x400) == ("door_open",)  # the pump stopped: its bit is 1
    assert elements.status(0x80) == ("pump_running",)
    assert [(each.id, each.data) for each in report(0x49).parameters] == [(3, b"\x03\xe8")]
    assert len(report(0x50).rest) == 64
    assert [report(function).stations for function in (0x47, 0x48, 0x4A)] == [(STATION,)] * 3


def test_a_pump_of_two_thousand_volts_is_read_and_found_implausible() -> None:
    pump = report(0x44)
    assert texts(pump) == [(code, "2200.3") for code in ("VTA", "VTB", "VTC", "VIA", "VIB", "VIC")]
    assert [each.code for each in implausible(pump.readings, {"VTA": Interval(0, 500)})] == ["VTA"]


def test_a_picture_comes_together_from_thirteen_packets() -> None:
    fed = frames.feed(b"".join(vectors.binary("sl651_picture")))
    assert [each.packet for each in fed.frames] == [Packet(number, 13) for number in range(1, 14)]
    assert [each.last for each in fed.frames] == [False] * 12 + [True]
    said = bodies.read(bodies.whole(fed.frames))
    assert said.picture
    assert said.picture.image.startswith(bytes.fromhex("ffd8ffe000104a464946"))
    assert b"\xff\xd9" in said.picture.image[-4:]
    assert (len(said.picture.image), said.picture.station) == (3313, "0012345678")


@pytest.mark.parametrize("header", [HEX, ASCII])
def test_both_encodings_say_the_same(header: frames.Header) -> None:
    write = characters if header.encoding == "ascii" else hexadecimal
    rain: list[float | None] = [0.5, 0.0, 25.4, None] * 3
    body = (
        write.head(52, NOW) + write.address(STATION, "H") + write.observed(NOW) + write.element("Z", -10.49)
        + write.element("PT", 4.0) + write.element("VT", None) + write.element("P1", 3.0) + write.rain(rain)
        + write.address("4403000001", "P") + write.observed(NOW) + write.levels([0.12] * 12)
    )  # fmt: skip
    fed = frames.feed(frames.write(header, frames.TIMED, body, frames.ETX))
    assert (fed.faults, fed.rest) == ([], b"")
    (frame,) = fed.frames
    assert (frame.encoding, frame.centre, frame.station, frame.password) == (header.encoding, 5, STATION, 0x03E8)
    said = bodies.read(frame)
    assert (said.serial, said.sent, said.deviations) == (52, NOW, ())
    assert (said.stations, said.kinds) == ((STATION, "4403000001"), ("H", "P"))
    minute = NOW.replace(second=0)
    first = [(each.code, each.number, each.start, each.end) for each in said.readings[:4]]
    assert first == [
        ("Z", -10.49, minute, None), ("PT", 4.0, minute, None), ("VT", None, minute, None),
        ("P1", 3.0, minute - timedelta(hours=1), minute),
    ]  # fmt: skip
    assert [each.number for each in said.readings[4:16]] == rain
    assert {(each.station, each.code, each.number) for each in said.readings[16:]} == {("4403000001", "DRZ1", 0.12)}


def test_series_of_even_steps() -> None:
    levels: list[float | None] = [10.0, 10.123, None]
    body = hexadecimal.head(1, NOW) + hexadecimal.address(STATION, "H") + hexadecimal.observed(NOW)
    body += hexadecimal.series("Z", timedelta(hours=1), levels)
    (frame,) = frames.feed(frames.write(HEX, frames.UNIFORM, body, frames.ETX)).frames
    said = bodies.read(frame).readings
    assert [each.number for each in said] == levels
    assert said[2].start - said[0].start == timedelta(hours=2)
    body = characters.head(1, NOW) + characters.address(STATION, "H") + characters.observed(NOW)
    body += characters.series(["Z", "Q"], timedelta(minutes=10), [[1.0, 2.0], [None, 3.0]])
    (frame,) = frames.feed(frames.write(ASCII, frames.UNIFORM, body, frames.ETX)).frames
    assert [(each.code, each.number) for each in bodies.read(frame).readings] == [
        ("Z", 1.0), ("Q", 2.0), ("Z", None), ("Q", 3.0)
    ]  # fmt: skip
    assert numbers.step(numbers.write_step(timedelta(days=3))) == timedelta(days=3)


def test_ascii_frames_look_as_table_16_has_them() -> None:
    body = b"0034260718110016ST 0011223344 H TT 2607181100 Z 10.490 VT 10.99 "
    raw = frames.write(ASCII, frames.TIMED, body, frames.ETX)
    assert raw.startswith(b"\x0105001122334403E8320040\x02" + body + b"\x03")
    said = bodies.read(frames.feed(raw).frames[0])
    assert (said.serial, texts(said)) == (0x34, [("Z", "10.490"), ("VT", "10.99")])
    loose = frames.write(ASCII, frames.TIMED, body + b"ZT 00000400 NEW 7 Z x", frames.ETX)
    said = bodies.read(frames.feed(loose).frames[0])
    assert said.status == 0x400
    assert said.deviations == ("element_unknown", "last_space_missing", "value_unreadable")
    manual = frames.write(ASCII, frames.MANUAL, b"0034260718110016RGZS Q 1.234", frames.ETX)
    assert bodies.read(frames.feed(manual).frames[0]).manual == "Q 1.234"
    image = b"\xff\xd8 \x01\x02\x03"
    packets = frames.split(ASCII, frames.PICTURE, body[:43] + b"PIC " + image, 20)
    said = bodies.read(bodies.whole(frames.feed(b"".join(packets)).frames))
    assert said.picture
    assert said.picture.image == image


def test_answers_of_the_centre() -> None:
    (timed,) = [each for each in published() if each.function == 0x32]
    said = frames.feed(bodies.confirm(timed, 52, NOW)).frames[0]
    assert (said.upward, said.station, said.centre, said.end) == (False, STATION, 5, frames.EOT)
    assert said.body.hex() == "0034260718110016"
    assert frames.feed(bodies.confirm(timed, 52, NOW, stay=True)).frames[0].end == frames.ESC
    pieces = frames.feed(b"".join(vectors.binary("sl651_picture"))).frames
    again = frames.feed(bodies.ask_again(pieces[3], 5, 7, NOW)).frames[0]
    assert (again.end, again.packet) == (frames.NAK, Packet(7, 13))
    done = frames.feed(bodies.confirm(pieces[-1], 5, NOW)).frames[0]
    assert (done.end, done.packet) == (frames.EOT, Packet(13, 13))
    for header in (HEX, ASCII):
        asked = frames.feed(bodies.query(header, frames.NOW, NOW)).frames[0]
        assert (asked.end, asked.function, asked.encoding) == (frames.ENQ, 0x37, header.encoding)


def test_numbers() -> None:
    assert numbers.decimal(bytes.fromhex("ff000127"), 3) == numbers.Value("-0.127", -0.127)
    assert numbers.decimal(bytes.fromhex("ffffff"), 1) == numbers.MISSING
    assert numbers.decimal(b"\x07", 0) == numbers.Value("7", 7.0)
    with pytest.raises(Unreadable, match="bcd"):
        numbers.decimal(b"\xaa\xaa", 1)
    with pytest.raises(ValueError, match="digits"):
        numbers.write_decimal(1e9, 4, 1)
    assert numbers.hours(numbers.Value("1.30", 1.3)).number == 1.5
    assert len(elements.ELEMENTS) == 0x75 - 2  # 01 to 75 without the time step 04 and the bits 45; special ones apart
