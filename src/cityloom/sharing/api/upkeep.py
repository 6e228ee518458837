"""What sharing does by itself: tell of deadlines, close what is over or unused, let offers lapse. As the platform."""

from collections.abc import Callable
from datetime import timedelta

import msgspec

from cityloom.kernel import log
from cityloom.kernel.context import Context
from cityloom.kernel.errors import Conflict
from cityloom.kernel.flow import api as flow
from cityloom.kernel.flow.events import FlowNotice, FlowsRecounted
from cityloom.kernel.outbox import Envelope
from cityloom.sharing import spec
from cityloom.sharing.api import grants, requests
from cityloom.sharing.contracts import Act
from cityloom.sharing.store import grants as grant_store
from cityloom.sharing.store import requests as request_store
from cityloom.sharing.store.grants import GrantRow
from cityloom.sharing.store.requests import RequestRow

logger = log.logger("sharing")

PAGE = 500
RUNNING = ((spec.REQUEST, "asked"), (spec.REQUEST, "offered"), (spec.GRANT, "active"))


def hear(ctx: Context, envelope: Envelope) -> None:
    """Keep notices of our flows for both parties; show deadlines as they were counted anew."""
    if envelope.topic == FlowsRecounted.topic:
        for kind, state in RUNNING:
            _refresh(ctx, kind, state)
        return
    told = msgspec.json.decode(envelope.body, type=FlowNotice)
    if told.kind not in spec.FILES:
        return
    with ctx.begin() as tx:
        row = (request_store if told.kind == spec.REQUEST else grant_store).find(tx, told.subject)
        if row is not None:
            subject, parties = f"{spec.FILES[told.kind]}:{told.subject}", (row.organisation, row.keeper)
            to = told.to or _whose_turn(told)
            request_store.note(tx, parties, told.notice, subject, told.state, to, told.step, told.due, told.at)


def _whose_turn(told: FlowNotice) -> str:
    """The role that the next move is waited for from."""
    return "requester" if told.state == "offered" else "keeper"


def _refresh(ctx: Context, kind: str, state: str) -> None:
    after, full = 0, True
    while full:
        with ctx.begin() as tx:
            lines = flow.listed(tx, kind, state, after, PAGE)
            if lines:
                _put(kind)(tx, [line.subject for line in lines], [line.due for line in lines])
        full = len(lines) == PAGE
        after = lines[-1].flow if lines else after


def _put(kind: str) -> Callable[..., None]:
    return request_store.due if kind == spec.REQUEST else grant_store.due


def close(ctx: Context) -> None:
    """End grants that are over, or that nobody used for as long as the city allows; let unanswered offers lapse."""
    now, limits = ctx.clock.now(), spec.limits(ctx.packs)
    with ctx.begin() as tx:
        late = request_store.late_offers(tx, now, PAGE)
        over = grant_store.expired(tx, now, PAGE)
        idle = grant_store.unused(tx, now - timedelta(days=limits.unused_days), PAGE)
    for request in late:
        _lapse(ctx, request)
    for grant in over:
        _end(ctx, grant, "expire")
    for grant in idle:
        if grant not in over:
            _end(ctx, grant, "close_unused")


def _lapse(ctx: Context, row: RequestRow) -> None:
    try:
        with ctx.begin() as tx:
            requests.move(ctx, tx, row, Act("lapse", row.version, f"lapse {row.version}"))
    except Conflict as problem:
        logger.info("request_moved_meanwhile", request=row.id, code=problem.code)


def _end(ctx: Context, row: GrantRow, move: str) -> None:
    try:
        with ctx.begin() as tx:
            grants.move(ctx, tx, row, Act(move, row.version, f"{move} {row.version}"))
    except Conflict as problem:
        logger.info("grant_moved_meanwhile", grant=row.id, code=problem.code)
