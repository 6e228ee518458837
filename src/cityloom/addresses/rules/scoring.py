"""How much each level of an address counts, and from which score on a match is believed.

score = Σ weight × credit / Σ weight, over the levels that the text names and those that the match supposes. It is a measure
of agreement, not a probability; the thresholds were set on the labelled file of the sample city (see the tests), which they
keep above 0.99 precision. What is not said costs nothing when there is only one place that it can be.
"""

from collections.abc import Iterable
from enum import StrEnum

import msgspec
from rapidfuzz import fuzz

from cityloom.addresses.rules.levels import Level


class Verdict(StrEnum):
    """What became of one level of the text."""

    agreed = "agreed"
    former = "former"
    """It agrees with what the address was called, or where it lay, before."""
    similar = "similar"
    differed = "differed"
    missing = "missing"
    """The text does not name it, and the library has it on the way."""
    beyond = "beyond"
    """The text is finer than the library here."""
    unknown = "unknown"
    """No list has this name, so that it neither agrees nor differs."""


class Decision(StrEnum):
    """What is done with a match: taken, shown to somebody, or nothing."""

    matched = "matched"
    doubtful = "doubtful"
    unmatched = "unmatched"


class Finding(msgspec.Struct, frozen=True):
    """One level: what was said, what the library has, and how they compare."""

    level: Level
    verdict: Verdict
    said: str
    known: str
    credit: float


WEIGHTS = {
    Level.province: 0.5, Level.city: 1.0, Level.district: 1.5, Level.street: 1.0, Level.community: 1.0, Level.group: 2.0,
    Level.road: 4.0, Level.number: 3.0, Level.estate: 4.0, Level.section: 1.0, Level.building: 3.0, Level.unit: 2.0,
    Level.floor: 0.5, Level.room: 3.0,
}  # fmt: skip
CREDITS = {
    Verdict.agreed: 1.0, Verdict.former: 0.95, Verdict.differed: 0.0, Verdict.missing: 0.6, Verdict.beyond: 0.6,
    Verdict.unknown: 0.6,
}  # fmt: skip
"""Of `similar` the credit is the similarity of the names."""

MATCHED = 0.85
DOUBTFUL = 0.45
MARGIN = 0.04
"""So much better than the next best a match must be."""

OTHER_CITY = 0.3
CONTRADICTED = 0.8
"""Most that a match can have that contradicts the text in a division or a door: somebody has to look."""
NEARLY = 0.8
"""Similarity of a name below which somebody has to look."""


BESIDES = 0.74
"""Similarity of a second name, when the first agrees: one wrong character in four."""
DOORS = (Level.number, Level.building, Level.unit, Level.room)


def finding(level: Level, verdict: Verdict, said: str = "", known: str = "", credit: float | None = None) -> Finding:
    """A finding with the credit of its verdict."""
    return Finding(level, verdict, said, known, CREDITS[verdict] if credit is None else credit)


def score(findings: Iterable[Finding], relation: bool) -> float:
    """0–1. `relation`: the text says only that the place is near this one."""
    total, got, most = 0.0, 0.0, 1.0
    for each in findings:
        weight = WEIGHTS[each.level]
        total += weight
        got += weight * each.credit
        most = min(most, _most(each))
    reached = got / total if total else 0.0
    return round(min(reached, most, CONTRADICTED if relation else 1.0), 4)


def compared(level: Level, names: list[str], said: str, known: str) -> Finding:
    """What a text says of a name that was found by other means: the estate is right, and its road nearly."""
    if known in names:
        return finding(level, Verdict.agreed, said, known)
    likeness = max(fuzz.ratio(name, known) for name in names) / 100
    if level != Level.number and likeness >= BESIDES:
        return finding(level, Verdict.similar, said, known, max(likeness, NEARLY))
    return finding(level, Verdict.differed, said, known)


def reached(findings: Iterable[Finding]) -> bool:
    """Whether a door was found, when the text names any: 建设路12号 is not answered with the road."""
    doors = [each for each in findings if each.level in DOORS and each.said]
    if not doors:
        return True
    return any(each.verdict in (Verdict.agreed, Verdict.similar) for each in doors)


def _most(each: Finding) -> float:
    if each.verdict == Verdict.differed:
        return OTHER_CITY if each.level in (Level.province, Level.city) else CONTRADICTED
    if each.verdict == Verdict.similar and each.credit < NEARLY:
        return CONTRADICTED
    return 1.0
