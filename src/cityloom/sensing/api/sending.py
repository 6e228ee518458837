"""Subscriptions to events that are pushed, signed, in the rounds of `kernel.retrying`."""

from uuid import uuid4

import msgspec

from cityloom.identity.api import accounts
from cityloom.kernel import posting, retrying
from cityloom.kernel.access import Principal
from cityloom.kernel.context import Context
from cityloom.kernel.db import Transaction
from cityloom.kernel.errors import Conflict, Invalid, NotFound, Refused
from cityloom.sensing.api import ingest
from cityloom.sensing.contracts.events import SEVERITIES, EventWebhook, NewEventWebhook, PushedEvents
from cityloom.sensing.store import happened as store
from cityloom.sensing.store.happened import WebhookRow

PAGE = 500
MOST = 20
"""Webhooks of an organisation that are not stopped."""
UNREACHABLE = "sensing.webhook_unreachable"


def add(ctx: Context, wish: NewEventWebhook) -> EventWebhook:
    """Send events to an address from now on. Right `sensing.subscribe`.

    Raises Invalid `sensing.webhook_url`, Conflict `sensing.webhook_many`.
    """
    _may(ctx)
    if not posting.fits(wish.url, _allowed(ctx)):
        raise Invalid("sensing.webhook_url", url=wish.url[:200])
    now, ours = ctx.clock.now(), ctx.principal.organisation
    row = WebhookRow(
        f"e{uuid4().hex[:16]}", ours, ctx.principal.name, wish.url, list(wish.rules), SEVERITIES.index(wish.severity), "active",
        wish.since, 0, now, None, "",
    )  # fmt: skip
    with ctx.begin() as tx:
        _room(tx, ours)
        store.add_webhook(tx, row)
        ctx.record(tx, "sensing.webhook_added", f"webhook:{row.id}", since=wish.since)
    return row.webhook(())


def listing(ctx: Context) -> list[EventWebhook]:
    """Those of the caller's organisation. Right `sensing.subscribe`."""
    _may(ctx)
    with ctx.begin() as tx:
        return [row.webhook(store.dead_letters(tx, row.id)) for row in store.webhooks(tx, ctx.principal.organisation)]


def stop(ctx: Context, id: str) -> EventWebhook:
    """Send nothing more. Right `sensing.subscribe`. Raises NotFound `sensing.webhook_unknown`."""
    _may(ctx)
    with ctx.begin() as tx:
        _known(tx, id)
        store.set_state(tx, id, "stopped", "")
        ctx.record(tx, "sensing.webhook_stopped", f"webhook:{id}")
    return _read(ctx, id)


def replay(ctx: Context, id: str, since: int) -> EventWebhook:
    """Send everything after `since` (again), a dead letter and what was held behind it first of all.

    Right `sensing.subscribe`. Raises NotFound `sensing.webhook_unknown`, Conflict `sensing.webhook_many`.
    """
    _may(ctx)
    with ctx.begin() as tx:
        if _known(tx, id).state == "stopped":
            _room(tx, ctx.principal.organisation)
        store.replay(tx, id, since, ctx.clock.now())
        ctx.record(tx, "sensing.webhook_replayed", f"webhook:{id}", since=since)
    return _read(ctx, id)


def _may(ctx: Context) -> None:
    ctx.require("sensing.subscribe", ingest.resource(ctx.principal.organisation))


def _room(tx: Transaction, organisation: str) -> None:
    if sum(row.state != "stopped" for row in store.webhooks(tx, organisation)) >= MOST:
        raise Conflict("sensing.webhook_many", most=MOST)


def _known(tx: Transaction, id: str) -> WebhookRow:
    row = store.webhook(tx, id)
    if row is None:
        raise NotFound("sensing.webhook_unknown", webhook=id)
    return row


def _read(ctx: Context, id: str) -> EventWebhook:
    with ctx.begin() as tx:
        return _known(tx, id).webhook(store.dead_letters(tx, id))


def push(ctx: Context) -> None:
    """Send what is due. As the platform; safe to run twice: a page may then come twice, and says which it is."""
    ROUNDS.push(ctx)


def _send(ctx: Context, row: WebhookRow, body: bytes) -> str:
    if not posting.fits(row.url, _allowed(ctx)):  # what the operator allows may have changed
        return "sensing.webhook_url"
    try:
        return posting.send(row.url, body, posting.signed(ctx.parts.signer, body), _allowed(ctx))
    except posting.Unreachable:
        return UNREACHABLE


def _body(ctx: Context, row: WebhookRow) -> tuple[bytes, int, bool]:
    """The next page as its account would read it now, up to where it goes, and whether there is anything in it."""
    account = accounts.find(ctx, row.account)
    roles = frozenset(str(role) for role in account.roles) if account.active else frozenset[str]()
    holder = Principal(row.account, account.organisation, roles)
    acting = msgspec.structs.replace(ctx, principal=holder)
    _may(acting)
    with acting.begin() as tx:
        upto = store.last_change(tx)
        found = store.changes(tx, row.cursor, PAGE, row.rules, row.least)
    found = [each for each in found if each.sequence <= upto]
    upto = found[-1].sequence if len(found) == PAGE else max(upto, row.cursor)
    pushed = PushedEvents(row.id, row.cursor, upto, ctx.clock.now(), tuple(found))
    return msgspec.json.encode(pushed), upto, bool(found)


def _allowed(ctx: Context) -> tuple[str, ...]:
    return tuple(ctx.settings.webhook_allowed.replace(",", " ").split())


ROUNDS = retrying.Rounds(
    "sensing", store, _body, _send, over=(Refused, NotFound)
)  # its account is gone, or may not any more
