"""Buckets of time: what observations come to by the minute, hour and day."""

from datetime import UTC, date, datetime, timedelta
from enum import StrEnum

import msgspec


class Width(StrEnum):
    """How long a bucket is. Days are the city's own (its calendar's zone)."""

    minute = "minute"
    hour = "hour"
    day = "day"


LENGTHS = {Width.minute: timedelta(minutes=1), Width.hour: timedelta(hours=1), Width.day: timedelta(days=1)}
GOOD = ("good", "valid", "N")
"""Marks of quality that make an observation a good one, as has no mark at all. N is that of HJ 212-2017 (annex A: normal)."""


class Ruler(msgspec.Struct, frozen=True):
    """Where buckets of a width begin: each `length` from the `origin`."""

    width: Width
    origin: datetime

    @property
    def length(self) -> timedelta:
        return LENGTHS[self.width]

    def floor(self, moment: datetime) -> datetime:
        """The beginning of the bucket that the moment lies in."""
        return moment - (moment - self.origin) % self.length

    def ceiling(self, moment: datetime) -> datetime:
        """The first beginning of a bucket at or after the moment."""
        return -(-(moment - self.origin) // self.length) * self.length + self.origin


def ruler(width: Width, offset: timedelta) -> Ruler:
    """The buckets of a city whose clocks are so far ahead of UTC."""
    return Ruler(width, datetime(2000, 1, 1, tzinfo=UTC) - offset)


class Part(msgspec.Struct, frozen=True):
    """What some of the observations of a bucket come to. Parts of one bucket merge in any order to the same."""

    total: int
    numbers: int
    good: int
    added: float | None = None
    least: float | None = None
    most: float | None = None
    opening: float | None = None
    opened: tuple[datetime, date] | None = None
    """When the first number was observed and arrived; of equal ones the first to arrive is the first."""
    closing: float | None = None
    closed: tuple[datetime, date] | None = None


def merged(one: Part, other: Part) -> Part:
    """Both together."""
    if not one.numbers or not other.numbers:
        whole = one if one.numbers else other
        return msgspec.structs.replace(whole, total=one.total + other.total, good=one.good + other.good)
    first = one if _key(one.opened) <= _key(other.opened) else other
    last = one if _key(one.closed) > _key(other.closed) else other
    return Part(
        one.total + other.total, one.numbers + other.numbers, one.good + other.good,
        (one.added or 0.0) + (other.added or 0.0), min(_is(one.least), _is(other.least)), max(_is(one.most), _is(other.most)),
        first.opening, first.opened, last.closing, last.closed,
    )  # fmt: skip


def _key(at: tuple[datetime, date] | None) -> tuple[datetime, date]:
    return at or (datetime.min.replace(tzinfo=UTC), date.min)


def _is(number: float | None) -> float:
    return 0.0 if number is None else number
