"""What holds of every protocol: cut anywhere, with anything between, broken in any way, a stream gives its whole frames."""

import random
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cityloom.sensing.intake.framing import CHINA, Fed, Unreadable
from cityloom.sensing.intake.hj212 import frames as hj212
from cityloom.sensing.intake.hj212 import reports
from cityloom.sensing.intake.jt808 import bodies, positions
from cityloom.sensing.intake.jt808 import frames as jt808
from cityloom.sensing.intake.jt808.positions import Item, Position
from cityloom.sensing.intake.sl651 import bodies as reading
from cityloom.sensing.intake.sl651 import elements, hexadecimal
from cityloom.sensing.intake.sl651 import frames as sl651
from sensing.protocols import vectors

Feed = Callable[[bytes], Fed[Any]]


def _whole(feed: Feed, raws: list[bytes]) -> list[bytes]:
    return [raw for raw in raws if feed(raw).frames]


ASCII = sl651.Header(5, "0011223344", 1, "ascii")
PROTOCOLS: dict[str, tuple[Feed, int, list[bytes]]] = {
    "hj212": (hj212.feed, hj212.LONGEST, _whole(hj212.feed, vectors.hj212())),
    "jt808": (jt808.feed, jt808.LONGEST, _whole(jt808.feed, vectors.binary("jt808"))),
    "sl651": (
        sl651.feed, sl651.LONGEST,
        [*_whole(sl651.feed, vectors.binary("sl651")), sl651.write(ASCII, 0x32, b"0034260718110016VT 1 ", sl651.ETX)],
    ),
}  # fmt: skip
MARKS = {"hj212": b"#", "jt808": b"\x7e", "sl651": b"\x7e\x01"}


def read_all(name: str, frame: Any) -> None:
    """Everything that a gateway does with a frame."""
    try:
        if name == "hj212":
            reports.report(frame)
        elif name == "sl651":
            reading.read(frame)
        elif frame.id == bodies.Id.location:
            positions.position(frame.body)
        elif frame.id == bodies.Id.locations:
            positions.positions(frame.body)
        elif frame.id == bodies.Id.register:
            bodies.registration(frame)
        elif frame.id == bodies.Id.authenticate:
            bodies.authentication(frame)
        else:
            bodies.missing_packets(frame.body)
    except Unreadable:
        pass


def pump(feed: Feed, longest: int, stream: bytes, cuts: list[int]) -> tuple[list[Any], list[Any]]:
    """Feed a stream in pieces; what is left over never grows past one frame."""
    frames, faults, rest, last = [], [], b"", 0
    for cut in [*sorted(cuts), len(stream)]:
        fed = feed(rest + stream[last:cut])
        frames += fed.frames
        faults += fed.faults
        rest, last = fed.rest, cut
        assert len(rest) <= longest
    return frames, faults


@pytest.mark.parametrize("name", PROTOCOLS)
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_cut_anywhere_with_garbage_between_every_frame_is_found(name: str, data: st.DataObject) -> None:
    feed, longest, raws = PROTOCOLS[name]
    chosen = data.draw(st.lists(st.sampled_from(raws), min_size=1, max_size=6))
    noise = st.binary(max_size=10).map(lambda raw: bytes(byte for byte in raw if byte not in MARKS[name]))
    stream = b"".join(data.draw(noise) + raw for raw in chosen) + data.draw(noise)
    cuts = data.draw(st.lists(st.integers(0, len(stream)), max_size=12))
    frames, faults = pump(feed, longest, stream, cuts)
    assert [_line(each.raw) for each in frames] == [_line(each) for each in chosen]
    assert {each.code for each in faults} <= {"garbage", "escape_broken"}


@pytest.mark.parametrize("name", PROTOCOLS)
def test_byte_by_byte_every_frame_is_found(name: str) -> None:
    feed, longest, raws = PROTOCOLS[name]
    stream = b"".join(raws)
    frames, faults = pump(feed, longest, stream, list(range(len(stream))))
    assert [_line(each.raw) for each in frames] == [_line(each) for each in raws]
    assert faults == []


def _line(raw: bytes) -> bytes:
    return raw.removesuffix(b"\r\n")


@pytest.mark.parametrize("name", PROTOCOLS)
def test_broken_frames_raise_nothing_and_do_not_hide_the_next(name: str) -> None:
    feed, longest, raws = PROTOCOLS[name]
    chance = random.Random(name)  # noqa: S311 - no secret
    found = lost = 0
    for _turn in range(300):
        broken = bytearray(chance.choice(raws))
        for _change in range(chance.randint(1, 4)):
            at = chance.randrange(len(broken))
            match chance.randrange(3):
                case 0:
                    broken[at] = chance.randrange(256)
                case 1:
                    del broken[at]
                case _:
                    broken[at:at] = chance.randbytes(chance.randint(1, 8))
        after = chance.choice(raws)
        # enough good frames that what a broken length waits for has come
        frames, _faults = pump(feed, longest, bytes(broken) + after * (longest // len(after) + 2), [len(broken)])
        for each in frames[:3]:
            read_all(name, each)
        lost += _line(after) not in [each.raw for each in frames]
        found += 1
    assert (found, lost) == (300, 0)


@pytest.mark.parametrize("name", PROTOCOLS)
def test_noise_is_dropped_and_named(name: str) -> None:
    """Nothing of it vanishes but signs that stand alone and ends of lines."""
    feed, longest, _raws = PROTOCOLS[name]
    chance = random.Random(1)  # noqa: S311 - no secret
    rest, silent = b"", bytes(MARKS[name]) + b"\r\n"
    taken = kept = 0
    for _turn in range(300):
        piece = chance.randbytes(500) + MARKS[name] * chance.randrange(50) + b"0123" * chance.randrange(20)
        fed = feed(rest + piece)
        taken += sum(byte not in silent for byte in piece)
        kept += sum(byte not in silent for each in (*fed.faults, *fed.frames) for byte in each.raw)
        rest = fed.rest
        assert len(rest) <= longest
    assert taken - kept == sum(byte not in silent for byte in rest)


@given(
    st.lists(
        st.tuples(
            st.from_regex(r"[aw][0-9]{5}", fullmatch=True), st.sampled_from(["Rtd", "Avg", "Max", "Cou"]),
            st.decimals(-10**6, 10**6, allow_nan=False, allow_infinity=False, places=3), st.sampled_from("NFMSDCTB"),
        ),
        max_size=12, unique_by=lambda each: each[0],
    ),
    st.datetimes(datetime(2000, 1, 1), datetime(2099, 12, 31)),  # noqa: DTZ001 - made China's below
)  # fmt: skip
@settings(max_examples=30, deadline=None)
def test_values_of_hj212_come_back(values: list[tuple[str, str, Any, str]], at: datetime) -> None:
    at = at.replace(microsecond=0, tzinfo=CHINA)
    items = tuple(
        ((f"{code}-{aspect}", f"{number:f}"), (f"{code}-Flag", flag)) for code, aspect, number, flag in values
    )
    head = (("QN", "2"), ("ST", "22"), ("CN", "2011"), ("PW", "123456"), ("MN", "A" * 24), ("Flag", "5"))
    raw = hj212.write(head, ((("DataTime", f"{at:%Y%m%d%H%M%S}"),), *items))
    (frame,) = hj212.feed(raw).frames
    assert [(each.code, each.aspect, each.text, each.flag, each.start) for each in reports.report(frame).readings] == [
        (code, aspect, f"{number:f}", flag, at) for code, aspect, number, flag in values
    ]


@given(
    st.integers(-90 * 10**6, 90 * 10**6), st.integers(-180 * 10**6, 180 * 10**6), st.integers(-30000, 32767),
    st.integers(0, 65535), st.integers(0, 359), st.integers(0, 2**32 - 1),
    st.datetimes(datetime(2000, 1, 2), datetime(2099, 12, 31), timezones=st.just(UTC)),  # noqa: DTZ001
    st.lists(st.tuples(st.integers(0, 255), st.binary(max_size=255)), max_size=8, unique_by=lambda each: each[0]),
    st.sampled_from([2013, 2019]),
)  # fmt: skip
@settings(max_examples=30, deadline=None)
def test_positions_of_jt808_come_back(
    latitude: int, longitude: int, altitude: int, speed: int, direction: int, alarms: int, at: datetime,
    items: list[tuple[int, bytes]], edition: jt808.Edition,
) -> None:  # fmt: skip
    status = 1 | (positions.SOUTH if latitude < 0 else 0) | (positions.WEST if longitude < 0 else 0)
    said = Position(
        at.replace(microsecond=0), longitude / 10**6, latitude / 10**6, altitude, speed / 10, direction, alarms, status,
        tuple(Item(number, data) for number, data in items),
    )  # fmt: skip
    body = positions.write_positions([said], backfill=True)
    parts = jt808.feed(b"".join(jt808.split(0x0704, "13800138000", 1, body, edition, 200))).frames
    assert positions.positions(jt808.whole(parts).body).positions == [said]


@given(st.lists(st.tuples(st.sampled_from(elements.ELEMENTS), st.none() | st.integers(-999, 999)), max_size=10))
@settings(max_examples=30, deadline=None)
def test_elements_of_sl651_come_back(values: list[tuple[elements.Element, int | None]]) -> None:
    at = datetime(2026, 7, 18, 11, tzinfo=CHINA)
    said = [
        (each, None if number is None else number / 10 ** (each.decimals + 3 - min(each.digits, 3)))
        for each, number in values
    ]
    said = [
        (each, None if number is None else round(number, each.decimals))
        for each, number in said
        if each.mnemonic != "DT"
    ]
    said = [
        (each, number) for each, number in said if number is None or abs(number) < 10 ** (each.digits - each.decimals)
    ]
    body = hexadecimal.head(7, at) + hexadecimal.address("0011223344", "H") + hexadecimal.observed(at)
    body += b"".join(hexadecimal.element(each.mnemonic, number) for each, number in said)
    raw = sl651.write(sl651.Header(1, "0011223344", 1), sl651.TIMED, body, sl651.ETX)
    (frame,) = sl651.feed(raw).frames
    assert [(each.code, each.number) for each in reading.read(frame).readings] == [
        (each.mnemonic, number) for each, number in said
    ]
