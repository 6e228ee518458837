"""Which rows a delivery has: what is new, what changed, what is said again, and what is to be spoiled."""

import msgspec
import numpy as np

from cityloom.samplecity.rules import chance
from cityloom.samplecity.rules.chance import Flags, Index
from cityloom.samplecity.rules.world import Roll

ABSENT, GONE = 0, 255
"""In a state: not (rightly) delivered yet; left for good. Any other number is the version that is known, plus one."""
CHANGED, SAID_AGAIN, MENDED, REPEATED = 0.01, 0.004, 0.6, 0.0006

State = np.ndarray[tuple[int], np.dtype[np.uint8]]


class Draft(msgspec.Struct, frozen=True):
    """The rows of a file before anything is spoiled: in the order of the entities."""

    entity: Index
    version: Index
    news: Flags
    """New or changed: accepted unless it is spoiled. The others are duplicates."""
    open: Flags
    """May be spoiled: nothing else depends on it."""
    fresh: Flags
    """Not known before."""
    leaving: Index
    """Entities that a replacement leaves out, or a deletion names."""
    conflict: Index
    """Known entities that an appending file may state otherwise, which is a fault."""


def start(roll: Roll) -> State:
    """The state before the first delivery."""
    return np.zeros(roll.ends[-1], np.uint8)


def first(roll: Roll) -> Draft:
    """The full delivery: everything."""
    entity = np.arange(roll.ends[0])
    yes = np.ones(len(entity), np.bool_)
    none = entity[:0]
    return Draft(entity, 0 * entity, yes, entity >= roll.referenced, yes, none, none)


def later(key: int, roll: Roll, state: State, period: int, mode: str, varies: bool) -> Draft:
    """The changes of a month, as an upsert, an append or a replacement."""
    before, now = roll.ends[period - 1], roll.ends[period]
    staying = np.ones(now, np.bool_) if roll.leaves is None else (roll.leaves[:now] < 0) | (roll.leaves[:now] > period)
    known = (state[:now] > ABSENT) & (state[:now] < GONE)
    old = np.flatnonzero(known & staying)
    absent = np.flatnonzero((state[:before] == ABSENT) & staying[:before])
    mended = chance.sample(key, f"mended {period}", absent, round(MENDED * len(absent)))
    changed = _changing(key, roll, old, period) if varies and mode != "append" else old[:0]
    again = old if mode == "replace" else _again(key, old, period)
    again = np.setdiff1d(again, changed, assume_unique=True)
    arrivals = np.arange(before, now)
    new = np.union1d(arrivals, mended)
    entity = np.concatenate([new, changed, again])
    order = np.argsort(entity, kind="stable")
    version = np.concatenate([0 * new, state[changed].astype(np.int64), state[again].astype(np.int64) - 1])
    news = np.arange(len(entity)) < len(new) + len(changed)
    fresh = np.arange(len(entity)) < len(new)
    may = news & (~fresh | (entity >= roll.referenced))
    left = np.flatnonzero(known & ~staying) if mode == "replace" else old[:0]
    conflict = np.setdiff1d(chance.sample(key, f"conflict {period}", old, max(2, len(old) // 4000)), again)
    return Draft(
        entity[order], version[order], news[order], may[order], fresh[order], left,
        conflict if mode == "append" and varies else old[:0],
    )  # fmt: skip


def _changing(key: int, roll: Roll, old: Index, period: int) -> Index:
    if roll.changed is not None:
        return np.intersect1d(roll.changed[period - 1], old)
    return chance.sample(key, f"changed {period}", old, max(4, round(CHANGED * len(old))))


def _again(key: int, old: Index, period: int) -> Index:
    return chance.sample(key, f"again {period}", old, max(2, round(SAID_AGAIN * len(old))))


def removal(key: int, roll: Roll, state: State, period: int) -> Draft:
    """A deletion: what leaves in this period, and a few that are gone already."""
    leaves = np.full(len(state), -1) if roll.leaves is None else roll.leaves
    gone = chance.sample(key, f"gone {period}", np.flatnonzero(state == GONE), 3)
    entity = np.union1d(np.flatnonzero(leaves == period), gone)
    known = (state[entity] > ABSENT) & (state[entity] < GONE)
    none = entity[:0]
    return Draft(entity, 0 * entity, known, known, known & False, entity[known], none)


def repeated(key: int, draft: Draft, spoiled: Index, period: int) -> Index:
    """Positions of sound rows that the file has a second time."""
    sound = np.setdiff1d(np.arange(len(draft.entity)), spoiled)
    return chance.sample(
        key, f"repeated {period}", sound, max(1, round(REPEATED * len(sound))) if len(sound) > 20 else 0
    )


def settle(state: State, draft: Draft, spoiled: Index, mode: str) -> State:
    """The state after the delivery."""
    after = state.copy()
    good = draft.news.copy()
    good[spoiled] = False
    if mode == "delete":
        after[draft.entity[good]] = GONE
        return after
    after[draft.entity[good]] = (draft.version[good] + 1).astype(np.uint8)
    after[draft.leaving] = GONE
    return after
