"""Grants: given by a decision, renewed, certified again, revoked, given back, closed; and what was done with them."""

from datetime import date, timedelta

import msgspec

from cityloom.kernel.context import Context
from cityloom.kernel.db import Transaction
from cityloom.kernel.errors import Conflict, Invalid, NotFound, Refused
from cityloom.kernel.flow import api as flow
from cityloom.kernel.flow.contracts import Act as FlowAct
from cityloom.sharing import spec
from cityloom.sharing.api import parties
from cityloom.sharing.contracts import Act, Grant, Terms, Use
from cityloom.sharing.events import GrantChanged
from cityloom.sharing.rules import terms as rules
from cityloom.sharing.store import grants as store
from cityloom.sharing.store import uses as use_store
from cityloom.sharing.store.grants import GrantRow
from cityloom.sharing.store.requests import RequestRow

MOVES = ("certify", "revoke", "give_back")


def grant_of(row: GrantRow, today: date) -> Grant:
    """The grant as others see it on this day of the city."""
    return Grant(
        id=row.id,
        request=row.request,
        organisation=row.organisation,
        keeper=row.keeper,
        dataset=row.dataset,
        purpose=row.purpose,
        legal_basis=row.legal_basis,
        terms=msgspec.json.decode(row.terms, type=Terms),
        state=row.state,
        version=row.version,
        valid_from=row.valid_from,
        valid_until=row.valid_until,
        certify_by=row.certify_by,
        last_used_at=row.used_at,
        used_today=row.in_day if row.counted_on == today else 0,
        ended_at=row.ended_at,
        ended_why=row.ended_why,
    )


def asked(ctx: Context, right: str, id: str) -> GrantRow:
    """The grant, once the policies let the caller do this with it. Raises NotFound `sharing.grant_unknown`, Refused.

    Its holder is told when it is but the purpose that differs.
    """
    with ctx.begin() as tx:
        row = store.find(tx, id)
    if row is None:
        raise NotFound("sharing.grant_unknown", grant=id)
    if not ctx.permits(right, parties.resource(row)) and parties.differs(row, ctx.principal, right, ctx.purpose):
        with ctx.begin() as tx:
            ctx.record(tx, "access.refused", f"Sharing:{row.dataset}", right=right)
        raise Refused("sharing.purpose_differs", grant=id, purpose=row.purpose, given=ctx.purpose or "–")
    ctx.require(right, parties.resource(row))
    return row


def find(ctx: Context, id: str) -> Grant:
    """One grant with its moves. Right `sharing.read`."""
    row = asked(ctx, "sharing.read", id)
    return msgspec.structs.replace(grant_of(row, _today(ctx)), steps=parties.steps(ctx, row.flow))


def listing(ctx: Context, state: str, dataset: str, after: str, limit: int) -> list[Grant]:
    """Grants to and from the caller's organisation that the policies let it see, by id."""
    with ctx.begin() as tx:
        rows = store.listed(tx, state, dataset, after, limit)
    today = _today(ctx)
    return [grant_of(row, today) for row in rows if ctx.permits("sharing.read", parties.resource(row))]


def _today(ctx: Context) -> date:
    return ctx.clock.now().astimezone(ctx.parts.calendars.city.table.zone).date()


def uses(ctx: Context, id: str, after: str, limit: int) -> list[Use]:
    """Every use of a grant, oldest first, behind `after`. Right `sharing.read`."""
    asked(ctx, "sharing.read", id)
    with ctx.begin() as tx:
        return use_store.listed(tx, id, after, limit)


def give(ctx: Context, tx: Transaction, request: RequestRow, terms: Terms, key: str) -> str:
    """The grant that a request led to, or the renewal of the one that it names; its id."""
    if request.renews:
        return _renew(ctx, tx, request, terms, key)
    now = ctx.clock.now()
    new = store.NewGrant(
        request.id, request.organisation, request.keeper, request.dataset, request.purpose, request.legal_basis,
        msgspec.json.encode(terms).decode(), now, now + timedelta(days=terms.days),
    )  # fmt: skip
    definition = spec.flow(ctx.packs, spec.GRANT)
    act = FlowAct(ctx.principal.name, frozenset({rules.PLATFORM}), now, f"give {key}")
    standing = flow.start(tx, ctx.parts.calendars, definition, request.id, request.keeper, act)
    store.add(tx, new, standing)
    _announce(ctx, tx, new.id, request, standing.state)
    return new.id


def _renew(ctx: Context, tx: Transaction, request: RequestRow, terms: Terms, key: str) -> str:
    row = store.find(tx, request.renews)
    if row is None or row.state != "active":
        raise Conflict("sharing.grant_over", grant=request.renews, state=row.state if row else "")
    now = ctx.clock.now()
    act = FlowAct(ctx.principal.name, frozenset({rules.PLATFORM}), now, f"renew {key}", request.id)
    standing = flow.move(tx, ctx.parts.calendars, row.flow, "renew", row.version, act)
    store.renew(tx, row.id, msgspec.json.encode(terms).decode(), now + timedelta(days=terms.days))
    store.stand(tx, row.id, standing, "")
    _announce(ctx, tx, row.id, request, standing.state)
    return row.id


def act(ctx: Context, id: str, act: Act) -> Grant:
    """Certify again, revoke (with the reason), or give back. Takes effect within a second, also on what is being read.

    Raises NotFound, Refused, Invalid `sharing.move_unknown`, and what `flow.move` raises.
    """
    if act.move not in MOVES:
        raise Invalid("sharing.move_unknown", move=act.move, known=", ".join(MOVES))
    row = asked(ctx, f"sharing.{act.move}", id)
    with parties.everywhere(ctx) as tx:
        move(ctx, tx, row, act)
    return find(ctx, id)


def move(ctx: Context, tx: Transaction, row: GrantRow, act: Act) -> None:
    """Make a move that is permitted, in the platform's scope."""
    standing = flow.move(tx, ctx.parts.calendars, row.flow, act.move, act.version, parties.flow_act(ctx, row, act))
    if not standing.repeated:
        store.stand(tx, row.id, standing, act.reason or act.move)
        _announce(ctx, tx, row.id, row, standing.state, act.move)


def _announce(
    ctx: Context, tx: Transaction, id: str, row: RequestRow | GrantRow, state: str, move: str = "give"
) -> None:
    ctx.emit(tx, GrantChanged(id, row.organisation, row.keeper, row.dataset, state))
    ctx.record(
        tx, "sharing.grant_moved", f"grant:{id}", move=move, state=state, dataset=row.dataset, holder=row.organisation,
        keeper=row.keeper,
    )  # fmt: skip
