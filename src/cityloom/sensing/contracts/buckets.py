"""Buckets of time: what observations come to by the minute, hour and day."""

from datetime import date, datetime, timedelta
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
