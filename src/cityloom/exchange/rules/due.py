"""When a dataset's delivery for a period is due, in the working time of its keeper."""

from collections.abc import Iterator
from datetime import date, datetime, timedelta

import msgspec

from cityloom.exchange.spec import Update
from cityloom.kernel.calendar import spec
from cityloom.kernel.calendar.rules import Calendar
from cityloom.kernel.errors import Invalid

LOOK_BACK = 400
MONTHS = {"month": 1, "quarter": 3, "half_year": 6, "year": 12}


class DuePeriod(msgspec.Struct, frozen=True):
    """A complete period and the moment until which its delivery must have come."""

    starts_on: date
    ends_on: date
    """Its last day."""
    ended_at: datetime
    """Local midnight after its last day: a delivery from then on may be the period's."""
    due_at: datetime


def start_of_period(update: Update, day: date) -> date:
    """First day of the period that holds `day`."""
    if update.every == "day":
        return day
    if update.every == "week":
        return day - timedelta(days=day.weekday())
    months = MONTHS[update.every]
    return date(day.year, (day.month - 1) // months * months + 1, 1)


def last_due(update: Update, now: datetime, calendar: Calendar) -> DuePeriod | None:
    """The latest complete period whose deadline has passed at `now`; None for a dataset without a rhythm."""
    return next((period for period in _complete(update, now, calendar) if period.due_at <= now), None)


def missed(
    update: Update, now: datetime, calendar: Calendar, since: datetime, last: datetime | None
) -> DuePeriod | None:
    """The latest complete period whose deadline has passed, if nothing was accepted after its end, however late.

    `since`: when the dataset was declared; periods due before that were nobody's duty. `last`: the last accepted delivery.
    """
    period = last_due(update, now, calendar)
    if period is None or since > period.due_at or (last or since) >= period.ended_at:
        return None
    return period


def due_within(update: Update, start: datetime, end: datetime, calendar: Calendar) -> list[DuePeriod]:
    """The periods whose deadline lies from `start` until before `end`, latest first."""
    found = []
    for period in _complete(update, end, calendar):
        if period.due_at < start:
            break
        if period.due_at < end:
            found.append(period)
    return found


def _complete(update: Update, now: datetime, calendar: Calendar) -> Iterator[DuePeriod]:
    """The periods that were complete at `now`, latest first, without those whose deadline cannot be counted yet.

    The days of grace begin on the day after the period's last day, so 0 days means by the end of that last day.
    """
    if update.every == "irregular":
        return
    begins = start_of_period(update, now.astimezone(calendar.table.zone).date())
    for _ in range(LOOK_BACK):
        ends = begins - timedelta(days=1)
        begins = start_of_period(update, ends)
        ended = calendar.start_of(ends + timedelta(days=1))
        due = _deadline(update, ended, calendar)
        if due is not None:
            yield DuePeriod(begins, ends, ended, due)


def _deadline(update: Update, ended: datetime, calendar: Calendar) -> datetime | None:
    unit: spec.Unit = "working_days" if update.days == "working" else "calendar_days"
    if not update.due_days:
        return ended
    try:
        return calendar.deadline(ended - timedelta(seconds=1), spec.Period(update.due_days, unit))
    except Invalid as problem:
        if problem.code == "calendar.not_announced":  # it lies beyond the holidays that are known
            return None
        raise
