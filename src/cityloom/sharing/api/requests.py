"""Requests for data: asked, approved, answered with another offer, refused with the law, taken back."""

import msgspec

from cityloom.exchange.api import excerpts
from cityloom.exchange.contracts import DELIVERY_ID, DatasetFacts
from cityloom.identity.api import purposes
from cityloom.kernel.access import Resource
from cityloom.kernel.context import Context
from cityloom.kernel.db import Transaction
from cityloom.kernel.errors import BadRequest, Conflict, Invalid, NotFound, Refused
from cityloom.kernel.flow import api as flow
from cityloom.kernel.flow.contracts import Act as FlowAct
from cityloom.kernel.flow.contracts import Standing
from cityloom.kernel.flow.spec import Definition
from cityloom.sharing import spec
from cityloom.sharing.api import grants, parties
from cityloom.sharing.contracts import Act, Notice, Request, Terms, Wish
from cityloom.sharing.events import RequestMoved
from cityloom.sharing.rules import terms as rules
from cityloom.sharing.store import requests as store
from cityloom.sharing.store.requests import RequestRow

MOVES = ("approve", "offer", "refuse", "accept", "decline", "withdraw")
GRANTING = ("approve", "accept")


def request_of(row: RequestRow) -> Request:
    """The request as its parties see it."""
    return Request(
        id=row.id,
        organisation=row.organisation,
        keeper=row.keeper,
        dataset=row.dataset,
        purpose=row.purpose,
        legal_basis=row.legal_basis,
        reason=row.reason,
        wish=msgspec.json.decode(row.wish, type=Terms),
        offer=msgspec.json.decode(row.offer, type=Terms) if row.offer else None,
        state=row.state,
        version=row.version,
        due_at=row.due_at,
        answer=row.answer,
        law=row.law,
        renews=row.renews,
        grant=row.granted,
        asked_at=row.asked_at,
        decided_at=row.decided_at,
    )


def ask(ctx: Context, id: str, wish: Wish) -> Request:
    """Ask the keeper of a dataset for a part of it. The same id with the same wish is answered as the first time.

    Raises NotFound; Refused, and `sharing.dataset_refused` with the law; Invalid `sharing.terms_…`,
    `identity.purpose_undeclared`, `exchange.excerpt_…`; Conflict `sharing.request_id_taken`, `sharing.request_id_reused`.
    """
    if not DELIVERY_ID.fullmatch(id):
        raise BadRequest("sharing.request_id_wrong", request=id[:130])
    facts = excerpts.facts(ctx, wish.dataset)
    _may_ask(ctx, facts)
    purposes.check(ctx, wish.purpose)
    rules.check(facts, wish.terms, spec.limits(ctx.packs))
    excerpts.check(ctx, wish.dataset, rules.excerpt(wish.terms, ""))
    if wish.renews:
        _renewable(ctx, wish)
    with parties.everywhere(ctx) as tx:
        if store.taken(tx, id):
            _same(ctx, tx, id, wish)
        else:
            _start(ctx, tx, id, wish, facts)
    return find(ctx, id)


def _may_ask(ctx: Context, facts: DatasetFacts) -> None:
    if facts.sharing == "refused":
        law = facts.refusal_law.of(ctx.language) if facts.refusal_law else ""
        with ctx.begin() as tx:
            ctx.record(tx, "access.refused", f"dataset:{facts.name}", right="sharing.ask")
        raise Refused("sharing.dataset_refused", dataset=facts.name, law=law)
    ctx.require("sharing.ask", resource(facts))


def resource(facts: DatasetFacts) -> Resource:
    """A dataset as the policies of sharing see it."""
    return Resource("SharedDataset", facts.name, {"keeper": facts.keeper, "sharing": facts.sharing})


def _renewable(ctx: Context, wish: Wish) -> None:
    grant = grants.asked(ctx, "sharing.read", wish.renews)
    if (grant.organisation, grant.dataset, grant.purpose) != (ctx.principal.organisation, wish.dataset, wish.purpose):
        raise Invalid("sharing.renewal_differs", grant=wish.renews, dataset=grant.dataset, purpose=grant.purpose)
    if grant.state != "active":
        raise Conflict("sharing.grant_over", grant=wish.renews, state=grant.state)


def _same(ctx: Context, tx: Transaction, id: str, wish: Wish) -> None:
    row = store.find(tx, id)
    if row is None or row.organisation != ctx.principal.organisation:
        raise Conflict("sharing.request_id_taken", request=id)
    kept = Wish(
        row.dataset, row.purpose, row.legal_basis, row.reason, msgspec.json.decode(row.wish, type=Terms), row.renews
    )
    if kept != wish:
        raise Conflict("sharing.request_id_reused", request=id)


def _start(ctx: Context, tx: Transaction, id: str, wish: Wish, facts: DatasetFacts) -> None:
    now, definition = ctx.clock.now(), spec.flow(ctx.packs, spec.REQUEST)
    start = FlowAct(ctx.principal.name, frozenset({rules.REQUESTER}), now, f"ask {id}", wish.reason)
    standing = flow.start(tx, ctx.parts.calendars, definition, id, facts.keeper, start)
    store.add(tx, id, wish, ctx.principal.organisation, facts.keeper, ctx.principal.name, standing, now)
    row = _found(tx, id)
    filtered = excerpts.asked_of(ctx, wish.dataset, wish.terms.rows)
    if rules.at_once(facts, wish.terms, filtered, spec.limits(ctx.packs)):
        approve = FlowAct("platform", frozenset({rules.PLATFORM}), now, f"approve {id}", "unconditional sharing")
        standing = flow.move(tx, ctx.parts.calendars, standing.flow, "approve", standing.version, approve)
        store.stand(tx, id, standing)
        store.gave(tx, id, grants.give(ctx, tx, row, wish.terms, id))
    _announce(ctx, tx, row, standing, "ask")


def find(ctx: Context, id: str) -> Request:
    """One request with its moves, for its parties. Right `sharing.read`; NotFound `sharing.request_unknown`."""
    row = _asked(ctx, "sharing.read", id)
    return msgspec.structs.replace(request_of(row), steps=parties.steps(ctx, row.flow))


def listing(ctx: Context, state: str, dataset: str, after: str, limit: int) -> list[Request]:
    """Requests to and from the caller's organisation that the policies let it see, by id."""
    with ctx.begin() as tx:
        rows = store.listed(tx, state, dataset, after, limit)
    return [request_of(row) for row in rows if ctx.permits("sharing.read", parties.resource(row))]


def notices(ctx: Context, after: int, limit: int) -> list[Notice]:
    """Warnings, overdue notices and escalations about requests and grants of the caller's organisation.

    Those that the policies let it see, by number.
    """
    with ctx.begin() as tx:
        rows = store.notices(tx, after, limit)
    return [
        Notice(row.id, row.kind, row.subject, row.state, row.addressee, row.due_at, row.at)
        for row in rows
        if ctx.permits("sharing.read", parties.resource(row))
    ]


def act(ctx: Context, id: str, act: Act) -> Request:
    """Approve, offer, refuse (the keeper); accept, decline, withdraw (who asked).

    Raises NotFound, Refused, Invalid `sharing.move_unknown`, `sharing.law_missing`, `sharing.offer_…`, and what
    `flow.move` raises (Conflict `flow.stale`, `flow.ended`, `flow.move_illegal`; Invalid `flow.reason_missing`).
    """
    if act.move not in MOVES:
        raise Invalid("sharing.move_unknown", move=act.move, known=", ".join(MOVES))
    row = _asked(ctx, f"sharing.{act.move}", id)
    _check(ctx, row, act)
    with parties.everywhere(ctx) as tx:
        move(ctx, tx, row, act)
    return find(ctx, id)


def _check(ctx: Context, row: RequestRow, act: Act) -> None:
    if act.move == "refuse" and not act.law.strip():
        raise Invalid("sharing.law_missing", request=row.id)
    if (act.move == "offer") != (act.terms is not None):
        raise Invalid("sharing.offer_terms", move=act.move)
    if act.terms is not None:
        rules.check(excerpts.facts(ctx, row.dataset), act.terms, spec.limits(ctx.packs))
        excerpts.check(ctx, row.dataset, rules.excerpt(act.terms, ""))
        rules.check_offer(msgspec.json.decode(row.wish, type=Terms), act.terms)


def move(ctx: Context, tx: Transaction, row: RequestRow, act: Act) -> None:
    """Make a move that is permitted, in the platform's scope."""
    standing = flow.move(tx, ctx.parts.calendars, row.flow, act.move, act.version, parties.flow_act(ctx, row, act))
    if standing.repeated:
        return
    store.stand(tx, row.id, standing)
    if act.move in ("approve", "offer", "refuse"):
        offer = msgspec.json.encode(act.terms).decode() if act.terms else None
        store.answer(tx, row.id, act.reason, act.law, offer)
    if act.move in GRANTING:
        now = _found(tx, row.id)
        terms = msgspec.json.decode((now.offer or "") if act.move == "accept" else now.wish, type=Terms)
        store.gave(tx, row.id, grants.give(ctx, tx, now, terms, act.key))
    _announce(ctx, tx, row, standing, act.move)


def _announce(ctx: Context, tx: Transaction, row: RequestRow, standing: Standing, move: str) -> None:
    ctx.emit(tx, RequestMoved(row.id, row.organisation, row.keeper, row.dataset, standing.state))
    ctx.record(
        tx, "sharing.request_moved", f"request:{row.id}", move=move, state=standing.state, dataset=row.dataset,
        asker=row.organisation, keeper=row.keeper,
    )  # fmt: skip


def _asked(ctx: Context, right: str, id: str) -> RequestRow:
    with ctx.begin() as tx:
        row = store.find(tx, id)
    if row is None:
        raise NotFound("sharing.request_unknown", request=id)
    ctx.require(right, parties.resource(row))
    return row


def _found(tx: Transaction, id: str) -> RequestRow:
    row = store.find(tx, id)
    if row is None:
        raise NotFound("sharing.request_unknown", request=id)
    return row


def flows(ctx: Context) -> tuple[Definition, ...]:
    """How requests and grants go in this city, with the words for their states and moves."""
    return tuple(spec.flow(ctx.packs, kind) for kind in spec.FILES)
