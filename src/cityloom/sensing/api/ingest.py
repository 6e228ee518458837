"""Observations in, by the batch: one transaction, and only then the sender hears that they were taken.

`take` is the one way in, for HTTP and for gateways.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from weakref import WeakKeyDictionary

import msgspec
import numpy as np

from cityloom.kernel.access import Resource
from cityloom.kernel.context import Context
from cityloom.kernel.db import Database, Transaction
from cityloom.kernel.errors import BadRequest, Problem, Unavailable
from cityloom.sensing.events import ObservationsArrived
from cityloom.sensing.rules import columns
from cityloom.sensing.rules.columns import Columns, Slot
from cityloom.sensing.rules.drafts import Reading
from cityloom.sensing.store import observations as store
from cityloom.sensing.store.observations import Stream

_days: WeakKeyDictionary[Database, dict[date, str]] = WeakKeyDictionary()
"""Partitions known to be there, for each open database: they are never renamed, and go only when they are old."""


def partition(ctx: Context, received: datetime) -> str:
    """The partition of the day of arrival, made before the transaction that writes into it."""
    day, known = received.astimezone(UTC).date(), _days.setdefault(ctx.parts.db, {})
    if day not in known:
        with ctx.begin() as tx:
            made = store.make_day(tx, day)
        if not made:
            raise Unavailable("sensing.day_over")
        known.clear()  # days go by in order
        known[day] = made
    return known[day]


def resource(keeper: str) -> Resource:
    """The entities of a keeper, as the policies see them."""
    return Resource("SensingEntity", "sensing", {"keeper": keeper, "public": False})


class Taken(msgspec.Struct, frozen=True):
    """What became of a batch: the first id of those taken (0: none), and of each row its place among them or its problem."""

    first: int
    slots: Sequence[Slot]


def take(
    ctx: Context, tx: Transaction, found: Columns, received: datetime, into: str, unread: Mapping[int, Problem] = {}
) -> Taken:  # fmt: skip
    """Write a batch; what cannot be taken has its problem in its slot, and so has what could not be read before (`unread`).

    `into` is what `partition` gave.
    """
    known = {each.id: each for each in store.streams(tx, np.unique(found.streams).tolist())}
    problems = {**_problems(ctx, found, known), **unread}
    good = [place for place in range(len(found)) if place not in problems] if problems else None
    rows = found if good is None else columns.chosen(found, good)
    rows = _with_features(tx, rows, known)
    bad = _without_feature(tx, rows)
    if bad:
        kept = [place for place in range(len(rows)) if place not in bad]
        where = good if good is not None else list(range(len(found)))
        problems |= {where[place]: problem for place, problem in bad.items()}
        rows, good = columns.chosen(rows, kept), [where[place] for place in kept]
    first = 0
    if len(rows):
        first = store.write(tx, rows, into, received, ctx.principal.organisation)
        keeper = ctx.principal.organisation
        ctx.emit(tx, ObservationsArrived(first, first + len(rows) - 1, keeper, received.isoformat()))
    if not problems:
        return Taken(first, ())
    places = {place: number for number, place in enumerate(good or ())}
    return Taken(first, [Slot(places.get(place, -1), problems.get(place)) for place in range(len(found))])


def _problems(ctx: Context, found: Columns, known: dict[int, Stream]) -> dict[int, Problem]:
    """Rows of Datastreams that are not there or not ours, or with results that do not fit."""
    ours = ctx.principal.organisation
    good = np.asarray([each.id for each in known.values() if each.keeper == ours], np.int64)
    bad = np.flatnonzero(~np.isin(found.streams, good)).tolist()
    problems: dict[int, Problem] = {
        place: BadRequest("sensing.link_unknown", relation="Datastream", id=int(found.streams[place])) for place in bad
    }
    sizes = {each.id: each.size for each in known.values() if each.multi}
    if sizes:
        several = np.asarray(list(sizes), np.int64)
        for place in np.flatnonzero(np.isin(found.streams, several)).tolist():
            reading = found.more.get(place)
            if reading is None or reading.size != sizes[int(found.streams[place])]:
                wrong = BadRequest("sensing.result_size", wanted=sizes[int(found.streams[place])])
                problems.setdefault(place, wrong)
    return problems


def _with_features(tx: Transaction, found: Columns, known: dict[int, Stream]) -> Columns:
    """Where no feature was named, the one of the place where the Thing is."""
    lacking = np.unique(found.streams[found.features == 0]).tolist()
    if not lacking:
        return found
    missing = sorted({known[id].location for id in lacking if not known[id].feature and known[id].location})
    if missing:
        store.make_features(tx, missing)
        known = {**known, **{each.id: each for each in store.streams(tx, lacking)}}
    keys = np.asarray(lacking, np.int64)
    values = np.asarray([known[id].feature for id in lacking], np.int64)
    place = np.clip(np.searchsorted(keys, found.streams), 0, len(keys) - 1)
    filled = np.where(found.features == 0, values[place], found.features)
    return msgspec.structs.replace(found, features=filled)


def _without_feature(tx: Transaction, found: Columns) -> dict[int, Problem]:
    """Rows whose Thing is nowhere, and rows that name a feature that is not there."""
    if not len(found):
        return {}
    wanted = np.unique(found.features)
    seen = np.asarray(sorted(store.features(tx, wanted[wanted > 0].tolist())), np.int64)
    bad = np.flatnonzero(~np.isin(found.features, seen)).tolist()
    return {place: _lacks(int(found.features[place])) for place in bad}


def _lacks(feature: int) -> Problem:
    if feature == 0:
        return BadRequest("sensing.feature_missing")
    return BadRequest("sensing.link_unknown", relation="FeatureOfInterest", id=feature)


def keep(ctx: Context, found: Columns) -> Taken:
    """A batch in a transaction of its own. Right `sensing.observe`."""
    ctx.require("sensing.observe", resource(ctx.principal.organisation))
    received = ctx.clock.now()
    into = partition(ctx, received)
    with ctx.begin() as tx:
        return take(ctx, tx, found, received, into)


def columns_of(found: Sequence[tuple[int, int, Reading]]) -> Columns:
    """Rows of Datastream, feature (0: the default) and Observation as columns."""
    return columns.of_readings(found)
