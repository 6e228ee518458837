"""From Observations to what a rule measures: with the values of windows, neighbours and forecasts that it needs."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, time, timedelta

import msgspec
import numpy as np

from cityloom.kernel.db import Transaction
from cityloom.sensing.intake.framing import CHINA
from cityloom.sensing.rules import columns, series, watching
from cityloom.sensing.rules.columns import Floats, Integers
from cityloom.sensing.rules.machine import Terms
from cityloom.sensing.rules.series import Flags, Measured, Rows, Runs
from cityloom.sensing.rules.watching import Stream, Watched
from cityloom.sensing.spec.rules import Constant, Deviation, Rate, Threshold, Zone
from cityloom.sensing.store import judging as store
from cityloom.sensing.store.judging import Arrived

MOST = 20_000
"""Observations of one Datastream that are read for a window or a past."""
HALF = 12 * 3_600_000_000


class Classed(msgspec.Struct, frozen=True):
    """What a rule made of rows: see `series.classed`."""

    measured: Measured
    classes: Integers
    levels: Integers


def over(watch: Watched) -> int:
    """How far back a rule looks, in µs."""
    when = watch.rule.rule.when
    return series.microseconds(when.over) if isinstance(when, Threshold | Rate) else 0


def terms(watch: Watched) -> Terms:
    """Times of a rule; of a constant value the limit is the time."""
    when = watch.rule.rule.when
    if not isinstance(when, Threshold | Rate | Constant | Deviation | Zone):
        return Terms()
    lasting = 0 if isinstance(when, Constant) else series.microseconds(when.lasting)
    return Terms(lasting, series.microseconds(when.calm), series.microseconds(when.gap))


def needs_results(watch: Watched, streams: Sequence[Stream]) -> Flags:
    """Of which Datastreams the JSON of a result is read: points, and results of several values."""
    if isinstance(watch.rule.rule.when, Zone):
        return watch.places
    multi = np.asarray([each.multi for each in streams], np.bool_)
    return watch.places & multi


def values(
    watch: Watched, streams: Sequence[Stream], which: Integers, found: Arrived, results: Mapping[int, str]
) -> Floats:  # fmt: skip
    """The number that the rule looks at, for each Observation of a Datastream (`which`)."""
    when = watch.rule.rule.when
    if isinstance(when, Zone):
        points = [watching.point(results.get(each, "")) for each in found.ids.tolist()]
        return watching.inside(when, points)
    wide = needs_results(watch, streams)[which] if len(which) else np.zeros(0, np.bool_)
    if not wide.any():
        return found.values
    filled = found.values.copy()
    for place in np.flatnonzero(wide).tolist():
        result = results.get(int(found.ids[place]), "")
        filled[place] = watching.component(result, int(watch.positions[which[place]]))
    return filled


def classed(
    tx: Transaction, watch: Watched, streams: Sequence[Stream], every: Sequence[Stream], rows: Rows, runs: Runs | None
) -> Classed:  # fmt: skip
    """What the rule measures, and where it holds. `every`: all known Datastreams, by place, for what is expected."""
    when = watch.rule.rule.when
    if isinstance(when, Threshold):
        found = series.threshold(when, rows)
        if when.scale is not None:
            found = Measured(_scaled(watch, streams, rows.streams, found.values))
    elif isinstance(when, Rate):
        found = series.rate(when, rows)
    elif isinstance(when, Constant) and runs is not None:
        found = series.constant(when, rows, runs)
    elif isinstance(when, Deviation):
        found = _deviation(tx, when, watch, every, rows)
    else:
        found = Measured(rows.values)
    classes, levels = series.classed(found.values, rows.streams, watch.limits)
    return _in_force(watch, rows, Classed(found, classes, levels))


def _scaled(watch: Watched, streams: Sequence[Stream], which: Integers, measured: Floats) -> Floats:
    when = watch.rule.rule.when
    if not isinstance(when, Threshold) or when.scale is None:
        return measured
    words = np.asarray(
        [
            watching.named(watch.rule.rule.watch, each, each.observed[int(place)]) if place >= 0 else ""
            for each, place in zip(streams, watch.positions.tolist(), strict=True)
        ]
    )
    found = np.full(len(measured), np.nan)
    for word in when.scale.tables:
        mine = words[which] == word if len(which) else np.zeros(0, np.bool_)
        found[mine] = series.scaled(when.scale, word, measured[mine])
    return found


def _deviation(tx: Transaction, when: Deviation, watch: Watched, every: Sequence[Stream], rows: Rows) -> Measured:
    others = sorted({other for each in np.unique(rows.streams).tolist() for other in watch.expected.get(each, ())})
    if not others or not len(rows):
        return Measured(np.full(len(rows), np.nan))
    apart = series.microseconds(when.within)
    since, until = int(rows.times.min()) - apart, int(rows.times.max()) + apart
    number = {place: at for at, place in enumerate(others)}
    ids = [every[place].id for place in others]
    found = store.around(tx, ids, [since] * len(ids), [until] * len(ids), MOST)
    order = np.argsort(ids)
    which = order[np.searchsorted(np.asarray(ids)[order], found.streams)] if len(found) else np.zeros(0, np.int64)
    theirs = series.ordered(which, found.times, found.values, found.ids, np.ones(len(found), np.bool_))
    pairs = {
        place: tuple(number[other] for other in watch.expected.get(place, ()))
        for place in np.unique(rows.streams).tolist()
    }
    nearest = when.of == "forecast"
    expected = series.as_of(rows, theirs, pairs, apart, nearest=nearest)
    return series.deviation(rows, expected, 1 if nearest else when.least, share=when.share)


def _in_force(watch: Watched, rows: Rows, found: Classed) -> Classed:
    """Nothing is judged before the rule's first day; after its last one nothing holds any more."""
    rule = watch.rule.rule
    values, classes = found.measured.values, found.classes
    if rule.since is not None:
        values = np.where(rows.times >= _midnight(rule.since), values, np.nan)
    if rule.until is not None:
        over = rows.times >= _midnight(rule.until + timedelta(days=1))
        classes = np.where(over, -1, classes)
    return Classed(msgspec.structs.replace(found.measured, values=values), classes, found.levels)


def _midnight(day: date) -> int:
    return columns.microseconds(datetime.combine(day, time(), CHINA))


def numbered(ids: Integers, of: Sequence[int], numbers: Integers) -> Integers:
    """The numbers of ids, where `of` are all of them."""
    if not len(ids):
        return np.zeros(0, np.int64)
    every = np.asarray(of, np.int64)
    order = np.argsort(every)
    return numbers[order[np.searchsorted(every[order], ids)]]
