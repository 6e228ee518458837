"""What quality does by itself: tell of deadlines, end what nobody contests, forget what is over. As the platform."""

from datetime import timedelta

import msgspec

from cityloom.kernel import log
from cityloom.kernel.context import Context
from cityloom.kernel.errors import Conflict
from cityloom.kernel.flow import api as flow
from cityloom.kernel.flow.events import FlowNotice, FlowsRecounted
from cityloom.kernel.outbox import Envelope
from cityloom.quality import spec
from cityloom.quality.api import parties, tickets
from cityloom.quality.contracts import TicketAct
from cityloom.quality.rules import disputes
from cityloom.quality.store import corrections
from cityloom.quality.store import tickets as store
from cityloom.quality.store.tickets import TicketRow

logger = log.logger("quality")

PAGE = 500
RUNNING = (*spec.AT_KEEPER, *spec.AT_DISPUTER, *spec.AT_PLATFORM)


def hear(ctx: Context, envelope: Envelope) -> None:
    """Keep notices of tickets for their parties; show deadlines as they were counted anew."""
    if envelope.topic == FlowsRecounted.topic:
        for state in RUNNING:
            _refresh(ctx, state)
        return
    told = msgspec.json.decode(envelope.body, type=FlowNotice)
    if told.kind != spec.KIND:
        return
    with ctx.begin() as tx:
        row = store.find(tx, told.subject)
        if row is not None:
            to = told.to or _whose_turn(told.state)
            store.note(tx, row, told.notice, told.state, to, told.step, told.due, told.at)


def _whose_turn(state: str) -> str:
    """The role that the next move is waited for from."""
    if state in spec.AT_DISPUTER:
        return disputes.DISPUTER
    return disputes.PLATFORM if state in spec.AT_PLATFORM else disputes.KEEPER


def _refresh(ctx: Context, state: str) -> None:
    after, full = 0, True
    while full:
        with ctx.begin() as tx:
            lines = flow.listed(tx, spec.KIND, state, after, PAGE)
            if lines:
                ids, dues = [line.subject for line in lines], [line.due for line in lines]
                store.due(tx, ids, dues, at_keeper=state in spec.AT_KEEPER)
        full = len(lines) == PAGE
        after = lines[-1].flow if lines else after


def close(ctx: Context) -> None:
    """Let rejections stand that were not contested in time; take records and values out of tickets long ended."""
    now, kept = ctx.clock.now(), timedelta(days=spec.limits(ctx.packs).kept_days)
    with ctx.begin() as tx:
        late = store.lapsed(tx, spec.AT_DISPUTER, now, PAGE)
    for row in late:
        _lapse(ctx, row)
    with ctx.begin() as tx:
        store.forget(tx, now - kept)
        corrections.forget(tx, now - kept)


def _lapse(ctx: Context, row: TicketRow) -> None:
    act = TicketAct(spec.LAPSE, row.version, f"{spec.LAPSE} {row.version}")
    try:
        with ctx.begin() as tx:
            tickets.move(ctx, tx, row, act, parties.flow_act(ctx, row, act))
    except Conflict as problem:
        logger.info("ticket_moved_meanwhile", ticket=row.id, code=problem.code)
