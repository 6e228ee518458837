"""Deadlines in working time: one by one and many at once, against a day-by-day count with the same holidays."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import chinese_calendar
import numpy as np

from cityloom.bench.line import Line, show, timed
from cityloom.kernel.calendar.rules import calendars
from cityloom.kernel.calendar.spec import CalendarSpec, Period

TARGET = 100_000


def run(quick: bool, talk: Callable[[str], None]) -> None:
    """Measure and print."""
    count = 20_000 if quick else 200_000
    calendar = calendars(CalendarSpec()).city
    first = datetime(2016, 1, 1, 1, tzinfo=UTC)
    starts = [first + timedelta(hours=number % 80_000) for number in range(count)]
    period = Period(10, "working_days")
    with timed() as single:
        for start in starts:
            calendar.deadline(start, period)
    array = np.array([start.replace(tzinfo=None) for start in starts], dtype="datetime64[us]")
    with timed() as many:
        calendar.deadlines(array, 10)
    few = starts[: count // 20]
    with timed() as plain:
        for start in few:
            _day_by_day(start, 10)
    per_plain = plain[0] / len(few)
    for item, seconds in (("one by one", single[0]), ("many at once", many[0])):
        rate = count / seconds
        show(
            Line(
                bench="calendar", item=item, rows=count, seconds=round(seconds, 4), rate=round(rate),
                baseline="day by day with chinese_calendar", ratio=round(seconds / count / per_plain, 5),
                target=f">= {TARGET}/s", met=rate >= TARGET,
            )
        )  # fmt: skip
    talk(f"{len(few)} deadlines counted day by day in {plain[0]:.2f} s")


def _day_by_day(start: datetime, days: int) -> datetime:
    day = (start + timedelta(hours=8)).date()
    while days:
        day += timedelta(days=1)
        days -= chinese_calendar.is_workday(day)
    return datetime(day.year, day.month, day.day, 10, tzinfo=UTC)
