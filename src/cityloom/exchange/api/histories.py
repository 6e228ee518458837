"""Single records of the current state, and what happened to a few of them since a sequence.

As with `excerpts`, the floor above has decided and recorded before it calls.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from cityloom.exchange.api import deliveries, gate
from cityloom.exchange.contracts import RecordChange, Standing, Watched
from cityloom.exchange.store import single
from cityloom.exchange.store.changes import WAS
from cityloom.kernel.context import Context

Record = dict[str, Any]


def standing(ctx: Context, dataset: str) -> Standing:
    """How far a dataset's change rows go. Raises NotFound `exchange.dataset_unknown`."""
    row = deliveries.describe(ctx, dataset)
    return Standing(row.name, row.organisation, row.last_sequence, row.floor_sequence)


def record(ctx: Context, dataset: str, key: Sequence[str]) -> Record | None:
    """The record of that key as JSON says it; None if there is none now."""
    shape = gate.shape_of(gate.dataset(ctx, dataset))
    with ctx.lake.session() as cursor:
        found = single.record(cursor, shape, key)
    return _plain(found) if found is not None else None


def having(ctx: Context, dataset: str, field: str, values: Sequence[str], most: int) -> list[Record]:
    """Records that have one of these values in a field, as JSON says them, by key; at most `most` of each value.

    Raises NotFound `exchange.dataset_unknown`, LookupError for a field that the dataset has not.
    """
    declared = gate.dataset(ctx, dataset)
    if field not in {each.name for each in declared.fields}:
        raise LookupError(field)
    with ctx.lake.session() as cursor:
        return [_plain(row) for row in single.having(cursor, gate.shape_of(declared), field, values, most)]


def changes(ctx: Context, dataset: str, watched: Sequence[Watched], upto: int) -> list[RecordChange]:
    """What happened to these records up to a sequence, in order. Their number should be some hundreds at most."""
    if not watched:
        return []
    shape = gate.shape_of(gate.dataset(ctx, dataset))
    with ctx.lake.session() as cursor:
        return [_change(row) for row in single.changes(cursor, shape, watched, upto)]


def _change(row: Mapping[str, Any]) -> RecordChange:
    fields = _plain({name: value for name, value in row.items() if not name.startswith("_")})
    return RecordChange(
        place=row["_place"],
        sequence=row["_sequence"],
        cause=row["_cause"],
        delivery=row["_delivery"],
        before=_plain(row[WAS]) if row[WAS] is not None else None,
        after=None if row["_op"] == "delete" else fields,
    )


def _plain(row: Mapping[str, Any]) -> Record:
    """Days, moments and decimals as texts."""
    return msgspec.json.decode(msgspec.json.encode(row), type=dict[str, Any])
