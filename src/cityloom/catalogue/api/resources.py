"""Resources: described by their keepers, announced, retired, looked up, compared."""

from collections.abc import Collection, Sequence
from datetime import date

import msgspec

from cityloom.catalogue import spec
from cityloom.catalogue.api.desk import Desk, Put, thing, titles_of
from cityloom.catalogue.contracts import Announced, Diff, ItemSource, Resource, ResourceWish, Revision
from cityloom.catalogue.rules import claims, codes, diff
from cityloom.catalogue.store import drafts, entries, messages, resources
from cityloom.catalogue.store.resources import AnnouncementRow, ResourceRow
from cityloom.kernel.context import Context
from cityloom.kernel.db import EVERY_ORGANISATION, Transaction
from cityloom.kernel.errors import Conflict, Invalid, NotFound, Refused


def find(ctx: Context, id: str) -> Resource:
    """One resource as it is in force, with what is announced. Raises NotFound `catalogue.resource_unknown`."""
    with ctx.begin() as tx:
        row = existing(tx, id)
        pending = resources.announcement(tx, id)
    found = row.resource
    return msgspec.structs.replace(found, announced=_announced(row, pending)) if pending else found


def existing(tx: Transaction, id: str) -> ResourceRow:
    """The row of a resource. Raises NotFound `catalogue.resource_unknown`."""
    row = resources.resource(tx, id)
    if row is None:
        raise NotFound("catalogue.resource_unknown", resource=id)
    return row


def _announced(row: ResourceRow, pending: AnnouncementRow) -> Announced:
    changes = []
    if pending.record is not None:
        changes = diff.compare(row.wish, msgspec.json.decode(pending.record, type=ResourceWish))
    return Announced(row.id, pending.effective_on, pending.announced_at, pending.reason, changes)


def put(ctx: Context, id: str, wish: ResourceWish, effective_on: date | None = None, reason: str = "") -> Put:
    """Describe a resource that one keeps. Right `catalogue.write`.

    Raises what `Desk.put` raises, Refused `catalogue.review_needed`, Invalid `catalogue.id_reserved`,
    `catalogue.id_wrong` and Conflict
    `catalogue.keeper_differs`, `catalogue.kept_by_pack`, `catalogue.kept_elsewhere`.
    """
    permitted(ctx, id, wish, "catalogue.write")
    check_unreviewed(ctx)
    titles = titles_of(ctx)
    with ctx.begin() as tx:
        done = Desk(ctx, tx, titles).put(id, msgspec.structs.replace(wish, dataset=""), "put", effective_on, reason)
        if done.outcome != "unchanged":
            ctx.record(tx, "catalogue.resource_put", f"resource:{id}", outcome=done.outcome, keeper=wish.keeper)
    return done


def check_unreviewed(ctx: Context) -> None:
    """Raises Refused `catalogue.review_needed` where the city's departments publish nothing without a review."""
    if review_needed(ctx):
        raise Refused("catalogue.review_needed")


def review_needed(ctx: Context) -> bool:
    """Whether what the caller describes has to be reviewed."""
    return ctx.principal.organisation != EVERY_ORGANISATION and spec.limits(ctx.packs).review == "required"


def permitted(ctx: Context, id: str, wish: ResourceWish, right: str) -> None:
    """Raises unless the caller may describe this resource so."""
    with ctx.begin() as tx:
        before = resources.resource(tx, id)
    ctx.require(right, thing(id, before.keeper if before else wish.keeper))
    if before is None and "~" in id:
        raise Invalid("catalogue.id_reserved", resource=id)
    if before is None and not codes.ID.fullmatch(id):
        raise Invalid("catalogue.id_wrong", resource=id[:100])
    if before is not None:
        check_own(before)
        if before.keeper != wish.keeper:
            raise Conflict("catalogue.keeper_differs", resource=id, keeper=before.keeper)


def check_own(row: ResourceRow) -> None:
    """Raises Conflict where a pack or another catalogue describes the resource."""
    if row.wish.dataset and row.retired_at is None:
        raise Conflict("catalogue.kept_by_pack", resource=row.id)
    if row.source:
        raise Conflict("catalogue.kept_elsewhere", resource=row.id, source=row.source)


def retire(ctx: Context, id: str, reason: str, effective_on: date | None) -> Resource:
    """Announce that a resource goes, on a day to come. Right `catalogue.retire`.

    Raises NotFound `catalogue.resource_unknown`, Refused `catalogue.review_needed`, Invalid `catalogue.notice_needed`,
    `catalogue.notice_short`.
    """
    with ctx.begin() as tx:
        before = existing(tx, id)
    ctx.require("catalogue.retire", thing(id, before.keeper))
    check_own(before)
    check_unreviewed(ctx)
    titles = titles_of(ctx)
    with ctx.begin() as tx:
        desk = Desk(ctx, tx, titles)
        before = existing(tx, id)
        if before.retired_at is None:
            desk.announce(before, None, ("retired",), effective_on, reason)
            ctx.record(tx, "catalogue.resource_retiring", f"resource:{id}", effective_on=str(effective_on))
    return find(ctx, id)


def take_back(ctx: Context, id: str) -> Resource:
    """Take an announcement back before its day. Right `catalogue.write`.

    Raises NotFound `catalogue.nothing_announced`, Conflict `catalogue.draft_approved`.
    """
    with ctx.begin() as tx:
        before = existing(tx, id)
    ctx.require("catalogue.write", thing(id, before.keeper))
    with ctx.begin() as tx:
        resources.lock(tx)
        draft = drafts.open_of(tx, id)
        if draft is not None and draft.state == "approved":
            raise Conflict("catalogue.draft_approved", resource=id, draft=draft.id)
        if not resources.drop_announcement(tx, id):
            raise NotFound("catalogue.nothing_announced", resource=id)
        messages.forget(tx, id, "announced")
        ctx.record(tx, "catalogue.announcement_taken_back", f"resource:{id}")
    return find(ctx, id)


def adopt(ctx: Context, tx: Transaction, name: str, wish: ResourceWish) -> None:
    """Make a dataset that a pack declares a resource, or bring it up to its declaration.

    The pack's file is in force already, so a breaking change is told with the event. An item that another keeper
    answers for is not claimed a second time: the claim is dropped, and the audit log says so.
    """
    desk = Desk(ctx, tx, titles_of(ctx))
    before = resources.resource(tx, name)
    wish = desk.coded(name, msgspec.structs.replace(wish, dataset=name), before)
    wish, dropped = _unclaimed(desk, name, desk.ruled(name, wish))
    changes = diff.compare(before.wish, wish) if before else []
    if before is not None and before.retired_at is None and not changes:
        return
    desk.write(name, wish, before, "declared", changes)
    for each in dropped:
        ctx.record(tx, "catalogue.claim_dropped", f"resource:{name}", by=each.resource, kept_by=each.organisation)


def _unclaimed(desk: Desk, id: str, wish: ResourceWish) -> tuple[ResourceWish, list[resources.TakenRow]]:
    wanted = {each.concept for each in claims.claims(wish, desk.elements)}
    taken = resources.taken(desk.tx, wish.subject, sorted(wanted), id) if wanted else []
    lost = {each.concept for each in taken}
    items = tuple(
        msgspec.structs.replace(item, authoritative=False)
        if item.authoritative and any(each.concept in lost for each in claims.concepts(item, desk.elements))
        else item
        for item in wish.items
    )
    return msgspec.structs.replace(wish, items=items), taken


def keep_datasets(ctx: Context, tx: Transaction, names: Collection[str]) -> None:
    """Retire the resources of datasets that no pack declares any more."""
    gone = [row for row in resources.of_datasets(tx) if row.id not in names]
    if gone:
        desk = Desk(ctx, tx, titles_of(ctx))
        for row in gone:
            desk.write(row.id, row.wish, row, "retired", [], retired=True)


def revisions(ctx: Context, id: str) -> list[Revision]:
    """Every revision, newest first. Raises NotFound `catalogue.resource_unknown`."""
    with ctx.begin() as tx:
        existing(tx, id)
        return resources.revisions(tx, id)


def compare(ctx: Context, id: str, first: int, second: int) -> Diff:
    """What differs between two revisions. Raises NotFound `catalogue.revision_unknown`."""
    with ctx.begin() as tx:
        existing(tx, id)
        rows = [resources.revision(tx, id, number) for number in (first, second)]
    wishes = []
    for number, row in zip((first, second), rows, strict=True):
        if row is None:
            raise NotFound("catalogue.revision_unknown", resource=id, revision=number)
        wishes.append(msgspec.json.decode(row.record, type=ResourceWish))
    changes = diff.compare(*wishes)
    return Diff(id, first, second, any(change.breaking for change in changes), changes)


def follow(ctx: Context, id: str, wanted: bool) -> None:
    """The caller's organisation hears, or hears no more, of what is to come for a resource. Right `catalogue.follow`."""
    ctx.require("catalogue.follow", thing(id, ctx.principal.organisation))
    with ctx.begin() as tx:
        existing(tx, id)
        if wanted:
            changed = resources.follow(tx, id, ctx.principal.organisation, ctx.clock.now())
        else:
            changed = resources.unfollow(tx, id, ctx.principal.organisation)
        if changed:
            ctx.record(tx, "catalogue.followed" if wanted else "catalogue.unfollowed", f"resource:{id}")


def notices(ctx: Context) -> list[Announced]:
    """What is to come for the resources that the caller's organisation follows, soonest first."""
    with ctx.begin() as tx:
        pending = resources.followed(tx, ctx.principal.organisation)
        rows = {row.id: row for row in resources.several(tx, [each.resource for each in pending])}
    return [_announced(rows[each.resource], each) for each in pending]


def source_of(ctx: Context, subject: str, name: str = "", element: str = "", qualifier: str = "") -> ItemSource | None:
    """Who answers for an item, by its name or its data element; None where nobody has claimed it.

    Raises Invalid `catalogue.item_unnamed` when neither is given.
    """
    if not name and not element:
        raise Invalid("catalogue.item_unnamed")
    with ctx.begin() as tx:
        elements = claims.Elements(entries.elements(tx))
        found = resources.sources(tx, subject, claims.concepts_of(name, element, qualifier, elements))
    return found[0] if found else None


def sources(ctx: Context, subject: str = "") -> list[ItemSource]:
    """Who answers for which item, each item once."""
    with ctx.begin() as tx:
        return one_each(resources.sources(tx, subject))


def one_each(found: Sequence[ItemSource]) -> list[ItemSource]:
    """One line per item and resource, the one by element where there is one."""
    kept: dict[tuple[str, str, str], ItemSource] = {}
    for each in found:
        kept.setdefault((each.subject, each.item, each.resource), each)
    return list(kept.values())
