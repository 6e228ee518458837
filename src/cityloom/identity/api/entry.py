"""Who sends a request: looks up the token or the session it shows, and opens transactions for identity's own work."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime

from cityloom.identity import store
from cityloom.identity.contracts import Credentials
from cityloom.identity.rules import browser, entrance, tokens
from cityloom.kernel.access import Principal
from cityloom.kernel.context import Parts
from cityloom.kernel.db import EVERY_ORGANISATION, Scope, Transaction
from cityloom.kernel.errors import Problem, Refused, Unauthorised


def everywhere(parts: Parts, actor: str) -> AbstractContextManager[Transaction]:
    """A transaction that sees every organisation. Whether the actor may is asked before, by policy."""
    return parts.db.begin(Scope(EVERY_ORGANISATION, actor))


def enter(parts: Parts, shown: Credentials) -> tuple[Principal, store.SessionRow | None]:
    """The account behind a request, and its session if it came with one.

    Raises Unauthorised `identity.not_signed_in`, `identity.session_over`, `identity.token_refused`;
    Refused `identity.origin_refused`, `identity.csrf_refused`, `identity.address_refused`, `identity.certificate_…`.
    """
    if shown.authorization:
        return by_token(parts, shown), None
    if not shown.session:
        raise Unauthorised("identity.not_signed_in")
    return by_session(parts, shown)


def by_token(parts: Parts, shown: Credentials) -> Principal:
    """The account of an API token, narrowed to what the token may."""
    with everywhere(parts, "anonymous") as tx:
        found = by_tokens(tx, parts, [shown])[0]
    if isinstance(found, Problem):
        raise found
    return found


def by_tokens(tx: Transaction, parts: Parts, shown: Sequence[Credentials]) -> list[Principal | Unauthorised | Refused]:
    """The accounts of API tokens, or why one lets nobody in; in a scope that sees them all."""
    now = parts.clock.now()
    secrets = [tokens.parse_token(each.authorization) for each in shown]
    known = store.token_uses(tx, list({secret.id for secret in secrets if secret}))
    found = [_of_token(secret, known, each, now) for secret, each in zip(secrets, shown, strict=True)]
    used = {secret.id for secret, one in zip(secrets, found, strict=True) if secret and isinstance(one, Principal)}
    for id in sorted(used):
        before = known[id].used_at
        if before is None or now - before >= tokens.TOUCH:
            store.touch_token(tx, id, now)
    return found


def _of_token(
    secret: tokens.TokenSecret | None, known: Mapping[str, store.TokenUse], shown: Credentials, now: datetime
) -> Principal | Unauthorised | Refused:
    row = known.get(secret.id) if secret else None
    if secret is None or row is None or not tokens.same(row.hash, secret.hash):
        return Unauthorised("identity.token_refused")
    if secret.account not in ("", row.account):
        return Unauthorised("identity.token_refused")
    if not row.active or not tokens.usable(row.expires_at, row.revoked_at, now):
        return Unauthorised("identity.token_refused")
    ends = dict(zip(row.fingerprints, row.ends, strict=True))
    closed = entrance.address_refusal(shown, row.addresses) or entrance.certificate_refusal(shown, ends, now)
    return closed or Principal(
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
        closed = entrance.address_refusal(shown, row.addresses)
        if closed:
            raise closed
        if now - row.seen_at >= tokens.TOUCH:
            store.touch_session(tx, id, now)
    return Principal(row.account, row.organisation, frozenset(row.roles)), row
