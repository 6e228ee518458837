"""What one day brought to a dataset and how its state is, as counts: what quality is measured by.

As with `excerpts`, the floor above has decided and recorded before it calls; nothing here leaves but counts.
"""

from datetime import UTC, date, datetime, time, timedelta

import duckdb

from cityloom.exchange.api import deliveries, gate
from cityloom.exchange.contracts import DatasetDay, DueDelivery, Probe
from cityloom.exchange.rules import due, probes
from cityloom.exchange.spec import ResolvedDataset
from cityloom.exchange.store import ledger, measures
from cityloom.exchange.store.ledger import DatasetRow
from cityloom.kernel.context import Context


def datasets(ctx: Context) -> list[str]:
    """Every active dataset by name."""
    with ctx.begin() as tx:
        return [row.name for row in ledger.datasets(tx) if row.active]


def installed(ctx: Context) -> dict[str, datetime]:
    """Since when each dataset's declaration is in force, by its name."""
    with ctx.begin() as tx:
        return ledger.installed_at(tx)


def measure(ctx: Context, dataset: str, day: date) -> DatasetDay:
    """One dataset on one day in the city's time zone. Raises NotFound `exchange.dataset_unknown`."""
    zone = ctx.parts.calendars.city.table.zone
    start, end = (datetime.combine(each, time.min, zone) for each in (day, day + timedelta(days=1)))
    row, declared = deliveries.describe(ctx, dataset), gate.dataset(ctx, dataset)
    shape = gate.shape_of(declared)
    with ctx.begin() as tx:
        found = measures.delivered(tx, dataset, start, end)
    ids = [each.id for each in found]
    with ctx.lake.turn(), ctx.lake.session() as cursor:
        probed = _probe(ctx, cursor, declared, day, end.astimezone(UTC))
        broken = measures.broken(cursor, shape, ids)
        faults = measures.faults(cursor, shape, ids)
        confirmed = measures.confirmed(cursor, shape, ids)
    return DatasetDay(
        dataset=row.name,
        keeper=row.organisation,
        required=sum(field.required for field in declared.fields),
        rows_in=sum(each.rows_in for each in found),
        quarantined=sum(each.quarantined for each in found),
        repeats=sum(each.duplicates for each in found) - confirmed,
        inconsistent=sum(each.rows for each in broken if probes.has(probes.INCONSISTENT, each.rules)),
        ambiguous=sum(each.rows for each in broken if probes.has(probes.AMBIGUOUS, each.rules)),
        faults=tuple(faults),
        probes=tuple(probed),
        due=tuple(_due(ctx, row, declared, start, end)),
    )


def _probe(
    ctx: Context, cursor: duckdb.DuckDBPyConnection, declared: ResolvedDataset, day: date, end: datetime
) -> list[Probe]:
    relations = {name: gate.shape_of(gate.dataset(ctx, name)).current for name in declared.references}
    looks, shape = probes.looks(declared, relations, day), gate.shape_of(declared)
    judged = measures.judge(cursor, shape, [(look.seen, look.good) for look in looks], end)
    found = [Probe(look.kind, look.name, *counted) for look, counted in zip(looks, judged, strict=True)]
    found.append(Probe("keys", ", ".join(shape.key), *measures.alone(cursor, shape, shape.key, end)))
    unique = probes.unique(declared)
    return found + [Probe("unique", name, *measures.alone(cursor, shape, [name], end)) for name in unique]


def _due(
    ctx: Context, row: DatasetRow, declared: ResolvedDataset, start: datetime, end: datetime
) -> list[DueDelivery]:  # fmt: skip
    """The periods that were due on the day; those before the dataset was declared were nobody's duty."""
    periods = due.due_within(declared.update, start, end, ctx.parts.calendars.of(row.organisation))
    with ctx.begin() as tx:
        since = ledger.installed_at(tx)[row.name]
        return [
            DueDelivery(each.ends_on, each.due_at, measures.accepted_within(tx, row.name, each.ended_at, each.due_at))
            for each in periods
            if since <= each.due_at
        ]
