"""When a period ends on a calendar, and how much working time lies between two moments.

Law: 民法典 arts. 201 and 203 (the day of the start is not counted, hours run from the start; a last day of rest moves
to the next working day; the last day ends when the office closes), 行政许可法 art. 82 (working days exclude holidays).
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta

import msgspec
import numpy as np
from numpy.typing import NDArray

from cityloom.kernel.calendar import tables
from cityloom.kernel.calendar.spec import CalendarSpec, DayFact, Pause, Period, Term, Unit
from cityloom.kernel.calendar.tables import DAY, HOUR, NEVER, Sheet, Stretches
from cityloom.kernel.errors import Invalid

Instants = NDArray[np.datetime64]


class Calendar:
    """Working time of one organisation; never changes, may be shared between threads.

    Datetimes in are aware (TypeError otherwise), those out are UTC. Raises Invalid `calendar.not_announced` for what
    reaches beyond `last`, the last day whose holidays are known, and `calendar.not_kept` before `first`.
    """

    def __init__(self, sheet: Sheet) -> None:
        self.sheet = sheet
        self.table = sheet.table
        self.first = self.table.first
        self.last = self.table.last
        self.digest = self.table.digest()
        """Algorithm and hash of all that deadlines depend on: changes whenever one of them may change."""

    def day(self, day: date) -> DayFact:
        """What this day is."""
        return self.sheet.fact(self.table.inside((day - self.first).days))

    def start_of(self, day: date) -> datetime:
        """Local midnight at the start of a day, for periods that begin on a date."""
        return self.moment(self.table.inside((day - self.first).days) * DAY)

    def opening(self, moment: datetime) -> datetime:
        """The first moment of working time at or after this one."""
        at = self.offset(moment)
        for day in range(at // DAY, self.table.size):
            for begin, end in self.table.spans(day):
                if at < day * DAY + end:
                    return self.moment(max(at, day * DAY + begin))
        raise self.table.beyond()

    def deadline(self, start: datetime, period: Period) -> datetime:
        """The last moment of a period that nothing happened to."""
        return self.moment(self.table.reach(self.offset(start), period, ()))

    def due(self, term: Term) -> datetime | None:
        """The last moment of a period with its pauses and extensions; None while the clock stands still.

        A day counts if the clock was running when the office closed; of hours, all working time outside pauses counts.
        """
        pauses = self.stretches(term.pauses)
        at = self.offset(term.start)
        for number, (period, _) in enumerate(term.segments()):
            at = self.table.reach(at if number == 0 else self.table.follow(at, period), period, pauses)
            if at >= NEVER:
                return None
        return self.moment(at)

    def earlier(self, moment: datetime, period: Period) -> datetime:
        """So much before a deadline: the closing of the n-th working day before its day; the first moment at which that
        much working time is left; or the same time of day so many calendar days before."""
        at = self.offset(moment)
        if period.amount == 0:
            return moment
        if period.unit == "calendar_days":
            return self.moment(at - period.amount * DAY)
        if period.unit == "working_hours":
            return self.moment(self.table.instant(self.table.position(at) - period.amount * HOUR))
        day = max(at - 1, 0) // DAY  # a closing at 24:00 belongs to the day that it ends
        index = self.table.rank[day] - self.table.working[day] - period.amount
        if index < 0:
            raise self.table.unkept()
        return self.moment(self.table.closing[self.table.nth[index]])

    def later(self, moment: datetime, period: Period) -> datetime:
        """So much after a deadline, counted like a new period; a deadline at 24:00 belongs to the day that it ends."""
        return self.moment(self.table.reach(self.table.follow(self.offset(moment), period), period, ()))

    def elapsed(self, begin: datetime, end: datetime, pauses: Sequence[Pause] = ()) -> timedelta:
        """Working time from `begin` to `end` outside pauses; zero if `end` is not after `begin`."""
        low, high = self.offset(begin), self.offset(end)
        if high <= low:
            return timedelta(0)
        worked = self.table.position(high) - self.table.position(low)
        for first, last in self.stretches(pauses):
            if first < high and last > low:
                worked -= self.table.position(min(last, high)) - self.table.position(max(first, low))
        return timedelta(microseconds=worked)

    def working_days(self, begin: datetime, end: datetime) -> int:
        """Working days after the day of `begin`, up to and with the day of `end`; negative the other way round."""
        return self.table.rank[self.offset(end) // DAY] - self.table.rank[self.offset(begin) // DAY]

    def deadlines(self, starts: Instants, amounts: NDArray[np.int64] | int, unit: Unit = "working_days") -> Instants:
        """`deadline` of many starts at once: datetime64 in UTC, microseconds, in the shape of `starts`.

        `amounts` is one for all or one for each. Raises ValueError for a negative one or a start that is not a time.
        """
        origin = np.datetime64(self.table.origin.replace(tzinfo=None), "us")
        amount = np.asarray(amounts, dtype=np.int64)
        if np.isnat(starts).any() or (amount < 0).any():
            raise ValueError("a start is not a time, or an amount is negative")
        at = (starts.astype("datetime64[us]") - origin).astype(np.int64)
        if at.size == 0:
            return starts.astype("datetime64[us]")
        if at.min() < 0:
            raise self.table.unkept()
        if at.max() >= self.table.size * DAY:
            raise self.table.beyond()
        reached = self._many_hours(at, amount) if unit == "working_hours" else self._many_days(at, amount, unit)
        moments: Instants = origin + reached.astype("timedelta64[us]")
        return moments

    def _many_days(self, at: tables.Offsets, amount: tables.Offsets, unit: Unit) -> tables.Offsets:
        table = self.table
        day = at // DAY
        too_late = at > table.closing_array[day]
        if unit == "calendar_days":
            reached = day + amount + ((amount == 0) & too_late)
            if reached.max() >= table.size:
                raise table.beyond()
            index = table.rank_array[reached] - table.working_array[reached]
        else:
            today = (table.working_array[day] & ~too_late).astype(np.int64)
            index = table.rank_array[day] + np.where(amount == 0, -today, amount - 1)
        if index.max() >= len(table.nth):
            raise table.beyond()
        closing: tables.Offsets = table.closing_array[table.nth_array[index]]
        return closing

    def _many_hours(self, at: tables.Offsets, amount: tables.Offsets) -> tables.Offsets:
        table, shifts = self.table, self.table.shifts
        day = at // DAY
        row = table.shift_array[day]
        inside = (at - day * DAY)[..., None]
        worked = (np.clip(inside, shifts.begins[row], shifts.ends[row]) - shifts.begins[row]).sum(axis=-1)
        position = table.before_array[day] + np.where(table.working_array[day], worked, 0) + amount * HOUR
        if position.max() > table.before[-1]:
            raise table.beyond()
        target = np.maximum(np.searchsorted(table.before_array, position, side="left") - 1, 0)
        rest = position - table.before_array[target]
        row = table.shift_array[target]
        reached = np.full(rest.shape, -1, dtype=np.int64)
        for span in range(shifts.begins.shape[1]):
            begin, length = shifts.begins[row, span], shifts.ends[row, span] - shifts.begins[row, span]
            reached = np.where((reached < 0) & (rest <= length), target * DAY + begin + rest, reached)
            rest = rest - length
        return np.where(amount == 0, at, reached)

    def stretches(self, pauses: Sequence[Pause]) -> Stretches:
        """Pauses as offsets in order, those that touch joined. Raises Invalid `calendar.pause_backwards`."""
        offsets = []
        for pause in pauses:
            if pause.end is not None and pause.end < pause.begin:
                raise Invalid("calendar.pause_backwards", begin=pause.begin.isoformat(), end=pause.end.isoformat())
            offsets.append((self.distance(pause.begin), NEVER if pause.end is None else self.distance(pause.end)))
        joined: list[tuple[int, int]] = []
        for begin, end in sorted(offsets):
            if joined and begin <= joined[-1][1]:
                joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
            else:
                joined.append((begin, end))
        return joined

    def distance(self, moment: datetime) -> int:
        """The offset of any moment, known or not."""
        passed = moment - self.table.origin
        return passed.days * DAY + passed.seconds * 1_000_000 + passed.microseconds

    def offset(self, moment: datetime) -> int:
        """The offset of a moment within the known days."""
        passed = moment - self.table.origin
        return self.table.inside(passed.days) * DAY + passed.seconds * 1_000_000 + passed.microseconds

    def moment(self, offset: int) -> datetime:
        """The moment of an offset."""
        return self.table.origin + timedelta(microseconds=offset)


class Calendars(msgspec.Struct, frozen=True):
    """The city's calendar, and those of organisations that have their own."""

    city: Calendar
    own: Mapping[str, Calendar]

    def of(self, organisation: str) -> Calendar:
        """The calendar of an organisation."""
        return self.own.get(organisation, self.city)


def calendars(spec: CalendarSpec) -> Calendars:
    """The calendars that a city's data describe. Raises Invalid `calendar.…` naming what is wrong in them."""
    own: dict[str, Calendar] = {}
    for hours in spec.organisations:
        if hours.organisation in own:
            raise Invalid("calendar.organisation_twice", organisation=hours.organisation)
        own[hours.organisation] = Calendar(tables.sheet(spec, hours))
    return Calendars(Calendar(tables.sheet(spec)), own)
