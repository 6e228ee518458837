"""Filings (申报): departments file material, the platform gives points or confirms counts for it, with its reason."""

import msgspec

from cityloom.appraisal import spec
from cityloom.appraisal.api import parties
from cityloom.appraisal.contracts import Claim, Fileable, Filing, FilingAct, FilingWish, Notice
from cityloom.appraisal.events import FilingMoved
from cityloom.appraisal.rules import claims as rules
from cityloom.appraisal.spec import IndicatorSet
from cityloom.appraisal.store import filings as store
from cityloom.appraisal.store.filings import FilingRow
from cityloom.exchange.contracts import DELIVERY_ID
from cityloom.kernel.context import Context
from cityloom.kernel.db import Transaction
from cityloom.kernel.errors import BadRequest, Conflict, Invalid, NotFound, Refused
from cityloom.kernel.flow import api as flow
from cityloom.kernel.flow.contracts import Standing
from cityloom.kernel.flow.spec import Definition

MOVES = ("accept", "reject", "withdraw")


def filing_of(row: FilingRow) -> Filing:
    """The filing as others see it."""
    return Filing(
        row.id, msgspec.json.decode(row.wish, type=FilingWish), row.state, row.version, row.due_at,
        msgspec.json.decode(row.given, type=tuple[Claim, ...]), row.answer, row.account, row.filed_at, row.decided_at,
    )  # fmt: skip


def fileable(using: IndicatorSet) -> tuple[Fileable, ...]:
    """What departments can file for the indicators of a set."""
    return rules.fileable(using, spec.measures())


def file(ctx: Context, id: str, wish: FilingWish) -> Filing:
    """File material for an indicator. The same id with the same content is answered as the first time.

    Right `appraisal.file`. Raises BadRequest `appraisal.id_wrong`; NotFound `appraisal.set_unknown`,
    `appraisal.indicator_unknown`, `appraisal.not_appraised`; Invalid `appraisal.claim_…`, `appraisal.period_backwards`;
    Conflict `appraisal.id_taken`, `appraisal.id_reused`; Refused.
    """
    check_id(id)
    using = spec.named(ctx.packs, wish.set)
    ctx.require("appraisal.file", parties.resource(ctx, wish.organisation, using))
    parties.span(ctx, wish.start, wish.end)
    if wish.organisation not in parties.appraised(ctx, using):
        raise NotFound("appraisal.not_appraised", organisation=wish.organisation, set=wish.set)
    rules.check(using, using.indicator(wish.indicator), wish.claims)
    with parties.everywhere(ctx) as tx:
        store.hold(tx, id)
        if (known := store.filing(tx, id)) is None:
            _start(ctx, tx, id, wish)
        else:
            _same(known, wish)
    return find(ctx, id)


def check_id(id: str) -> None:
    """Raises BadRequest `appraisal.id_wrong`."""
    if not DELIVERY_ID.fullmatch(id):
        raise BadRequest("appraisal.id_wrong", id=id[:130])


def _same(known: FilingRow, wish: FilingWish) -> None:
    if known.organisation != wish.organisation:
        raise Conflict("appraisal.id_taken", id=known.id)
    if msgspec.json.decode(known.wish, type=FilingWish) != wish:
        raise Conflict("appraisal.id_reused", id=known.id)


def _start(ctx: Context, tx: Transaction, id: str, wish: FilingWish) -> None:
    now = ctx.clock.now()
    act = parties.flow_act(ctx, wish.organisation, f"file {id}", wish.statement)
    definition = spec.flow(ctx.packs, spec.FILING)
    standing = flow.start(tx, ctx.parts.calendars, definition, id, wish.organisation, act)
    store.file(tx, id, wish, ctx.principal.name, ctx.principal.organisation, standing, now)
    _announce(ctx, tx, id, wish, standing, "file")


def definition(ctx: Context) -> Definition:
    """How filings go in this city, with the words for their states and moves."""
    return spec.flow(ctx.packs, spec.FILING)


def find(ctx: Context, id: str) -> Filing:
    """One filing with its moves. Right `appraisal.read`; NotFound `appraisal.filing_unknown`."""
    row = _asked(ctx, "appraisal.read", id)
    return msgspec.structs.replace(filing_of(row), steps=parties.steps(ctx, row.flow))


def listing(ctx: Context, organisation: str, state: str, after: str, limit: int) -> list[Filing]:
    """Filings that the caller may see, by id."""
    with parties.reading(ctx) as tx:
        rows = store.filings(tx, organisation, state, after, limit)
    allowed = {
        each: ctx.permits("appraisal.read", parties.resource(ctx, each)) for each in {r.organisation for r in rows}
    }
    return [filing_of(row) for row in rows if allowed[row.organisation]]


def act(ctx: Context, id: str, act: FilingAct) -> Filing:
    """Accept (all as claimed, or `claims` instead) or reject, by the platform; withdraw, by the department.

    Nobody decides on what the same account filed. Rights `appraisal.accept`, `appraisal.reject`, `appraisal.withdraw`.
    Raises NotFound, Refused `kernel.refused`, `appraisal.own_filing`; Invalid `appraisal.move_unknown`,
    `appraisal.claim_…`, and what `flow.move` raises.
    """
    if act.move not in MOVES:
        raise Invalid("appraisal.move_unknown", move=act.move, known=", ".join(MOVES))
    row = _asked(ctx, f"appraisal.{act.move}", id)
    wish = msgspec.json.decode(row.wish, type=FilingWish)
    if act.move != "withdraw" and row.account == ctx.principal.name:
        raise Refused("appraisal.own_filing", id=id)
    if act.claims:
        _check_given(ctx, wish, act)
    with parties.everywhere(ctx) as tx:
        moved = parties.flow_act(ctx, row.organisation, act.key, act.reason)
        standing = flow.move(tx, ctx.parts.calendars, row.flow, act.move, act.version, moved)
        if not standing.repeated:
            store.stand(tx, "filing", id, standing)
            given = (act.claims or wish.claims) if act.move == "accept" else ()
            store.give(tx, id, msgspec.json.encode(given).decode(), act.reason)
            _announce(ctx, tx, id, wish, standing, act.move)
    return find(ctx, id)


def _check_given(ctx: Context, wish: FilingWish, act: FilingAct) -> None:
    if act.move != "accept":
        raise Invalid("appraisal.claims_without_accept", move=act.move)
    using = spec.named(ctx.packs, wish.set)
    rules.check(using, using.indicator(wish.indicator), act.claims)


def notices(ctx: Context, after: int, limit: int) -> list[Notice]:
    """Warnings, overdue notices and escalations about filings and appeals that the caller may see."""
    with parties.reading(ctx) as tx:
        rows = store.notices(tx, after, limit)
    allowed = {
        each: ctx.permits("appraisal.read", parties.resource(ctx, each)) for each in {r.organisation for r in rows}
    }
    return [
        Notice(row.id, row.kind, row.subject, row.state, row.addressee, row.due_at, row.at)
        for row in rows
        if allowed[row.organisation]
    ]


def _announce(ctx: Context, tx: Transaction, id: str, wish: FilingWish, standing: Standing, move: str) -> None:
    ctx.emit(tx, FilingMoved(id, wish.organisation, wish.indicator, standing.state))
    ctx.record(
        tx, "appraisal.filing_moved", f"filing:{id}", move=move, state=standing.state, department=wish.organisation,
        indicator=wish.indicator,
    )  # fmt: skip


def _asked(ctx: Context, right: str, id: str) -> FilingRow:
    with parties.reading(ctx) as tx:
        row = store.filing(tx, id)
    if row is None:
        raise NotFound("appraisal.filing_unknown", filing=id)
    ctx.require(right, parties.resource(ctx, row.organisation))
    return row
