"""HJ 212: the standard's own example, its Annex C, frames of devices in the field, answers and commands."""

from datetime import UTC, datetime, timedelta

import pytest

from cityloom.sensing.intake import checksums
from cityloom.sensing.intake.framing import CHINA, Reading, Unreadable, clock_wrong, implausible
from cityloom.sensing.intake.hj212 import answers, frames, reports
from cityloom.sensing.intake.hj212.answers import Outcome, Readiness
from cityloom.sensing.spec.quantities import Interval
from sensing.protocols import vectors

MN = "010000A8900016F000169DC0"
NOON = datetime(2016, 8, 1, 12, tzinfo=CHINA)


def one(raw: bytes, profile: frames.Profile = frames.LENIENT) -> frames.Frame:
    fed = frames.feed(raw, profile)
    assert (fed.rest, fed.faults, len(fed.frames)) == (b"", [], 1), fed
    return fed.frames[0]


def values(raw: bytes, profile: frames.Profile = frames.LENIENT) -> list[tuple[str, str, float | None, str]]:
    return [(each.code, each.aspect, each.number, each.flag) for each in reports.report(one(raw), profile).readings]


def test_the_checksum_is_that_of_annex_a_and_not_that_of_modbus() -> None:
    segment = vectors.hj212()[0][6:-6]
    assert f"{checksums.hj212(segment):04X}" == "1C80"
    assert f"{checksums.modbus(segment):04X}" == "0759"
    assert checksums.hj212(b"") == checksums.modbus(b"") == 0xFFFF
    assert checksums.modbus(b"123456789") == 0x4B37  # the check value of CRC-16/MODBUS


def test_published_frames_are_read_and_written_back() -> None:
    read = [frames.feed(raw) for raw in vectors.hj212()]
    numbers = [each.cn for fed in read for each in fed.frames]
    assert " ".join(numbers) == "1062 1000 9011 9012 9014 2011 2051 2061 2011 2051 2061 2061 2081 2011 2011 2011"
    assert [fault.code for fed in read for fault in fed.faults] == ["crc_wrong"]
    assert read[-1].faults[0].raw == vectors.hj212()[-1]
    for fed in read[:13]:
        (frame,) = fed.frames
        assert frame.deviations == ()
        assert frame.version == 2017
        head = [("QN", frame.qn), ("ST", frame.st), ("CN", frame.cn), ("PW", frame.password), ("MN", frame.mn)]
        head.append(("Flag", str(frame.flag)))
        if frame.packet:
            head += [("PNUM", str(frame.packet.total)), ("PNO", str(frame.packet.number))]
        assert frames.write(tuple(head), frame.items) == frame.raw + b"\r\n"


def test_the_header_of_the_first_example() -> None:
    frame = one(vectors.hj212()[0])
    assert (frame.qn, frame.st, frame.cn, frame.password, frame.mn) == ("20160801085857223", "32", "1062", "100000", MN)
    assert (frame.flag, frame.wants_answer, frame.packet, frame.value("RtdInterval")) == (5, True, None, "30")


def test_values_of_the_standards_examples() -> None:
    raw = vectors.hj212()
    moment = reports.report(one(raw[5]))
    assert (moment.start, moment.end) == (datetime(2016, 8, 1, 8, 58, 57, tzinfo=CHINA), None)
    sampled = datetime(2016, 8, 1, 7, tzinfo=CHINA)
    assert moment.readings == [
        Reading(MN, "w01001", "Rtd", moment.start, None, 7.1, "7.1", "N"),
        Reading(MN, "w01018", "Rtd", sampled, None, 2.2, "2.2", "N", "A01"),
    ]
    assert values(raw[6]) == [
        ("w00000", "Cou", 10.5, "N"), ("w00000", "Min", 16.4, "N"), ("w00000", "Avg", 17.5, "N"),
        ("w00000", "Max", 20.1, "N"), ("w01001", "Min", 7.1, "N"), ("w01001", "Avg", 7.5, "N"), ("w01001", "Max", 7.8, "N"),
    ]  # fmt: skip
    hour = reports.report(one(raw[7]))
    assert (hour.start, hour.end) == (datetime(2016, 8, 1, 8, tzinfo=CHINA), datetime(2016, 8, 1, 9, tzinfo=CHINA))
    assert values(raw[8]) == [("LA", "Rtd", 50.1, "")]
    noise = [
        ("L5", 53.0),
        ("L10", 53.0),
        ("L50", 49.0),
        ("L90", 45.0),
        ("L95", 43.0),
        ("Leq", 50.0),
        ("LMx", 54.0),
        ("LMn", 42.0),
    ]
    assert values(raw[9]) == [(code, "Data", number, "") for code, number in noise]
    minutes = reports.report(one(raw[9]), frames.Profile(minutes=10))
    assert minutes.end == minutes.start + timedelta(minutes=10)
    assert reports.report(one(raw[9])).end is None
    parts = [one(raw[10]), one(raw[11])]
    assert [(each.packet.number, each.packet.total) for each in parts if each.packet] == [(1, 2), (2, 2)]
    assert [reports.report(each).readings[0].code for each in parts] == ["w00000", "w01018"]
    with pytest.raises(Unreadable, match="data_time_missing"):
        reports.report(one(raw[0]))


def test_devices_of_the_field_are_read_and_every_deviation_is_named() -> None:
    old, air, water = (one(raw) for raw in vectors.hj212()[13:16])
    assert (old.version, old.qn, old.flag) == (2005, "", None)
    assert set(old.deviations) == {
        "crc_lower_case", "qn_missing", "flag_missing", "mn_characters"
    }  # fmt: skip
    assert reports.report(old).deviations == ("data_time_digits",)
    assert values(old.raw + b"\r\n") == [("ele01", "Rtd", 1.0, ""), ("ele02", "Rtd", 0.0, "")]
    assert (air.version, set(air.deviations)) == (2017, {"crc_lower_case", "mn_length", "mn_characters"})
    assert {code: number for code, _aspect, number, _flag in values(air.raw + b"\r\n")}["a21003"] == 101.94
    assert (water.version, "flag_unknown" in water.deviations) == (2025, True)
    assert reports.report(water, frames.Profile(factors=frozenset({"w01001"}))).deviations == ("factor_unknown",)


def test_a_wrong_checksum_is_taken_only_where_the_device_is_known_for_it() -> None:
    wrong = vectors.hj212()[16]
    frame = one(wrong, frames.Profile(wrong_crc=True))
    assert "crc_wrong" in frame.deviations
    assert values_of(frame) == [("B01", 36.91), ("011", 231.0), ("060", 1.803)]
    assert f"{checksums.hj212(wrong[6:-6]):04X}" == "3C00"


def values_of(frame: frames.Frame) -> list[tuple[str, float | None]]:
    return [(each.code, each.number) for each in reports.report(frame).readings]


def made(content: str, head: str = f"QN=20160801085857223;ST=32;CN=2011;PW=123456;MN={MN};Flag=5;") -> bytes:
    segment = f"{head}CP=&&{content}&&".encode()
    return b"##%04d%b%04X\r\n" % (len(segment), segment, checksums.hj212(segment))


@pytest.mark.parametrize(
    ("raw", "deviation"),
    [
        (made("DataTime=20160801085857;a-Rtd=1").replace(b"##01", b"##09"), "length_wrong"),
        (made("DataTime=20160801085857;a-Rtd=1").replace(b"##01", b"##00"), "length_wrong"),
        (made("DataTime=20160801085857;a-Rtd=1")[:-2] + made("DataTime=20160801085857;b-Rtd=1"), "crlf_missing"),
        (made("DataTime=20160801085857;a-Rtd=1;a-Rtd=2"), "key_repeated"),
        (made("DataTime=20160801085857;a-Rtd=1", f"ST=32;CN=2011;MN={MN};PNO=1;PNUM=2;Flag=6;"), "packet_order"),
        (made("DataTime=20160801085857;" + ";".join(f"x{n}-Rtd=1" for n in range(120))), "content_long"),
        (made("DataTime=20160801085857;" + ";".join(f"x{n}-Rtd=1" for n in range(120))), "segment_long"),
    ],
)  # fmt: skip
def test_what_is_forgiven_is_counted(raw: bytes, deviation: str) -> None:
    fed = frames.feed(raw)
    assert fed.faults == []
    assert deviation in fed.frames[0].deviations


def test_numbers_are_decimals_and_nothing_else() -> None:
    raw = made("DataTime=20160801085857;a-Rtd=-3.50;b-Rtd=NaN;c-Rtd=1e999;d-Rtd=;e-Rtd=+.5;f-Info=a,b//c;SB1-RS=1")
    report = reports.report(one(raw))
    assert [(each.code, each.number, each.text) for each in report.readings] == [
        ("a", -3.5, "-3.50"), ("b", None, "NaN"), ("c", None, "1e999"), ("d", None, ""), ("e", 0.5, "+.5"),
        ("f", None, "a,b//c"), ("SB1", 1.0, "1"),
    ]  # fmt: skip
    assert report.deviations == ("value_empty", "value_unreadable")


@pytest.mark.parametrize(
    ("segment", "code"),
    [
        ("ST=32;CN=2011;MN=1;", "content_missing"), ("ST=32;CN=2011;CP=&&&&", "mn_missing"), ("ST=32;MN=1;CP=&&&&", "cn_missing"),
        ("CN=2011;MN=1;Flag=x;CP=&&&&", "flag_broken"), ("CN=2011;MN=1;PNUM=1;PNO=2;CP=&&&&", "packet_broken"),
    ],
)  # fmt: skip
def test_a_frame_without_what_it_needs_is_a_fault(segment: str, code: str) -> None:
    raw = b"##%04d%b%04X\r\n" % (len(segment), segment.encode(), checksums.hj212(segment.encode()))
    fed = frames.feed(raw + vectors.hj212()[0])
    assert [(each.code, each.raw) for each in fed.faults] == [(code, raw)]
    assert len(fed.frames) == 1


def test_chinese_text_comes_as_utf8_or_gbk() -> None:
    utf8 = made("DataTime=20160801085857;i11001-Info=//清洗//")
    segment = utf8[6:-6].decode().encode("gbk")
    gbk = b"##%04d%b%04X\r\n" % (len(segment), segment, checksums.hj212(segment))
    assert [each.text for raw in (utf8, gbk) for each in reports.report(one(raw)).readings] == ["//清洗//"] * 2
    assert "text_gbk" in one(gbk).deviations


def test_answers_are_those_of_annex_c() -> None:
    asked = one(vectors.hj212()[5])
    assert answers.answer(asked, "9014") == vectors.hj212()[4]
    assert answers.answer(asked, "9011", Readiness.ready) == vectors.hj212()[2]
    assert answers.answer(asked, "9012", Outcome.done) == vectors.hj212()[3]
    old = one(made("DataTime=20160801085857;a-Rtd=1", f"QN=20160801085857223;ST=32;CN=2011;PW=123456;MN={MN};Flag=1;"))
    said = one(answers.answer(old, "9013"))
    assert (said.version, said.flag, said.value("QN"), said.st) == (2005, 0, "20160801085857223", "91")


def test_commands_are_those_of_annex_c() -> None:
    at = datetime(2016, 8, 1, 0, 58, 57, 223_999, tzinfo=UTC)
    qn = answers.number(at)
    assert answers.command(qn, "32", "1062", "100000", MN, answers.set_realtime_interval(30)) == vectors.hj212()[0]
    assert answers.command(qn, "32", "1000", "123456", MN, answers.set_patience(5, 3)) == vectors.hj212()[1]
    clock = one(answers.command(qn, "32", "1012", "123456", MN, answers.set_time(at, "w01018")))
    assert clock.items == ((("PolId", "w01018"),), (("SystemTime", "20160801085857"),))
    assert answers.set_minute_interval(10) == ((("MinInterval", "10"),),)
    for wrong in (29, 3601):
        with pytest.raises(ValueError, match="RtdInterval"):
            answers.set_realtime_interval(wrong)
    with pytest.raises(ValueError, match="MinInterval"):
        answers.set_minute_interval(7)


def test_what_cannot_be_true_is_found() -> None:
    readings = reports.report(one(vectors.hj212()[6])).readings
    found = implausible(readings, {"w01001": Interval(0, 7.6), "w00000": Interval(0, 1000)})
    assert [(each.code, each.aspect) for each in found] == [("w01001", "Max")]
    hour, year = timedelta(hours=1), timedelta(days=366)
    assert not clock_wrong(NOON - year, NOON, hour, year)
    assert clock_wrong(NOON + 2 * hour, NOON, hour, year)
    assert clock_wrong(NOON - 2 * year, NOON, hour, year)
