"""What the exchange does by itself: finish what dead processes left, find overdue datasets, reconcile days."""

import hashlib
from collections.abc import Collection
from datetime import date, datetime, time, timedelta

from cityloom.exchange.api import deliveries, gate
from cityloom.exchange.contracts import Overdue, ReconciledDay
from cityloom.exchange.events import DatasetOverdue
from cityloom.exchange.rules import due
from cityloom.exchange.store import ledger
from cityloom.exchange.store.ledger import Delivery
from cityloom.kernel import jobs, lanes, log, metrics
from cityloom.kernel.context import Context
from cityloom.kernel.db import Transaction
from cityloom.kernel.errors import Unavailable

logger = log.logger("exchange")


def sweep(ctx: Context) -> None:
    """Finish deliveries whose worker died: those committing are decided, those received are queued again."""
    with ctx.begin() as tx:
        left = ledger.waiting(tx, ctx.clock.now())
        metrics.BACKLOG.set(ledger.backlog(tx))
    for each in left:
        if each.state == "received":
            _queue_again(ctx, each)
    for dataset in sorted({each.dataset for each in left if each.state != "received"}):
        try:
            _finish(ctx, dataset)
        except Unavailable:
            raise
        except Exception:
            logger.exception("sweep_failed", dataset=dataset)  # and the other datasets go on


def _finish(ctx: Context, dataset: str) -> None:
    # whoever holds the lane finishes what others left before doing its own, so there is nothing to wait for
    with ctx.lake.session() as cursor, lanes.try_hold(ctx.parts.db, deliveries.lane(dataset)) as term:
        if term:
            deliveries.take_up(ctx, cursor, dataset, term)


def _queue_again(ctx: Context, delivery: Delivery) -> None:
    arguments: dict[str, str | int | None] = {"dataset": delivery.dataset, "delivery": delivery.id}
    with ctx.begin() as tx:
        ledger.touch(tx, delivery, ctx.clock.now())
        if not jobs.queued(tx, "exchange.process", arguments):
            jobs.enqueue(tx, "exchange.process", arguments, lock=deliveries.lane(delivery.dataset))


def clean_spool(ctx: Context) -> None:
    """Remove spooled bytes that no undecided delivery names and nobody has written to for an hour."""
    with ctx.begin() as tx:
        named = set(ledger.spooled_paths(tx))
    before = ctx.clock.now().timestamp() - 3600
    for path in ctx.settings.spool.glob("*"):
        if str(path) not in named and path.is_file() and path.stat().st_mtime < before:
            path.unlink(missing_ok=True)


def reconcile(ctx: Context, day: date) -> list[ReconciledDay]:
    """Each dataset's day: counts and a digest that the sender can compute from its own list.

    Those with right `exchange.read_receipt`.
    """
    zone = ctx.parts.calendars.city.table.zone
    start, end = (datetime.combine(each, time.min, zone) for each in (day, day + timedelta(days=1)))
    with ctx.begin() as tx:
        rows = ledger.day(tx, start, end)
    return [_reconciled(day, row) for row in rows if deliveries.readable(ctx, row.dataset, row.organisation)]


def _reconciled(day: date, row: ledger.DayRow) -> ReconciledDay:
    kept = row.accepted + row.quarantined + row.duplicates
    return ReconciledDay(
        dataset=row.dataset,
        day=day,
        deliveries=row.deliveries,
        sent=row.sent,
        accepted=row.accepted,
        quarantined=row.quarantined,
        duplicates=row.duplicates,
        declared=row.declared,
        difference=abs(row.sent - kept) + abs(row.declared - row.sent),
        hashes_differ=row.hashes_differ,
        digest=hashlib.sha256(row.lines.encode()).hexdigest(),
    )


def overdue(ctx: Context) -> list[Overdue]:
    """Open overdue periods of the caller's organisation. Those with right `exchange.read_receipt`."""
    with ctx.begin() as tx:
        rows = ledger.overdue(tx)
    return [row for row in rows if deliveries.readable(ctx, row.dataset, row.organisation)]


def late(ctx: Context, names: Collection[str] | None = None) -> list[Overdue]:
    """Datasets (of these names, or all) whose last complete period was not delivered by its deadline. As the platform."""
    now = ctx.clock.now()
    with ctx.begin() as tx:
        known = {row.name: row.organisation for row in ledger.datasets(tx) if row.active}
        last = ledger.last_accepted(tx)
        since = ledger.installed_at(tx)
    found = []
    for name, keeper in known.items():
        if names is not None and name not in names:
            continue
        update, calendar = gate.dataset(ctx, name).update, ctx.parts.calendars.of(keeper)
        period = due.missed(update, now, calendar, since[name], last.get(name))
        if period is None:
            continue
        found.append(Overdue(name, keeper, period.ends_on, period.due_at, None))
    return found


def find_overdue(ctx: Context) -> None:
    """Note every dataset whose last complete period was not delivered by its deadline, and tell its keeper."""
    for found in late(ctx):
        with ctx.begin() as tx:
            _announce(ctx, tx, found)


def _announce(ctx: Context, tx: Transaction, found: Overdue) -> None:
    if ledger.note_overdue(tx, found, ctx.clock.now()):
        ctx.emit(tx, DatasetOverdue(found.dataset, found.organisation, found.period_end.isoformat()))
        ctx.record(tx, "exchange.dataset_overdue", f"dataset:{found.dataset}", period=found.period_end.isoformat())
