"""The standard addresses of a city, all in memory: what the service, which fetches them step by step, is compared with.

Entries are numbers from 0. What a million of them need is held in typed arrays; their children are found by bisection in
one sorted array of keys (parent, level, name), so no entry has a dictionary of its own. About 300 bytes an entry.
"""

from array import array
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import date

import numpy as np

from cityloom.addresses.rules.known import alike
from cityloom.addresses.rules.levels import Level
from cityloom.addresses.rules.life import Divisions, DivisionSpan, Entry
from cityloom.addresses.rules.parsing import canonical

NAMED = (Level.community, Level.group, Level.road, Level.estate)
"""Levels by which an address is looked up; what is below is found from there."""
_NAME_BITS, _LEVEL_BITS = 24, 4
_LEVELS: tuple[Level, ...] = (Level.province, *Level)
"""By number; there is no level 0."""
_STILL = date.max.toordinal()


class Library:
    """Standard addresses with the texts and divisions that they once had. Made once, never changed."""

    def __init__(self, entries: Iterable[Entry], former: Iterable[DivisionSpan] = ()) -> None:
        """`former`: divisions in which an address lay before boundaries were redrawn."""
        self.codes: list[str] = []
        self._names: list[str] = []
        self._name_ids: dict[str, int] = {}
        self._spellings: dict[tuple[Level, str], int] = {}
        self._name_of, self._level, self._division = array("i"), array("b"), array("i")
        self._since, self._until = array("i"), array("i")
        self._divisions: list[str] = []
        self._division_ids: dict[str, int] = {}
        self._heirs: dict[int, tuple[str, ...]] = {}
        parents: list[str] = []
        for entry in entries:
            parents.append(entry.parent)
            self._keep(entry)
        self._numbers = {code: number for number, code in enumerate(self.codes)}
        self._parent = array("i", (self._numbers.get(code, -1) for code in parents))
        self._sort()
        self._bases = self._by_name()
        self._similar = {level: [name for each, name in self._bases if each == level] for level in NAMED}
        self.former = Divisions(former)

    def __len__(self) -> int:
        return len(self.codes)

    def _keep(self, entry: Entry) -> None:
        number = len(self.codes)
        self.codes.append(entry.code)
        self._name_of.append(self._name_id(entry.level, entry.name))
        self._level.append(entry.level)
        division = self._division_ids.setdefault(entry.division, len(self._divisions))
        if division == len(self._divisions):
            self._divisions.append(entry.division)
        self._division.append(division)
        self._since.append(entry.since.toordinal())
        self._until.append(entry.until.toordinal() if entry.until else _STILL)
        if entry.replaced_by:
            self._heirs[number] = entry.replaced_by

    def _name_id(self, level: Level, name: str) -> int:
        """The number of a name in its comparable form; each spelling is brought to it once."""
        if (known := self._spellings.get((level, name))) is not None:
            return known
        comparable = canonical(level, name)
        found = self._name_ids.setdefault(comparable, len(self._names))
        if found == len(self._names):
            self._names.append(comparable)
        self._spellings[level, name] = found
        return found

    def _sort(self) -> None:
        parents = np.frombuffer(self._parent, np.int32).astype(np.int64) + 1
        levels = np.frombuffer(self._level, np.int8).astype(np.int64)
        names = np.frombuffer(self._name_of, np.int32).astype(np.int64)
        keys = (parents << (_NAME_BITS + _LEVEL_BITS)) | (levels << _NAME_BITS) | names
        order = np.argsort(keys, kind="stable")
        self._order, self._keys = array("i"), array("q")
        self._order.frombytes(order.astype(np.int32).tobytes())
        self._keys.frombytes(keys[order].tobytes())

    def _by_name(self) -> dict[tuple[int, str], list[int]]:
        """Entries of the named levels by name, in the order of their divisions."""
        found: dict[tuple[int, str], list[int]] = defaultdict(list)
        for number, level in enumerate(self._level):
            if level in NAMED or (level == Level.number and self._parent[number] < 0):
                found[level, self._names[self._name_of[number]]].append(number)
        for numbers in found.values():
            numbers.sort(key=self.division)
        return dict(found)

    def number(self, code: str) -> int | None:
        """The entry with this code."""
        return self._numbers.get(code)

    def code(self, entry: int) -> str:
        """Its standard code."""
        return self.codes[entry]

    def ever(self, entry: int) -> tuple[str, ...]:
        """All divisions in which it ever lay, as far as boundaries were redrawn around it."""
        return self.former.ever(self.codes[entry])

    def expect(self, named: Iterable[tuple[Level, str, str]]) -> None:
        """It knows all that can be asked of it."""

    def settle(self) -> None:
        """It knows all that can be asked of it."""

    def name(self, entry: int) -> str:
        """Its comparable name."""
        return self._names[self._name_of[entry]]

    def level(self, entry: int) -> Level:
        """Its level."""
        return _LEVELS[self._level[entry]]

    def parent(self, entry: int) -> int:
        """What it lies in, or -1."""
        return self._parent[entry]

    def division(self, entry: int) -> str:
        """The division in which it lies now."""
        return self._divisions[self._division[entry]]

    def holds(self, entry: int, on: date) -> bool:
        """Whether it is an address on that day."""
        return self._since[entry] <= on.toordinal() < self._until[entry]

    def since(self, entry: int) -> int:
        """Its first day, as a number of days."""
        return self._since[entry]

    def ended(self, entry: int, on: date) -> date | None:
        """Since when it is an address no more, if it is not by that day."""
        until = self._until[entry]
        return date.fromordinal(until) if until <= on.toordinal() else None

    def heirs(self, entry: int, on: date) -> tuple[int, ...]:
        """The entries that hold on that day and to which it leads; itself while it holds."""
        found: list[int] = []
        seen: set[int] = set()
        waiting = [entry]
        while waiting:
            current = waiting.pop()
            if current in seen:
                continue
            seen.add(current)
            if self.ended(current, on) is None:
                found.append(current)
            known = (self._numbers.get(code) for code in self._heirs.get(current, ()))
            waiting += [each for each in known if each is not None] if self.ended(current, on) else []
        return tuple(sorted(each for each in found if self.holds(each, on)))

    def children(self, entry: int, level: Level, name: str | None = None) -> Iterator[int]:
        """What lies directly in an entry at a level, with a name or with any."""
        first = ((entry + 1) << (_NAME_BITS + _LEVEL_BITS)) | (level << _NAME_BITS)
        last = first + (1 << _NAME_BITS)
        if name is not None:
            known = self._name_ids.get(name)
            if known is None:
                return
            first, last = first + known, first + known + 1
        keys, order = self._keys, self._order
        place = bisect_left(keys, first)
        while place < len(keys) and keys[place] < last:
            yield order[place]
            place += 1

    def has_children(self, entry: int, levels: Iterable[Level]) -> bool:
        """Whether the library goes on below an entry at one of these levels."""
        return any(True for level in levels for _ in self.children(entry, level))

    def bases(self, level: Level, name: str, division: str = "") -> list[int]:
        """Entries of a named level with this name that lie in a division or contain it."""
        found = self._bases.get((level, name), [])
        if not division:
            return found
        first = bisect_left(found, division, key=self.division)
        inside = []
        while first < len(found) and self.division(found[first]).startswith(division):
            inside.append(found[first])
            first += 1
        for length in (length for length in (4, 6, 9) if length < len(division)):
            wide = division[:length]
            place = bisect_left(found, wide, key=self.division)
            while place < len(found) and self.division(found[place]) == wide:
                inside.append(found[place])
                place += 1
        return inside

    def similar(self, level: Level, name: str) -> list[tuple[str, float]]:
        """Other names of a level that are nearly this one, the nearest first, and how near (0–1)."""
        return alike(name, self._similar.get(level, []))

    def path(self, entry: int) -> list[int]:
        """The entry and what it lies in, from the widest on."""
        found = []
        while entry >= 0:
            found.append(entry)
            entry = self._parent[entry]
        return found[::-1]
