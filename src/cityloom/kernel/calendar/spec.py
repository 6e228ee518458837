"""A city's calendar as data, and the periods that are counted on it."""

from datetime import date, datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from cityloom.kernel.words import Text

Unit = Literal["working_days", "calendar_days", "working_hours"]
Basis = Literal["state", "every_day"]
DayKind = Literal["working", "swapped", "weekend", "holiday", "rest"]
Span = Annotated[str, Meta(pattern="^([01][0-9]|2[0-3]):[0-5][0-9]-(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$")]
Spans = tuple[Span, ...]


class Hours(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Office hours as "HH:MM-HH:MM", local time. A weekday that is not named has those of `every`.

    Hours never make a day a working day: Saturday's are used on a Saturday that was swapped for a weekday (调休).
    """

    every: Spans = ("09:00-12:00", "14:00-18:00")
    monday: Spans = ()
    tuesday: Spans = ()
    wednesday: Spans = ()
    thursday: Spans = ()
    friday: Spans = ()
    saturday: Spans = ()
    sunday: Spans = ()

    def week(self) -> tuple[Spans, ...]:
        """The hours from Monday to Sunday."""
        days = (self.monday, self.tuesday, self.wednesday, self.thursday, self.friday, self.saturday, self.sunday)
        return tuple(day or self.every for day in days)


class Day(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A day that the city or the organisation decides itself; `hours` only where that day has its own."""

    date: date
    kind: Literal["work", "rest"]
    name: Text
    hours: Spans = ()


class OrganisationHours(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What differs in one organisation. Its days win over the city's; with another basis it has only its own."""

    organisation: str
    hours: Hours | None = None
    basis: Basis | None = None
    days: tuple[Day, ...] = ()


class CalendarSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The calendar of a city.

    `basis` state: weekends, statutory holidays and swapped days as the State Council announced them; every_day: each
    day is a working day, for offices that never close. `announced_to` is the last year for which the city vouches with
    its own `days`, where the package `chinesecalendar` does not know it yet.
    """

    zone: str = "Asia/Shanghai"
    basis: Basis = "state"
    hours: Hours = Hours()
    announced_to: Annotated[int, Meta(ge=2004, le=2099)] | None = None
    days: tuple[Day, ...] = ()
    organisations: tuple[OrganisationHours, ...] = ()


class Period(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A length of time such as 20 working_days. 0 days end on the day of the start, or on the next working day."""

    amount: Annotated[int, Meta(ge=0, le=10_000)]
    unit: Unit


class Pause(msgspec.Struct, frozen=True):
    """The clock stood still from `begin` to `end`; without an end it still does."""

    begin: datetime
    end: datetime | None
    reason: str = ""


class Extension(msgspec.Struct, frozen=True):
    """More time, counted on from the end of what was there."""

    by: Period
    reason: str = ""


class Term(msgspec.Struct, frozen=True):
    """A period and what happened to it. Datetimes are aware."""

    start: datetime
    period: Period
    pauses: tuple[Pause, ...] = ()
    extensions: tuple[Extension, ...] = ()

    def segments(self) -> tuple[tuple[Period, tuple[Extension, ...]], ...]:
        """The periods to count one after the other, each with the extensions in it.

        An extension in the unit of what it extends is added up, so that a last day is moved only once (art. 203).
        """
        found: list[tuple[Period, tuple[Extension, ...]]] = [(self.period, ())]
        for extension in self.extensions:
            period, inside = found[-1]
            if period.unit == extension.by.unit:
                found[-1] = (Period(period.amount + extension.by.amount, period.unit), (*inside, extension))
            else:
                found.append((extension.by, (extension,)))
        return tuple(found)


class DayFact(msgspec.Struct, frozen=True):
    """What a day is, and by whose name: the holiday's, or for a swapped day that of the holiday it pays for."""

    date: date
    kind: DayKind
    name: Text

    @property
    def is_working(self) -> bool:
        return self.kind in ("working", "swapped")
