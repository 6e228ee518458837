"""Bodies in ASCII, read and written (SL 651-2014, 6.6.2): identifiers and data, a space after each."""

import re
from collections.abc import Iterator
from datetime import datetime, timedelta

from cityloom.sensing.intake import bcd
from cityloom.sensing.intake.framing import Unreadable
from cityloom.sensing.intake.sl651 import numbers, reports
from cityloom.sensing.intake.sl651.elements import BY_MNEMONIC
from cityloom.sensing.intake.sl651.frames import Frame

_DECIMAL = re.compile(r"-?(?:\d+(?:\.\d*)?|\.\d+)")
_HEX = re.compile(r"(?:[0-9A-Fa-f]{2})+")
_STEP = re.compile(r"DR([DHN])(\d\d)", re.IGNORECASE)
_LEVELS = re.compile(r"DRZ([1-8])", re.IGNORECASE)
_UNITS = {"D": timedelta(days=1), "H": timedelta(hours=1), "N": timedelta(minutes=1)}
_UNTIL_END = (b"RGZS ", b"PIC ")
"""Identifiers whose data are all that follows, as they are."""


def read(frame: Frame) -> reports.Report:
    """The body of a frame that is whole. Raises Unreadable: `body_short`, `serial`, `observed_wrong`."""
    body = frame.body
    if len(body) < 16:
        raise Unreadable("body_short")
    if not re.fullmatch(rb"[0-9A-Fa-f]{4}", body[:4]):
        raise Unreadable("serial")
    draft = reports.Draft(frame)
    draft.serial = int(body[:4], 16)
    draft.sent = _time(body[4:16].decode("ascii", "replace"))
    if draft.sent is None:
        draft.deviations.add("sent_wrong")
    rest, mark, tail = body[16:], b"", b""
    for each in _UNTIL_END:
        before, found, after = rest.partition(each)
        if found:
            rest, mark, tail = before, found, after
            break
    if rest and not rest.endswith(b" "):
        draft.deviations.add("last_space_missing")
    _tokens(draft, rest.decode("gb18030", "replace").split())
    if mark == _UNTIL_END[0]:
        draft.manual = tail.decode("gb18030", "replace").rstrip()
    elif mark:
        draft.take_picture(tail)
    return draft.done()


def _time(text: str) -> datetime | None:
    try:
        return bcd.moment(text)
    except Unreadable:
        return None


def _tokens(draft: reports.Draft, tokens: list[str]) -> None:
    left = iter(tokens)
    for token in left:
        name = token.upper()
        step = _STEP.fullmatch(token)
        if name == "ST":
            station = next(left, "").upper()
            draft.begin_station(station, next(left, "") if draft.frame.function in reports.WITH_CLASS else "")
        elif name == "TT":
            draft.begin_observation(_time(next(left, "")))
        elif step and step.group(2) != "00":
            _series(draft, left, _UNITS[step.group(1).upper()] * int(step.group(2)))
        elif not step:
            _single(draft, token, next(left, None))


def _single(draft: reports.Draft, token: str, value: str | None) -> None:
    if value is None:
        if draft.frame.function in reports.WITH_CLASS:
            draft.deviations.add("element_cut")
        else:
            draft.rest = token.encode()
    elif draft.frame.function in reports.CONFIGURATION:
        if re.fullmatch(r"[0-9A-Fa-f]{2,4}", token):
            draft.parameters.append(reports.Parameter(int(token, 16), value.encode()))
        else:
            draft.deviations.add("parameter_unknown")
    else:
        _add(draft, token, value, timedelta())


def _series(draft: reports.Draft, left: Iterator[str], step: timedelta) -> None:
    """Columns, then rows of values: one row for each step (6.6.4.4)."""
    columns: list[str] = []
    values: list[str] = []
    for token in left:
        if values or (token.upper() == "M" and columns) or _DECIMAL.fullmatch(token):
            values.append(token)
        else:
            columns.append(token)
    if not columns or len(values) % len(columns):
        draft.deviations.add("series_cut")
    for at, value in enumerate(values if columns else []):
        _add(draft, columns[at % len(columns)], value, step * (at // len(columns)))


def _add(draft: reports.Draft, token: str, text: str, later: timedelta) -> None:
    known = BY_MNEMONIC.get(token.upper())
    code = known.mnemonic if known else token.upper()
    levels = _LEVELS.fullmatch(token)
    if code in {"DRP", "ZT"} or levels:
        _block(draft, code, text, later)
        return
    if text.upper() == "M":
        value = numbers.MISSING
    elif _DECIMAL.fullmatch(text) and len(text) <= 30:
        value = numbers.Value(text, float(text))
    else:
        draft.deviations.add("value_unreadable")
        value = numbers.Value(text, None)
    if known is None:
        draft.deviations.add("element_unknown")
    draft.add(code, numbers.hours(value) if code == "DT" and value.number is not None else value, later)


def _block(draft: reports.Draft, code: str, text: str, later: timedelta) -> None:
    """Bytes, words or bits as hexadecimal characters."""
    if not _HEX.fullmatch(text):
        draft.deviations.add("value_unreadable")
        return
    data = bytes.fromhex(text)
    if code == "ZT":
        draft.status = int.from_bytes(data, "big")
        draft.add(code, numbers.Value(text.upper(), float(draft.status)), later)
    else:
        draft.add_many(code, numbers.rain(data) if code == "DRP" else numbers.levels(data), later)


def head(serial: int, sent: datetime) -> bytes:
    """Serial number and time of sending, without a space after them."""
    return f"{serial:04X}{bcd.stamp(sent)}".encode()


def address(station: str, kind: str = "") -> bytes:
    """The group of a station's address, with its class where the function has it."""
    return f"ST {station} {kind} ".encode() if kind else f"ST {station} ".encode()


def observed(at: datetime) -> bytes:
    """The group of an observation time."""
    return f"TT {bcd.stamp(at, seconds=False)} ".encode()


def element(mnemonic: str, value: float | None) -> bytes:
    """An element with its value, with the decimals of Annex C; None is missing."""
    return f"{mnemonic} {_written(mnemonic, value)} ".encode()


def rain(values: list[float | None]) -> bytes:
    """DRP: twelve amounts of five minutes, mm, as hexadecimal characters."""
    return b"DRP " + b"".join(b"FF" if each is None else b"%02X" % round(each * 10) for each in values) + b" "


def levels(values: list[float | None], which: int = 1) -> bytes:
    """DRZ1 to DRZ8: twelve levels above the base, m."""
    words = b"".join(b"FFFF" if each is None else b"%04X" % round(each * 100) for each in values)
    return b"DRZ%d %b " % (which, words)


def series(names: list[str], step: timedelta, rows: list[list[float | None]]) -> bytes:
    """A time step, several elements, and a row of values for each step."""
    minutes = int(step.total_seconds()) // 60
    sign, count = ("D", minutes // 1440) if minutes % 1440 == 0 else ("H", minutes // 60)
    if minutes % 60:
        sign, count = "N", minutes
    values = " ".join(_written(name, value) for row in rows for name, value in zip(names, row, strict=True))
    return f"DR{sign}{count:02d} {' '.join(names)} {values} ".encode()


def _written(mnemonic: str, value: float | None) -> str:
    return "M" if value is None else f"{value:.{BY_MNEMONIC[mnemonic.upper()].decimals}f}"
