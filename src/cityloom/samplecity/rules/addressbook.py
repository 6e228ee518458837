"""The address library of the sample city: roads with gates, estates with buildings, and what became of some of them.

Names of roads are given once in a city, as the rules for place names ask (地名管理条例, article 9); names of estates mostly.
Everything is drawn by `chance`, so the library can be made again, in the same order, while it is read.
"""

from collections.abc import Iterator
from datetime import date, timedelta

import msgspec
import numpy as np

from cityloom.samplecity.contracts import PlannedAddress
from cityloom.samplecity.rules import chance
from cityloom.samplecity.rules.layout import Communities
from cityloom.samplecity.spec import Names

FIRST_DAY = date(2012, 3, 1)
CHANGED = date(2025, 6, 1)
"""The day on which streets were renamed and renumbered."""
REDRAWN = date(2025, 9, 1)
"""The day on which the boundaries of communities were redrawn."""
ROADS_PER_COMMUNITY = 2
RENAMED, RENUMBERED, SPLIT, GONE, MOVED = 0.01, 0.03, 0.01, 0.02, 0.03
"""Shares of roads and of gates that had this happen to them."""

Steps = tuple[tuple[str, str], ...]


class Draft(msgspec.Struct, gc=False):
    """A node below a gate: its level and name, and the node it lies in (-1: the gate's road or community)."""

    level: str
    name: str
    parent: int


class Gate(msgspec.Struct):
    """A gate and everything behind it."""

    road: str
    number: int
    nodes: list[Draft]
    fate: str = ""
    """renamed, renumbered, split, gone, moved or empty."""


class Coder:
    """Gives codes within the communities, each once."""

    def __init__(self) -> None:
        self._last: dict[str, int] = {}

    def next(self, community: str) -> str:
        """The next code of a community."""
        number = self._last[community] = self._last.get(community, 0) + 1
        digits = f"{community}{number:08d}"
        rest = 10
        for digit in digits:
            rest = ((rest + int(digit)) % 10 or 10) * 2 % 11
        return digits + str((11 - rest) % 10)


def addresses(seed: int, communities: Communities, names: Names, count: int) -> Iterator[PlannedAddress]:
    """At least `count` addresses, parents before what lies in them. Every community has a gate, so small counts give more."""
    key = chance.key(seed, "addresses", count)
    quotas = chance.share(count, communities.weight)
    coder = Coder()
    for number, quota in enumerate(quotas.tolist()):
        yield from _community(key, communities, names, number, quota, coder)


def road_name(names: Names, number: int) -> str:
    """The name of a road; different for different numbers up to some ten thousands."""
    first, second, ending = _mixed(number, (len(names.place_first), len(names.place_second), len(names.road_endings)))
    return names.place_first[first] + names.place_second[second] + names.road_endings[ending]


def _mixed(number: int, sizes: tuple[int, int, int]) -> tuple[int, int, int]:
    """Spreads numbers over all combinations: a step prime to their count visits each once."""
    spread = number * 7919 % (sizes[0] * sizes[1] * sizes[2])
    return spread % sizes[0], spread // sizes[0] % sizes[1], spread // (sizes[0] * sizes[1])


def _community(
    key: int, communities: Communities, names: Names, number: int, quota: int, coder: Coder
) -> Iterator[PlannedAddress]:  # fmt: skip
    writer = Writer(key, communities, number, coder)
    roads = [road_name(names, ROADS_PER_COMMUNITY * number + each) for each in range(ROADS_PER_COMMUNITY)]
    spare = ROADS_PER_COMMUNITY * len(communities.code)
    renamed = {
        road: road_name(names, spare + ROADS_PER_COMMUNITY * number + place)
        for place, road in enumerate(roads)
        if _unit(key, "renamed", number, place) < RENAMED
    }
    for road in roads:
        yield from writer.road(road, renamed.get(road))
    left, gate = quota, 0
    while left > 0:
        made = _gate(key, names, roads, number, gate, left)
        for address in writer.gate(made, renamed.get(made.road)):
            left -= 1
            yield address
        gate += 1


def _gate(key: int, names: Names, roads: list[str], community: int, gate: int, left: int) -> Gate:
    place = community * 100_000 + gate
    drawn = _unit(key, "kind", place)
    road = roads[gate % len(roads)]
    number = 2 * (gate // len(roads)) + 1 + gate % 2 + 10
    nodes = [Draft("number", f"{number}号", -1)]
    if drawn < 0.35:
        _rooms(key, place, nodes, 0, 3 + int(_unit(key, "floors", place) * 6), left)
    else:
        if drawn < 0.85:
            nodes.append(Draft("estate", _estate(key, names, place), 0))
        _buildings(key, place, nodes, left)
    return Gate(road, number, nodes, _fate(_unit(key, "fate", place)))


def _fate(drawn: float) -> str:
    for share, fate in ((RENUMBERED, "renumbered"), (SPLIT, "split"), (GONE, "gone"), (MOVED, "moved")):
        if drawn < share:
            return fate
        drawn -= share
    return ""


def _estate(key: int, names: Names, place: int) -> str:
    first = names.place_second[int(_unit(key, "estate first", place) * len(names.place_second))]
    second = names.place_first[int(_unit(key, "estate second", place) * len(names.place_first))]
    ending = names.estate_endings[int(_unit(key, "estate ending", place) * len(names.estate_endings))]
    return first + second + ending


def _buildings(key: int, place: int, nodes: list[Draft], left: int) -> None:
    host = len(nodes) - 1
    lettered = _unit(key, "lettered", place) < 0.25
    for number in range(1, 2 + int(_unit(key, "buildings", place) * 5)):
        if len(nodes) > left:
            return
        nodes.append(Draft("building", ("ABCDEF"[number - 1] + "座") if lettered else f"{number}栋", host))
        building = len(nodes) - 1
        units = 1 + int(_unit(key, "units", place, number) * 3)
        for unit in range(1, units + 1) if units > 1 else ():
            nodes.append(Draft("unit", f"{unit}单元", building))
            _rooms(key, place, nodes, len(nodes) - 1, 4 + int(_unit(key, "floors", place, number) * 8), left)
        if units == 1:
            _rooms(key, place, nodes, building, 4 + int(_unit(key, "floors", place, number) * 14), left)


def _rooms(key: int, place: int, nodes: list[Draft], host: int, floors: int, left: int) -> None:
    doors = 2 + int(_unit(key, "doors", place) * 3)
    for floor in range(1, floors + 1):
        if len(nodes) > left + 20:
            return
        nodes += [Draft("room", f"{floor}{door:02d}室", host) for door in range(1, doors + 1)]


def _unit(key: int, name: str, *index: int) -> float:
    mixed = index[0] if len(index) == 1 else index[0] * 64 + index[1]
    return float(chance.unit(key, name, np.array([mixed]))[0])


class Writer:
    """Turns roads and gates of one community into addresses with codes."""

    def __init__(self, key: int, communities: Communities, number: int, coder: Coder) -> None:
        self._key, self._number, self._coder = key, number, coder
        self._code = communities.code[number]
        self._place = communities.steps[number]
        follows = number + 1 < len(communities.code) and communities.code[number + 1][:9] == self._code[:9]
        self._next = number + 1 if follows else None
        self._next_code = communities.code[number + 1] if follows else ""
        self._next_place = communities.steps[number + 1] if follows else self._place
        self._roads: dict[str, str] = {}

    def road(self, name: str, renamed: str | None) -> Iterator[PlannedAddress]:
        """The road and, when it was renamed, the road that it is now."""
        code = self._roads[name] = self._coder.next(self._code)
        if renamed:
            now = self._roads[renamed] = self._coder.next(self._code)
            yield self._made(now, "", (("road", renamed),), self._code[:9], CHANGED)
            yield self._made(code, "", (("road", name),), self._code[:9], FIRST_DAY, CHANGED, (now,))
        else:
            yield self._made(code, "", (("road", name),), self._code[:9], FIRST_DAY)

    def gate(self, gate: Gate, renamed: str | None) -> Iterator[PlannedAddress]:
        """Everything behind a gate, and behind what became of it."""
        fate = "renamed" if renamed else gate.fate
        moved = fate == "moved" and self._next is not None
        since = FIRST_DAY + timedelta(days=gate.number * 37 % 4000)
        if fate == "gone":
            yield from self._subtree(gate, gate.road, gate.number, since, CHANGED, None)
        elif fate in ("renamed", "renumbered"):
            road, number = (renamed or gate.road), gate.number + (0 if renamed else 400)
            now = list(self._subtree(gate, road, number, CHANGED, None, None))
            yield from now
            yield from self._subtree(gate, gate.road, gate.number, since, CHANGED, [each.code for each in now])
        elif fate == "split":
            yield from self._split(gate, since)
        else:
            yield from self._subtree(gate, gate.road, gate.number, since, None, None, moved)

    def _split(self, gate: Gate, since: date) -> Iterator[PlannedAddress]:
        """12号 became 12-1号, which has what was in it, and 12-2号, which is new."""
        now = list(self._subtree(gate, gate.road, f"{gate.number}-1", CHANGED, None, None))
        other = list(
            self._subtree(Gate(gate.road, 0, gate.nodes[:1]), gate.road, f"{gate.number}-2", CHANGED, None, None)
        )
        old = list(self._subtree(gate, gate.road, gate.number, since, CHANGED, [each.code for each in now]))
        yield from (*now, *other)
        yield msgspec.structs.replace(old[0], replaced_by=(now[0].code, other[0].code))
        yield from old[1:]

    def _subtree(
        self, gate: Gate, road: str, number: int | str, since: date, until: date | None, heirs: list[str] | None,
        moved: bool = False,
    ) -> Iterator[PlannedAddress]:  # fmt: skip
        codes: list[str] = []
        steps: list[Steps] = []
        top: Steps = (("road", road),)
        for place, node in enumerate(gate.nodes):
            name = f"{number}号" if place == 0 else node.name
            parent = self._roads[road] if node.parent < 0 else codes[node.parent]
            codes.append(self._coder.next(self._code))
            steps.append(((*top,) if node.parent < 0 else steps[node.parent]) + ((node.level, name),))
            division = self._next_code if moved else self._code
            yield self._made(
                codes[-1], parent, steps[-1], division, since, until, (heirs[place],) if heirs else (),
                self._code if moved else "",
            )  # fmt: skip

    def _made(
        self, code: str, parent: str, steps: Steps, division: str, since: date, until: date | None = None,
        heirs: tuple[str, ...] = (), former: str = "",
    ) -> PlannedAddress:  # fmt: skip
        place = self._next_place if former else self._place
        begin = place[:3] if len(division) == 9 else place
        return PlannedAddress(
            code=code, parent=parent, level=steps[-1][0], name=steps[-1][1],
            text="".join(begin) + "".join(name for _, name in steps), division=division, since=since, until=until,
            replaced_by=heirs, former_division=former, steps=steps, place=place,
        )  # fmt: skip
