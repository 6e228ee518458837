"""Rules at work: what arrived is judged once, in order; state, events and cursor are written in one transaction.

Values of a Datastream are judged by their time. What comes late, from before the latest one that was judged, is judged with its
neighbours of then (`api.late`). Several values of one moment: the first that came counts. What is from the future is not judged.
"""

import time
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from weakref import WeakKeyDictionary

import msgspec
import numpy as np

from cityloom.kernel import log, outbox
from cityloom.kernel.context import Context
from cityloom.kernel.db import Database, Transaction
from cityloom.kernel.outbox import Envelope
from cityloom.sensing.api import late, measuring, meeting, telling
from cityloom.sensing.api.registry import OTHERS, Registry, rules, some
from cityloom.sensing.api.telling import Pages
from cityloom.sensing.contracts import Kind
from cityloom.sensing.events import EntityChanged, ObservationsArrived
from cityloom.sensing.rules import columns, machine, series
from cityloom.sensing.rules.columns import Integers
from cityloom.sensing.rules.machine import Episode, State
from cityloom.sensing.rules.series import Runs
from cityloom.sensing.rules.watching import Stream, Watched
from cityloom.sensing.spec.rules import Constant, Missing, Named
from cityloom.sensing.store import happened
from cityloom.sensing.store import judging as store
from cityloom.sensing.store.judging import Arrived, Standing

logger = log.logger("sensing")

LISTENER = "sensing.rules"
TOPICS = [ObservationsArrived.topic, EntityChanged.topic]
BATCHES = 200
ROWS = 150_000
"""Observations that are judged at once."""
LONGEST = 10.0
"""Seconds of one call: a worker that is to stop does not wait for a backlog."""
AHEAD = timedelta(hours=1)
"""What claims to be later than that after it was received is not judged."""
LOOKED_AT = {Kind.things, Kind.datastreams, Kind.multi_datastreams, Kind.observed_properties, Kind.locations}
_registries: WeakKeyDictionary[Database, Registry] = WeakKeyDictionary()
_summed: WeakKeyDictionary[Database, dict[str, int]] = WeakKeyDictionary()
States = dict[str, tuple[str, State]]
"""By rule: its version, and where a Datastream stands with it."""


def follow(ctx: Context) -> int:
    """Judge what arrived, for some seconds; how many Observations. As the platform; safe to run twice, or by two at once."""
    count, begun = 0, time.monotonic()
    while time.monotonic() - begun < LONGEST and (found := step(ctx)) is not None:
        count += found
    return count


def step(ctx: Context, batches: int = BATCHES) -> int | None:
    """Judge the next batches in one transaction; how many Observations. None: there is nothing."""
    with ctx.begin() as tx:
        store.lock(tx)
        waiting = outbox.pending(tx, LISTENER, TOPICS, batches)
        if not waiting:
            return None
        told = _bounded(waiting)
        spans = [msgspec.json.decode(each.body, type=ObservationsArrived) for each in told if each.topic == TOPICS[0]]
        _note(tx, [msgspec.json.decode(each.body, type=EntityChanged) for each in told if each.topic == TOPICS[1]])
        registry = known(ctx, tx)
        pages = Pages(ctx, tx)
        settle(tx, registry, pages)
        found = _read(ctx, tx, spans) if spans and registry.watches else None
        if found is not None and len(found):
            Tick(ctx, tx, registry, pages, found).judge()
        meeting.meet(tx, registry.rules, pages, pages.write())
        pages.write()
        outbox.advance(tx, LISTENER, told[-1])
    return 0 if found is None else len(found)


def _bounded(told: Sequence[Envelope]) -> Sequence[Envelope]:
    count = 0
    for place, each in enumerate(told):
        if each.topic == TOPICS[0]:
            span = msgspec.json.decode(each.body, type=ObservationsArrived)
            count += span.last - span.first + 1
            if count > ROWS and place:
                return told[:place]
    return told


def _note(tx: Transaction, changes: Sequence[EntityChanged]) -> None:
    """What is known of Datastreams may be wrong from now on."""
    if any(each.kind in LOOKED_AT for each in changes):
        store.entities_changed(tx)


def known(ctx: Context, tx: Transaction) -> Registry:
    """What this process knows of Datastreams, as long as nothing was changed."""
    entities = store.clock(tx).entities
    found = _registries.get(ctx.parts.db)
    current = rules(ctx.packs)
    if found is None or found.entities != entities or found.rules is not current:
        found = Registry(current, entities)
        found.prepare(tx)
        _registries[ctx.parts.db] = found
    return found


def settle(tx: Transaction, registry: Registry, pages: Pages) -> None:
    """Events of rules that are different now, or no more, are closed; so are those of Datastreams that are gone."""
    current = {name: each.version for name, each in registry.rules.items()}
    if store.versions(tx) != current:
        for row in happened.outdated(tx, current):
            pages.closed(row, pages.now, "rule_changed" if row.rule in current else "rule_gone")
        store.set_versions(tx, current, pages.now)
    for row in happened.orphans(tx):
        if row.id not in pages.changed:
            pages.closed(row, pages.now, "thing_gone")


def _read(ctx: Context, tx: Transaction, spans: Sequence[ObservationsArrived]) -> Arrived:
    """The batches, as far as they are still there; what is from the future left out."""
    parts = []
    summed = _summed.setdefault(ctx.parts.db, {})
    for each in spans:
        received = datetime.fromisoformat(each.received)
        part = f"observations_{received:%Y%m%d}"
        summed[part] = store.sum_up(tx, part, summed.get(part, -1))
        found = store.arrived(tx, received, each.first, each.last)
        bound = columns.microseconds(received + AHEAD)
        parts.append(_chosen(found, found.times <= bound) if (found.times > bound).any() else found)
    return joined(parts)


def joined(parts: Sequence[Arrived]) -> Arrived:
    """All of them."""
    names = Arrived.__struct_fields__
    return Arrived(*(np.concatenate([getattr(each, name) for each in parts]) for name in names))


def _chosen(found: Arrived, which: series.Flags | Integers) -> Arrived:
    return Arrived(found.ids[which], found.streams[which], found.times[which], found.starts[which], found.values[which])


class Tick:
    """What arrived, judged by every rule."""

    def __init__(self, ctx: Context, tx: Transaction, registry: Registry, pages: Pages, found: Arrived) -> None:
        self.ctx, self.tx, self.registry, self.pages = ctx, tx, registry, pages
        registry.learn(tx, np.unique(found.streams))
        places = registry.places(found.streams)
        self.touched = registry.watched(np.unique(places[places >= 0]))
        kept = np.isin(places, self.touched)
        self.found = _chosen(found, kept)
        self.which = np.searchsorted(self.touched, places[kept])
        self.streams: list[Stream] = [registry.streams[place] for place in self.touched.tolist()]
        self.versions = {name: each.version for name, each in registry.rules.items()}

    def judge(self) -> None:
        """By every rule; then keep where each Datastream stands."""
        if not self.streams:
            return
        self._stand()
        self.after = Runs(*(getattr(self.runs, name).copy() for name in Runs.__struct_fields__))
        self._sort()
        self.results = self._results()
        for watch in self.registry.watches.values():
            if not isinstance(watch.rule.rule.when, OTHERS):
                self._by(some(watch, self.touched))
        self._heard()
        self._keep()

    def _stand(self) -> None:
        """Where each Datastream stood."""
        ids = [each.id for each in self.streams]
        number = {id: place for place, id in enumerate(ids)}
        self.seen = np.full(len(ids), columns.NONE)
        self.runs = Runs.none(len(ids))
        self.states: list[States] = [{} for _ in ids]
        for each in store.standing(self.tx, ids):
            place = number[each.datastream_id]
            self.seen[place] = each.seen
            self.runs.values[place] = np.nan if each.run_value is None else each.run_value
            self.runs.since[place], self.runs.ids[place] = each.run_since, each.run_id
            self.runs.counts[place] = each.run_count
            if each.states is not None:
                states = msgspec.msgpack.decode(each.states, type=States)
                self.states[place] = {
                    name: known for name, known in states.items() if self.versions.get(name) == known[0]
                }

    def _sort(self) -> None:
        """What goes on from where it stood, and what is late."""
        seen = self.seen[self.which]
        self.fresh = self.found.times > seen
        self.late = (self.found.times < seen) & (seen != columns.NONE)
        self.latest = self.seen.copy()
        np.maximum.at(self.latest, self.which, self.found.times)

    def _results(self) -> dict[int, str]:
        needed = np.zeros(len(self.streams), np.bool_)
        for watch in self.registry.watches.values():
            needed |= measuring.needs_results(some(watch, self.touched), self.streams)
        mine = needed[self.which]
        return store.results(self.tx, _chosen(self.found, mine)) if mine.any() else {}

    def _by(self, watch: Watched) -> None:
        """One rule."""
        mine = watch.places[self.which]
        if not mine.any():
            return
        name = watch.rule.name
        values = measuring.values(watch, self.streams, self.which, self.found, self.results)
        take = mine & self.fresh
        parts = [
            (
                self.which[take],
                self.found.times[take],
                values[take],
                self.found.ids[take],
                np.ones(int(take.sum()), np.bool_),
            )
        ]
        back = measuring.over(watch)
        if back and take.any():
            parts.append(self._tail(watch, take, back))
        rows = series.ordered(*(np.concatenate(each) for each in zip(*parts, strict=True)))
        runs = None
        if isinstance(watch.rule.rule.when, Constant):
            runs, after = series.follow_runs(rows, self.runs)
            self._go_on(after, np.unique(rows.streams))
        found = measuring.classed(self.tx, watch, self.streams, self.registry.streams, rows, runs)
        before = {place: states[name][1] for place, states in enumerate(self.states) if name in states}
        judged = machine.judge(
            rows, found.measured, found.classes, found.levels, before, measuring.terms(watch), watch.limits.sign
        )  # fmt: skip
        for place in np.unique(rows.streams[rows.fresh]).tolist():
            self.states[place].pop(name, None)
        for place, state in judged.states.items():
            self.states[place][name] = (watch.rule.version, state)
        self._happened(watch, judged.episodes)
        behind = mine & self.late
        if behind.any() and late.judges(watch):
            self._late(watch, behind)

    def _tail(
        self, watch: Watched, take: series.Flags, back: int
    ) -> tuple[Integers, Integers, columns.Floats, Integers, series.Flags]:
        """What was judged before and lies in the windows of what came."""
        first = np.full(len(self.streams), np.iinfo(np.int64).max)
        np.minimum.at(first, self.which[take], self.found.times[take])
        spread = int((self.found.times - self.found.starts).max(initial=0))
        places = np.flatnonzero((first != np.iinfo(np.int64).max) & (self.seen != columns.NONE))
        ids = [self.streams[place].id for place in places.tolist()]
        since = (first[places] - back - spread).tolist()
        tail = store.around(self.tx, ids, since, self.seen[places].tolist(), measuring.MOST)
        which = measuring.numbered(tail.streams, ids, places)
        good = tail.times <= self.seen[which] if len(tail) else np.zeros(0, np.bool_)
        tail, which = _chosen(tail, good), which[good]
        wide = measuring.needs_results(watch, self.streams)
        results = store.results(self.tx, _chosen(tail, wide[which])) if len(tail) and wide[which].any() else {}
        values = measuring.values(watch, self.streams, which, tail, results)
        return which, tail.times, values, tail.ids, np.zeros(len(tail), np.bool_)

    def _happened(self, watch: Watched, episodes: Sequence[Episode]) -> None:
        """Write what became of events, and know which are open."""
        begun = [each for each in episodes if not each.state.event]
        ids = iter(happened.new_ids(self.tx, len(begun)) if begun else [])
        older = {
            row.id: row for row in happened.by_ids(self.tx, [each.state.event for each in episodes if each.state.event])
        }
        sign, rule = watch.limits.sign, watch.rule
        for each in episodes:
            if not each.state.event:
                row = telling.new_row(next(ids), rule, self.streams[each.stream], each.state, each.opened, sign)
                self.pages.opened(row)
            elif each.state.event not in older or older[each.state.event].state == "closed":
                continue  # closed by hand: what goes on is still that event
            else:
                row = telling.grown(older[each.state.event], rule, each.state, sign)
                raised = each.state.level > each.state.told
                self.pages.became(row, "raised" if raised else None, row.last)
            if each.closed is not None:
                self.pages.closed(row, telling.time(each.closed), "gap" if each.why == "gap" else "data")
            else:
                state = msgspec.structs.replace(each.state, event=row.id, told=each.state.level)
                self.states[each.stream][rule.name] = (rule.version, state)

    def _late(self, watch: Watched, behind: series.Flags) -> None:
        """What came late, judged with its neighbours of then."""
        found = late.judge(
            self.tx,
            watch,
            self.streams,
            self.registry.streams,
            self.which[behind],
            self.found.times[behind],
            self.latest,
        )
        for place, episode, going in found:
            open_now = watch.rule.name in self.states[place] and self.states[place][watch.rule.name][1].event
            row = late.write(self.tx, self.pages, watch, self.streams[place], episode, going=going and not open_now)
            if row is not None and going and not open_now:
                state = msgspec.structs.replace(episode.state, event=row.id, told=episode.state.level)
                self.states[place][watch.rule.name] = (watch.rule.version, state)

    def _heard(self) -> None:
        """Datastreams that were silent are not any more."""
        ends: list[tuple[int, Named]] = []
        for watch in self.registry.of_kind(Missing):
            name = watch.rule.name
            ends += [(place, watch.rule) for place, states in enumerate(self.states) if name in states]
        rows = {
            row.id: row
            for row in happened.by_ids(self.tx, [self.states[place][rule.name][1].event for place, rule in ends])
        }
        for place, rule in ends:
            row = rows.get(self.states[place].pop(rule.name)[1].event)
            if row is not None and row.state == "open":
                seconds = (self.pages.now - row.first).total_seconds()
                self.pages.closed(
                    msgspec.structs.replace(row, last=self.pages.now, peak=seconds), self.pages.now, "data"
                )

    def _go_on(self, runs: Runs, places: Integers) -> None:
        """Where the runs of these Datastreams stand now; another rule still starts from where they stood."""
        for name in Runs.__struct_fields__:
            getattr(self.after, name)[places] = getattr(runs, name)[places]

    def _keep(self) -> None:
        runs = self.after
        store.stand(
            self.tx,
            [
                Standing(
                    each.id, int(self.latest[place]), None if np.isnan(runs.values[place]) else float(runs.values[place]),
                    int(runs.since[place]), int(runs.ids[place]), int(runs.counts[place]), packed(self.states[place]),
                )
                for place, each in enumerate(self.streams)
            ],
        )  # fmt: skip


def packed(states: Mapping[str, tuple[str, State]]) -> bytes | None:
    """As they are kept."""
    return msgspec.msgpack.encode(states) if states else None
