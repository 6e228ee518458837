"""The names that a parser knows: divisions with their short and former names, and roads and estates of the register."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from copy import copy
from datetime import date

import msgspec

from cityloom.addresses.rules.grammar import ROAD_TAIL, SHORT_TAIL
from cityloom.addresses.rules.levels import DIGITS, DIVISIONS, Level

_ENDINGS = {
    Level.province: (
        "维吾尔自治区", "壮族自治区", "回族自治区", "特别行政区", "自治区", "省", "市",
    ),
    Level.city: ("地区", "市", "盟"),
    Level.district: ("自治县", "新区", "区", "县", "市", "旗"),
    Level.street: ("街道", "镇", "乡"),
    Level.community: ("社区", "村"),
}  # fmt: skip
_OFFICES = {
    Level.street: ("街道办事处", "街道办", "街办", "办事处", "街"),
    Level.community: ("社区居民委员会", "社区居委会", "居民委员会", "居委会", "居委", "村民委员会", "村委会", "村委"),
}
BARE = {Level.province, Level.city, Level.district, Level.street}
"""Levels whose names are said without their ending. A bare community's name is as often that of an estate or a road."""
_LEVEL_OF = {digits: level for level, digits in DIGITS.items()}


class Division(msgspec.Struct, frozen=True):
    """One division as a code list has it. `code` may be padded with zeros (440300)."""

    code: str
    name: str


class FormerName(msgspec.Struct, frozen=True):
    """A name that a division no longer bears, and the present divisions that its area belongs to."""

    name: str
    level: Level
    codes: tuple[str, ...]
    until: date | None = None


class Sense(msgspec.Struct, frozen=True):
    """What one written name may mean."""

    level: Level
    name: str
    codes: tuple[str, ...]
    bare: bool
    """Written without its ending, so that what follows must not go on as a name."""
    former: bool


class Gazetteer:
    """Names by their first two characters. Immutable once made; 50,000 names take about 30 MiB."""

    def __init__(
        self, divisions: Iterable[Division], former: Iterable[FormerName] = (),
        places: Mapping[Level, Iterable[str]] | None = None, home: str = "",
    ) -> None:  # fmt: skip
        """`places`: full names of roads and estates that the register knows, by level. `home`: short code of the city to
        which a name belongs that several have."""
        self.home = home
        self._senses: dict[str, tuple[Sense, ...]] = {}
        gathered: dict[str, dict[tuple[Level, str, bool, bool], set[str]]] = defaultdict(lambda: defaultdict(set))
        self.names: dict[str, str] = {}
        """Present name of each division by its short code."""
        for division in divisions:
            self._add(gathered, division)
        for old in former:
            for spelling, bare in _spellings(old.level, old.name):
                gathered[spelling][old.level, old.name, bare, True].update(old.codes)
        for spelling, found in gathered.items():
            self._senses[spelling] = tuple(
                Sense(level, name, tuple(sorted(codes)), bare, is_former)
                for (level, name, bare, is_former), codes in sorted(found.items(), key=lambda item: item[0][::-1])
            )
        self._lengths = _by_beginning(self._senses)
        self._places: dict[str, Level] = {}
        self._learn(places or {})

    def _learn(self, places: Mapping[Level, Iterable[str]]) -> None:
        self._places |= {name: level for level, names in places.items() for name in names if len(name) > 1}
        self._place_lengths = _by_beginning(self._places)

    def with_places(self, places: Mapping[Level, Iterable[str]]) -> "Gazetteer":
        """One that knows these roads and estates besides; this one stays as it is."""
        found = copy(self)
        found._places = dict(self._places)
        found._learn(places)
        return found

    def _add(self, gathered: dict[str, dict[tuple[Level, str, bool, bool], set[str]]], division: Division) -> None:
        code = short_code(division.code)
        if division.name in _NOT_SAID:
            return
        self.names[code] = division.name
        for level in _levels(code, division.name):
            for spelling, bare in _spellings(level, division.name):
                gathered[spelling][level, division.name, bare, False].add(code)
            if level == Level.street:
                for spelling in _before(division.name):
                    gathered[spelling][level, division.name, False, True].add(code)

    def divisions_at(self, text: str, start: int) -> Iterator[tuple[int, Sense]]:
        """What division's names the text has at this place, the longest first: where each ends, and what it may mean."""
        for length in self._lengths.get(text[start : start + 2], ()):
            end = start + length
            for sense in self._senses.get(text[start:end], ()):
                if not (SHORT_TAIL if sense.bare else ROAD_TAIL).match(text, end):
                    yield end, sense

    def place_at(self, text: str, start: int) -> tuple[int, Level] | None:
        """The longest road or estate of the register at this place: where it ends, and its level."""
        for length in self._place_lengths.get(text[start : start + 2], ()):
            level = self._places.get(text[start : start + length])
            if level:
                return start + length, level
        return None


_NOT_SAID = {"市辖区", "县", "省直辖县级行政区划", "自治区直辖县级行政区划"}
"""Rows of GB/T 2260 that hold a place in the code and are no name."""


def short_code(code: str) -> str:
    """A division's code without the zeros that only fill it up: 440300 → 4403, 440305 → 440305."""
    if len(code) == 6 and code.endswith("00"):
        return code[:2] if code.endswith("0000") else code[:4]
    return code[:9] if len(code) == 12 and code.endswith("000") else code


def _levels(code: str, name: str) -> tuple[Level, ...]:
    level = _LEVEL_OF.get(len(code))
    if level is None:
        return ()
    if level == Level.province and name.endswith("市"):
        return (Level.province, Level.city)  # 北京市 is both; whoever writes it once means either
    return (level,)


def _spellings(level: Level, name: str) -> Iterator[tuple[str, bool]]:
    """A division's name as it is written, and whether it is so without its ending."""
    yield name, False
    stem = _stem(level, name)
    if len(stem) < 2:
        return
    for office in _OFFICES.get(level, ()):
        village = office.startswith("村")
        if stem != name and (level != Level.community or village == name.endswith("村")):
            yield stem + office, office == "街"
    if stem != name and level in BARE:
        yield stem, True


def _before(name: str) -> Iterator[str]:
    """A 街道 that was a 镇 or 乡 before, as most were, and the other way round."""
    stem = _stem(Level.street, name)
    if stem != name and len(stem) > 1:
        yield from (stem + ending for ending in _ENDINGS[Level.street] if stem + ending != name)


def _stem(level: Level, name: str) -> str:
    ending = next((each for each in _ENDINGS[level] if name.endswith(each)), "")
    return name.removesuffix(ending)


def _by_beginning(names: Iterable[str]) -> dict[str, tuple[int, ...]]:
    lengths: dict[str, set[int]] = defaultdict(set)
    for name in names:
        lengths[name[:2]].add(len(name))
    return {beginning: tuple(sorted(found, reverse=True)) for beginning, found in lengths.items()}


def agreeing(codes: Iterable[str], division: str) -> tuple[str, ...]:
    """Those codes that lie in the division, or that it lies in."""
    return tuple(code for code in codes if code.startswith(division) or division.startswith(code))


__all__ = [
    "BARE", "DIVISIONS", "Division", "FormerName", "Gazetteer", "Sense", "agreeing", "short_code",
]  # fmt: skip
