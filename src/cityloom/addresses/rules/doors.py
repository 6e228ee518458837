"""From the name of a road or an estate down its doors, along what a text says and what the library has."""

from collections.abc import Iterator
from datetime import date

import msgspec

from cityloom.addresses.rules.book import AddressBook
from cityloom.addresses.rules.levels import LEVELS, Level
from cityloom.addresses.rules.scoring import Finding, Verdict, finding

MOST_WAYS = 8
"""Ways that are followed when a level that the text leaves out could be any of several."""
MOST_SIBLINGS = 400
_INSTEAD = {Level.number: Level.building, Level.building: Level.number}
"""12栋 and 12号 are often written for each other inside an estate."""
_SWAPPED = 0.8


class Said(msgspec.Struct, frozen=True):
    """One door of the text."""

    level: Level
    name: str
    said: str


class _Way(msgspec.Struct, frozen=True):
    entry: int
    findings: tuple[Finding, ...]
    lost: bool = False
    """A door was not there: what follows cannot be looked up."""


def descend(
    library: AddressBook, base: int, said: list[Said], day: date
) -> list[tuple[int, tuple[Finding, ...]]]:  # fmt: skip
    """The deepest entries that the doors lead to, each with what was found on the way."""
    ways = [_Way(base, ())]
    for place, door in enumerate(said):
        rest = said[place + 1 :]
        ways = [after for way in ways for after in _follow(library, way, door, rest, day)][:MOST_WAYS]
    return [(way.entry, way.findings) for way in ways]


def _follow(library: AddressBook, way: _Way, door: Said, rest: list[Said], day: date) -> Iterator[_Way]:
    if way.lost:
        yield _Way(way.entry, (*way.findings, finding(door.level, Verdict.differed, door.said)), True)
        return
    reached = False
    for entry, skipped, credit in _steps(library, way.entry, door, day):
        reached = True
        verdict = Verdict.agreed if credit == 1 else Verdict.similar
        found = finding(door.level, verdict, door.said, library.name(entry), credit)
        passed = tuple(finding(library.level(each), Verdict.missing, "", library.name(each)) for each in skipped)
        yield _Way(entry, (*way.findings, *passed, found))
    if not reached:
        yield _stay(library, way, door, rest)


def _stay(library: AddressBook, way: _Way, door: Said, rest: list[Said]) -> _Way:
    """The door is not there: the library does not go that deep, or knows others in its place."""
    if door.level == Level.floor:  # rooms carry their floor in their number; few libraries have floors
        doubted = any(each.level == Level.room and not _on_floor(each.name, door.name) for each in rest)
        return _Way(way.entry, (*way.findings, finding(door.level, Verdict.unknown, door.said))) if doubted else way
    if door.level in (Level.estate, Level.section):
        return _Way(way.entry, (*way.findings, finding(door.level, Verdict.unknown, door.said, credit=0.8)))
    below = [level for level in LEVELS if level > library.level(way.entry)]
    if not library.has_children(way.entry, below):
        return _Way(way.entry, (*way.findings, finding(door.level, Verdict.beyond, door.said)))
    if _left_out(library, way.entry, door):
        return _Way(way.entry, (*way.findings, finding(door.level, Verdict.unknown, door.said)))
    return _Way(way.entry, (*way.findings, finding(door.level, Verdict.differed, door.said)), True)


def _left_out(library: AddressBook, entry: int, door: Said) -> bool:
    """The library has rooms here without the unit, or the only building, that the text puts between."""
    if door.level == Level.building and door.name not in ("1", "A"):
        return False
    known = (door.level, _INSTEAD.get(door.level, door.level))
    return door.level in (Level.building, Level.unit) and not library.has_children(entry, known)


def _on_floor(room: str, floor: str) -> bool:
    digits = "".join(sign for sign in room if sign.isdigit())
    return len(digits) < 3 or digits.startswith(floor.lstrip("-")) or floor.startswith("-")


def _steps(library: AddressBook, entry: int, door: Said, day: date) -> Iterator[tuple[int, tuple[int, ...], float]]:
    """Where a door is: entry, entries in between that the text does not name, credit."""
    found = list(_steps_at(library, entry, door, day))
    if found or library.holds(entry, day):
        yield from found
        return
    for heir in library.heirs(entry, day):  # what lies behind a door that has another number now
        yield from _steps_at(library, heir, door, day)


def _steps_at(library: AddressBook, entry: int, door: Said, day: date) -> Iterator[tuple[int, tuple[int, ...], float]]:
    direct = _pick(library, entry, door.level, door.name, day)
    if direct is not None:
        yield direct, (), 1.0
        return
    through = list(_through(library, entry, door, day))[:MOST_WAYS]
    if through:
        yield from ((each, skipped, 1.0) for each, skipped in through)
        return
    instead = _INSTEAD.get(door.level)
    swapped = _pick(library, entry, instead, door.name, day) if instead else None
    if swapped is not None:
        yield swapped, (), _SWAPPED
        return
    yield from _shorter(library, entry, door, day)


def _pick(library: AddressBook, entry: int, level: Level, name: str, day: date) -> int | None:
    """The child with this name: the one that holds on the day before those that no longer do."""
    found = list(library.children(entry, level, name))
    if len(found) > 1:
        found.sort(key=lambda each: (not library.holds(each, day), -library.since(each)))
    return found[0] if found else None


def _through(
    library: AddressBook, entry: int, door: Said, day: date, depth: int = 2
) -> Iterator[tuple[int, tuple[int, ...]]]:  # fmt: skip
    """The door below children that the text leaves out, such as a room below the only building."""
    between = [level for level in LEVELS if library.level(entry) < level < door.level]
    looked = 0
    for level in between:
        for child in library.children(entry, level):
            looked += 1
            if looked > MOST_SIBLINGS:
                return
            found = _pick(library, child, door.level, door.name, day)
            if found is not None:
                yield found, (child,)
            elif depth > 1 and door.level == Level.room:
                for deep, skipped in _through(library, child, door, day, depth - 1):
                    yield deep, (child, *skipped)


def _shorter(library: AddressBook, entry: int, door: Said, day: date) -> Iterator[tuple[int, tuple[int, ...], float]]:
    """12-14号 at number 12, 3栋A座 as unit A of building 3, room 0302 as 302."""
    head, _, tail = door.name.partition("-")
    if tail and head:
        first = _pick(library, entry, door.level, head, day)
        if first is not None:
            wing = _pick(library, first, Level.unit, tail, day)
            yield (wing if wing is not None else first), (), 1.0 if wing is not None else _SWAPPED
            return
    if door.level == Level.room and door.name.startswith("0"):
        found = _pick(library, entry, door.level, door.name.lstrip("0"), day)
        if found is not None:
            yield found, (), 0.9
