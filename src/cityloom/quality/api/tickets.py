"""Correction tickets (校核): a value disputed by who uses it, answered by its keeper, closed by a change of the source."""

from datetime import datetime

import msgspec

from cityloom.exchange.api import excerpts, histories
from cityloom.exchange.contracts import DELIVERY_ID, DatasetFacts
from cityloom.kernel.access import Resource
from cityloom.kernel.context import Context
from cityloom.kernel.db import Transaction
from cityloom.kernel.errors import BadRequest, Conflict, Invalid, NotFound, Refused
from cityloom.kernel.flow import api as flow
from cityloom.kernel.flow.contracts import Act as FlowAct
from cityloom.kernel.flow.contracts import Standing
from cityloom.kernel.flow.spec import Definition
from cityloom.quality import spec
from cityloom.quality.api import parties
from cityloom.quality.contracts import Closure, NewTicket, Side, Ticket, TicketAct, TicketNotice
from cityloom.quality.events import TicketMoved
from cityloom.quality.rules import disputes
from cityloom.quality.store import tickets as store
from cityloom.quality.store.tickets import NewRow, TicketRow
from cityloom.sharing.api import consumers, grants
from cityloom.sharing.contracts import Sight

MOVES = ("accept", "reject", "withdraw", "contest", "uphold", "dismiss")


def wish_of(row: TicketRow) -> NewTicket | None:
    """The dispute as it was sent, while it is kept."""
    return msgspec.json.decode(row.wish, type=NewTicket) if row.wish else None


def ticket_of(row: TicketRow) -> Ticket:
    """The ticket as its parties see it."""
    wish = wish_of(row)
    return Ticket(
        id=row.id,
        organisation=row.organisation,
        keeper=row.keeper,
        arbiter=row.arbiter,
        dataset=row.dataset,
        key=tuple(row.key or ()),
        field=row.field,
        value=wish.value if wish else msgspec.UNSET,
        expected=wish.expected if wish else msgspec.UNSET,
        evidence=wish.evidence if wish else "",
        grant=wish.grant if wish else "",
        use=wish.use if wish else "",
        state=row.state,
        version=row.version,
        opened_at=row.opened_at,
        sequence=row.sequence,
        due_at=row.due_at,
        answer=row.answer,
        law=row.law,
        answer_evidence=row.answer_evidence,
        closed_at=row.closed_at,
        closed_sequence=row.closed_sequence,
        delivery=row.delivery,
        removed=row.removed,
    )


def open(ctx: Context, id: str, new: NewTicket) -> Ticket:
    """Dispute a value. The same id with the same content is answered as the first time.

    A grant must show the field of that record (looking at it is a use, with the ticket's id as its case), unless the
    dataset is shared unconditionally and nothing personal is in question; the platform needs none.
    Raises NotFound `exchange.dataset_unknown`, `sharing.record_unknown`, what `consumers.sight` raises; Refused, and
    `quality.grant_needed`, `quality.value_not_shown`; Invalid `quality.field_unknown`, `quality.key_parts`,
    `quality.grant_differs`; Conflict `quality.value_differs`, `quality.ticket_id_taken`, `quality.ticket_id_reused`.
    """
    if not DELIVERY_ID.fullmatch(id):
        raise BadRequest("quality.ticket_id_wrong", ticket=id[:130])
    facts = excerpts.facts(ctx, new.dataset)
    ctx.require("quality.dispute", Resource("SharedDataset", facts.name, {"keeper": facts.keeper}))
    if _known(ctx, id, new):
        return find(ctx, id)
    disputes.check_field(facts, new)
    sight = _sight(ctx, facts, id, new)
    disputes.check_value(new, sight)
    with parties.everywhere(ctx) as tx:
        if store.taken(tx, id) is None:
            _start(ctx, tx, id, new, sight)
    _known(ctx, id, new)  # somebody else may have taken it meanwhile
    return find(ctx, id)


def _known(ctx: Context, id: str, new: NewTicket) -> bool:
    with parties.everywhere(ctx) as tx:
        row = store.find(tx, id)
    if row is None:
        return False
    if row.organisation != ctx.principal.organisation:
        raise Conflict("quality.ticket_id_taken", ticket=id)
    if row.wish_digest != parties.digest(ctx, new):
        raise Conflict("quality.ticket_id_reused", ticket=id)
    return True


def _sight(ctx: Context, facts: DatasetFacts, id: str, new: NewTicket) -> Sight:
    if new.grant:
        if grants.asked(ctx, "sharing.use", new.grant).dataset != new.dataset:
            raise Invalid("quality.grant_differs", grant=new.grant, dataset=new.dataset)
        return consumers.sight(ctx, new.grant, new.key, new.field, id, new.use)
    platform = ctx.principal.organisation == disputes.EVERYBODY
    if not platform and not disputes.open_to_all(facts, new.field):
        raise Refused("quality.grant_needed", dataset=facts.name, field=new.field)
    record = histories.record(ctx, new.dataset, new.key)
    if record is None:
        raise NotFound("quality.record_unknown", dataset=new.dataset)
    own = tuple(str(disputes.text(record[name])) for name in facts.key)
    return Sight(own, facts.keeper, facts.last_sequence, (record[new.field],))


def _start(ctx: Context, tx: Transaction, id: str, new: NewTicket, sight: Sight) -> None:
    now, definition = ctx.clock.now(), spec.flow(ctx.packs)
    act = FlowAct(ctx.principal.name, frozenset({disputes.DISPUTER}), now, f"open {id}")
    standing = flow.start(tx, ctx.parts.calendars, definition, id, sight.keeper, act)
    digest = consumers.digest(ctx, new.dataset, sight.key)
    row = NewRow(
        id, ctx.principal.organisation, sight.keeper, ctx.principal.name, new.dataset, sight.key, digest, new.field,
        msgspec.json.encode(new).decode(), parties.digest(ctx, new), sight.since,
    )  # fmt: skip
    store.add(tx, row, standing, now)
    _announce(ctx, tx, _found(tx, id), standing, "open")


def find(ctx: Context, id: str) -> Ticket:
    """One ticket with its moves, for its parties. Right `quality.read`; NotFound `quality.ticket_unknown`."""
    row = _asked(ctx, "quality.read", id)
    return msgspec.structs.replace(ticket_of(row), steps=parties.steps(ctx, row.flow))


def listing(ctx: Context, side: Side, state: str, dataset: str, after: str, limit: int) -> list[Ticket]:
    """Tickets of the caller's organisation, on its data, or for it to rule on, by id; the state `open` is all running."""
    with ctx.begin() as tx:
        rows = store.listed(tx, ctx.principal.organisation, side, state, dataset, after, limit)
    return [ticket_of(row) for row in rows if ctx.permits("quality.read", parties.resource(row))]


def notices(ctx: Context, after: int, limit: int) -> list[TicketNotice]:
    """Warnings, overdue notices and escalations about tickets of the caller's organisation.

    Those that the policies let it see, by number.
    """
    with ctx.begin() as tx:
        rows = store.notices(tx, after, limit)
    return [
        TicketNotice(row.id, row.kind, row.ticket, row.state, row.addressee, row.due_at, row.at)
        for row in rows
        if ctx.permits("quality.read", parties.resource(row))
    ]


def definition(ctx: Context) -> Definition:
    """How tickets go in this city, with the words for their states and moves."""
    return spec.flow(ctx.packs)


def closures(ctx: Context, start: datetime, end: datetime, organisation: str = "") -> tuple[Closure, ...]:
    """Tickets that ended from `start` until before `end`, and those whose deadline fell into that time and that had not
    ended by `end`; of one keeper or of all that the scope may see, by id."""
    with ctx.begin() as tx:
        return tuple(store.closures(tx, start, end, organisation, ctx.clock.now()))


def act(ctx: Context, id: str, act: TicketAct) -> Ticket:
    """Accept, reject (the keeper); withdraw, contest (who disputed); uphold, dismiss (who rules).

    Nothing that is done by hand closes a ticket as corrected (`following` does). Raises NotFound, Refused, Invalid
    `quality.move_unknown`, `quality.rejection_unfounded`, Conflict `quality.no_arbiter`, and what `flow.move` raises.
    """
    if act.move not in MOVES:
        raise Invalid("quality.move_unknown", move=act.move, known=", ".join(MOVES))
    row = _asked(ctx, f"quality.{act.move}", id)
    disputes.check_answer(act)
    arbiter = parties.arbiter(ctx, row) if act.move == "contest" else ""
    with parties.everywhere(ctx) as tx:
        standing = move(ctx, tx, row, act, parties.flow_act(ctx, row, act))
        if not standing.repeated and act.move == "reject":
            store.answer(tx, id, act.reason, act.law, act.evidence)
        if not standing.repeated and arbiter:
            store.refer(tx, id, arbiter)
    return find(ctx, id)


def move(ctx: Context, tx: Transaction, row: TicketRow, act: TicketAct, made: FlowAct) -> Standing:
    """Make a move that is permitted, in the platform's scope."""
    standing = flow.move(tx, ctx.parts.calendars, row.flow, act.move, act.version, made)
    if not standing.repeated:
        store.stand(tx, row.id, standing, at_keeper=standing.state in spec.AT_KEEPER)
        _announce(ctx, tx, row, standing, act.move)
    return standing


def _announce(ctx: Context, tx: Transaction, row: TicketRow, standing: Standing, move: str) -> None:
    ctx.emit(tx, TicketMoved(row.id, row.organisation, row.keeper, row.dataset, standing.state))
    ctx.record(
        tx, "quality.ticket_moved", f"ticket:{row.id}", move=move, state=standing.state, dataset=row.dataset,
        field=row.field, record=row.key_digest, disputer=row.organisation, keeper=row.keeper,
    )  # fmt: skip


def _asked(ctx: Context, right: str, id: str) -> TicketRow:
    with ctx.begin() as tx:
        row = store.find(tx, id)
    if row is None:
        raise NotFound("quality.ticket_unknown", ticket=id)
    ctx.require(right, parties.resource(row))
    return row


def _found(tx: Transaction, id: str) -> TicketRow:
    row = store.find(tx, id)
    if row is None:
        raise NotFound("quality.ticket_unknown", ticket=id)
    return row
