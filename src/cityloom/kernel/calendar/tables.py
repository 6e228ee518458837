"""Every day of the known years in cumulative tables, and the counting on them in whole numbers.

A moment is an offset: microseconds since the local midnight that begins the first day. The zone's offset from UTC must
not change within these years (China's has not since 1991), so a day is always 24 hours.
"""

import hashlib
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import chinese_calendar
import msgspec
import numpy as np
from numpy.typing import NDArray

from cityloom.kernel.calendar.spec import Basis, CalendarSpec, Day, DayFact, DayKind, OrganisationHours, Period, Spans
from cityloom.kernel.errors import Invalid
from cityloom.kernel.words import Text

Offsets = NDArray[np.int64]
Stretches = Sequence[tuple[int, int]]

MINUTE = 60_000_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR
NEVER = 1 << 60  # the end of a pause that has not ended
EVERY_DAY_UNTIL = 2099
WEEKEND = Text("weekend", "周末")
WORKDAY = Text("working day", "工作日")


class Shifts:
    """The distinct hours of a day, numbered: 0 to 6 are the weekdays', then those of single days."""

    def __init__(self, days: Sequence[Spans]) -> None:
        self.spans = tuple(_read(spans) for spans in days)
        self.closing: Offsets = np.array([spans[-1][1] for spans in self.spans], dtype=np.int64)
        lengths = [sum(end - begin for begin, end in spans) for spans in self.spans]
        self.length: Offsets = np.array(lengths, dtype=np.int64)
        most = max(len(spans) for spans in self.spans)
        padded = [[*spans, *[(DAY, DAY)] * (most - len(spans))] for spans in self.spans]
        self.begins: Offsets = np.array([[begin for begin, _ in spans] for spans in padded], dtype=np.int64)
        self.ends: Offsets = np.array([[end for _, end in spans] for spans in padded], dtype=np.int64)


class Table:
    """The days of one calendar. Raises Invalid `calendar.not_announced` past them, `calendar.not_kept` before."""

    def __init__(self, zone: ZoneInfo, first: date, working: NDArray[np.bool_], shift: Offsets, shifts: Shifts) -> None:
        self.zone = zone
        self.first = first
        self.size = len(working)
        self.last = first + timedelta(days=self.size - 1)
        self.origin = datetime(first.year, first.month, first.day, tzinfo=zone).astimezone(UTC)
        self.shifts = shifts
        self.working_array = working
        self.shift_array = shift
        self.rank_array: Offsets = np.cumsum(working, dtype=np.int64)
        self.nth_array: Offsets = np.flatnonzero(working).astype(np.int64)
        closing = np.where(working, shifts.closing[shift], DAY)
        self.closing_array: Offsets = np.arange(self.size, dtype=np.int64) * DAY + closing
        lengths = np.where(working, shifts.length[shift], 0)
        self.before_array: Offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])
        # plain lists beside the arrays: one look-up in a list is many times faster than in an array
        self.working: list[bool] = working.tolist()
        self.rank: list[int] = self.rank_array.tolist()  # working days up to and with this day
        self.nth: list[int] = self.nth_array.tolist()  # the day of the n-th working day
        self.closing: list[int] = self.closing_array.tolist()  # of a day of rest: its midnight
        self.before: list[int] = self.before_array.tolist()  # working time before this day
        self._shift: list[int] = shift.tolist()

    def digest(self) -> str:
        """Changes whenever a deadline may change."""
        parts = (str(self.zone), self.first.isoformat(), repr(self.shifts.spans), repr(self.working), repr(self._shift))
        return "sha256:" + hashlib.sha256("\0".join(parts).encode()).hexdigest()

    def spans(self, day: int) -> tuple[tuple[int, int], ...]:
        """The hours of a day, from its midnight; none on a day of rest."""
        return self.shifts.spans[self._shift[day]] if self.working[day] else ()

    def inside(self, day: int) -> int:
        """The day itself, if the table has it."""
        if 0 <= day < self.size:
            return day
        raise self.beyond() if day >= 0 else self.unkept()

    def position(self, at: int) -> int:
        """Working time between the first day and an offset."""
        if at >= self.size * DAY:
            return self.before[-1]
        day, inside = divmod(max(at, 0), DAY)
        worked = self.before[day]
        for begin, end in self.spans(day):
            if inside > begin:
                worked += min(inside, end) - begin
        return worked

    def instant(self, position: int) -> int:
        """The first offset at which so much working time has passed."""
        if position > self.before[-1]:
            raise self.beyond()
        if position <= 0:
            raise self.unkept()
        day = bisect_left(self.before, position) - 1
        reached = self.before[day]
        for begin, end in self.spans(day):
            if position - reached <= end - begin:
                return day * DAY + begin + position - reached
            reached += end - begin
        raise AssertionError("the hours of a day do not add up to its length")

    def blocked(self, pauses: Stretches) -> Stretches:
        """First and last of the days that do not count, whose closing lies in a pause (begin < closing <= end)."""
        found = []
        for begin, end in pauses:
            first = bisect_right(self.closing, begin)
            last = NEVER if end >= NEVER else bisect_right(self.closing, end) - 1
            if first <= last and first < self.size:
                found.append((first, last))
        return found

    def count(self, after: int, need: int, blocked: Stretches, *, working: bool) -> int:
        """The day on which `need` days after the day `after` are counted, all or only working ones; or NEVER."""
        for first, last in blocked:
            if last <= after:
                continue
            start = max(first, after + 1)
            free = self._rank(start - 1) - self._rank(after) if working else start - 1 - after
            if free >= need:
                break
            if last >= NEVER:
                return NEVER
            need, after = need - free, last
        if not working:
            return self.inside(after + need)
        index = self._rank(after) + need - 1
        if index >= len(self.nth):
            raise self.beyond()
        return self.nth[index]

    def reach(self, at: int, period: Period, pauses: Stretches) -> int:
        """The end of a period that begins at `at`; NEVER if it lies behind an open pause."""
        if period.unit == "working_hours":
            return self._reach_hours(at, period.amount * HOUR, pauses)
        last = self.last_day(at, period, pauses)
        if last < NEVER and not self.working[last]:
            last = self.count(last, 1, self.blocked(pauses), working=True)
        return NEVER if last >= NEVER else self.closing[last]

    def follow(self, at: int, period: Period) -> int:
        """Where a period begins that follows one ending at `at`: by days, the day that closes then, be it at 24:00."""
        return at if period.unit == "working_hours" else at - 1

    def last_day(self, at: int, period: Period, pauses: Stretches) -> int:
        """The last day counted, before it is moved out of a holiday."""
        day = at // DAY
        blocked = self.blocked(pauses) if pauses else pauses
        if period.amount == 0:
            return self.count(day if at > self.closing[day] else day - 1, 1, blocked, working=True)
        return self.count(day, period.amount, blocked, working=period.unit == "working_days")

    def _reach_hours(self, at: int, amount: int, pauses: Stretches) -> int:
        if amount == 0:
            return at
        target = self.position(at) + amount
        for begin, end in pauses:
            if end <= at:
                continue
            stopped = self.position(max(begin, at))
            if target <= stopped:
                break
            if end >= NEVER:
                return NEVER
            target += self.position(end) - stopped
        return self.instant(target)

    def _rank(self, day: int) -> int:
        if day < 0:
            return 0
        return self.rank[day] if day < self.size else self.rank[-1]

    def beyond(self) -> Invalid:
        return Invalid("calendar.not_announced", last=self.last.isoformat())

    def unkept(self) -> Invalid:
        return Invalid("calendar.not_kept", first=self.first.isoformat())


class Sheet(msgspec.Struct, frozen=True):
    """A table with the names of its days that are not plain weekdays and weekends."""

    table: Table
    facts: Mapping[int, DayFact]

    def fact(self, day: int) -> DayFact:
        """What a day is."""
        known = self.facts.get(day)
        if known is not None:
            return known
        date_ = self.table.first + timedelta(days=day)
        return DayFact(date_, "working", WORKDAY) if self.table.working[day] else DayFact(date_, "weekend", WEEKEND)


def sheet(spec: CalendarSpec, own: OrganisationHours | None = None) -> Sheet:
    """The table of a city, or of one organisation in it.

    Raises Invalid `calendar.zone_unknown`, `calendar.zone_shifts`, `calendar.hours_wrong`, `calendar.day_twice`,
    `calendar.day_outside`, `calendar.year_empty`.
    """
    basis = (own and own.basis) or spec.basis
    hours = (own and own.hours) or spec.hours
    first, last = _range(basis, spec)
    facts = {day.date: day for day in (_state(first, last) if basis == "state" else ())}
    single: dict[date, Spans] = {}
    inherited = spec.days if basis == spec.basis else ()  # who never closes does not close for the city's holidays
    for days in (inherited, own.days if own else ()):
        facts.update(_decided(days, first, last))
        single.update({day.date: day.hours for day in days if day.hours})
    size = (last - first).days + 1
    weekday = (np.arange(size) + first.weekday()) % 7
    working = (weekday < 5) | (basis == "every_day")
    for day, fact in facts.items():
        working[(day - first).days] = fact.is_working
    shift = weekday.astype(np.int64)
    for number, day in enumerate(single, start=7):
        shift[(day - first).days] = number
    table = Table(_zone(spec.zone, first, last), first, working, shift, Shifts([*hours.week(), *single.values()]))
    return Sheet(table, {(day - first).days: fact for day, fact in facts.items()})


def _range(basis: Basis, spec: CalendarSpec) -> tuple[date, date]:
    known = [day.year for day in chinese_calendar.holidays]
    first, last = min(known), max(known)
    if basis == "every_day":
        return date(first, 1, 1), date(EVERY_DAY_UNTIL, 12, 31)
    for year in range(last + 1, (spec.announced_to or last) + 1):
        if not any(day.date.year == year and day.kind == "rest" for day in spec.days):
            raise Invalid("calendar.year_empty", year=year)
    return date(first, 1, 1), date(max(last, spec.announced_to or last), 12, 31)


def _state(first: date, last: date) -> Iterator[DayFact]:
    """Statutory holidays and swapped working days as announced by the State Council (国务院办公厅 notices)."""
    chinese = {holiday.value: holiday.chinese for holiday in chinese_calendar.Holiday}
    for day, name in chinese_calendar.holidays.items():
        if first <= day <= last:
            yield DayFact(day, "holiday", Text(name, chinese[name]))
    for day, name in chinese_calendar.workdays.items():
        if first <= day <= last:
            yield DayFact(day, "swapped", Text(name, chinese[name]))


def _decided(days: Sequence[Day], first: date, last: date) -> dict[date, DayFact]:
    found: dict[date, DayFact] = {}
    for day in days:
        if day.date in found:
            raise Invalid("calendar.day_twice", date=str(day.date))
        if not first <= day.date <= last:
            raise Invalid("calendar.day_outside", date=str(day.date), first=str(first), last=str(last))
        work: DayKind = "working" if day.date.weekday() < 5 else "swapped"
        found[day.date] = DayFact(day.date, work if day.kind == "work" else "rest", day.name)
    return found


def _zone(name: str, first: date, last: date) -> ZoneInfo:
    try:
        zone = ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise Invalid("calendar.zone_unknown", zone=name) from error
    years = range(first.year, last.year + 1)
    if len({datetime(year, month, 1, tzinfo=zone).utcoffset() for year in years for month in (1, 7)}) > 1:
        raise Invalid("calendar.zone_shifts", zone=name)
    return zone


def _read(spans: Spans) -> tuple[tuple[int, int], ...]:
    found = []
    for span in spans:
        begin, _, end = span.partition("-")
        found.append((_minutes(begin), _minutes(end)))
    edges = [edge for pair in found for edge in pair]
    if not edges or any(later <= earlier for earlier, later in pairwise(edges)):
        raise Invalid("calendar.hours_wrong", hours=", ".join(spans))
    return tuple(found)


def _minutes(text: str) -> int:
    hour, _, minute = text.partition(":")
    return int(hour) * HOUR + int(minute) * MINUTE
