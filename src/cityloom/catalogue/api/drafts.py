"""Drafts: what is to become of a resource, edited by its keeper, reviewed, and in force from a day (编制、审核、发布)."""

import msgspec

from cityloom.catalogue import spec
from cityloom.catalogue.api import parties
from cityloom.catalogue.api.desk import Desk, Undone, digest_of, titles_of
from cityloom.catalogue.api.desk import thing as resource_thing
from cityloom.catalogue.api.resources import check_own, existing, permitted
from cityloom.catalogue.contracts import Change, Draft, DraftAct, DraftWish, ResourceWish
from cityloom.catalogue.events import CatalogueDraftMoved
from cityloom.catalogue.rules import diff
from cityloom.catalogue.store import drafts as store
from cityloom.catalogue.store import messages, resources
from cityloom.catalogue.store.drafts import DraftRow, Writing
from cityloom.catalogue.store.resources import ResourceRow
from cityloom.kernel.access import Resource as Thing
from cityloom.kernel.context import Context
from cityloom.kernel.db import Transaction
from cityloom.kernel.errors import Conflict, NotFound, Refused
from cityloom.kernel.flow import api as flow
from cityloom.kernel.flow.contracts import Act, Standing
from cityloom.kernel.flow.spec import Definition

RIGHTS = {
    "submit": "catalogue.draft",
    "withdraw": "catalogue.draft",
    "approve": "catalogue.review",
    "return": "catalogue.review",
}


def thing(row: DraftRow) -> Thing:
    """A draft as the policies see it. It goes by its resource's name, so that tokens can be narrowed to it."""
    return Thing("CatalogueDraft", row.resource, {"keeper": row.organisation, "reviewer": row.reviewer})


def write(ctx: Context, id: str, wish: DraftWish) -> Draft:
    """Begin a draft, or write it anew while it is edited; the same again changes nothing. Right `catalogue.draft`.

    Raises NotFound `catalogue.resource_unknown`; Conflict `catalogue.draft_id_taken`, `catalogue.draft_id_reused`,
    `catalogue.draft_open`, `catalogue.draft_not_edited`, and what `permitted` raises.
    """
    keeper = _keeper(ctx, wish)
    with parties.everywhere(ctx) as tx:
        store.hold(tx, id)
        before = store.find(tx, id)
        new = Writing(id, keeper, wish, _in_force(tx, wish.resource), ctx.principal.name, ctx.clock.now())
        if before is None:
            _begin(ctx, tx, new)
        elif before.organisation != keeper:
            raise Conflict("catalogue.draft_id_taken", draft=id)
        elif before.resource != wish.resource:
            raise Conflict("catalogue.draft_id_reused", draft=id, resource=before.resource)
        else:
            _rewrite(ctx, tx, before, new)
    return find(ctx, id)


def _keeper(ctx: Context, wish: DraftWish) -> str:
    if wish.record is not None:
        permitted(ctx, wish.resource, wish.record, "catalogue.draft")
        return wish.record.keeper
    with ctx.begin() as tx:
        before = existing(tx, wish.resource)
    ctx.require("catalogue.draft", resource_thing(wish.resource, before.keeper))
    check_own(before)
    return before.keeper


def _in_force(tx: Transaction, id: str) -> str:
    """The digest of what is in force; empty where nothing is."""
    row = resources.resource(tx, id)
    return digest_of(row.wish) if row and row.retired_at is None else ""


def _begin(ctx: Context, tx: Transaction, new: Writing) -> None:
    other = store.open_of(tx, new.said.resource)
    if other is not None:
        raise Conflict("catalogue.draft_open", resource=new.said.resource, draft=other.id)
    act = parties.act_of(ctx, {"keeper": new.organisation}, f"draft {new.id}", new.said.reason)
    standing = flow.start(tx, ctx.parts.calendars, spec.flow(ctx.packs, spec.DRAFT), new.id, new.organisation, act)
    store.add(tx, new, standing)
    ctx.record(tx, "catalogue.drafted", f"draft:{new.id}", resource=new.said.resource)


def _rewrite(ctx: Context, tx: Transaction, before: DraftRow, new: Writing) -> None:
    if before.state != "editing":
        if before.said == new.said:
            return
        raise Conflict("catalogue.draft_not_edited", draft=before.id, state=before.state)
    if (before.said, before.based_on) != (new.said, new.based_on):
        store.rewrite(tx, new)
        ctx.record(tx, "catalogue.redrafted", f"draft:{before.id}", resource=before.resource)


def find(ctx: Context, id: str) -> Draft:
    """One draft with its differences and its moves, for its keeper, and for its reviewer once it was submitted.

    Right `catalogue.read_draft`. Raises NotFound `catalogue.draft_unknown`.
    """
    row = _seen(ctx, "catalogue.read_draft", id)
    with ctx.begin() as tx:
        before = resources.resource(tx, row.resource)
    changes = _changes(before, row.wish) if before and row.wish else []
    return msgspec.structs.replace(_draft(row), changes=changes, steps=parties.steps(ctx, row.flow))


def _changes(before: ResourceRow, wish: ResourceWish) -> list[Change]:
    """What differs from what is in force; a category and code that are not stated stay."""
    told = before.wish
    category, code = wish.category or told.category, wish.code or told.code
    if wish.category in ("", told.category):
        wish = msgspec.structs.replace(wish, category=category, code=code)
    return diff.compare(told, wish)


def listing(ctx: Context, state: str, resource: str, after: str, limit: int) -> list[Draft]:
    """Drafts of the caller's organisation, and those that were submitted to it, by id."""
    with ctx.begin() as tx:
        rows = store.listed(tx, state, resource, after, limit)
    return [_draft(row) for row in rows if ctx.permits("catalogue.read_draft", thing(row))]


def definition(ctx: Context) -> Definition:
    """How drafts go in this city, with the words for their states and moves."""
    return spec.flow(ctx.packs, spec.DRAFT)


def needed(ctx: Context) -> bool:
    """Whether what departments describe in this city is reviewed before it comes into force."""
    return spec.limits(ctx.packs).review == "required"


def _draft(row: DraftRow) -> Draft:
    return Draft(
        row.id, row.organisation, row.resource, row.wish, row.effective_on, row.reason, row.account, row.state,
        row.version, row.due_at, row.made_at, row.changed_at,
    )  # fmt: skip


def _seen(ctx: Context, right: str, id: str) -> DraftRow:
    with ctx.begin() as tx:
        row = store.find(tx, id)
    if row is None:
        raise NotFound("catalogue.draft_unknown", draft=id)
    ctx.require(right, thing(row))
    return row


def act(ctx: Context, id: str, given: DraftAct) -> Draft:
    """Submit or withdraw (the keeper), approve or return (the reviewer).

    Raises NotFound, Refused (also `catalogue.draft_of_own`: who wrote it does not review it), Conflict
    `catalogue.draft_stale`, what `flow.move` raises, and for submit and approve what `Desk.put` raises.
    """
    row = _seen(ctx, RIGHTS[given.move], id)
    if given.move in ("approve", "return") and row.account == ctx.principal.name:
        raise Refused("catalogue.draft_of_own", draft=id)
    if given.move == "submit":
        _try(ctx, row)
    to = row.reviewer if given.move == "withdraw" else parties.reviewer(ctx)
    titles = titles_of(ctx)
    with parties.everywhere(ctx) as tx:
        desk = Desk(ctx, tx, titles)
        act = parties.act_of(ctx, {"keeper": row.organisation, parties.REVIEWER: to}, given.key, given.reason)
        standing = flow.move(tx, ctx.parts.calendars, row.flow, given.move, given.version, act)
        if not standing.repeated:
            _moved(desk, row, standing, given, to)
    return find(ctx, id) if given.move != "return" else _draft(_after(ctx, id))


def _after(ctx: Context, id: str) -> DraftRow:
    """The draft that its reviewer has just returned, and sees no more."""
    with parties.everywhere(ctx) as tx:
        row = store.find(tx, id)
    if row is None:
        raise NotFound("catalogue.draft_unknown", draft=id)
    return row


def _moved(desk: Desk, row: DraftRow, standing: Standing, given: DraftAct, reviewer: str) -> None:
    tx = desk.tx
    store.stand(tx, row.id, standing)
    if given.move == "submit":
        store.show_to(tx, row.id, reviewer)
    elif given.move == "return":
        store.show_to(tx, row.id, "")
    elif given.move == "withdraw":
        _take_back(desk, row)
    else:
        standing = _approve(desk, row, standing, given)
    told = (row.organisation, reviewer if given.move in ("submit", "withdraw") else "")
    announce(desk, row, standing.state, given.move, told)


def announce(desk: Desk, row: DraftRow, state: str, move: str, told: tuple[str, ...]) -> None:
    """Let others know where a draft stands now."""
    params: dict[str, str | int] = {"draft": row.id, "resource": row.resource}
    parties.tell(desk.ctx, desk.tx, told, f"draft:{row.id}", f"catalogue.draft_told_{state}", state, params)
    desk.ctx.emit(desk.tx, CatalogueDraftMoved(row.id, row.resource, row.organisation, state))
    desk.ctx.record(desk.tx, "catalogue.draft_moved", f"draft:{row.id}", move=move, state=state, resource=row.resource)


def _try(ctx: Context, row: DraftRow) -> None:
    """Raises what would keep the draft from being approved as it is."""
    titles = titles_of(ctx)
    try:
        with parties.everywhere(ctx) as tx:
            _put(Desk(ctx, tx, titles), row, row.effective_on is None)
            raise Undone
    except Undone:
        pass


def _put(desk: Desk, row: DraftRow, at_once: bool) -> bool:
    """Bring what a draft says into force, or announce it; whether it is in force."""
    if row.wish is None:
        before = existing(desk.tx, row.resource)
        desk.announce(before, None, ("retired",), row.effective_on, row.reason)
        return False
    later = None if at_once else row.effective_on
    done = desk.put(row.resource, row.wish, "reviewed", later, row.reason)
    return done.outcome != "announced"


def _approve(desk: Desk, row: DraftRow, standing: Standing, given: DraftAct) -> Standing:
    """Publish it now; or on its day, until which others are told of what breaks."""
    if _in_force(desk.tx, row.resource) != row.based_on:
        raise Conflict("catalogue.draft_stale", draft=row.id, resource=row.resource)
    on = given.effective_on or row.effective_on
    row = msgspec.structs.replace(row, effective_on=on)
    store.schedule(desk.tx, row.id, on)
    if on and on > desk.today and not _breaks(desk, row):
        return standing  # it was tried when it was submitted, and is put on its day
    if not _put(desk, row, on is None):
        return standing
    return _publish(desk, row, standing.version)


def _breaks(desk: Desk, row: DraftRow) -> bool:
    before = resources.resource(desk.tx, row.resource)
    if row.wish is None:
        return True
    if before is None or before.retired_at is not None:
        return False
    return any(each.breaking for each in _changes(before, row.wish))


def _publish(desk: Desk, row: DraftRow, version: int) -> Standing:
    act = Act("platform", frozenset({"platform"}), desk.ctx.clock.now(), f"publish {row.id}")
    standing = flow.move(desk.tx, desk.ctx.parts.calendars, row.flow, "publish", version, act)
    store.stand(desk.tx, row.id, standing)
    return standing


def _take_back(desk: Desk, row: DraftRow) -> None:
    """What was announced because the draft was approved comes no more."""
    if row.state == "approved":
        resources.drop_announcement(desk.tx, row.resource)
    messages.forget(desk.tx, row.resource, "draft")


def publish(desk: Desk, row: DraftRow) -> bool:
    """Publish an approved draft whose day has come; False while what was announced for it waits. Raises what `Desk.put` does."""
    now = store.find(desk.tx, row.id)
    if now is None or now.state != "approved" or resources.announcement(desk.tx, row.resource) is not None:
        return False
    if now.wish is not None:
        desk.put(now.resource, now.wish, "reviewed")
    elif existing(desk.tx, now.resource).retired_at is None:
        raise Conflict("catalogue.draft_stale", draft=now.id, resource=now.resource)
    standing = _publish(desk, now, now.version)
    announce(desk, now, standing.state, "publish", (now.organisation, now.reviewer))
    return True
