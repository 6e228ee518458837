"""When a dataset's delivery for a period is due, in the working time of its keeper."""

from datetime import date, datetime, timedelta

import msgspec

from cityloom.exchange.spec import Update
from cityloom.kernel.calendar import spec
from cityloom.kernel.calendar.rules import Calendar

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
    """The latest complete period whose deadline has passed at `now`; None for a dataset without a rhythm.

    The days of grace begin on the day after the period's last day, so 0 days means by the end of that last day.
    """
    if update.every == "irregular":
        return None
    unit: spec.Unit = "working_days" if update.days == "working" else "calendar_days"
    today = now.astimezone(calendar.table.zone).date()
    begins = start_of_period(update, today)
    for _ in range(LOOK_BACK):
        ends = begins - timedelta(days=1)
        begins = start_of_period(update, ends)
        ended = calendar.start_of(ends + timedelta(days=1))
        due = ended
        if update.due_days:
            due = calendar.deadline(ended - timedelta(seconds=1), spec.Period(update.due_days, unit))
        if due <= now:
            return DuePeriod(begins, ends, ended, due)
    return None
