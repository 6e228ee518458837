"""What a frame of HJ 212 says: values with their periods, and everything in it that is no value."""

import re
from datetime import datetime, timedelta

import msgspec

from cityloom.sensing.intake.framing import CHINA, Reading, Unreadable
from cityloom.sensing.intake.hj212.frames import LENIENT, Frame, Pair, Profile

DATA = frozenset({"2011", "2021", "2031", "2041", "2051", "2061"})
"""Commands (CN) that carry values of devices; 2081 tells a start."""
OTHER_DATA = frozenset({"2013", "2052", "2062", "2081", "2111"})
"""Uploads without a period of their own; all but 2081 are new in 2025 and known by name only."""
_NUMBER = re.compile(r"[+-]?\d+(?:\.\d*)?|[+-]?\.\d+")
_MARKS = frozenset({"Flag", "EFlag", "SampleTime"})
_PERIODS = {"2031": timedelta(days=1), "2041": timedelta(days=1), "2061": timedelta(hours=1)}


class Report(msgspec.Struct, frozen=True):
    """Values of one frame."""

    start: datetime
    """DataTime: the moment of 2011 and 2021, the start of the period of all others (standard, 6.6)."""
    end: datetime | None
    readings: list[Reading]
    facts: tuple[Pair, ...]
    """Fields that are no value of a quantity, such as RestartTime."""
    deviations: tuple[str, ...]


def report(frame: Frame, profile: Profile = LENIENT, before: datetime | None = None) -> Report:
    """The values of a frame. `before` is the time of the first packet, for later ones that do not repeat it.

    Raises Unreadable: `data_time_missing`, `data_time_wrong`.
    """
    start, noted = _data_time(frame, before)
    length = timedelta(minutes=profile.minutes) if frame.cn == "2051" and profile.minutes else _PERIODS.get(frame.cn)
    end = start + length if length else None
    readings: list[Reading] = []
    facts: list[Pair] = []
    for item in frame.items:
        noted |= _item(frame.mn, item, start, end, readings, facts)
    if profile.factors is not None and any(each.code not in profile.factors for each in readings):
        noted.add("factor_unknown")
    return Report(start, end, readings, tuple(facts), tuple(sorted(noted)))


def _data_time(frame: Frame, before: datetime | None) -> tuple[datetime, set[str]]:
    text = frame.value("DataTime")
    if text is None:
        if before is None:
            raise Unreadable("data_time_missing")
        return before, {"data_time_missing"}
    found = time(text)
    if found is None:
        raise Unreadable("data_time_wrong")
    return found, set() if len(text) == 14 else {"data_time_digits"}


def time(text: str) -> datetime | None:
    """YYYYMMDDhhmmss, or with milliseconds as some devices send it, in China standard time; None when it is no time."""
    if len(text) not in (14, 17) or not (text.isascii() and text.isdecimal()):
        return None
    try:
        return datetime(
            int(text[:4]), int(text[4:6]), int(text[6:8]), int(text[8:10]), int(text[10:12]), int(text[12:14]),
            int(text[14:] or "0") * 1000, CHINA,
        )  # fmt: skip
    except ValueError:
        return None


def _item(
    station: str,
    item: tuple[Pair, ...],
    start: datetime,
    end: datetime | None,
    readings: list[Reading],
    facts: list[Pair],
) -> set[str]:
    """Adds the values of one item. Its marks hold for every value of the same quantity in it."""
    noted: set[str] = set()
    values: list[tuple[str, str, str]] = []
    marks: dict[str, str] = {}
    for name, value in item:
        code, dash, aspect = name.rpartition("-")
        if not dash:
            if name != "DataTime":
                facts.append((name, value))
        elif aspect in _MARKS:
            marks[name] = value
        else:
            values.append((code, aspect, value))
    for code, aspect, value in values:
        number = _number(value)
        if number is None and aspect not in {"Info", "SN"}:
            noted.add("value_empty" if value in {"", "-"} else "value_unreadable")
        sampled = time(marks.get(f"{code}-SampleTime", ""))
        readings.append(
            Reading(
                station, code, aspect, sampled or start, None if sampled else end, number, value,
                marks.get(f"{code}-Flag", ""), marks.get(f"{code}-EFlag", ""),
            )
        )  # fmt: skip
    if not values:
        facts.extend(marks.items())
    return noted


def _number(text: str) -> float | None:
    """Decimals only: no exponents, infinities or thousands, which no clause knows."""
    return float(text) if len(text) <= 30 and _NUMBER.fullmatch(text) and text.isascii() else None
