"""Why a deadline is where it is: every day that counted, every day that did not, and by whose word."""

from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from itertools import groupby
from typing import Literal

import msgspec

from cityloom.kernel.calendar.rules import Calendar
from cityloom.kernel.calendar.spec import Pause, Period, Term, Unit
from cityloom.kernel.calendar.tables import DAY, NEVER, Stretches
from cityloom.kernel.words import Text, Words

StepKind = Literal[
    "start", "extended", "counted", "swapped", "weekend", "holiday", "rest", "suspended", "moved", "due", "standing"
]
NOTHING = Text("", "")
SECOND = 1_000_000


class Step(msgspec.Struct, frozen=True):
    """One line of an explanation, about the days `first` to `last` (local dates).

    kind start: the period and its moment; extended: by how much, why; counted: `amount` of `unit`, `total` so far;
    swapped: counted on a weekend, in exchange for `name`; weekend, holiday, rest: not counted, `name` says which;
    suspended: not counted, `reason`; moved: days of rest that pushed the last day on; due: `moment` is the deadline;
    standing: the clock has stood still since `moment`. Amounts are days, or seconds where `unit` is working_hours.
    """

    kind: StepKind
    first: date
    last: date
    amount: int = 0
    total: int = 0
    unit: Unit = "working_days"
    name: Text = NOTHING
    reason: str = ""
    moment: datetime | None = None


class Explanation(msgspec.Struct, frozen=True):
    """A deadline with its reasons; `due` is None while the clock stands still."""

    term: Term
    due: datetime | None
    steps: tuple[Step, ...]

    def lines(self, words: Words, language: str) -> list[str]:
        """The steps as sentences in a language."""
        return [_line(step, words, language) for step in self.steps]


class _Mark(msgspec.Struct, frozen=True):
    """How one day was treated; days in a row with the same treatment become one step."""

    kind: StepKind
    name: Text = NOTHING
    reason: str = ""


def explain(calendar: Calendar, term: Term) -> Explanation:
    """The deadline of a term and every reason for it. Raises what `Calendar.due` raises."""
    pauses = calendar.stretches(term.pauses)
    at = calendar.offset(term.start)
    steps: list[Step] = []
    for number, (period, extensions) in enumerate(term.segments()):
        at = at if number == 0 else calendar.table.follow(at, period)
        end = calendar.table.reach(at, period, pauses)
        first = _date(calendar, at)
        if number == 0:
            steps.append(_given("start", term.period, first, moment=_local(calendar, at)))
        steps += [_given("extended", extension.by, first, extension.reason) for extension in extensions]
        until = end if end < NEVER else max(at, pauses[-1][0])
        if period.unit == "working_hours":
            steps += _hours(calendar, at, until, pauses, term.pauses)
        else:
            steps += _days(calendar, at, end, until, period, pauses, term.pauses)
        at = until
        if end >= NEVER:
            steps.append(Step("standing", _date(calendar, at), _date(calendar, at), moment=_local(calendar, at)))
            return Explanation(term, None, tuple(steps))
    steps.append(Step("due", _date(calendar, at - 1), _date(calendar, at - 1), moment=_local(calendar, at)))
    return Explanation(term, calendar.moment(at), tuple(steps))


def _given(kind: StepKind, period: Period, day: date, reason: str = "", moment: datetime | None = None) -> Step:
    amount = period.amount * 3600 if period.unit == "working_hours" else period.amount
    return Step(kind, day, day, amount, 0, period.unit, reason=reason, moment=moment)


def _days(
    calendar: Calendar, at: int, end: int, until: int, period: Period, pauses: Stretches, named: Sequence[Pause]
) -> Iterator[Step]:
    """The days after the day of `at` up to that of `end`, or as long as the clock ran."""
    table = calendar.table
    start_counts = period.amount == 0 and at <= table.closing[at // DAY]
    every_day = period.unit == "calendar_days" and period.amount > 0
    counted_to = table.last_day(at, period, pauses)
    blocked = table.blocked(pauses)
    last = (until - 1) // DAY  # a closing at 24:00 belongs to the day that it ends
    marks = []
    for day in range(at // DAY + (0 if start_counts else 1), min(last, counted_to) + 1):
        stopped = any(low <= day <= high for low, high in blocked)
        if not (end >= NEVER and stopped and day == last):
            marks.append((day, _mark(calendar, day, every_day=every_day, stopped=stopped, named=named)))
    marks += [(day, _moved(calendar, day, named)) for day in range(counted_to, last)]
    yield from _steps(calendar, marks, "calendar_days" if every_day else "working_days")


def _mark(calendar: Calendar, day: int, *, every_day: bool, stopped: bool, named: Sequence[Pause]) -> _Mark:
    fact = calendar.sheet.fact(day)
    if fact.kind in ("weekend", "holiday", "rest") and not every_day:
        return _Mark(fact.kind, fact.name)
    if stopped:
        return _stopped(calendar, day, named)
    return _Mark("swapped", fact.name) if fact.kind == "swapped" and not every_day else _Mark("counted")


def _moved(calendar: Calendar, day: int, named: Sequence[Pause]) -> _Mark:
    """A day after the last one counted: rest, or stopped."""
    fact = calendar.sheet.fact(day)
    return _stopped(calendar, day, named) if fact.is_working else _Mark("moved", fact.name)


def _stopped(calendar: Calendar, day: int, named: Sequence[Pause]) -> _Mark:
    closing = calendar.table.closing[day]
    reasons = [
        pause.reason
        for pause in named
        if calendar.distance(pause.begin) < closing and (pause.end is None or closing <= calendar.distance(pause.end))
    ]
    return _Mark("suspended", reason="; ".join(reasons))


def _steps(calendar: Calendar, marks: Sequence[tuple[int, _Mark]], unit: Unit) -> Iterator[Step]:
    total = 0
    for mark, group in groupby(marks, key=lambda pair: pair[1]):
        days = [day for day, _ in group]
        total += len(days) if mark.kind in ("counted", "swapped") else 0
        first, last = calendar.first + timedelta(days=days[0]), calendar.first + timedelta(days=days[-1])
        yield Step(mark.kind, first, last, len(days), total, unit, mark.name, mark.reason)


def _hours(calendar: Calendar, at: int, until: int, pauses: Stretches, named: Sequence[Pause]) -> list[Step]:
    """The days from `at` to `until` with the working seconds counted on them; the days at the ends may count none."""
    steps: list[Step] = []
    total = 0
    for day in range(at // DAY, (until - 1) // DAY + 1):
        fact = calendar.sheet.fact(day)
        if fact.kind in ("weekend", "holiday", "rest"):
            _skip(steps, Step(fact.kind, fact.date, fact.date, 1, total, name=fact.name))
            continue
        low, high = max(at, day * DAY), min(until, (day + 1) * DAY)
        worked, lost = _worked(calendar, low, high, pauses)
        if lost:
            reason = "; ".join(pause.reason for pause in named if _touches(calendar, pause, low, high))
            steps.append(Step("suspended", fact.date, fact.date, lost, total, "working_hours", reason=reason))
        if worked > lost:
            total += worked - lost
            kind: StepKind = "swapped" if fact.kind == "swapped" else "counted"
            name = fact.name if kind == "swapped" else NOTHING
            steps.append(Step(kind, fact.date, fact.date, worked - lost, total, "working_hours", name))
    return steps


def _worked(calendar: Calendar, low: int, high: int, pauses: Stretches) -> tuple[int, int]:
    """Working seconds between two offsets, and how many of them lie in pauses."""
    position = calendar.table.position
    touching = [(max(begin, low), min(end, high)) for begin, end in pauses if begin < high and end > low]
    lost = sum(position(end) - position(begin) for begin, end in touching)
    return (position(high) - position(low)) // SECOND, lost // SECOND


def _skip(steps: list[Step], step: Step) -> None:
    """Append a day of rest, joined to those before it that rest for the same reason."""
    if steps and (steps[-1].kind, steps[-1].name) == (step.kind, step.name):
        step = msgspec.structs.replace(step, first=steps[-1].first, amount=steps[-1].amount + 1)
        steps.pop()
    steps.append(step)


def _touches(calendar: Calendar, pause: Pause, low: int, high: int) -> bool:
    return calendar.distance(pause.begin) < high and (pause.end is None or calendar.distance(pause.end) > low)


def _date(calendar: Calendar, at: int) -> date:
    return calendar.first + timedelta(days=at // DAY)


def _local(calendar: Calendar, at: int) -> datetime:
    return calendar.moment(at).astimezone(calendar.table.zone)


def _line(step: Step, words: Words, language: str) -> str:
    single = step.first == step.last
    hours = step.kind == "start" and step.unit == "working_hours"
    return words.say(
        "calendar.step.start_hours" if hours else f"calendar.step.{step.kind}",
        language,
        days=step.first.isoformat() if single else f"{step.first.isoformat()} – {step.last.isoformat()}",
        amount=_length(step.amount, step.unit, words, language),
        total=_length(step.total, step.unit, words, language),
        name=step.name.of(language),
        reason=step.reason,
        moment=_moment(step),
    )


def _moment(step: Step) -> str:
    if step.moment is None:
        return ""
    if step.kind == "due" and step.moment.date() > step.last:
        return f"{step.last.isoformat()} 24:00"
    return step.moment.strftime("%Y-%m-%d %H:%M")


def _length(amount: int, unit: Unit, words: Words, language: str) -> str:
    if unit != "working_hours":
        plain = f"calendar.length.{unit}"
        return words.say(f"{plain}.one" if amount == 1 else plain, language, amount=amount)
    hours, minutes = divmod(amount // 60, 60)
    code = "calendar.length.hours_minutes" if minutes else "calendar.length.hours"
    return words.say(code, language, hours=hours, minutes=minutes)
