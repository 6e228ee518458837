"""What was handed in and when it was due, for those who count. As far as the caller's scope sees; asks no policy."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from cityloom.exchange.api import gate
from cityloom.exchange.contracts import Deadline, Handed
from cityloom.exchange.rules import due
from cityloom.exchange.store import figures, ledger
from cityloom.kernel.context import Context

WINDOW = timedelta(days=300)
LONGEST = timedelta(days=366)
"""Days of grace after a period are fewer."""


def handed(ctx: Context, keeper: str, start: datetime, end: datetime) -> list[Handed]:
    """Decided deliveries of a keeper's datasets that arrived from `start` until before `end`."""
    with ctx.begin() as tx:
        return figures.handed(tx, keeper, start, end)


def last_handed(ctx: Context, until: datetime) -> dict[str, Handed]:
    """The last delivery of each dataset that was accepted before `until`, by dataset."""
    with ctx.begin() as tx:
        return {each.dataset: each for each in figures.last_handed(tx, until)}


def deadlines(ctx: Context, keeper: str, start: datetime, end: datetime) -> list[Deadline]:
    """The periods of a keeper's active datasets whose deadline lies from `start` until before `end`.

    Periods that were over before the dataset was declared as it is now do not count. An accepted delivery that arrived
    after the period's last day and by its deadline is in time.
    """
    with ctx.begin() as tx:
        known = [row.name for row in ledger.datasets(tx) if row.active and row.organisation == keeper]
        since = ledger.installed_at(tx)
        arrived = [row for row in figures.handed(tx, keeper, start - LONGEST, end) if row.state == "accepted"]
    found = []
    for name in known:
        times = [row.received_at for row in arrived if row.dataset == name]
        for each in _due(ctx, keeper, name, max(start, since[name]), end):
            on_time = any(each.ended_at <= at <= each.due_at for at in times)
            found.append(Deadline(name, each.ends_on, each.due_at, on_time))
    return found


def _due(ctx: Context, keeper: str, dataset: str, start: datetime, end: datetime) -> Iterator[due.DuePeriod]:
    """Oldest first, in windows that the search for periods reaches back over."""
    update, calendar = gate.dataset(ctx, dataset).update, ctx.parts.calendars.of(keeper)
    while start < end:
        upto = min(end, start + WINDOW)
        yield from reversed(due.due_within(update, start, upto, calendar))
        start = upto
