"""The part of the standard addresses that the matching of some texts needs, fetched step by step.

Matching is run over what is known. What it asks besides is noted as wanted and answered with nothing; at the next `settle`
the run ends with `Missing`. Whoever holds the addresses fetches what was wanted, for many texts at once, and runs it
again. A few such rounds are enough, and no process holds more of a city's addresses than the texts in its hands need.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date

from rapidfuzz import fuzz, process

from cityloom.addresses.contracts import Named, Row, Wants
from cityloom.addresses.rules.levels import LEVELS, Level

MOST_ALIKE = 40
ALIKE = 66
"""Similarity of names in percent (Indel) below which none is proposed: one wrong character in three."""


def alike(name: str, names: Sequence[str]) -> list[tuple[str, float]]:
    """Those of these names that are nearly this one, the nearest first, and how near (0–1)."""
    found = process.extract(name, names, scorer=fuzz.ratio, score_cutoff=ALIKE, limit=None)
    found.sort(
        key=lambda each: (-each[1], each[0])
    )  # of names that are equally near the same ones in any order of `names`
    return [(other, score / 100) for other, score, _ in found[:MOST_ALIKE] if other != name]


class Missing(Exception):
    """Something was asked that has not been fetched."""

    def __init__(self, wants: Wants) -> None:
        super().__init__()
        self.wants = wants


class Known:
    """What was fetched so far for a group of texts."""

    def __init__(self, names: Mapping[Level, Sequence[str]]) -> None:
        """`names`: all names of the named levels, for those that are nearly one in a text."""
        self._names = names
        self._alike: dict[tuple[Level, str], list[tuple[str, float]]] = {}
        self._rows: list[Row] = []
        self._numbers: dict[str, int] = {}
        self._named: dict[Named, list[int]] = {}
        self._doors: dict[str, set[str]] = defaultdict(set)
        self._every: set[tuple[str, int]] = set()
        self._looked_up: set[str] = set()
        self._children: dict[tuple[str, int, str], set[str]] = defaultdict(set)
        self._at_level: dict[tuple[str, int], set[str]] = defaultdict(set)
        self._hints: frozenset[str] = frozenset()
        self._wants = Wants()

    def begin(self, hints: Iterable[str]) -> None:
        """The next text is to be matched; `hints` are the names of its doors, fetched together whenever one is wanted."""
        self._hints = frozenset(hints)
        self._wants = Wants()

    def take(self, rows: Iterable[Row]) -> None:
        """Rows that were fetched, what they lie in among them."""
        for row in rows:
            if row.code not in self._numbers:
                self._numbers[row.code] = len(self._rows)
                self._rows.append(row)
                self._children[row.parent, row.level, row.name].add(row.code)
                self._at_level[row.parent, row.level].add(row.code)

    def answered(self, wants: Wants, named: Mapping[Named, Sequence[str]], reached: Mapping[str, set[str]]) -> None:
        """All that was wanted has been fetched: `named` says by which name what was found, `reached` which names were
        looked for in which code."""
        for key in wants.named:
            found = [self._numbers[code] for code in named.get(key, ())]
            self._named[key] = sorted(found, key=lambda entry: (self.division(entry), self.code(entry)))
        for code, names in reached.items():
            self._doors[code] |= names
        self._every |= wants.every
        self._looked_up |= wants.heirs

    def settle(self) -> None:
        """See `AddressBook`."""
        if self._wants:
            raise Missing(self._wants)

    def code(self, entry: int) -> str:
        return self._rows[entry].code

    def name(self, entry: int) -> str:
        return self._rows[entry].name

    def level(self, entry: int) -> Level:
        return LEVELS[self._rows[entry].level - 1]

    def division(self, entry: int) -> str:
        return self._rows[entry].division

    def ever(self, entry: int) -> tuple[str, ...]:
        return tuple(self._rows[entry].former)

    def since(self, entry: int) -> int:
        return self._rows[entry].since.toordinal()

    def holds(self, entry: int, on: date) -> bool:
        return self._rows[entry].since <= on and self.ended(entry, on) is None

    def ended(self, entry: int, on: date) -> date | None:
        until = self._rows[entry].until
        return until if until is not None and until <= on else None

    def heirs(self, entry: int, on: date) -> tuple[int, ...]:
        found: list[int] = []
        seen: set[str] = set()
        waiting = [self._rows[entry].code]
        while waiting:
            code = waiting.pop()
            number = self._numbers.get(code)
            if number is None and code not in self._looked_up:
                self._wants.heirs.add(code)
            if number is None or code in seen:
                continue
            seen.add(code)
            if self.ended(number, on) is not None:
                waiting += self._rows[number].replaced_by
            elif self.holds(number, on):
                found.append(number)
        return tuple(sorted(found, key=self.code))

    def path(self, entry: int) -> list[int]:
        found: list[int] = []
        number: int | None = entry
        while number is not None and number not in found:
            found.append(number)
            number = self._numbers.get(self._rows[number].parent)
        return found[::-1]

    def children(self, entry: int, level: Level, name: str | None = None) -> Iterator[int]:
        row = self._rows[entry]
        if not row.below >> level & 1:
            return
        if name is None:
            if (row.code, level) not in self._every:
                self._wants.every.add((row.code, level))
                return
            found = self._at_level.get((row.code, level), set())
        else:
            if name not in self._doors[row.code]:
                self._wants.doors[row.code] |= self._hints | {name}
                return
            found = self._children.get((row.code, level, name), set())
        for code in sorted(found):
            yield self._numbers[code]

    def has_children(self, entry: int, levels: Iterable[Level]) -> bool:
        return any(self._rows[entry].below >> level & 1 for level in levels)

    def expect(self, named: Iterable[tuple[Level, str, str]]) -> None:
        unknown = [key for key in named if key not in self._named]
        if unknown:
            self._wants.named.update(unknown)
            raise Missing(self._wants)  # at once: without a base the run would look for names that are nearly this one

    def bases(self, level: Level, name: str, division: str = "") -> list[int]:
        self.expect([(level, name, division)])
        return self._named[level, name, division]

    def similar(self, level: Level, name: str) -> list[tuple[str, float]]:
        key = level, name
        if key not in self._alike:
            self._alike[key] = alike(name, self._names.get(level, ()))
        return self._alike[key]
