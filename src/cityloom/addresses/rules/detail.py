"""One address on a day: which division and cell it lay in, and what its family of changes amounts to."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date

import msgspec

from cityloom.addresses.rules.levels import DIGITS, Level


class Stay(msgspec.Struct, frozen=True):
    """Where an address lay from one day until another."""

    address: str
    place: str
    since: date
    until: date | None


class Rename(msgspec.Struct, frozen=True):
    """A change of divisions, as far as it bears on names and codes."""

    day: date
    kind: str
    old: str
    old_name: str
    new: str


def nearest(way: Sequence[str], stays: Iterable[Stay]) -> list[Stay]:
    """The stays of the address, or of the nearest that it lies in and that has some. `way`: from the widest on."""
    of: dict[str, list[Stay]] = {}
    for stay in stays:
        of.setdefault(stay.address, []).append(stay)
    return next((of[code] for code in reversed(way) if code in of), [])


def at(stays: Sequence[Stay], day: date) -> Stay | None:
    """Where it lay on the day."""
    return next((stay for stay in stays if stay.since <= day and (stay.until is None or day < stay.until)), None)


def as_it_was(code: str, day: date, changes: Iterable[Rename], names: Mapping[str, str]) -> tuple[str, str]:
    """Code and name of a division on an earlier day: changes since then are taken back where one thing became one.

    What was split, merged or redrawn cannot be taken back from the code alone: the stays of an address tell that.
    """
    name = names.get(code, "")
    for change in sorted(changes, key=lambda each: each.day, reverse=True):
        if change.day > day and change.new == code and change.kind in ("renamed", "recoded"):
            code, name = change.old, change.old_name
    return code, name


def touching(codes: Iterable[str], changes: Iterable[Rename]) -> list[int]:
    """Which of these changes, by place, are of a division in which one of the codes lies, or was made of one."""
    wide = {code[:digits] for code in codes for digits in DIGITS.values() if digits <= len(code)}
    listed = list(changes)
    found: set[int] = set()
    while more := [n for n, each in enumerate(listed) if n not in found and wide & {each.old, each.new}]:
        found.update(more)
        wide |= {listed[place].old for place in more}
    return sorted(found)


def divisions_of(code: str, names: Mapping[str, str]) -> list[tuple[Level, str, str]]:
    """Level, code and name of each division in which a division lies, itself among them; those without a name left out."""
    found = []
    for level, digits in DIGITS.items():
        if digits <= len(code) and (name := names.get(code[:digits])):
            found.append((level, code[:digits], name))
    return found
