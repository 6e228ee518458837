"""Bodies in HEX/BCD, read and written (SL 651-2014, 6.6.3)."""

from datetime import datetime, timedelta

from cityloom.sensing.intake import bcd
from cityloom.sensing.intake.framing import Unreadable
from cityloom.sensing.intake.sl651 import elements, numbers, reports
from cityloom.sensing.intake.sl651.elements import (
    BY_MNEMONIC,
    DURATION,
    EXTENDED,
    LEVELS,
    MANUAL,
    PICTURE,
    RAIN,
    STATION,
    STATUS,
    STEP,
    TIME,
    VELOCITIES,
)
from cityloom.sensing.intake.sl651.frames import Frame

_RELAYS = 0x0E
"""The one parameter whose whole definition byte counts bytes (Annex D)."""


def read(frame: Frame) -> reports.Report:
    """The body of a frame that is whole. Raises Unreadable: `body_short`, `observed_wrong`."""
    body = frame.body
    if len(body) < 8:
        raise Unreadable("body_short")
    draft = reports.Draft(frame)
    draft.serial = int.from_bytes(body[:2], "big")
    draft.sent = _time(body[2:8])
    if draft.sent is None:
        draft.deviations.add("sent_wrong")
    _groups(draft, body, 8)
    return draft.done()


def _time(data: bytes) -> datetime | None:
    try:
        return bcd.time(data)
    except Unreadable:
        return None


def _groups(draft: reports.Draft, body: bytes, at: int) -> None:
    """Everything after serial and time of sending."""
    function = draft.frame.function
    while at < len(body):
        here = body[at]
        if here in (TIME, STATION) and body[at + 1 : at + 2] == body[at : at + 1]:
            at = _marker(draft, body, at)
        elif here == MANUAL and body[at + 1 : at + 2] == b"\xf2":
            draft.manual = body[at + 2 :].decode("gb18030", "replace").strip("\r\n\0")
            return
        elif here == PICTURE and body[at + 1 : at + 2] == b"\xf3":
            draft.take_picture(body[at + 2 :])
            return
        elif function in reports.CONFIGURATION:
            at = _parameter(draft, body, at)
        elif function in reports.WITH_CLASS or here == STATUS:
            at = _element(draft, body, at)
        else:
            draft.rest = body[at:]
            return


def _marker(draft: reports.Draft, body: bytes, at: int) -> int:
    if body[at] == TIME:
        draft.begin_observation(_time(body[at + 2 : at + 7]))
        return at + 7
    address = body[at + 2 : at + 7].hex().upper()
    at += 7
    kind = ""
    if draft.frame.function in reports.WITH_CLASS:
        kind = chr(body[at]) if at < len(body) and body[at] < 0x80 else "?"
        at += 1
    draft.begin_station(address, kind)
    return at


def _element(draft: reports.Draft, body: bytes, at: int) -> int:
    """One element, or a series of one; the place after it."""
    number, definition, start = _identifier(body, at)
    if number == VELOCITIES:
        draft.rest = body[at + 2 :]
        return len(body)
    size, decimals = definition >> 3, definition & 7
    data = body[start : start + size]
    if len(data) < size or definition < 0:
        draft.deviations.add("element_cut")
        draft.rest = body[at:]
        return len(body)
    if number == STEP and size == 3:
        return _stepped(draft, body, start + size, _step(draft, data))
    _add(draft, number, data, decimals, timedelta())
    return start + size


def _identifier(body: bytes, at: int) -> tuple[int, int, int]:
    """Number, definition byte (-1: not there), and where the data start."""
    number = body[at]
    if number == EXTENDED:
        number, at = EXTENDED << 8 | (body[at + 1] if at + 1 < len(body) else 0), at + 1
    return number, body[at + 1] if at + 1 < len(body) else -1, at + 2


def _step(draft: reports.Draft, data: bytes) -> timedelta:
    try:
        return numbers.step(data)
    except Unreadable:
        draft.deviations.add("step_wrong")
        return timedelta()


def _stepped(draft: reports.Draft, body: bytes, at: int, step: timedelta) -> int:
    """After a time step: one identifier, then values of that length up to the end (6.6.4.4)."""
    if not step or at >= len(body):  # 0000 says no more than that an hour's twelve values follow
        return at
    number, definition, start = _identifier(body, at)
    size, decimals = definition >> 3, definition & 7
    if definition < 0 or size == 0:
        draft.deviations.add("element_cut")
        return len(body)
    for turn, place in enumerate(range(start, len(body) - size + 1, size)):
        _add(draft, number, body[place : place + size], decimals, turn * step)
    if (len(body) - start) % size:
        draft.deviations.add("element_cut")
    return len(body)


def _add(draft: reports.Draft, number: int, data: bytes, decimals: int, later: timedelta) -> None:
    code = elements.name(number)
    if number == RAIN:
        draft.add_many(code, numbers.rain(data), later)
    elif number in LEVELS:
        draft.add_many(code, numbers.levels(data), later)
    elif number == STATUS:
        bits = int.from_bytes(data, "big")
        draft.status = bits
        if draft.observed or draft.frame.function in reports.WITH_CLASS:
            draft.add(code, numbers.Value(data.hex().upper(), float(bits)), later)
    else:
        try:
            value = numbers.decimal(data, decimals)
        except Unreadable:
            draft.deviations.add("value_unreadable")
            value = numbers.Value(data.hex().upper(), None)
        if number not in elements.BY_ID:
            draft.deviations.add("element_unknown")
        draft.add(code, numbers.hours(value) if number == DURATION and value.number is not None else value, later)


def _parameter(draft: reports.Draft, body: bytes, at: int) -> int:
    number, definition, start = _identifier(body, at)
    size = definition if number == _RELAYS else definition >> 3
    data = body[start : start + size]
    if definition < 0 or len(data) < size:
        draft.deviations.add("parameter_cut")
        draft.rest = body[at:]
        return len(body)
    draft.parameters.append(reports.Parameter(number, data, 0 if number == _RELAYS else definition & 7))
    return start + size


def head(serial: int, sent: datetime) -> bytes:
    """Serial number and time of sending: the whole body of a confirmation."""
    return serial.to_bytes(2, "big") + bcd.encode(bcd.stamp(sent), 6)


def address(station: str, kind: str = "") -> bytes:
    """The group of a station's address, with its class where the function has it."""
    return b"\xf1\xf1" + bytes.fromhex(station) + kind.encode("ascii")


def observed(at: datetime) -> bytes:
    """The group of an observation time."""
    return b"\xf0\xf0" + bcd.encode(bcd.stamp(at, seconds=False), 5)


def element(mnemonic: str, value: float | None) -> bytes:
    """An element with its value; None is missing. Raises KeyError, ValueError."""
    known = BY_MNEMONIC[mnemonic.upper()]
    data, definition = numbers.write_decimal(value, known.digits, known.decimals)
    return bytes((known.id, definition)) + data


def rain(values: list[float | None]) -> bytes:
    """DRP: twelve amounts of five minutes, mm."""
    return bytes((RAIN, 0x60)) + bytes(0xFF if each is None else round(each * 10) for each in values)


def levels(values: list[float | None], which: int = 1) -> bytes:
    """DRZ1 to DRZ8: twelve levels above the base, m."""
    words = b"".join((0xFFFF if each is None else round(each * 100)).to_bytes(2, "big") for each in values)
    return bytes((0xF4 + which, 0xC0)) + words


def series(mnemonic: str, step: timedelta, values: list[float | None]) -> bytes:
    """A time step and the values of one element, all of the same length."""
    known = BY_MNEMONIC[mnemonic.upper()]
    data = [numbers.write_decimal(each, known.digits, known.decimals)[0] for each in values]
    size = max(map(len, data), default=(known.digits + 1) // 2)
    if any(len(each) != size for each in data):
        raise ValueError("values of a series have one length; a negative one does not fit among others")
    return (
        bytes((STEP, 0x18)) + numbers.write_step(step) + bytes((known.id, size << 3 | known.decimals)) + b"".join(data)
    )


def status(bits: int) -> bytes:
    """ZT: the station's status."""
    return bytes((STATUS, 0x20)) + bits.to_bytes(4, "big")
