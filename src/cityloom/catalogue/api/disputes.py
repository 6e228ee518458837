"""Disputes about who answers for an item (数源争议): claimed, answered, ruled; the source moves or is confirmed."""

from collections.abc import Sequence

import msgspec

from cityloom.catalogue import spec
from cityloom.catalogue.api import parties
from cityloom.catalogue.api.desk import Desk, titles_of
from cityloom.catalogue.api.desk import thing as resource_thing
from cityloom.catalogue.api.resources import existing
from cityloom.catalogue.contracts import Dispute, DisputeAct, DisputeWish, Item, ResourceWish
from cityloom.catalogue.events import CatalogueDisputeMoved
from cityloom.catalogue.rules import claims, diff, judge
from cityloom.catalogue.store import disputes as store
from cityloom.catalogue.store import entries, resources
from cityloom.catalogue.store.disputes import DisputeRow, Parties
from cityloom.catalogue.store.resources import ResourceRow
from cityloom.kernel.access import Resource as Thing
from cityloom.kernel.context import Context
from cityloom.kernel.db import Transaction
from cityloom.kernel.errors import Conflict, Invalid, NotFound, Refused
from cityloom.kernel.flow import api as flow
from cityloom.kernel.flow.contracts import Standing
from cityloom.kernel.flow.spec import Definition
from cityloom.kernel.words import Text

RIGHTS = {
    "withdraw": "catalogue.dispute",
    "answer": "catalogue.answer_dispute",
    "concede": "catalogue.answer_dispute",
    "move_source": "catalogue.rule",
    "confirm": "catalogue.rule",
}
RULINGS = ("move_source", "confirm")
LAWFUL = ("answer", *RULINGS)


def thing(row: DisputeRow) -> Thing:
    """A dispute as the policies see it. It goes by the claimant's resource, so that tokens can be narrowed to it."""
    facts = {"organisation": row.organisation, "holder": row.holder, "reviewer": row.reviewer}
    return Thing("SourceDispute", row.resource, facts)


def file(ctx: Context, id: str, wish: DisputeWish) -> Dispute:
    """Claim an item that another answers for; the same again is the same dispute. Right `catalogue.dispute`.

    Raises NotFound `catalogue.resource_unknown`, Invalid `catalogue.dispute_item_unknown`, `catalogue.dispute_lawless`;
    Conflict `catalogue.source_undisputed`, `catalogue.dispute_with_oneself`, `catalogue.dispute_open`,
    `catalogue.dispute_id_taken`, `catalogue.dispute_id_reused`.
    """
    with ctx.begin() as tx:
        own = existing(tx, wish.resource)
    ctx.require("catalogue.dispute", resource_thing(own.id, own.keeper))
    _check_law(wish.law)
    ruler = parties.reviewer(ctx)
    with parties.everywhere(ctx) as tx:
        store.hold(tx, id)
        before = store.find(tx, id)
        if before is None:
            _start(ctx, tx, id, wish, own, ruler)
        elif before.organisation != own.keeper:
            raise Conflict("catalogue.dispute_id_taken", dispute=id)
        elif before.said != wish:
            raise Conflict("catalogue.dispute_id_reused", dispute=id)
    return find(ctx, id)


def _check_law(law: str) -> None:
    if not judge.cites(Text(law, law)):
        raise Invalid("catalogue.dispute_lawless", given=law or "-")


def _start(ctx: Context, tx: Transaction, id: str, wish: DisputeWish, own: ResourceRow, ruler: str) -> None:
    resources.lock(tx)
    elements = claims.Elements(entries.elements(tx))
    item = own.wish.items[_place(own.wish, wish.item, wish.qualifier)]
    concepts = [each.concept for each in claims.concepts(item, elements)]
    taken = resources.taken(tx, own.wish.subject, concepts, own.id)
    if not taken or item.authoritative:
        raise Conflict("catalogue.source_undisputed", item=wish.item, resource=own.id)
    if taken[0].organisation == own.keeper:
        raise Conflict("catalogue.dispute_with_oneself", item=wish.item, resource=taken[0].resource)
    other = store.open_about(tx, own.id, wish.item, wish.qualifier)
    if other is not None:
        raise Conflict("catalogue.dispute_open", item=wish.item, resource=own.id, dispute=other.id)
    act = parties.act_of(ctx, {"claimant": own.keeper}, f"claim {id}", wish.reason)
    standing = flow.start(tx, ctx.parts.calendars, spec.flow(ctx.packs, spec.DISPUTE), id, taken[0].organisation, act)
    told = Parties(
        own.keeper, taken[0].organisation, ruler, taken[0].resource, own.wish.subject, concepts, ctx.principal.name
    )
    store.add(tx, id, wish, told, standing)
    _announce(ctx, tx, _found(tx, id), "claim")


def _place(wish: ResourceWish, name: str, qualifier: str) -> int:
    """Where the item is that is called so. Raises Invalid `catalogue.dispute_item_unknown`."""
    for place, item in enumerate(wish.items):
        names = {claims.folded(each) for each in (item.name.zh, item.name.en) if each}
        if claims.folded(name) in names and claims.folded(qualifier) == claims.folded(item.qualifier):
            return place
    known = ", ".join(item.qualifier + claims.name_of(item) for item in wish.items[:30])
    raise Invalid("catalogue.dispute_item_unknown", item=qualifier + name, known=known)


def _found(tx: Transaction, id: str) -> DisputeRow:
    row = store.find(tx, id)
    if row is None:
        raise NotFound("catalogue.dispute_unknown", dispute=id)
    return row


def find(ctx: Context, id: str) -> Dispute:
    """One dispute with its moves, for its parties. Right `catalogue.read_dispute`.

    Raises NotFound `catalogue.dispute_unknown`.
    """
    row = _seen(ctx, "catalogue.read_dispute", id)
    return msgspec.structs.replace(_dispute(row), steps=parties.steps(ctx, row.flow))


def listing(ctx: Context, state: str, after: str, limit: int) -> list[Dispute]:
    """Disputes that the caller's organisation is a party to, or rules on, by id."""
    with ctx.begin() as tx:
        rows = store.listed(tx, state, after, limit)
    return [_dispute(row) for row in rows if ctx.permits("catalogue.read_dispute", thing(row))]


def definition(ctx: Context) -> Definition:
    """How disputes over sources go in this city, with the words for their states and moves."""
    return spec.flow(ctx.packs, spec.DISPUTE)


def _dispute(row: DisputeRow) -> Dispute:
    shown = {name: getattr(row, name) for name in Dispute.__struct_fields__ if name != "steps"}
    return msgspec.convert(shown, Dispute)


def _seen(ctx: Context, right: str, id: str) -> DisputeRow:
    with ctx.begin() as tx:
        row = _found(tx, id)
    ctx.require(right, thing(row))
    return row


def act(ctx: Context, id: str, given: DisputeAct) -> Dispute:
    """Answer or concede (the holder), withdraw (the claimant), move the source or confirm it (the platform).

    Raises NotFound, Refused (also `catalogue.ruling_of_own`), Invalid `catalogue.dispute_lawless`, Conflict
    `catalogue.dispute_unheard`, `catalogue.dispute_item_gone`, `catalogue.second_source`, and what `flow.move` raises.
    """
    row = _seen(ctx, RIGHTS[given.move], id)
    if given.move in LAWFUL:
        _check_law(given.law)
    if given.move in RULINGS:
        _check_ruling(ctx, row)
    titles = titles_of(ctx)
    with parties.everywhere(ctx) as tx:
        desk = Desk(ctx, tx, titles)
        roles = {"claimant": row.organisation, "holder": row.holder, parties.REVIEWER: row.reviewer}
        made = parties.act_of(ctx, roles, given.key, given.reason)
        standing = flow.move(tx, ctx.parts.calendars, row.flow, given.move, given.version, made)
        if not standing.repeated:
            _moved(desk, row, standing, given)
    return find(ctx, id)


def _check_ruling(ctx: Context, row: DisputeRow) -> None:
    if ctx.principal.name in (row.account, row.answered_by):
        raise Refused("catalogue.ruling_of_own", dispute=row.id)
    if row.state == "stated" and (row.due_at is None or ctx.clock.now() <= row.due_at):
        raise Conflict("catalogue.dispute_unheard", dispute=row.id, holder=row.holder, due=str(row.due_at or "-"))


def _moved(desk: Desk, row: DisputeRow, standing: Standing, given: DisputeAct) -> None:
    store.stand(desk.tx, row.id, standing)
    if given.move in ("answer", "concede"):
        store.answer(desk.tx, row.id, given.law, given.reason, desk.ctx.principal.name)
    if given.move in RULINGS:
        store.rule(desk.tx, row.id, given.law, given.reason)
    if standing.state == "moved":
        _move_source(desk, row)
    _announce(desk.ctx, desk.tx, _found(desk.tx, row.id), given.move)


def _move_source(desk: Desk, row: DisputeRow) -> None:
    """Take the claim from the holder's resource and give it to the claimant's, as a revision of each."""
    taker = existing(desk.tx, row.resource)
    giver = existing(desk.tx, row.held_by)
    try:
        place = _place(taker.wish, row.item, row.qualifier)
    except Invalid as error:
        raise Conflict("catalogue.dispute_item_gone", item=row.item, resource=row.resource) from error
    if taker.retired_at is not None:
        raise Conflict("catalogue.dispute_item_gone", item=row.item, resource=row.resource)
    concepts = {each.concept for each in claims.concepts(taker.wish.items[place], desk.elements)}
    if giver.retired_at is None:
        _rewrite(desk, giver, [_unclaimed(desk, item, concepts) for item in giver.wish.items])
    items = list(taker.wish.items)
    items[place] = msgspec.structs.replace(items[place], authoritative=True)
    desk.check_claims(taker.id, msgspec.structs.replace(taker.wish, items=tuple(items)))
    _rewrite(desk, taker, items)


def _unclaimed(desk: Desk, item: Item, concepts: set[str]) -> Item:
    taken = any(each.concept in concepts for each in claims.concepts(item, desk.elements))
    return msgspec.structs.replace(item, authoritative=False) if taken else item


def _rewrite(desk: Desk, row: ResourceRow, items: Sequence[Item]) -> None:
    wish = msgspec.structs.replace(row.wish, items=tuple(items))
    changes = diff.compare(row.wish, wish)
    if changes:
        desk.write(row.id, wish, row, "ruled", changes)


def _announce(ctx: Context, tx: Transaction, row: DisputeRow, move: str) -> None:
    told = {row.organisation, row.holder, row.reviewer}
    if row.state == "moved":
        told |= set(resources.followers(tx, [row.resource, row.held_by]))
    params: dict[str, str | int] = {
        "dispute": row.id, "item": row.qualifier + row.item, "subject": row.subject, "claimant": row.organisation,
        "holder": row.holder, "resource": row.resource, "held_by": row.held_by,
    }  # fmt: skip
    parties.tell(ctx, tx, told, f"dispute:{row.id}", f"catalogue.dispute_told_{row.state}", row.state, params)
    event = CatalogueDisputeMoved(
        row.id, row.subject, row.item, row.organisation, row.holder, row.resource, row.held_by, row.state
    )
    ctx.emit(tx, event)
    ctx.record(tx, "catalogue.dispute_moved", f"dispute:{row.id}", move=move, state=row.state, resource=row.resource)
