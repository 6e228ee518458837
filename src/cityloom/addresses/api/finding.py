"""One address with its way and its life, and addresses by what somebody types."""

from collections.abc import Sequence
from datetime import date
from typing import Final, Literal

from cityloom.addresses.api import matching, rights, shelf
from cityloom.addresses.api.shelf import Names
from cityloom.addresses.contracts import (
    Address,
    DivisionHappening,
    Followed,
    Found,
    Happening,
    LevelName,
    LibraryState,
    Relative,
    Span,
    Step,
)
from cityloom.addresses.rules import codes, detail, life
from cityloom.addresses.rules.cleaning import clean
from cityloom.addresses.rules.detail import Rename, Stay
from cityloom.addresses.rules.levels import DIVISIONS, Level, Parsed
from cityloom.addresses.rules.life import Entry
from cityloom.addresses.rules.parsing import parse
from cityloom.addresses.spec import Part
from cityloom.addresses.store import feeds, lives
from cityloom.addresses.store.lives import EntryRow, FoundRow, RelativeRow, SpanRow
from cityloom.addresses.store.lookups import ChangeRow
from cityloom.exchange.api import excerpts
from cityloom.kernel.context import Context
from cityloom.kernel.db import PLATFORM, Transaction
from cityloom.kernel.errors import NotFound

SHORTEST_CODE: Final = 6
"""Digits from which on a text of digits is the beginning of a code."""


def state(ctx: Context) -> LibraryState:
    """What the library rests on, and how far it follows. What exists is no secret between departments.

    Raises NotFound `addresses.library_missing`.
    """
    library = rights.declared(ctx)
    here = shelf.of(ctx.parts.db, ctx.packs)
    with ctx.parts.db.begin(PLATFORM) as tx:
        rows = feeds.known(tx)
        names = here.names(tx)
    sources = tuple(
        Followed(row.part, row.dataset, row.sequence, excerpts.facts(ctx, row.dataset).last_sequence,
                 None if row.snapshot is not None else row.followed_at)
        for row in rows
        if row.part in library.datasets
    )  # fmt: skip
    return LibraryState(here.home, sum(map(len, names.similar.values())), sources)


def one(ctx: Context, code: str, on: date | None = None) -> Address:
    """An address on a day, today when none is named. Right `addresses.read`.

    Where it lay, and in which cell, is told to those who may read the datasets that say so. Raises NotFound
    `addresses.address_unknown`.
    """
    library = rights.require(ctx)
    day = on or rights.today(ctx)
    sees = {part: rights.may_see(ctx, library, part) for part in library.datasets}
    with ctx.parts.db.begin(PLATFORM) as tx:
        way = lives.way(tx, code) if codes.is_written(code) else []
        if not way:
            raise NotFound("addresses.address_unknown", address=code)
        names = shelf.of(ctx.parts.db, ctx.packs).names(tx)
        line = [row.code for row in way]
        spans = lives.divisions(tx, line) if sees.get(Part.divisions) else []
        cells = lives.cells(tx, line) if sees.get(Part.cell_spans) and sees.get(Part.cells) else []
        after, before = lives.successors(tx, code), lives.predecessors(tx, code)
    changes = names.changes if sees.get(Part.changes) else ()
    return _address(way, day, names, changes, (spans, cells), (after, before))


def _address(
    way: Sequence[EntryRow], day: date, names: Names, changes: Sequence[ChangeRow],
    stays: tuple[list[SpanRow], list[SpanRow]], family: tuple[list[RelativeRow], list[RelativeRow]],
) -> Address:  # fmt: skip
    row, line = way[-1], [each.code for each in way]
    spans, cells = (detail.nearest(line, map(_stay, each)) for each in stays)
    cell_names = {each.place: each.name for each in stays[1]}
    renames = [Rename(each.changed_on, each.kind, each.old_code, each.old_name, each.new_code) for each in changes]
    known = names.gazetteer.names
    then, then_name = _then(row, day, spans, renames, known)
    here = detail.at(cells, day)
    after, before = family
    touched = detail.touching({row.division, *(span.place for span in spans)}, renames)
    return Address(
        code=row.code, level=_name(row.level), name=row.said, full_text=row.full_text, on=day,
        standing=_standing(row, day), since=row.since, until=row.until, longitude=row.longitude, latitude=row.latitude,
        path=_path(way, known), division=row.division, division_then=then, division_then_name=then_name,
        spans=tuple(Span(each.place, known.get(each.place, ""), each.since, each.until) for each in spans),
        cell=here.place if here else "", cell_name=cell_names.get(here.place, "") if here else "",
        cells=tuple(Span(each.place, cell_names.get(each.place, ""), each.since, each.until) for each in cells),
        successors=tuple(map(_relative, after)), predecessors=tuple(map(_relative, before)),
        happenings=_happenings(row, after, before),
        divisions=tuple(
            DivisionHappening(each.changed_on, each.kind, each.old_code, each.old_name, each.new_code, each.new_name,
                              each.approval)
            for each in (changes[place] for place in touched)
        ),
    )  # fmt: skip


def _stay(row: SpanRow) -> Stay:
    return Stay(row.address, row.place, row.since, row.until)


def _then(
    row: EntryRow, day: date, spans: Sequence[Stay], renames: Sequence[Rename], known: dict[str, str]
) -> tuple[str, str]:  # fmt: skip
    """The division on a day: what the spans say, else the present one under its code and name of that day."""
    if spans:
        stay = detail.at(spans, day)
        return detail.as_it_was(stay.place, day, renames, known) if stay else ("", "")
    return detail.as_it_was(row.division, day, renames, known) if row.since <= day else ("", "")


def _standing(row: EntryRow, day: date) -> Literal["holding", "ended", "to_come"]:
    if row.since > day:
        return "to_come"
    return "ended" if row.until is not None and row.until <= day else "holding"


def _path(way: Sequence[EntryRow], known: dict[str, str]) -> tuple[Step, ...]:
    wide = [
        Step(code, LevelName(level.name), name) for level, code, name in detail.divisions_of(way[-1].division, known)
    ]
    return (*wide, *(Step(row.code, _name(row.level), row.said) for row in way))


def _relative(row: RelativeRow) -> Relative:
    return Relative(row.code, row.full_text, row.since, row.until, row.steps)


def _happenings(row: EntryRow, after: Sequence[RelativeRow], before: Sequence[RelativeRow]) -> tuple[Happening, ...]:
    family = {each.code: each for each in (*before, *after)}
    entries = [Entry(row.code, "", Level.room, "", "", row.since, row.until, tuple(row.replaced_by))]
    entries += [
        Entry(each.code, "", Level.room, "", "", each.since, each.until, tuple(each.replaced_by))
        for each in family.values()
    ]
    found = life.changes(entries, date.min, date.max)
    return tuple(Happening(each.day, each.kind.value, each.before, each.after) for each in found)


def search(ctx: Context, text: str, within: str, after: str, limit: int) -> list[Found]:
    """Addresses by the beginning of a code, of a text, or by a part of a name; by code. Right `addresses.read`.

    `within`: a division (2 to 12 digits) or an address, in which they lie; with an address and no text all that lies
    directly in it.
    """
    rights.require(ctx)
    inside, division = (within, "") if len(within) == codes.LENGTH else ("", within)
    with ctx.parts.db.begin(PLATFORM) as tx:
        rows = _found(ctx, tx, clean(text)[0], inside, division, after, limit)
    return [
        Found(row.code, _name(row.level), row.full_text, row.division, row.until, row.goes_on) for row in rows
    ]  # fmt: skip


def _found(
    ctx: Context, tx: Transaction, text: str, inside: str, division: str, after: str, limit: int
) -> list[FoundRow]:  # fmt: skip
    names = shelf.of(ctx.parts.db, ctx.packs).names(tx)
    parsed = parse(text, names.gazetteer)
    last = next((part for part in reversed(parsed.parts) if part.level not in DIVISIONS), None)
    if inside:
        return lives.within(tx, inside, last.name if last else text, division, after, limit)
    if text.isascii() and text.isdigit() and SHORTEST_CODE <= len(text) <= codes.LENGTH:
        return lives.coded(tx, text, division, after, limit)
    if not text:
        return lives.coded(tx, division, division, after, limit) if division else []
    area = parsed.division if parsed.division.startswith(division) else division
    if last is not None and last.level >= Level.number and last.level != Level.estate:
        return _doors(ctx, tx, names, parsed, area, last.name, after, limit)
    wanted = last.name if last else "".join(parsed.notes) or _widest(parsed)
    return lives.named(tx, wanted, area, after, limit)


def _widest(parsed: Parsed) -> str:
    """A text that names divisions only: roads and estates in the last of them."""
    return "" if parsed.division else next((part.name for part in reversed(parsed.parts)), "")


def _doors(
    ctx: Context, tx: Transaction, names: Names, parsed: Parsed, area: str, first: str, after: str, limit: int
) -> list[FoundRow]:  # fmt: skip
    """Doors that begin as the last of the text, behind the address that the rest of it means."""
    rest = Parsed(parsed.parts[:-1], area, parsed.conflict)
    if not rest.parts:
        return []
    found = matching.meant(tx, names, [rest], rights.today(ctx))[0]
    hosts = [found.code, *(other.code for other in found.alternatives)] if found.code else []
    rows = [row for host in hosts for row in lives.within(tx, host, first, "", after, limit)]
    return sorted(rows, key=lambda row: row.code)[:limit]


def _name(level: int) -> LevelName:
    return LevelName(Level(level).name)
