"""Appeals (申诉) against an indicator of a published result: upheld with corrected points, or dismissed, with the reason."""

from decimal import Decimal

import msgspec

from cityloom.appraisal import spec
from cityloom.appraisal.api import parties, publications
from cityloom.appraisal.api.filings import check_id
from cityloom.appraisal.contracts import Appeal, AppealAct, AppealWish, Score
from cityloom.appraisal.events import AppealMoved
from cityloom.appraisal.rules import claims as rules
from cityloom.appraisal.store import filings as store
from cityloom.appraisal.store import publications as published
from cityloom.appraisal.store.filings import AppealRow
from cityloom.kernel.context import Context
from cityloom.kernel.db import Transaction
from cityloom.kernel.errors import Conflict, Invalid, NotFound
from cityloom.kernel.flow import api as flow
from cityloom.kernel.flow.spec import Definition

MOVES = ("uphold", "dismiss", "withdraw")


def appeal_of(row: AppealRow) -> Appeal:
    """The appeal as others see it."""
    return Appeal(
        row.id, row.organisation, msgspec.json.decode(row.wish, type=AppealWish), row.before, row.state, row.version,
        row.due_at, row.points, row.answer, row.led_to, row.appealed_at, row.decided_at,
    )  # fmt: skip


def appeal(ctx: Context, id: str, wish: AppealWish) -> Appeal:
    """Appeal an indicator of one's own published result. The same id with the same content is answered as the first time.

    Right `appraisal.appeal`. Raises BadRequest `appraisal.id_wrong`; NotFound `appraisal.publication_unknown`,
    `appraisal.indicator_unknown`, `appraisal.not_appraised`; Conflict `appraisal.id_taken`, `appraisal.id_reused`,
    `appraisal.revision_old`, `appraisal.appeal_late`, `appraisal.appeal_open`; Refused.
    """
    check_id(id)
    organisation = ctx.principal.organisation
    ctx.require("appraisal.appeal", parties.resource(ctx, organisation))
    using = publications.set_of(ctx, wish.publication, wish.revision)
    using.indicator(wish.indicator)
    with parties.everywhere(ctx) as tx:
        store.hold(tx, id)
        if (known := store.appeal(tx, id)) is not None:
            _same(known, organisation, wish)
        else:
            _start(ctx, tx, id, wish, _before(ctx, tx, wish))
    return find(ctx, id)


def _same(known: AppealRow, organisation: str, wish: AppealWish) -> None:
    if known.organisation != organisation:
        raise Conflict("appraisal.id_taken", id=known.id)
    if msgspec.json.decode(known.wish, type=AppealWish) != wish:
        raise Conflict("appraisal.id_reused", id=known.id)


def _before(ctx: Context, tx: Transaction, wish: AppealWish) -> Decimal:
    """The points that are appealed against, where that may still be done."""
    organisation = ctx.principal.organisation
    published.lock(tx, wish.publication)
    last = publications.found(tx, wish.publication)
    if last.revision != wish.revision:
        raise Conflict("appraisal.revision_old", publication=last.id, revision=last.revision)
    if last.appeals_until is not None and ctx.clock.now() > last.appeals_until:
        raise Conflict("appraisal.appeal_late", publication=last.id, until=last.appeals_until.isoformat())
    if store.is_open(tx, last.id, organisation, wish.indicator):
        raise Conflict("appraisal.appeal_open", publication=last.id, indicator=wish.indicator)
    kept = published.result(tx, last.id, last.revision, organisation)
    if kept is None:
        raise NotFound("appraisal.not_appraised", organisation=organisation, set=last.set_name)
    score = msgspec.json.decode(kept.score, type=Score)
    return next(each.points for each in score.indicators if each.name == wish.indicator)


def _start(ctx: Context, tx: Transaction, id: str, wish: AppealWish, before: Decimal) -> None:
    now, organisation = ctx.clock.now(), ctx.principal.organisation
    act = parties.flow_act(ctx, organisation, f"appeal {id}", wish.reason)
    standing = flow.start(tx, ctx.parts.calendars, spec.flow(ctx.packs, spec.APPEAL), id, organisation, act)
    store.appeal_to(tx, id, wish, organisation, before, ctx.principal.name, standing, now)
    _announce(ctx, tx, id, organisation, wish, standing.state, "appeal")


def definition(ctx: Context) -> Definition:
    """How appeals go in this city, with the words for their states and moves."""
    return spec.flow(ctx.packs, spec.APPEAL)


def find(ctx: Context, id: str) -> Appeal:
    """One appeal with its moves. Right `appraisal.read`; NotFound `appraisal.appeal_unknown`."""
    row = _asked(ctx, "appraisal.read", id)
    return msgspec.structs.replace(appeal_of(row), steps=parties.steps(ctx, row.flow))


def listing(ctx: Context, organisation: str, state: str, after: str, limit: int) -> list[Appeal]:
    """Appeals that the caller may see, by id."""
    with parties.reading(ctx) as tx:
        rows = store.appeals(tx, organisation, state, after, limit)
    allowed = {
        each: ctx.permits("appraisal.read", parties.resource(ctx, each)) for each in {r.organisation for r in rows}
    }
    return [appeal_of(row) for row in rows if allowed[row.organisation]]


def act(ctx: Context, id: str, act: AppealAct) -> Appeal:
    """Uphold (with `points`: another revision of the result has them) or dismiss, by the platform; withdraw, by the
    department.

    Rights `appraisal.uphold`, `appraisal.dismiss`, `appraisal.withdraw`. Raises NotFound, Refused; Invalid
    `appraisal.move_unknown`, `appraisal.points_missing`, `appraisal.points_wrong`, and what `flow.move` raises.
    """
    if act.move not in MOVES:
        raise Invalid("appraisal.move_unknown", move=act.move, known=", ".join(MOVES))
    row = _asked(ctx, f"appraisal.{act.move}", id)
    _check(ctx, row, act)
    with parties.everywhere(ctx) as tx:
        published.lock(tx, row.publication)
        moved = parties.flow_act(ctx, row.organisation, act.key, act.reason)
        standing = flow.move(tx, ctx.parts.calendars, row.flow, act.move, act.version, moved)
        if not standing.repeated:
            led_to = None
            if act.points is not None:
                led_to = publications.revise(ctx, tx, row, act.points, act.reason)
            store.stand(tx, "appeal", id, standing)
            store.settle(tx, id, act.points, act.reason, led_to)
            wish = msgspec.json.decode(row.wish, type=AppealWish)
            _announce(ctx, tx, id, row.organisation, wish, standing.state, act.move)
    return find(ctx, id)


def _check(ctx: Context, row: AppealRow, act: AppealAct) -> None:
    if (act.move == "uphold") != (act.points is not None):
        raise Invalid("appraisal.points_missing", move=act.move)
    score = publications.result(ctx, row.publication, row.organisation, row.revision).score
    indicator = next(each for each in score.indicators if each.name == row.indicator)
    most = max(indicator.weight, indicator.effective)
    if act.points is not None and not rules.is_points(act.points, most):
        raise Invalid("appraisal.points_wrong", points=str(act.points), most=str(most))


def _announce(
    ctx: Context, tx: Transaction, id: str, organisation: str, wish: AppealWish, state: str, move: str
) -> None:  # fmt: skip
    ctx.emit(tx, AppealMoved(id, organisation, wish.publication, wish.indicator, state))
    ctx.record(
        tx, "appraisal.appeal_moved", f"appeal:{id}", move=move, state=state, department=organisation,
        publication=wish.publication, indicator=wish.indicator,
    )  # fmt: skip


def _asked(ctx: Context, right: str, id: str) -> AppealRow:
    with parties.reading(ctx) as tx:
        row = store.appeal(tx, id)
    if row is None:
        raise NotFound("appraisal.appeal_unknown", appeal=id)
    ctx.require(right, parties.resource(ctx, row.organisation))
    return row
