"""Who sends a request: looks up the token or the session it shows, and opens transactions for identity's own work."""

from contextlib import AbstractContextManager

from cityloom.identity import store
from cityloom.identity.contracts import Credentials
from cityloom.identity.rules import browser, tokens
from cityloom.kernel.access import Principal
from cityloom.kernel.context import Parts
from cityloom.kernel.db import EVERY_ORGANISATION, Scope, Transaction
from cityloom.kernel.errors import Unauthorised


def everywhere(parts: Parts, actor: str) -> AbstractContextManager[Transaction]:
    """A transaction that sees every organisation. Whether the actor may is asked before, by policy."""
    return parts.db.begin(Scope(EVERY_ORGANISATION, actor))


def enter(parts: Parts, shown: Credentials) -> tuple[Principal, store.SessionRow | None]:
    """The account behind a request, and its session if it came with one.

    Raises Unauthorised `identity.not_signed_in`, `identity.session_over`, `identity.token_refused`;
    Refused `identity.origin_refused`, `identity.csrf_refused`.
    """
    if shown.authorization:
        return by_token(parts, shown), None
    if not shown.session:
        raise Unauthorised("identity.not_signed_in")
    return by_session(parts, shown)


def by_token(parts: Parts, shown: Credentials) -> Principal:
    """The account of an API token, narrowed to what the token may."""
    secret = tokens.parse_token(shown.authorization)
    if secret is None:
        raise Unauthorised("identity.token_refused")
    now = parts.clock.now()
    with everywhere(parts, "anonymous") as tx:
        row = store.token_use(tx, secret.id)
        if row is None or not tokens.same(row.hash, secret.hash):
            raise Unauthorised("identity.token_refused")
        if not row.active or not tokens.usable(row.expires_at, row.revoked_at, now):
            raise Unauthorised("identity.token_refused")
        if row.used_at is None or now - row.used_at >= tokens.TOUCH:
            store.touch_token(tx, secret.id, now)
    return Principal(
        name=row.account,
        organisation=row.organisation,
        roles=frozenset(row.roles),
        rights=frozenset(row.rights),
        names=None if row.datasets is None else frozenset(row.datasets),
    )


def by_session(parts: Parts, shown: Credentials) -> tuple[Principal, store.SessionRow]:
    """The account of a browser's session; a change must come from our own pages."""
    browser.check_origin(shown, parts.settings.public_url)
    browser.check_csrf(shown)
    id, now = tokens.digest(shown.session), parts.clock.now()
    with everywhere(parts, "anonymous") as tx:
        row = store.session(tx, id)
        if row is None or not row.active or tokens.session_over(now, row.seen_at, row.ends_at):
            raise Unauthorised("identity.session_over")
        if now - row.seen_at >= tokens.TOUCH:
            store.touch_session(tx, id, now)
    return Principal(row.account, row.organisation, frozenset(row.roles)), row
