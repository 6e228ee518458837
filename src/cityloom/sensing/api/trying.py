"""A rule, or another wording of it, tried on the past: what it would have made of the caller's own Observations."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from cityloom.kernel.context import Context
from cityloom.kernel.db import Transaction
from cityloom.kernel.errors import Invalid, NotFound, TooLarge
from cityloom.sensing.api import measuring, meeting, serving, telling
from cityloom.sensing.api.registry import MOST, Registry, rules, some
from cityloom.sensing.contracts.events import RuleTrial, Severity, TrialReport, Tried
from cityloom.sensing.rules import columns, machine, series
from cityloom.sensing.rules import meeting as meetings
from cityloom.sensing.rules.machine import Episode
from cityloom.sensing.rules.meeting import Part
from cityloom.sensing.rules.series import Runs
from cityloom.sensing.rules.watching import Stream
from cityloom.sensing.spec import rules as spec
from cityloom.sensing.spec.rules import Constant, Missing, Named, Together
from cityloom.sensing.store import judging as store

ROWS = 2_000_000
"""Observations that a trial looks at."""
AT_ONCE = 500
"""Datastreams that are read together."""
EVENTS = 1_000
"""That are told."""


def attempt(ctx: Context, name: str, trial: RuleTrial) -> TrialReport:
    """Right `sensing.read`. Raises NotFound `sensing.rule_unknown`, Invalid `sensing.rule_wrong`, `sensing.trial_times`,
    TooLarge `sensing.trial_large`."""
    ctx.require("sensing.read", serving.resource(ctx))
    until = trial.until or ctx.clock.now()
    if trial.since.tzinfo is None or until.tzinfo is None or until <= trial.since:
        raise Invalid("sensing.trial_times")
    rule = _rule(ctx, name, trial)
    span = (columns.microseconds(trial.since), columns.microseconds(until))
    with ctx.begin() as tx:
        if isinstance(rule.rule.when, Together):
            return _together(ctx, tx, rule, span)
        found = Trying(ctx, tx, rule, span)
        found.run()
    return _report(rule, found.streams, found.count, found.tried())


def _rule(ctx: Context, name: str, trial: RuleTrial) -> Named:
    if trial.rule:
        try:
            return spec.named(name, trial.rule, Path(name))
        except Invalid as problem:
            raise Invalid("sensing.rule_wrong", rule=name, reason=str(problem.params["reason"])) from problem
    found = rules(ctx.packs).get(name)
    if found is None:
        raise NotFound("sensing.rule_unknown", rule=name)
    return found


class Trying:
    """One rule over one past of what it watches among the caller's own."""

    def __init__(self, ctx: Context, tx: Transaction, rule: Named, span: tuple[int, int]) -> None:
        self.ctx, self.tx, self.rule, self.span = ctx, tx, rule, span
        words = rule.rule.watch.properties
        self.registry = Registry({rule.name: rule}, 0)
        self.registry.learn(tx, store.named_streams(tx, words, MOST) if words else store.all_streams(tx, MOST))
        self.watch = self.registry.watches[rule.name]
        ours = np.asarray([each.keeper == ctx.principal.organisation for each in self.registry.streams], np.bool_)
        self.places = np.flatnonzero(self.watch.places & ours) if len(ours) else np.zeros(0, np.int64)
        self.streams: list[Stream] = [self.registry.streams[place] for place in self.places.tolist()]
        self.count = 0
        self.episodes: list[Episode] = []

    def run(self) -> None:
        """All of it, some Datastreams at a time."""
        for first in range(0, len(self.places), AT_ONCE):
            self._part(self.places[first : first + AT_ONCE], first)

    def _part(self, places: columns.Integers, first: int) -> None:
        watch = some(self.watch, places)
        streams = [self.registry.streams[place] for place in places.tolist()]
        ids = [each.id for each in streams]
        begin = self.span[0] - measuring.over(self.watch)
        found = store.around(self.tx, ids, [begin] * len(ids), [self.span[1]] * len(ids), ROWS)
        self.count += len(found)
        if self.count > ROWS:
            raise TooLarge("sensing.trial_large", most=ROWS)
        which = measuring.numbered(found.streams, ids, np.arange(len(ids)))
        if isinstance(self.rule.rule.when, Missing):
            self.episodes += _silences(self.rule.rule.when, which, found, self.span, first)
            return
        wide = measuring.needs_results(watch, streams)
        results = store.results(self.tx, found) if len(found) and wide[which].any() else {}
        values = measuring.values(watch, streams, which, found, results)
        rows = series.ordered(which, found.times, values, found.ids, found.times >= self.span[0])
        runs = None
        if isinstance(self.rule.rule.when, Constant):
            runs, _ = series.follow_runs(rows, Runs.none(len(ids)))
        classed = measuring.classed(self.tx, watch, streams, self.registry.streams, rows, runs)
        judged = machine.judge(
            rows, classed.measured, classed.classes, classed.levels, {}, measuring.terms(watch), watch.limits.sign
        )  # fmt: skip
        self.episodes += [msgspec.structs.replace(each, stream=each.stream + first) for each in judged.episodes]

    def tried(self) -> list[Tried]:
        """As it is told."""
        return [
            _tried(self.rule, self.streams[each.stream], each, self.watch.limits.sign)
            for each in sorted(self.episodes, key=lambda each: (each.opened, each.stream))
        ]


def _silences(
    when: Missing, which: columns.Integers, found: store.Arrived, span: tuple[int, int], first: int
) -> list[Episode]:  # fmt: skip
    """Where two Observations lie too far apart, or the last one from the end: by the times of what was observed."""
    after = series.microseconds(when.after)
    made = []
    order = np.lexsort((found.ids, found.times, which))
    which, times, ids = which[order], found.times[order], found.ids[order]
    for begin, end in zip(*(each.tolist() for each in series.segments(which)), strict=True):
        moments = [*times[begin:end].tolist(), span[1]]
        for place in range(end - begin):
            silent = moments[place + 1] - moments[place]
            if silent > after:
                last = place + 1 == end - begin
                id = int(ids[begin + place])
                state = machine.State(
                    2, moments[place], moments[place + 1], silent / 1e6, moments[place + 1], id, id, 1, 1, (id,), moments[place + 1]
                )  # fmt: skip
                closed = None if last else moments[place + 1]
                made.append(
                    Episode(int(which[begin]) + first, state, moments[place] + after, closed, "" if last else "data")
                )
    return made


def _together(ctx: Context, tx: Transaction, rule: Named, span: tuple[int, int]) -> TrialReport:
    """A rule that is made of others: each of them tried, and when enough came together at a place."""
    when = rule.rule.when
    if not isinstance(when, Together):
        raise NotFound("sensing.rule_unknown", rule=rule.name)
    parts: dict[str, list[tuple[Part, Stream, Episode, float]]] = {}
    count = streams = 0
    for name in when.rules:
        if name not in rules(ctx.packs):
            raise NotFound("sensing.rule_unknown", rule=name)
        found = Trying(ctx, tx, rules(ctx.packs)[name], span)
        found.run()
        count, streams = count + found.count, streams + len(found.streams)
        for each in found.episodes:
            stream = found.streams[each.stream]
            row = telling.new_row(0, found.rule, stream, each.state, each.opened, found.watch.limits.sign)
            if each.closed is not None:
                by = "data" if each.why == "data" else "gap"
                row = msgspec.structs.replace(row, state="closed", closed=telling.time(each.closed), closed_by=by)
            for key in meeting.keys_of(when, row):
                parts.setdefault(key, []).append((meeting.part(when, row), stream, each, found.watch.limits.sign))
    tried = [each for key, mine in parts.items() for each in _met(rule, when, key, mine)]
    return _report(rule, streams, count, tried)


def _met(rule: Named, when: Together, key: str, parts: Sequence[tuple[Part, Stream, Episode, float]]) -> list[Tried]:
    found = meetings.meetings([each for each, _, _, _ in parts], meeting.least(when), series.microseconds(when.within))
    made = []
    for each in found:
        mine = [one for one in parts if meeting.has(when, each, one[0])]
        top = max(mine, key=lambda one: (one[2].state.level, one[2].state.peak))
        shown = _tried(rule, top[1], top[2], top[3])
        at_thing = key.startswith("thing:")
        made.append(
            msgspec.structs.replace(
                shown, datastream=None, thing=shown.thing if at_thing else None, thing_name=shown.thing_name if at_thing else "",
                first=telling.time(each.first), opened=telling.time(each.first),
                last=max(telling.time(one[2].state.last) for one in mine),
                closed=None if each.last is None else telling.time(each.last), count=sum(one[2].state.count for one in mine),
                evidence=tuple(sorted({id for one in mine for id in telling.evidence(one[2].state)})[:50]),
            )
        )  # fmt: skip
    return made


def _tried(rule: Named, stream: Stream, episode: Episode, sign: float) -> Tried:
    state = episode.state
    severity: Any = telling.severity(rule, state.level)
    grave: Severity = severity
    return Tried(
        stream.id, stream.thing, stream.thing_name, stream.district, grave, state.level, telling.time(state.first),
        telling.time(state.last), telling.time(episode.opened), None if episode.closed is None else telling.time(episode.closed),
        state.peak * sign, telling.time(state.peak_at), state.count, tuple(telling.evidence(state)),
    )  # fmt: skip


def _report(rule: Named, streams: Sequence[Stream] | int, count: int, tried: Sequence[Tried]) -> TrialReport:
    ordered = sorted(tried, key=lambda each: each.opened)
    number = streams if isinstance(streams, int) else len(streams)
    return TrialReport(rule.name, rule.version, number, count, len(ordered), tuple(ordered[:EVENTS]))
