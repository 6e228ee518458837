"""Whole datasets for floors above that compute over them: where the current state lies in the lake, and how far it goes."""

from collections.abc import Sequence

from cityloom.exchange.api import deliveries, gate
from cityloom.exchange.contracts import StateTable
from cityloom.exchange.store import ledger
from cityloom.exchange.store.shape import SCHEMA
from cityloom.kernel.context import Context


def states(ctx: Context, datasets: Sequence[str]) -> list[StateTable]:
    """The current state of each dataset. Those with right `exchange.read_changes` on every one; each reading is kept.

    What is read later may go beyond `last_sequence`, never fall short of it. Raises NotFound `exchange.dataset_unknown`.
    """
    rows = [deliveries.describe(ctx, name) for name in datasets]
    for row in rows:
        ctx.require("exchange.read_changes", deliveries.resource(row))
    with ctx.begin() as tx:
        for row in rows:
            ctx.record(tx, "exchange.records_read", f"dataset:{row.name}", upto=row.last_sequence)
    return [_table(ctx, row) for row in rows]


def _table(ctx: Context, row: ledger.DatasetRow) -> StateTable:
    declared = gate.dataset(ctx, row.name)
    fields = tuple(field.name for field in declared.fields)
    return StateTable(row.name, (*SCHEMA, row.name), fields, tuple(declared.key), row.last_sequence)
