"""What would become of a description, and all that is wrong with it, before anything is kept."""

from collections.abc import Iterator
from datetime import date

import msgspec

from cityloom.catalogue.api import lists
from cityloom.catalogue.api.desk import Desk, Undone, titles_of
from cityloom.catalogue.api.files import located
from cityloom.catalogue.api.resources import permitted, review_needed
from cityloom.catalogue.contracts import DescriptionFault, FieldFinding, Form, FormField, ResourceTrial, ResourceWish
from cityloom.catalogue.rules import claims, diff, judge
from cityloom.catalogue.rules.judge import Wrong
from cityloom.catalogue.store import resources
from cityloom.catalogue.store.resources import ResourceRow
from cityloom.kernel.context import Context
from cityloom.kernel.errors import Conflict, Invalid, Problem

MOST_FIELDS = 1000
"""Items that are compared with what others share."""
SUBJECT = "\x1f"
"""Stands for the resource while its words are made."""


def attempt(ctx: Context, id: str, wish: ResourceWish, effective_on: date | None = None) -> ResourceTrial:
    """What `resources.put` would do, and every reason why not. Right `catalogue.write`, or `catalogue.draft` where the
    city reviews what departments describe.

    Raises what `resources.permitted` raises.
    """
    reviewed = review_needed(ctx)
    permitted(ctx, id, wish, "catalogue.draft" if reviewed else "catalogue.write")
    titles = titles_of(ctx)
    made: list[ResourceTrial] = []
    try:
        with ctx.begin() as tx:
            made.append(_tried(Desk(ctx, tx, titles), id, msgspec.structs.replace(wish, dataset=""), effective_on))
            raise Undone
    except Undone:
        pass
    return msgspec.structs.replace(made[0], reviewed=reviewed)


def _tried(desk: Desk, id: str, wish: ResourceWish, on: date | None) -> ResourceTrial:
    row = resources.resource(desk.tx, id)
    before = row if row is not None and row.retired_at is None else None
    wrongs = [*judge.faults(id, wish, desk.standards, desk.titles), *desk.second_sources(id, wish)]
    coded = wish
    for step in (_derived, _coded):
        try:
            coded = step(desk, id, coded, row)
        except Problem as problem:
            wrongs.append(located(problem, wish))
    # a category that is wrong says so itself; that it also changes the code helps nobody
    changes = diff.compare(before.wish, coded) if before else []
    breaking = any(change.breaking for change in changes)
    wrongs += _timing(desk, id, breaking, on)
    kinds = {fault.problem.code for fault in wrongs}
    outcome = "added" if before is None else "announced" if breaking else "changed" if changes else "unchanged"
    return ResourceTrial(
        resource=id,
        outcome="refused" if kinds else outcome,  # type: ignore[arg-type] # one of them
        reviewed=False,
        code=coded.code,
        grade=desk.grade(coded),
        faults=[_fault(desk, each, wish) for each in wrongs],
        changes=changes,
        earliest=desk.earliest() if breaking else None,
        findings=_findings(desk, id, wish),
    )


def _derived(desk: Desk, id: str, wish: ResourceWish, _before: ResourceRow | None) -> ResourceWish:
    if id not in wish.derived_from:  # which is told already
        desk.check_sources(id, wish)
    return wish


def _coded(desk: Desk, id: str, wish: ResourceWish, before: ResourceRow | None) -> ResourceWish:
    return desk.coded(id, wish, before)


def _timing(desk: Desk, id: str, breaking: bool, on: date | None) -> Iterator[Wrong]:
    earliest = desk.earliest()
    if breaking and on is not None and on < earliest:
        told = {"effective_on": on.isoformat(), "earliest": earliest.isoformat()}
        yield Wrong(Invalid("catalogue.notice_short", **told), "effective_on")
    if not (breaking and on) and resources.announcement(desk.tx, id) is not None:
        yield Wrong(Conflict("catalogue.change_pending", resource=id), "")


def _fault(desk: Desk, found: Wrong, wish: ResourceWish) -> DescriptionFault:
    """In the caller's language, without the resource's name in front: it stands above the form."""
    problem = found.problem
    if problem.code.startswith("catalogue.resource."):
        problem = type(problem)(problem.code, **{**problem.params, "resource": SUBJECT})
    told, remedy = desk.ctx.parts.words.problem(problem, desk.ctx.language)
    bare = told.removeprefix(f"{SUBJECT}: ").removeprefix(f"{SUBJECT}：")
    name = wish.title.of(desk.ctx.language)
    shown = bare[:1].upper() + bare[1:]
    return DescriptionFault(
        found.field, found.item, problem.code, shown.replace(SUBJECT, name), remedy.replace(SUBJECT, name)
    )  # fmt: skip


def _findings(desk: Desk, id: str, wish: ResourceWish) -> list[FieldFinding]:
    """Items that others share already; what it is derived from it may take over."""
    named = [
        item for item in wish.items if not item.authoritative and 0 < len(claims.name_of(item)) <= judge.LONGEST_NAME
    ]
    fields = tuple(FormField(claims.name_of(item), item.element, item.qualifier) for item in named[:MOST_FIELDS])
    if not fields or not wish.subject:
        return []
    form = Form(wish.title.of(desk.ctx.language) or id, wish.subject, fields)
    return lists.shared_already(desk.ctx, desk.tx, form, {id, *wish.derived_from})
