"""What a rule measures: a value for each Observation, by the column, from the values of the Datastream and of others."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from cityloom.sensing.rules.columns import Floats, Integers
from cityloom.sensing.spec.rules import Constant, Rate, Scale, Threshold

Flags = NDArray[np.bool_]
EXACT = 9
"""Decimals of a sum: 0.1 ten times is 1."""


class Rows(msgspec.Struct, frozen=True):
    """Values in the order of Datastream (its place among those judged), time (µs since 1970) and id, one a moment."""

    streams: Integers
    times: Integers
    values: Floats
    ids: Integers
    fresh: Flags
    """Those to judge; the others are there for their windows."""

    def __len__(self) -> int:
        return len(self.streams)

    def chosen(self, which: Flags | Integers) -> "Rows":
        """Some of them, in their order."""
        return Rows(self.streams[which], self.times[which], self.values[which], self.ids[which], self.fresh[which])


class Runs(msgspec.Struct, frozen=True):
    """By Datastream, the value that came last, since when, with which id first, and how often without another between."""

    values: Floats
    since: Integers
    ids: Integers
    counts: Integers

    @classmethod
    def none(cls, count: int) -> "Runs":
        """Before anything came."""
        return cls(
            np.full(count, np.nan), np.zeros(count, np.int64), np.zeros(count, np.int64), np.zeros(count, np.int64)
        )


class Measured(msgspec.Struct, frozen=True):
    """A value for each row, NaN where there is none; and where what it tells of began before the row, when and by which id."""

    values: Floats
    since: Integers | None = None
    ids: Integers | None = None


def ordered(streams: Integers, times: Integers, values: Floats, ids: Integers, fresh: Flags) -> Rows:
    """Rows of what came: without those that are no number; of several of one moment the first that came."""
    good = np.flatnonzero(np.isfinite(values))
    order = good[np.lexsort((ids[good], times[good], streams[good]))]
    found = Rows(streams[order], times[order], values[order], ids[order], fresh[order])
    if len(found) < 2:
        return found
    again = (found.streams[1:] == found.streams[:-1]) & (found.times[1:] == found.times[:-1])
    return found.chosen(np.concatenate(([True], ~again))) if again.any() else found


def segments(streams: Integers) -> tuple[Integers, Integers]:
    """Where the rows of each Datastream begin and end."""
    if not len(streams):
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    begins = np.flatnonzero(np.concatenate(([True], streams[1:] != streams[:-1])))
    return begins, np.concatenate((begins[1:], [len(streams)]))


def microseconds(length: timedelta) -> int:
    """As a whole number."""
    return length // timedelta(microseconds=1)


def window_starts(rows: Rows, over: int) -> Integers:
    """For each row the place of the first one in its window: later than `over` before it, of the same Datastream."""
    found = np.zeros(len(rows), np.int64)
    for begin, end in zip(*(each.tolist() for each in segments(rows.streams)), strict=True):
        times = rows.times[begin:end]
        found[begin:end] = np.searchsorted(times, times - over, side="right") + begin
    return found


def gathered(how: np.ufunc, values: Floats, starts: Integers) -> Floats:
    """A sum, lowest or highest value of each window that ends with its row."""
    if not len(values):
        return values
    pairs = np.empty(2 * len(values), np.int64)
    pairs[::2], pairs[1::2] = starts, np.arange(1, len(values) + 1)
    found: Floats = how.reduceat(np.append(values, 0.0), pairs)[::2]
    return found


def threshold(when: Threshold, rows: Rows) -> Measured:
    """The value, or what the values of its window come to."""
    if when.of == "value":
        return Measured(rows.values)
    starts = window_starts(rows, microseconds(when.over))
    counts = np.arange(1, len(rows) + 1) - starts
    if when.of in ("sum", "mean"):
        found = gathered(np.add, rows.values, starts)
        found = np.round(found / counts if when.of == "mean" else found, EXACT)
    else:
        found = gathered(np.minimum if when.of == "lowest" else np.maximum, rows.values, starts)
    return Measured(np.where(counts >= when.least, found, np.nan))


def rate(when: Rate, rows: Rows) -> Measured:
    """How far it rose above the lowest, or fell below the highest, of its window."""
    starts = window_starts(rows, microseconds(when.over))
    if when.rises is not None:
        return Measured(np.round(rows.values - gathered(np.minimum, rows.values, starts), EXACT))
    return Measured(np.round(gathered(np.maximum, rows.values, starts) - rows.values, EXACT))


def follow_runs(rows: Rows, before: Runs) -> tuple[Runs, Runs]:
    """The run that each row belongs to, and for each Datastream the one it ends with (by place, as `before`)."""
    begins, ends = segments(rows.streams)
    if not len(begins):
        return Runs.none(0), before
    of = rows.streams[begins]
    new = np.concatenate(([True], rows.values[1:] != rows.values[:-1]))
    new[begins] = rows.values[begins] != before.values[of]
    places = np.arange(len(rows))
    started = np.maximum.accumulate(np.where(new, places, -1))
    carried = started < np.repeat(begins, ends - begins)  # no new run yet in this segment
    origin = np.where(carried, 0, started)
    first = np.repeat(begins, ends - begins)
    counts = np.where(carried, before.counts[rows.streams] + places - first + 1, places - origin + 1)
    runs = Runs(
        rows.values, np.where(carried, before.since[rows.streams], rows.times[origin]),
        np.where(carried, before.ids[rows.streams], rows.ids[origin]), counts,
    )  # fmt: skip
    after = Runs(before.values.copy(), before.since.copy(), before.ids.copy(), before.counts.copy())
    last = ends - 1
    after.values[of], after.since[of] = runs.values[last], runs.since[last]
    after.ids[of], after.counts[of] = runs.ids[last], runs.counts[last]
    return runs, after


def constant(when: Constant, rows: Rows, runs: Runs) -> Measured:
    """For how many seconds the value has been the same; none while there are too few, or where it may stand still."""
    length = (rows.times - runs.since) / 1e6
    stands = np.isin(rows.values, np.asarray(when.unless, np.float64)) if when.unless else np.zeros(len(rows), np.bool_)
    return Measured(np.where((runs.counts >= when.least) & ~stands, length, 0.0), runs.since, runs.ids)


def as_of(rows: Rows, others: Rows, pairs: Mapping[int, Sequence[int]], within: int, *, nearest: bool) -> list[Floats]:
    """For each row the values of the Datastreams that go with its own: the last one at its time, not older than `within`;
    or the nearest in time. NaN where there is none."""
    begins, ends = segments(others.streams)
    where = {int(others.streams[a]): (a, b) for a, b in zip(begins.tolist(), ends.tolist(), strict=True)}
    found: list[Floats] = []
    for place, time in zip(rows.streams.tolist(), rows.times.tolist(), strict=True):
        values = [
            _at(others, *where[each], time, within, nearest=nearest) for each in pairs.get(place, ()) if each in where
        ]
        found.append(np.asarray(values, np.float64))
    return found


def _at(others: Rows, begin: int, end: int, time: int, within: int, *, nearest: bool) -> float:
    at = begin + int(np.searchsorted(others.times[begin:end], time, side="right"))
    candidates = [each for each in ((at - 1, at) if nearest else (at - 1,)) if begin <= each < end]
    if not candidates:
        return float("nan")
    best = min(candidates, key=lambda each: abs(int(others.times[each]) - time))
    return float(others.values[best]) if abs(int(others.times[best]) - time) <= within else float("nan")


def deviation(rows: Rows, expected: Sequence[Floats], least: int, *, share: bool) -> Measured:
    """How far a value lies from the median of what was expected."""
    middle = np.full(len(rows), np.nan)
    for place, values in enumerate(expected):
        there = values[np.isfinite(values)]
        if len(there) >= least:
            middle[place] = np.median(there)
    apart = np.abs(rows.values - middle)
    if share:
        with np.errstate(divide="ignore", invalid="ignore"):
            apart = np.where(middle != 0, apart / np.abs(middle), np.nan)
    return Measured(np.round(apart, EXACT))


def scaled(scale: Scale, word: str, values: Floats) -> Floats:
    """Values as indices by the table of a property; NaN below its first limit, and beyond the last one if the table is short."""
    table = np.asarray(scale.tables[word], np.float64)
    digits = scale.digits.get(word, 0)
    exact = np.round(np.round(values * scale.factors.get(word, 1.0), EXACT), digits)  # half to even (GB/T 8170)
    if not scale.steps:
        return np.where(np.isfinite(exact), np.searchsorted(table, exact, side="left"), np.nan).astype(np.float64)
    steps = np.asarray(scale.steps[: len(table)], np.float64)
    found = np.ceil(np.round(np.interp(exact, table, steps), EXACT))
    top = np.nan if scale.short == "none" and len(table) < len(scale.steps) else steps[-1]
    found = np.where(exact > table[-1], top, found)
    return np.where(np.isfinite(exact) & (exact >= table[0]), found, np.nan)


class Limits(msgspec.Struct, frozen=True):
    """By Datastream: the limit of each level, and what is over; NaN: it has none."""

    at: Floats
    until: Floats
    sign: float = 1.0
    """-1 where less is worse: limits and values are then turned round."""
    reaches: bool = True


def passed(values: Floats, limit: Floats, *, reaches: bool) -> Flags:
    """Whether a limit is passed; never where one of the two is not there."""
    with np.errstate(invalid="ignore"):
        found: Any = values >= limit if reaches else values > limit
    return np.asarray(found, np.bool_)


def classed(measured: Floats, streams: Integers, limits: Limits) -> tuple[Integers, Integers]:
    """For each row 1 where the rule holds, -1 where it is over, 0 between; and how many levels are reached."""
    values = measured * limits.sign
    at = limits.at[streams]
    levels = np.zeros(len(values), np.int64)
    for column in range(at.shape[1]):
        levels = np.where(passed(values, at[:, column], reaches=limits.reaches), column + 1, levels)
    still = passed(values, limits.until[streams], reaches=limits.reaches)
    return np.where(levels > 0, 1, np.where(still, 0, -1)), levels
