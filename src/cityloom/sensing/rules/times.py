"""Moments and intervals as text (ISO 8601) and back; everything is written in UTC."""

import re
from datetime import UTC, date, datetime, time, timedelta

from cityloom.kernel.errors import BadRequest
from cityloom.sensing.contracts.queries import Period

DURATION = re.compile(
    r"(?P<sign>-?)P(?:(?P<weeks>\d+(?:\.\d+)?)W)?(?:(?P<days>\d+(?:\.\d+)?)D)?"
    r"(?:T(?:(?P<hours>\d+(?:\.\d+)?)H)?(?:(?P<minutes>\d+(?:\.\d+)?)M)?(?:(?P<seconds>\d+(?:\.\d+)?)S)?)?"
)


def instant(text: object) -> datetime:
    """A moment with its zone; one without a zone is taken as UTC. Raises BadRequest `sensing.time_wrong`."""
    try:
        if not isinstance(text, str) or len(text) < 10:
            raise ValueError(text)
        found = datetime.fromisoformat(text.replace(" ", "+") if text[10:11] == "T" else text)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise BadRequest("sensing.time_wrong", value=str(text)[:80]) from error


def period(text: object) -> Period:
    """An instant, or an interval `start/end`. Raises BadRequest `sensing.time_wrong`."""
    if not isinstance(text, str):
        raise BadRequest("sensing.time_wrong", value=str(text)[:80])
    start, slash, end = text.partition("/")
    found = Period(instant(start), instant(end) if slash else None)
    if found.end is not None and found.end < found.start:
        raise BadRequest("sensing.time_wrong", value=text[:80])
    return found


def duration(text: str) -> timedelta | None:
    """`PT10M` and its kin (ISO 8601 without years and months, which have no length); None if it is none."""
    found = DURATION.fullmatch(text)
    if found is None or not any(found[name] for name in ("weeks", "days", "hours", "minutes", "seconds")):
        return None
    try:
        length = timedelta(**{name: float(value or 0) for name, value in found.groupdict().items() if name != "sign"})
    except OverflowError:
        return None
    return -length if found["sign"] else length


def day(text: str) -> date:
    """A date as `2026-03-01`. Raises BadRequest `sensing.time_wrong`."""
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise BadRequest("sensing.time_wrong", value=text[:80]) from error


def clock(text: str) -> time:
    """A time of day as `10:30:00`. Raises BadRequest `sensing.time_wrong`."""
    try:
        return time.fromisoformat(text)
    except ValueError as error:
        raise BadRequest("sensing.time_wrong", value=text[:80]) from error


def written(moment: datetime) -> str:
    """The moment in UTC, with a fraction of seconds only where it has one."""
    text = (moment if moment.tzinfo is UTC else moment.astimezone(UTC)).isoformat()[:-6]
    return (text.rstrip("0") if "." in text else text) + "Z"


def span(start: datetime, end: datetime | None) -> str:
    """An instant, or `start/end`."""
    return written(start) if end is None else f"{written(start)}/{written(end)}"
