"""Datastreams as rules look at them, read once in a process and again when something about them was changed."""

from collections.abc import Mapping, Sequence
from functools import lru_cache

import msgspec
import numpy as np

from cityloom.kernel.db import Transaction
from cityloom.kernel.packs import Packs
from cityloom.sensing.rules import watching
from cityloom.sensing.rules.columns import Integers
from cityloom.sensing.rules.series import Limits
from cityloom.sensing.rules.watching import Stream, Watched
from cityloom.sensing.spec import rules as spec
from cityloom.sensing.spec.rules import Deviation, Missing, Named, Together
from cityloom.sensing.store import judging as store

MOST = 200_000
"""Datastreams that are looked through for neighbours and forecasts."""


@lru_cache(maxsize=4)
def rules(packs: Packs) -> Mapping[str, Named]:
    """The rules of the packs; read once in a process."""
    return spec.rules(packs)


class Registry:
    """What is known of Datastreams, by place; places stay as they are."""

    def __init__(self, rules: Mapping[str, Named], entities: int) -> None:
        self.rules = rules
        self.entities = entities
        self.streams: list[Stream] = []
        self.watches = {name: watching.watched(each, []) for name, each in rules.items()}
        self._ids: Integers = np.zeros(0, np.int64)
        self._places: Integers = np.zeros(0, np.int64)

    def prepare(self, tx: Transaction) -> None:
        """Know all that may be a neighbour, or a forecast, of what comes."""
        for each in self.rules.values():
            if isinstance(each.rule.when, Deviation):
                words = each.rule.watch.properties
                self.learn(tx, store.named_streams(tx, words, MOST) if words else store.all_streams(tx, MOST))

    def learn(self, tx: Transaction, ids: Sequence[int] | Integers) -> None:
        """Know these Datastreams too."""
        unknown = np.setdiff1d(np.asarray(ids, np.int64), self._ids)
        new = store.streams(tx, unknown.tolist()) if len(unknown) else []
        if not new:
            return
        self.streams += new
        for name, rule in self.rules.items():
            if isinstance(rule.rule.when, Deviation):
                self.watches[name] = watching.watched(rule, self.streams)
            else:
                self.watches[name] = _joined(self.watches[name], watching.watched(rule, new))
        every = np.asarray([each.id for each in self.streams], np.int64)
        self._places = np.argsort(every)
        self._ids = every[self._places]

    def places(self, ids: Integers) -> Integers:
        """The place of each Datastream; -1 of those that are not known."""
        if not len(self._ids):
            return np.full(len(ids), -1)
        at = np.clip(np.searchsorted(self._ids, ids), 0, len(self._ids) - 1)
        return np.where(self._ids[at] == ids, self._places[at], -1)

    def watched(self, places: Integers) -> Integers:
        """Those of the places that some rule watches, or needs for another."""
        some = np.zeros(len(self.streams), np.bool_)
        for each in self.watches.values():
            some |= each.places
        return places[some[places]]

    def of_kind(self, kind: type) -> list[Watched]:
        """What rules of a kind watch."""
        return [each for each in self.watches.values() if isinstance(each.rule.rule.when, kind)]


def _joined(old: Watched, new: Watched) -> Watched:
    if not len(old.places):
        return new
    limits = Limits(
        np.concatenate((old.limits.at, new.limits.at)), np.concatenate((old.limits.until, new.limits.until)), new.limits.sign,
        new.limits.reaches,
    )  # fmt: skip
    return Watched(
        new.rule, np.concatenate((old.places, new.places)), np.concatenate((old.positions, new.positions)), limits, {}
    )  # fmt: skip


def some(watch: Watched, places: Integers) -> Watched:
    """The watch of some Datastreams, by their number among these; what is expected keeps its places."""
    limits = msgspec.structs.replace(watch.limits, at=watch.limits.at[places], until=watch.limits.until[places])
    expected = {
        number: watch.expected[place] for number, place in enumerate(places.tolist()) if place in watch.expected
    }
    return Watched(watch.rule, watch.places[places], watch.positions[places], limits, expected)


OTHERS = (Together, Missing)
"""Rules that are not about a series of values."""
