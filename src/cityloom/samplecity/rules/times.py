"""The periods of the sample city: a full delivery of everything, then the changes of each later month."""

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec
import numpy as np

from cityloom.samplecity.rules import chance
from cityloom.samplecity.rules.chance import Index

EPOCH = date(1970, 1, 1)


class Period(msgspec.Struct, frozen=True):
    """A calendar month; days are counted from 1970-01-01."""

    number: int
    """0 for the month whose end the full deliveries describe."""
    label: str
    """Such as 2026-08."""
    first: int
    last: int

    @property
    def day(self) -> date:
        """The last day."""
        return EPOCH + timedelta(days=self.last)


def periods(as_of: datetime, zone: str, months: int) -> tuple[Period, ...]:
    """The month of the full deliveries and `months` later ones, of which the last ended before `as_of`.

    `as_of` is aware: the moment at which everything is delivered.
    """
    local = as_of.astimezone(ZoneInfo(zone)).date()
    count = local.year * 12 + local.month - 1
    return tuple(_period(number, count - months - 1 + number) for number in range(months + 1))


def _period(number: int, months: int) -> Period:
    first, after = _first_day(months), _first_day(months + 1)
    return Period(number, f"{first:%Y-%m}", (first - EPOCH).days, (after - EPOCH).days - 1)


def _first_day(months: int) -> date:
    return date(months // 12, months % 12 + 1, 1)


def day(year: int, month: int, of_month: int) -> int:
    """Days from 1970-01-01."""
    return (date(year, month, of_month) - EPOCH).days


def moments(days: Index, key: int, name: str, index: Index) -> Index:
    """Office-hour moments of these days, in seconds from 1970-01-01 00:00 local time."""
    return days * 86_400 + chance.whole(key, name, index, 9 * 3600, 18 * 3600)


def school_year(today: int) -> int:
    """The year in which the school year that holds this day began (1 September)."""
    local = EPOCH + timedelta(days=today)
    return local.year if local.month >= 9 else local.year - 1


def school_age(birth: Index, year: int) -> Index:
    """Completed years on 31 August of `year`."""
    months = birth.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)
    return year - (1970 + months // 12) - (months % 12 + 1 > 8)
