"""Finds what a parsed address means among the standard addresses of a library."""

from collections.abc import Iterator
from datetime import date

import msgspec

from cityloom.addresses.rules import scoring
from cityloom.addresses.rules.book import AddressBook
from cityloom.addresses.rules.doors import Said, descend
from cityloom.addresses.rules.levels import DIGITS, DIVISIONS, Level, Parsed, Part
from cityloom.addresses.rules.scoring import Decision, Finding, Verdict, finding

MOST_BASES = 24
"""Entries of one name that are looked into when none of them has the door that the text names."""
MOST_NAMES = 6
"""Names nearly like one in the text that are looked into, those in its division first."""
SHOWN = 5
"""Alternatives that are told."""


class Alternative(msgspec.Struct, frozen=True):
    """Another address that the text may mean."""

    code: str
    score: float
    findings: tuple[Finding, ...] = ()


class Match(msgspec.Struct, frozen=True):
    """What a text was found to mean, how well it agrees, and why."""

    decision: Decision
    score: float = 0.0
    code: str = ""
    """The address that holds now, or the last that did when it was abolished; empty when nothing was found."""
    level: Level | None = None
    """How deep the match goes: a library that ends at house numbers answers a room with its house."""
    findings: tuple[Finding, ...] = ()
    via: str = ""
    """The address under whose former text it was found, when that is not `code`."""
    ended: date | None = None
    """Since when the text no longer holds."""
    alternatives: tuple[Alternative, ...] = ()


class _Found(msgspec.Struct, frozen=True):
    entry: int
    score: float
    findings: tuple[Finding, ...]


def match(library: AddressBook, parsed: Parsed, on: date, written: date | None = None) -> Match:
    """The standard address that holds on a day and that the text means.

    `written`: the day of the text, when known; a number that has passed to another house since is then understood as it
    was. Matched: score ≥ 0.85, 0.04 more than the next best, no contradiction, one heir. Doubtful: score ≥ 0.45.
    """
    found = _best(library, parsed, written or on)
    if not found or found[0].score < scoring.DOUBTFUL:
        return Match(Decision.unmatched, found[0].score if found else 0.0)
    best = found[0]
    heirs = library.heirs(best.entry, on)
    entry = heirs[0] if heirs else best.entry
    others = _others(library, found, heirs, on)
    library.settle()
    sure = best.score >= scoring.MATCHED and len(heirs) <= 1 and scoring.reached(best.findings) and not any(
        other.score > best.score - scoring.MARGIN for other in others
    )  # fmt: skip
    return Match(
        Decision.matched if sure else Decision.doubtful, best.score, library.code(entry), library.level(entry),
        best.findings, library.code(best.entry) if entry != best.entry else "", library.ended(best.entry, on), others,
    )  # fmt: skip


def _others(library: AddressBook, found: list[_Found], heirs: tuple[int, ...], on: date) -> tuple[Alternative, ...]:
    """Other heirs of the best, and what else was found, each as the address that holds now."""
    told = dict.fromkeys(heirs[1:], found[0])
    for each in found[1:]:
        for entry in library.heirs(each.entry, on) or (each.entry,):
            if entry not in heirs:
                told.setdefault(entry, each)
    ordered = sorted(told.items(), key=lambda item: (-item[1].score, library.code(item[0])))
    return tuple(Alternative(library.code(entry), each.score, each.findings) for entry, each in ordered[:SHOWN])


def _best(library: AddressBook, parsed: Parsed, day: date) -> list[_Found]:
    """Candidates by falling score, each entry once. Looks in the named division first, then around it, then at names
    that are nearly the same."""
    found: dict[int, _Found] = {}
    for division in _widening(parsed.division):
        for base, name_part in _bases(library, parsed, division):
            _consider(
                library,
                parsed,
                day,
                found,
                base,
                finding(name_part.level, Verdict.agreed, name_part.said, name_part.name),
            )
        library.settle()
        if any(each.score >= scoring.MATCHED for each in found.values()):
            break
    enough = scoring.CONTRADICTED - (0.01 if parsed.relation else 0)
    if not any(each.score > enough for each in found.values()):
        for base, near in _similar_bases(library, parsed):
            _consider(library, parsed, day, found, base, near)
        library.settle()
    return sorted(found.values(), key=lambda each: (-each.score, library.code(each.entry)))


def _consider(
    library: AddressBook, parsed: Parsed, day: date, found: dict[int, _Found], base: int, named: Finding
) -> None:  # fmt: skip
    for entry, doors in descend(library, base, _said(library, base, parsed), day):
        findings = (*_divisions(library, entry, parsed), *_above(library, base, parsed), named, *doors)
        score = scoring.score(findings, bool(parsed.relation))
        if entry not in found or found[entry].score < score:
            found[entry] = _Found(entry, score, findings)


def _widening(division: str) -> Iterator[str]:
    yield division
    for length in (9, 6, 4):
        if length < len(division):
            yield division[:length]
    if division:
        yield ""


def seeds(parsed: Parsed) -> Iterator[tuple[Level, str, str]]:
    """What is looked up first: level and name of a base, and the division in which it is looked for."""
    yield from _seeds(parsed, parsed.division)


def _seeds(parsed: Parsed, division: str) -> Iterator[tuple[Level, str, str]]:
    for part in _named(parsed, division):
        for level in _readings(part.level):
            yield level, part.name, division


def _named(parsed: Parsed, division: str) -> list[Part]:
    named = [part for part in reversed(parsed.parts) if part.level in (Level.estate, Level.road)]
    if not named:
        named = [part for part in reversed(parsed.parts) if part.level in (Level.group, Level.community)][:1]
        if len(division) >= DIGITS[Level.street]:
            named += [part for part in parsed.parts if part.level == Level.number]
    return named


def _bases(library: AddressBook, parsed: Parsed, division: str) -> Iterator[tuple[int, Part]]:
    library.expect(_seeds(parsed, division))
    for part in _named(parsed, division):
        for level in _readings(part.level):
            bases = library.bases(level, part.name, division)
            for base in _promising(library, bases, parsed):
                yield base, part


def _readings(level: Level) -> tuple[Level, ...]:
    """A village may stand in the library as an estate, and an estate that is a 村 as a village."""
    return {
        Level.community: (Level.community, Level.estate), Level.estate: (Level.estate, Level.community),
    }.get(level, (level,))  # fmt: skip


def _promising(library: AddressBook, bases: list[int], parsed: Parsed) -> list[int]:
    """Of many entries with one name those that have the first door of the text."""
    if len(bases) <= MOST_BASES:
        return bases
    for level in (Level.number, Level.building):
        name = parsed.get(level)
        having = [base for base in bases if name and next(library.children(base, level, name), None) is not None]
        if having:
            return having[: 4 * MOST_BASES]
    return bases[:MOST_BASES]


def _similar_bases(library: AddressBook, parsed: Parsed) -> Iterator[tuple[int, Finding]]:
    for part in reversed(parsed.parts):
        if part.level not in (Level.estate, Level.road):
            continue
        near: list[tuple[str, float, list[int]]] = []
        far: list[tuple[str, float, list[int]]] = []
        names = library.similar(part.level, part.name)
        library.expect((part.level, name, parsed.division) for name, _ in names)
        library.expect(
            (part.level, name, "") for name, _ in names if not library.bases(part.level, name, parsed.division)
        )
        for name, likeness in names:
            bases = library.bases(part.level, name, parsed.division)
            (near if bases else far).append((name, likeness, bases or library.bases(part.level, name)))
        for name, likeness, bases in [*near, *far][:MOST_NAMES]:
            for base in _promising(library, bases, parsed)[:MOST_BASES]:
                yield base, finding(part.level, Verdict.similar, part.said, name, likeness)


def _said(library: AddressBook, base: int, parsed: Parsed) -> list[Said]:
    """What the text says below a base, from wide to narrow."""
    level = library.level(base)
    road_said = bool(parsed.get(Level.road))
    said = []
    for part in parsed.parts:
        if part.level <= level and not (level == Level.estate and part.level == Level.number and not road_said):
            continue
        if part.level == Level.road or (part.level == Level.estate and part.name == library.name(base)):
            continue
        said.append(Said(part.level, part.name, part.said))
    return said


def _above(library: AddressBook, base: int, parsed: Parsed) -> Iterator[Finding]:
    """Road and number of the text against those that the base lies at, when it does."""
    for entry in library.path(base)[:-1]:
        level, name = library.level(entry), library.name(entry)
        said = [part for part in parsed.parts if part.level == level]
        if level in (Level.road, Level.number, Level.estate) and said:
            yield scoring.compared(level, [part.name for part in said], said[-1].said, name)


def _divisions(library: AddressBook, entry: int, parsed: Parsed) -> Iterator[Finding]:
    """Each division of the text against the one in which the address lies, or once lay."""
    now = library.division(entry)
    ever: tuple[str, ...] | None = None
    for part in parsed.parts:
        if part.level not in DIVISIONS:
            break
        known = now[: DIGITS[part.level]]
        if not part.codes:
            if part.level != Level.community or library.name(entry) != part.name:
                yield finding(part.level, Verdict.unknown, part.said)
        elif _lies(now, part):
            yield finding(part.level, Verdict.former if part.former else Verdict.agreed, part.said, known)
        else:
            if ever is None:
                ever = tuple(division for each in library.path(entry) for division in library.ever(each))
            verdict = Verdict.former if any(_lies(division, part) for division in ever) else Verdict.differed
            yield finding(part.level, verdict, part.said, known)


def _lies(division: str, part: Part) -> bool:
    return any(division.startswith(code) or code.startswith(division) for code in part.codes)
