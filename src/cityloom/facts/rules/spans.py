"""Spans of time in days, months and years, and months paid without too long a gap."""

from collections.abc import Sequence
from datetime import date, datetime
from itertools import pairwise
from typing import Any


def _day(value: Any) -> date | None:
    if isinstance(value, datetime):
        return value.date()
    return value if isinstance(value, date) else None


def days(start: Any, end: Any) -> int | None:
    """Days from one day to another; negative where the second is earlier, None for what are no days."""
    first, last = _day(start), _day(end)
    return None if first is None or last is None else (last - first).days


def months(start: Any, end: Any) -> int | None:
    """Complete months from one day to another, as for an age: the 31st to the 30th of the next month is none."""
    first, last = _day(start), _day(end)
    if first is None or last is None:
        return None
    whole = (last.year - first.year) * 12 + last.month - first.month
    return whole - (last.day < first.day)


def years(start: Any, end: Any) -> int | None:
    """Complete years from one day to another."""
    whole = months(start, end)
    return None if whole is None else whole // 12


def month_number(text: str) -> int:
    """Months since year 0 of a month such as 2026-03. Raises ValueError."""
    year, month = text.split("-")
    return int(year) * 12 + int(month) - 1


def month_text(number: int) -> str:
    """The month of that number, such as 2026-03."""
    return f"{number // 12:04d}-{number % 12 + 1:02d}"


def last_months(on: date, number: int) -> list[str]:
    """The month of a day and those before it, newest first; `number` in all."""
    this = on.year * 12 + on.month - 1
    return [month_text(this - back) for back in range(max(0, number))]


def paid_months(
    named: Sequence[Any], without_gap: Sequence[Any], gap: int, lag: int, on: date
) -> int:  # fmt: skip
    """Months paid in the run that reaches up to a day, where no more than `gap` months in a row are missing.

    `named` has the month of each payment (YYYY-MM), `without_gap` how many months up to it were paid without a gap, itself
    included (empty: one): so one record may tell of a long time. The last payment may be `lag` months old, which is how late
    payments are reported; else the run does not reach the day, and the answer is 0. Months after the day do not count.
    """
    today = on.year * 12 + on.month - 1
    paid: set[int] = set()
    for text, number in zip(named, without_gap, strict=True):
        if isinstance(text, str) and text:
            last = month_number(text)
            paid.update(range(last - (int(number) if number else 1) + 1, last + 1))
    reached = sorted((month for month in paid if month <= today), reverse=True)
    if not reached or today - reached[0] > lag:
        return 0
    run = 1
    for later, earlier in pairwise(reached):
        if later - earlier - 1 > gap:
            break
        run += 1
    return run


def count(values: Sequence[Any]) -> int:
    """How many records say something."""
    return sum(value is not None and value != "" for value in values)


def latest(values: Sequence[Any]) -> Any:
    """The greatest value, such as the last day; None where nothing is said."""
    said = [value for value in values if value is not None]
    return max(said) if said else None
