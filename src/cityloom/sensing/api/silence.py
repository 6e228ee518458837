"""What no Observation tells of: Datastreams of which nothing came, and meetings of events that are over by now."""

from datetime import datetime, timedelta

import msgspec
import numpy as np

from cityloom.kernel.context import Context
from cityloom.kernel.db import Transaction
from cityloom.sensing.api import judging, meeting, telling
from cityloom.sensing.api.judging import States
from cityloom.sensing.api.registry import Registry, some
from cityloom.sensing.api.telling import Pages
from cityloom.sensing.rules import columns
from cityloom.sensing.rules.machine import State
from cityloom.sensing.rules.watching import Watched
from cityloom.sensing.spec.rules import Missing
from cityloom.sensing.store import happened
from cityloom.sensing.store import judging as store
from cityloom.sensing.store.judging import Silent, Standing

BREAK = timedelta(minutes=5)
"""So long without a look, the platform itself was away."""
MOST = 100_000


def look(ctx: Context) -> int:
    """Open events of Datastreams that are silent; how many. As the platform; safe to run twice."""
    with ctx.begin() as tx:
        store.lock(tx)
        pages = Pages(ctx, tx)
        registry = judging.known(ctx, tx)
        judging.settle(tx, registry, pages)
        listening = _listening(tx, pages.now)
        count = 0
        for watch in registry.of_kind(Missing):
            count += _silent(tx, registry, watch, pages, listening)
        touched = pages.write()
        meeting.meet(tx, registry.rules, pages, touched)
        meeting.end(tx, registry.rules, pages)
        pages.write()
    return count


def _listening(tx: Transaction, now: datetime) -> datetime:
    """Since when the platform has listened without a break."""
    clock = store.clock(tx)
    there = clock.last is not None and clock.listening is not None and now - clock.last <= BREAK
    since = clock.listening if there and clock.listening is not None else now
    store.set_clock(tx, since, now)
    return since


def _silent(tx: Transaction, registry: Registry, watch: Watched, pages: Pages, listening: datetime) -> int:
    when = watch.rule.rule.when
    if not isinstance(when, Missing) or listening > pages.now - when.after:
        return 0
    found = {
        each.id: each
        for each in store.silent(tx, watch.rule.name, watch.rule.rule.watch.properties, pages.now - when.after, MOST)
    }
    registry.learn(tx, list(found))
    places = registry.places(np.asarray(list(found), np.int64))
    watch = registry.watches[watch.rule.name]
    places = places[places >= 0]
    places = places[watch.places[places]] if len(places) else places
    mine = some(watch, places)
    streams = [registry.streams[place] for place in places.tolist()]
    ids = happened.new_ids(tx, len(streams)) if streams else []
    standing = {each.datastream_id: each for each in store.standing(tx, [each.id for each in streams])}
    kept = []
    for id, stream in zip(ids, streams, strict=True):
        state = _state(found[stream.id], pages.now, id)
        pages.opened(telling.new_row(id, mine.rule, stream, state, columns.microseconds(pages.now), 1.0))
        kept.append(_with(standing.get(stream.id), stream.id, mine, state))
    if kept:
        store.stand(tx, kept)
    return len(kept)


def _state(silent: Silent, now: datetime, event: int) -> State:
    first, last = columns.microseconds(silent.received), columns.microseconds(now)
    return State(
        2,
        first,
        last,
        (now - silent.received).total_seconds(),
        last,
        silent.evidence,
        silent.evidence,
        1,
        0,
        (),
        last,
        0,
        event,
        1,
    )


def _with(standing: Standing | None, id: int, watch: Watched, state: State) -> Standing:
    known: States = {}
    if standing is not None and standing.states is not None:
        known = msgspec.msgpack.decode(standing.states, type=States)
    states = judging.packed({**known, watch.rule.name: (watch.rule.version, state)})
    if standing is None:
        return Standing(id, int(columns.NONE), None, 0, 0, 0, states)
    return msgspec.structs.replace(standing, states=states)
