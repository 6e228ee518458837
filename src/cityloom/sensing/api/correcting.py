"""Single Observations changed and removed, wherever they are.

One in the lake is overruled at once by a row in PostgreSQL, whole, in the transaction of the request; a job writes it into the
lake later. While a request does so, the border between PostgreSQL and lake stays where it is.
"""

from collections.abc import Mapping, Sequence

import msgspec

from cityloom.kernel.context import Context
from cityloom.kernel.db import Transaction
from cityloom.kernel.errors import NotFound
from cityloom.sensing.contracts import Kind
from cityloom.sensing.contracts.queries import Query
from cityloom.sensing.store import cooling, history, observations
from cityloom.sensing.store.past import Past

NOBODY: tuple[int, ...] = ()


class Spot(msgspec.Struct, frozen=True):
    """Where an Observation is: of which Datastream, whose, and its row as the lake has it, where it is there."""

    stream: int
    keeper: str
    rows: str = ""


def spot(ctx: Context, tx: Transaction, id: int) -> Spot:
    """Where it is, and stays until the transaction ends. Raises NotFound `sensing.entity_unknown`."""
    history.hold_border(tx)
    found = history.hot(tx, id)
    if found is not None:
        return Spot(found.stream, found.keeper)
    past = Past(tx, ctx.lake)
    wanted = past.wanted(Query(), None, id, None, lambda _kind, _node: NOBODY)
    rows = past.all(wanted) if wanted is not None else "[]"
    for each in msgspec.json.decode(rows, type=list[_Cold]):
        return Spot(each.datastream_id, each.keeper, rows)
    corrected = history.corrected(tx, id)
    if corrected is None:
        raise NotFound("sensing.entity_unknown", kind=Kind.observations.value, id=id)
    return Spot(corrected.stream, corrected.keeper, "[]")


class _Cold(msgspec.Struct, frozen=True):
    datastream_id: int
    keeper: str


def change(ctx: Context, tx: Transaction, id: int, values: Mapping[str, object]) -> None:
    """Write other values of an Observation; what its Datastreams come to is worked out anew."""
    at = spot(ctx, tx, id)
    streams = {at.stream, _as_int(values.get("datastream_id", at.stream))}
    if not at.rows:
        if values:
            observations.change(tx, id, dict(values))
        observations.pair(tx, id)
    else:
        _overrule(tx, id, at, values, removed=False)
        _refresh(ctx, tx, sorted(streams))
    observations.recount(tx, sorted(streams))


def remove(ctx: Context, tx: Transaction, id: int) -> None:
    """Remove an Observation."""
    at = spot(ctx, tx, id)
    if not at.rows:
        observations.remove(tx, [id])
    else:
        _overrule(tx, id, at, {}, removed=True)
        _refresh(ctx, tx, [at.stream])
    observations.recount(tx, [at.stream])


def remove_of_feature(ctx: Context, tx: Transaction, feature: int) -> None:
    """Remove every Observation of a feature. Raises BadRequest `sensing.history_too_wide` where the lake has too many."""
    history.hold_border(tx)
    past = Past(tx, ctx.lake)
    wanted = past.wanted(Query(), _Feature(feature), None, None, lambda _kind, _node: NOBODY)
    streams = observations.remove_of_feature(tx, feature)
    if wanted is not None:
        rows = past.all(wanted)
        history.correct(tx, rows, {}, removed=True)
        history.remove_of_feature(tx, feature)
        _refresh(ctx, tx, streams)
    observations.recount(tx, streams)


class _Feature(msgspec.Struct, frozen=True):
    """One FeatureOfInterest, as the parent of Observations."""

    feature: int
    kind: Kind = Kind.features

    @property
    def ids(self) -> list[int]:
        return [self.feature]


def _overrule(tx: Transaction, id: int, at: Spot, values: Mapping[str, object], *, removed: bool) -> None:
    if at.rows == "[]":
        history.amend(tx, [id], values, removed=removed)
    else:
        history.correct(tx, at.rows, values, removed=removed)


def _refresh(ctx: Context, tx: Transaction, streams: Sequence[int]) -> None:
    with ctx.lake.session() as cursor:
        cooling.refresh(tx, cursor, streams)


def _as_int(value: object) -> int:
    return value if isinstance(value, int) else int(str(value))
