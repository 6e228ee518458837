"""What a process keeps in memory of the library: names, by which texts are read. Doors stay in the database.

The names of divisions come from the packs' code lists, those that they no longer bear from the changes of divisions, those
of roads and estates from the library. Before each question the newest revision is asked for, so that a name which came a
second ago is known.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from threading import Lock

import msgspec

from cityloom.addresses import spec
from cityloom.addresses.rules import life
from cityloom.addresses.rules.gazetteer import Division, Gazetteer
from cityloom.addresses.rules.levels import Level
from cityloom.addresses.store import lookups
from cityloom.addresses.store.lookups import ChangeRow, Revision
from cityloom.catalogue.api import packs as catalogue
from cityloom.kernel.db import Database, Transaction
from cityloom.kernel.packs import Packs

PLACES = (Level.road, Level.estate)


class Names(msgspec.Struct, frozen=True):
    """What is known at a revision."""

    revision: Revision
    gazetteer: Gazetteer
    similar: Mapping[Level, Sequence[str]]
    changes: tuple[ChangeRow, ...]


class Shelf:
    """The names of one city in this process, shared by its threads."""

    def __init__(self, active: Packs) -> None:
        declared = spec.library(active)
        lists = catalogue.standards(active).codes
        wanted = [lists[name] for name in declared.lists if name in lists] if declared else []
        self._divisions = [Division(code.code, code.title.zh) for each in wanted for code in each.codes]
        home = lists.get(declared.home) if declared else None
        self.home = _shared([code.code for code in home.codes])[:4] if home else ""
        self._lock = Lock()
        self._names: Names | None = None

    def names(self, tx: Transaction) -> Names:
        """As the transaction sees them."""
        newest = lookups.revision(tx)
        known = self._names
        if known is not None and known.revision == newest:
            return known
        with self._lock:
            known = self._names
            if known is None or not _same_but_names(known.revision, newest):
                known = self._begin(tx, newest)
            if known.revision.names < newest.names:
                known = _learn(tx, known, newest)
            self._names = known
            return known

    def _begin(self, tx: Transaction, newest: Revision) -> Names:
        changes = lookups.changes(tx)
        former = life.former_names(
            life.DivisionChange(each.changed_on, each.old_code, each.old_name, each.new_code, each.new_name)
            for each in changes
        )
        none = msgspec.structs.replace(newest, names=0)
        return Names(none, Gazetteer(self._divisions, former, home=self.home), {}, tuple(changes))


def _shared(codes: Sequence[str]) -> str:
    """What all codes begin with."""
    first, last = min(codes, default=""), max(codes, default="")
    return next((first[:place] for place in range(len(first)) if first[place] != last[place : place + 1]), first)


def _same_but_names(one: Revision, other: Revision) -> bool:
    return msgspec.structs.replace(one, names=other.names) == other


def _learn(tx: Transaction, known: Names, newest: Revision) -> Names:
    rows = lookups.names(tx, known.revision.names, newest.names)
    fresh: dict[Level, list[str]] = {}
    for row in rows:
        fresh.setdefault(Level(row.level), []).append(row.name)
    similar = {level: [*known.similar.get(level, ()), *fresh.get(level, ())] for level in {*known.similar, *fresh}}
    places = {level: fresh[level] for level in PLACES if level in fresh}
    return Names(newest, known.gazetteer.with_places(places), similar, known.changes)


@lru_cache(maxsize=2)
def of(db: Database, active: Packs) -> Shelf:
    """The shelf of this process for a city's database and packs."""
    del db  # it only tells one city from another
    return Shelf(active)
