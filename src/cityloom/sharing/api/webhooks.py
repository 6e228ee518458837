"""Subscriptions that are pushed: change rows through a grant, signed, in the rounds of `kernel.retrying`."""

from contextlib import closing
from uuid import uuid4

import msgspec

from cityloom.exchange.api import excerpts
from cityloom.identity.api import accounts
from cityloom.kernel import posting, retrying
from cityloom.kernel.access import Principal
from cityloom.kernel.context import Context
from cityloom.kernel.db import Transaction
from cityloom.kernel.errors import Conflict, Gone, NotFound, Refused
from cityloom.sharing import connectors
from cityloom.sharing.api import grants, parties, reading
from cityloom.sharing.contracts import NewWebhook, Pushed, Webhook
from cityloom.sharing.store import grants as grant_store
from cityloom.sharing.store import webhooks as store
from cityloom.sharing.store.webhooks import WebhookRow

PAGE = 1_000
"""Change rows in a page."""
MOST = 5
"""Webhooks of a grant that are not stopped."""


def webhook_of(ctx: Context, row: WebhookRow) -> Webhook:
    """As its parties see it."""
    with ctx.begin() as tx:
        dead = tuple(store.dead_letters(tx, row.id))
    return Webhook(
        row.id, row.granted, row.url, row.case_reference, row.state, row.cursor, row.failures, row.next_at, row.sent_at,
        row.last_error, dead,
    )  # fmt: skip


def add(ctx: Context, grant: str, wish: NewWebhook) -> Webhook:
    """Send the change rows of a grant to an address from now on. Right `sharing.use`, for the grant's purpose.

    Raises NotFound, Refused, Conflict `sharing.grant_…` and `sharing.webhook_many`, Invalid `sharing.webhook_url`, Gone
    `exchange.changes_gone`.
    """
    row = reading.enter(ctx, grant, "changes", wish.case)[0]
    connectors.check_url(wish.url, _allowed(ctx))
    now = ctx.clock.now()
    new = WebhookRow(
        f"w{uuid4().hex[:16]}", grant, row.organisation, row.keeper, ctx.principal.name, wish.url, wish.case, "active",
        wish.since, 0, now, None, "",
    )  # fmt: skip
    with parties.everywhere(ctx) as tx:
        _room(tx, grant)
        store.add(tx, new)
        ctx.record(tx, "sharing.webhook_added", f"grant:{grant}", webhook=new.id, since=wish.since)
    return webhook_of(ctx, new)


def listing(ctx: Context, grant: str) -> list[Webhook]:
    """Those of a grant. Right `sharing.read`."""
    grants.asked(ctx, "sharing.read", grant)
    with ctx.begin() as tx:
        rows = store.of_grant(tx, grant)
    return [webhook_of(ctx, row) for row in rows]


def stop(ctx: Context, grant: str, id: str) -> Webhook:
    """Send nothing more. Right `sharing.use`. Raises NotFound `sharing.webhook_unknown`."""
    row = _asked(ctx, grant, id)
    with parties.everywhere(ctx) as tx:
        store.set_state(tx, row.id, "stopped", "")
        ctx.record(tx, "sharing.webhook_stopped", f"grant:{grant}", webhook=id)
    return webhook_of(ctx, _asked(ctx, grant, id))


def replay(ctx: Context, grant: str, id: str, since: int) -> Webhook:
    """Send everything after `since` (again), a dead letter and what was held behind it first of all.

    Right `sharing.use`. Raises NotFound `sharing.webhook_unknown`, Conflict `sharing.grant_…`, `sharing.webhook_many`.
    """
    row = _asked(ctx, grant, id)
    reading.enter(ctx, grant, "changes", row.case_reference)
    with parties.everywhere(ctx) as tx:
        if row.state == "stopped":
            _room(tx, grant)
        store.replay(tx, id, since, ctx.clock.now())
        ctx.record(tx, "sharing.webhook_replayed", f"grant:{grant}", webhook=id, since=since)
    return webhook_of(ctx, _asked(ctx, grant, id))


def _room(tx: Transaction, grant: str) -> None:
    store.lock(tx, grant)
    if sum(row.state != "stopped" for row in store.of_grant(tx, grant)) >= MOST:
        raise Conflict("sharing.webhook_many", grant=grant, most=MOST)


def _asked(ctx: Context, grant: str, id: str) -> WebhookRow:
    grants.asked(ctx, "sharing.use", grant)
    with ctx.begin() as tx:
        row = store.find(tx, grant, id)
    if row is None:
        raise NotFound("sharing.webhook_unknown", webhook=id)
    return row


def push(ctx: Context) -> None:
    """Send what is due. As the platform; safe to run twice: a page may then come twice, and says which it is."""
    ROUNDS.push(ctx)


def _send(ctx: Context, row: WebhookRow, body: bytes) -> str:
    connectors.check_url(row.url, _allowed(ctx))  # what the operator allows may have changed
    return connectors.send(row.url, body, posting.signed(ctx.parts.signer, body), _allowed(ctx))


def _body(ctx: Context, row: WebhookRow) -> tuple[bytes, int, bool]:
    """The next page, up to where it goes, and whether there is anything in it.

    Read as the account that set it up would read now: it must still be there with its roles, the grant must stand, and
    a page with rows is a use that is kept before it is sent.
    """
    with ctx.begin() as tx:
        grant = grant_store.find(tx, row.granted)
    if grant is None or grant.state != "active":
        raise Conflict("sharing.grant_over", grant=row.granted, state=grant.state if grant else "")
    account = accounts.find(ctx, row.account)
    roles = frozenset(str(role) for role in account.roles) if account.active else frozenset[str]()
    holder = Principal(row.account, account.organisation, roles)
    acting = Context(ctx.parts, holder, purpose=grant.purpose, language=ctx.language, request=ctx.request)
    live, excerpt = reading.enter(acting, row.granted, "changes", row.case_reference)
    with closing(excerpts.changes(acting, live.dataset, excerpt, row.cursor, PAGE)) as feed:
        rows = tuple(each for batch in feed.batches() for each in batch.to_pylist())
        upto = int(rows[-1]["_sequence"]) if len(rows) == PAGE else max(feed.last_sequence, row.cursor)
    if rows:
        reading.keep(acting, live, "changes", row.case_reference, upto, len(rows))
    pushed = Pushed(
        webhook=row.id, grant=row.granted, dataset=live.dataset, purpose=grant.purpose, case=row.case_reference,
        since=row.cursor, upto=upto, sent_at=ctx.clock.now(), rows=rows,
    )  # fmt: skip
    return msgspec.json.encode(pushed), upto, bool(rows)


def _allowed(ctx: Context) -> tuple[str, ...]:
    return tuple(ctx.settings.webhook_allowed.replace(",", " ").split())


ROUNDS = retrying.Rounds("sharing", store, _body, _send, over=(Refused, NotFound, Conflict, Gone))
