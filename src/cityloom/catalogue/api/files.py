"""Catalogues that come and go as files: the checks, the rights and the writing that workbooks and DCAT share."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import date
from graphlib import CycleError, TopologicalSorter
from typing import Literal

import msgspec

from cityloom.catalogue.api import drafts
from cityloom.catalogue.api.desk import Desk, Undone, digest_of, thing, titles_of
from cityloom.catalogue.api.resources import check_own, review_needed
from cityloom.catalogue.contracts import Change, DraftWish, ImportLine, ImportReport, Resource, ResourceWish, RowFault
from cityloom.catalogue.rules import codes, judge
from cityloom.catalogue.rules.claims import folded, name_of
from cityloom.catalogue.rules.judge import Wrong
from cityloom.catalogue.store import resources
from cityloom.kernel.context import Context
from cityloom.kernel.db import EVERY_ORGANISATION
from cityloom.kernel.errors import Conflict, Invalid, Problem, Refused

MOST = 5_000
"""Resources of one file."""
Outcome = Literal["added", "changed", "unchanged", "announced", "refused"]

FIELDS = {
    "catalogue.second_source": "authoritative",
    "catalogue.code_taken": "code",
    "catalogue.code_too_far": "code",
    "catalogue.id_reserved": "id",
    "catalogue.id_wrong": "id",
    "catalogue.resource.derived_circle": "derived_from",
    "catalogue.resource.derived_unknown": "derived_from",
    "catalogue.sheet.not_yours": "keeper",
    "catalogue.sheet.twice": "title",
}


class Entry(msgspec.Struct, frozen=True):
    """One resource of a file: where it stands, and its description unless that could not be read."""

    row: int
    subject: str
    id: str
    wish: ResourceWish | None
    columns: Mapping[str, str] = {}
    """What the file calls each field."""
    rows: tuple[int, ...] = ()
    """The row of each item."""


class Tally:
    """What becomes of the resources of a file, and the faults in words."""

    def __init__(self, ctx: Context) -> None:
        self.ctx = ctx
        self.reviewed = review_needed(ctx)
        self.counts = {"added": 0, "changed": 0, "unchanged": 0, "announced": 0, "drafted": 0, "refused": 0}
        self.faults: list[RowFault] = []
        self.taken: list[tuple[Entry, str, ResourceWish, str]] = []
        """What was taken: entry, id, description, outcome."""
        self.seen: dict[str, Entry] = {}
        """Where the file describes each resource first."""
        self.lines: list[ImportLine] = []
        """What became of each."""
        self.earliest: date | None = None

    def fault(self, row: int, column: str, subject: str, value: str, problem: Problem) -> None:
        """Keep a fault, in the caller's language."""
        told, remedy = self.ctx.parts.words.problem(problem, self.ctx.language)
        self.faults.append(RowFault(row, column, subject, value, problem.code, told, remedy))

    def count(self, entry: Entry, id: str, outcome: Outcome, changes: list[Change]) -> None:
        """What became of a resource."""
        self.counts[outcome] += 1
        title = entry.wish.title.of(self.ctx.language) if entry.wish else ""
        self.lines.append(ImportLine(entry.row, id, title or entry.subject, outcome, changes))

    def refuse(self, entry: Entry, *wrongs: Wrong) -> None:
        """A resource that is not taken, with every reason and where it stands."""
        self.count(entry, entry.id, "refused", [])
        for each in wrongs:
            inside = each.item is not None and each.item < len(entry.rows)
            row = entry.rows[each.item or 0] if inside else entry.row
            problem = _named(each.problem, entry.subject)
            self.fault(row, entry.columns.get(each.field, ""), entry.subject, "", problem)


def _named(problem: Problem, subject: str) -> Problem:
    """The problem of a resource by the name that the file gives it; an id that it would be given tells nobody anything."""
    if not subject or not problem.code.startswith("catalogue.resource."):
        return problem
    return type(problem)(problem.code, **{**problem.params, "resource": subject})


def located(problem: Problem, wish: ResourceWish) -> Wrong:
    """Where a problem of a description lies, as far as it tells."""
    name = problem.params.get("item")
    place = next((at for at, item in enumerate(wish.items) if name and name_of(item) == name), None)
    return Wrong(problem, FIELDS.get(problem.code, ""), place)


def take(
    ctx: Context, entries: Sequence[Entry], tally: Tally, trial: bool, effective_on: date | None, cause: str
) -> ImportReport:
    """Write what is good in one transaction; what is not is counted and its fault named. Right `catalogue.write`.

    Where the city's departments publish nothing without a review, what is good becomes drafts (right `catalogue.draft`).

    Raises Refused `kernel.refused` where nothing in the file is the caller's to describe.
    """
    _check_rights(ctx, entries)
    titles = titles_of(ctx)
    try:
        with ctx.begin() as tx:
            desk = Desk(ctx, tx, titles)
            known = _by_title(desk)
            ordered, circular = _sources_first(entries)
            for entry in circular:
                problem = Invalid("catalogue.resource.derived_circle", resource=entry.id)
                tally.refuse(entry, Wrong(problem, "derived_from"))
            for entry in ordered:
                _take_one(desk, entry, known, tally, effective_on, cause)
            if trial or tally.reviewed:
                raise Undone
            if tally.taken:
                counts = {name: count for name, count in tally.counts.items() if count}
                ctx.record(
                    tx, "catalogue.imported", f"organisation:{ctx.principal.organisation}", cause=cause, **counts
                )
    except Undone:
        pass
    if tally.reviewed and not trial:
        _draft(ctx, tally, effective_on, cause)
    done = tally.counts
    faults = sorted(tally.faults, key=lambda fault: fault.row)
    return ImportReport(
        trial,
        len(entries),
        done["added"],
        done["changed"],
        done["unchanged"],
        done["announced"],
        done["refused"],
        faults,
        drafted=done["drafted"],
        lines=sorted(tally.lines, key=lambda line: line.row),
        earliest=tally.earliest,
    )


def _sources_first(entries: Sequence[Entry]) -> tuple[list[Entry], list[Entry]]:
    """Each after those of the file that it is derived from, else in the file's order; and what goes in a circle."""
    places = {entry.id: place for place, entry in enumerate(entries) if entry.id}
    sorter = TopologicalSorter[int]()
    for place, entry in enumerate(entries):
        sources = entry.wish.derived_from if entry.wish else ()
        sorter.add(place, *(places[each] for each in sources if places.get(each, place) != place))
    order: list[int] = []
    with suppress(CycleError):  # what is in no circle comes all the same
        sorter.prepare()
    while ready := sorter.get_ready():
        order += sorted(ready)
        sorter.done(*ready)
    rest = sorted(set(range(len(entries))) - set(order))
    return [entries[place] for place in order], [entries[place] for place in rest]


def _draft(ctx: Context, tally: Tally, effective_on: date | None, cause: str) -> None:
    """Drafts of what would have been taken; the same file again makes the same drafts."""
    for entry, id, wish, outcome in tally.taken:
        tally.counts[outcome] -= 1
        try:
            drafts.write(ctx, f"{id[:100]}~{digest_of(wish)[:12]}", DraftWish(id, wish, effective_on, cause))
        except Problem as problem:
            tally.lines = [line for line in tally.lines if (line.row, line.id) != (entry.row, id)]
            tally.refuse(entry, located(problem, wish))
        else:
            tally.counts["drafted"] += 1


def check_may_write(ctx: Context) -> None:
    """Raises Refused `kernel.refused` where the caller may describe nothing at all; before a file costs anything."""
    ctx.require("catalogue.write", thing("", ctx.principal.organisation))


def _check_rights(ctx: Context, entries: Sequence[Entry]) -> None:
    keepers = sorted({entry.wish.keeper for entry in entries if entry.wish})
    if keepers and not any(ctx.permits("catalogue.write", thing("", keeper)) for keeper in keepers):
        ctx.require("catalogue.write", thing("", keepers[0]))


def _by_title(desk: Desk) -> dict[tuple[str, str], str]:
    """Ids by keeper and folded title, so that a file without ids finds what it brought before."""
    organisation = desk.ctx.principal.organisation
    keeper = "" if organisation == EVERY_ORGANISATION else organisation
    return {
        (row.keeper, folded(row.wish.title.zh or row.wish.title.en)): row.id for row in resources.every(desk.tx, keeper)
    }


def _take_one(
    desk: Desk, entry: Entry, known: dict[tuple[str, str], str], tally: Tally, effective_on: date | None, cause: str
) -> None:
    if entry.wish is None:
        tally.refuse(entry)
        return
    try:
        id, wish = _identified(desk, entry, entry.wish, known, tally)
        before = resources.resource(desk.tx, id)
        _check_one(desk, entry, id, wish.keeper, before, tally)
        if before is not None and _says_the_same(desk, before, wish):
            tally.count(entry, id, "unchanged", [])
            return
        if before is not None:
            check_own(before)
        wish = msgspec.structs.replace(wish, dataset="")
        if wrongs := list(judge.faults(id, wish, desk.standards, desk.titles)):
            tally.refuse(entry, *wrongs)
            return
        done = desk.put(id, wish, cause, effective_on)
    except Problem as problem:
        if problem.code in ("catalogue.notice_needed", "catalogue.notice_short"):
            tally.earliest = desk.earliest()
        tally.refuse(entry, located(problem, entry.wish))
        return
    known[(wish.keeper, folded(wish.title.zh or wish.title.en))] = id
    tally.count(entry, id, done.outcome, done.changes)
    tally.taken.append((entry, id, wish, done.outcome))


def _check_one(
    desk: Desk, entry: Entry, id: str, wanted: str, before: resources.ResourceRow | None, tally: Tally
) -> None:
    keeper = before.keeper if before else wanted
    if keeper != wanted or not desk.ctx.permits("catalogue.write", thing(id, keeper)):
        raise Refused("catalogue.sheet.not_yours", value=keeper)
    first = tally.seen.setdefault(id, entry)
    if first is not entry:
        place = f"{first.row}" if first.row else first.subject
        raise Conflict("catalogue.sheet.twice", value=entry.subject, resource=id, first=place)


def _says_the_same(desk: Desk, before: resources.ResourceRow, wish: ResourceWish) -> bool:
    """Whether the file says what is in force, so that an export can be handed in again as it is."""
    if before.source:  # its code is the other catalogue's
        told = before.wish
        return msgspec.structs.replace(wish, code=told.code, category=told.category) == told
    if before.retired_at is not None or (wish.code and wish.code != before.wish.code):
        return False
    dataset = before.wish.dataset
    return msgspec.structs.replace(desk.coded(before.id, wish, before), dataset=dataset) == before.wish


def _identified(
    desk: Desk, entry: Entry, wish: ResourceWish, known: dict[tuple[str, str], str], tally: Tally
) -> tuple[str, ResourceWish]:
    """The id of what the entry describes: the one it says, the one that has its code or its title, or a new one."""
    if entry.id:
        if "~" in entry.id:  # what another catalogue reported may stand in an export that is handed in again
            if resources.resource(desk.tx, entry.id) is None:
                raise Invalid("catalogue.id_reserved", resource=entry.id)
            return entry.id, wish
        if not codes.ID.fullmatch(entry.id):
            raise Invalid("catalogue.id_wrong", resource=entry.id[:100])
        return entry.id, wish
    if wish.code and (held := resources.holder_of_code(desk.tx, wish.code)):
        row = resources.resource(desk.tx, held.id)
        if row is not None and row.keeper != wish.keeper:
            raise Conflict("catalogue.code_taken", taken=wish.code, resource=held.id)
        return held.id, wish
    if id := known.get((wish.keeper, folded(wish.title.zh or wish.title.en))):
        return id, wish
    if tally.reviewed:  # a number is given out once it is published
        name = f"{wish.keeper} {folded(wish.title.zh or wish.title.en)}"
        return f"new-{hashlib.sha256(name.encode()).hexdigest()[:16]}", wish
    return desk.next_id(wish)


def export(ctx: Context, keeper: str, after: str, make: Callable[[list[Resource]], bytes]) -> bytes:
    """The resources in force, of one keeper or all, as a file. Raises Invalid `catalogue.too_many_to_export`."""
    with ctx.begin() as tx:
        rows = resources.in_force(tx, keeper, after, MOST + 1)
    if len(rows) > MOST and not after:
        raise Invalid("catalogue.too_many_to_export", found=len(rows), limit=MOST)
    return make([row.resource for row in rows[:MOST]])
