"""Signing in and out, changing one's password, and who the caller is."""

from datetime import datetime

from cityloom.identity import store
from cityloom.identity.api.entry import enter, everywhere
from cityloom.identity.contracts import Attempt, Bucket, Credentials, Me, Role, SignedIn
from cityloom.identity.rules import browser, entrance, passwords, throttle, tokens
from cityloom.kernel import secrets
from cityloom.kernel.access import Principal
from cityloom.kernel.context import Context, Parts
from cityloom.kernel.db import EVERY_ORGANISATION, Transaction
from cityloom.kernel.errors import Invalid, Refused, Throttled, Unauthorised

STRANGER = "anonymous"


def sign_in(parts: Parts, attempt: Attempt) -> SignedIn:
    """Begin a session. What was wrong is never told, and unknown accounts take as long as known ones.

    Raises Throttled `identity.too_many_tries`, Unauthorised `identity.sign_in_failed`, and to who knows the password
    `identity.one_time_password_over` when it was one and is past its time, Refused `identity.address_refused`.
    """
    name, now = attempt.account.strip().lower(), parts.clock.now()
    nonce = browser.known_device(_device_key(parts), name, attempt.device)
    buckets = throttle.buckets(name, attempt.address, nonce)
    count_try(parts, buckets, now)
    with everywhere(parts, STRANGER) as tx:
        found = store.password(tx, name)
    right = passwords.verify(found.hash if found else None, attempt.password)
    if found is None or not right or not found.active:
        _record_failure(parts, attempt, found)
        raise Unauthorised("identity.sign_in_failed")
    if found.valid_until is not None and found.valid_until <= now:
        _record_failure(parts, attempt, found)
        raise Unauthorised("identity.one_time_password_over")
    closed = entrance.address_refusal(Credentials(method="POST", address=attempt.address), found.addresses)
    if closed:
        _record_failure(parts, attempt, found)
        raise closed
    return _begin(parts, attempt, found, buckets, nonce)


def _begin(parts: Parts, attempt: Attempt, found: store.PasswordRow, buckets: list[Bucket], nonce: str) -> SignedIn:
    """The password was right: a new session in place of the browser's old one."""
    context = Context(
        parts, Principal(found.account, found.organisation), language=attempt.language, request=attempt.request
    )
    now, secret = parts.clock.now(), tokens.new_session()
    fresh = passwords.hashed(attempt.password) if passwords.outdated(found.hash) else None
    with everywhere(parts, found.account) as tx:
        row = store.password(tx, found.account, lock=True)
        if row is None or row.hash != found.hash or not row.active:
            raise Unauthorised("identity.sign_in_failed")  # it was changed while we looked at it
        if attempt.session:
            store.end_session(tx, tokens.digest(attempt.session))
        if fresh:
            store.rehash_password(tx, row.account, fresh)
        me = _add_session(tx, row, secret, now)
        for bucket in buckets:
            store.set_count(tx, bucket, throttle.forgiven(store.count_of(tx, bucket, now), now))
        context.record(tx, "identity.signed_in", f"account:{row.account}", address=attempt.address)
    device = browser.device_value(_device_key(parts), row.account, nonce or tokens.new_session())
    return SignedIn(me, secret, device)


def _add_session(tx: Transaction, row: store.PasswordRow, secret: str, now: datetime) -> Me:
    ends_at = now + tokens.LONGEST_SESSION
    store.add_session(tx, tokens.digest(secret), row, now, ends_at)
    return Me(
        account=row.account,
        organisation=row.organisation,
        roles=tuple(Role(role) for role in row.roles),
        must_change_password=row.valid_until is not None,
        csrf=browser.csrf_token(secret),
        session_ends_at=ends_at,
    )


def _record_failure(parts: Parts, attempt: Attempt, found: store.PasswordRow | None) -> None:
    """Names the account only if there is one: people type passwords into the wrong field."""
    organisation, name = (found.organisation, found.account) if found else (EVERY_ORGANISATION, "unknown")
    context = Context(parts, Principal(STRANGER, organisation), language=attempt.language, request=attempt.request)
    with everywhere(parts, STRANGER) as tx:
        context.record(tx, "identity.sign_in_failed", f"account:{name}", address=attempt.address)


def count_try(parts: Parts, buckets: list[Bucket], now: datetime) -> None:
    """Count a try in each bucket before its outcome is known. Raises Throttled `identity.too_many_tries`."""
    with everywhere(parts, STRANGER) as tx:
        counts = [(bucket, store.count_of(tx, bucket, now)) for bucket in buckets]
        seconds = max(throttle.seconds_to_wait(count, now) for _, count in counts)
        if seconds:
            raise Throttled("identity.too_many_tries", seconds=seconds)
        for bucket, count in counts:
            store.set_count(tx, bucket, throttle.counted(count, bucket.free, now))


def _device_key(parts: Parts) -> bytes:
    return bytes.fromhex(secrets.load_or_make(parts.settings.secrets, "devices"))


def who_am_i(parts: Parts, shown: Credentials) -> Me:
    """The caller. Raises what `authenticate` raises, but lets one in whose password must be changed."""
    principal, session = enter(parts, shown)
    roles = tuple(role for role in Role if role in principal.roles)
    if session is None:
        rights = None if principal.rights is None else tuple(sorted(principal.rights))
        return Me(principal.name, principal.organisation, roles, rights=rights)
    return Me(
        account=principal.name,
        organisation=principal.organisation,
        roles=roles,
        must_change_password=session.must_change,
        csrf=browser.csrf_token(shown.session),
        session_ends_at=session.ends_at,
    )


def sign_out(ctx: Context, session: str) -> None:
    """End the session whose secret this is."""
    with everywhere(ctx.parts, ctx.principal.name) as tx:
        if store.end_session(tx, tokens.digest(session)):
            ctx.record(tx, "identity.signed_out", f"account:{ctx.principal.name}")


def sign_out_everywhere(ctx: Context) -> None:
    """End every session of the caller. Raises Refused `identity.session_needed` for a token."""
    _need_session(ctx)
    with everywhere(ctx.parts, ctx.principal.name) as tx:
        ended = store.end_sessions(tx, ctx.principal.name)
        ctx.record(tx, "identity.signed_out", f"account:{ctx.principal.name}", sessions=ended)


def change_password(ctx: Context, old: str, new: str) -> SignedIn:
    """Give oneself another password: all sessions end and one new one begins.

    Raises Invalid `identity.old_password_wrong`, `identity.password_same` and what `passwords.check` raises;
    Throttled `identity.too_many_tries`; Refused `identity.session_needed` for a token.
    """
    _need_session(ctx)
    name, now = ctx.principal.name, ctx.clock.now()
    bucket = throttle.own_bucket(name)
    count_try(ctx.parts, [bucket], now)
    with everywhere(ctx.parts, name) as tx:
        found = store.password(tx, name)
    if found is None or not passwords.verify(found.hash, old):
        raise Invalid("identity.old_password_wrong")
    if passwords.normal(old) == passwords.check(new, name):
        raise Invalid("identity.password_same")
    hash, secret = passwords.hashed(new), tokens.new_session()
    with everywhere(ctx.parts, name) as tx:
        row = store.password(tx, name, lock=True)
        if row is None or row.hash != found.hash or not row.active:
            raise Invalid("identity.old_password_wrong")
        store.set_password(tx, name, hash, now, None)
        store.end_sessions(tx, name)
        me = _add_session(tx, store.password(tx, name) or row, secret, now)
        store.set_count(tx, bucket, throttle.forgiven(store.count_of(tx, bucket, now), now))
        ctx.record(tx, "identity.password_changed", f"account:{name}")
    return SignedIn(me, secret, "")


def _need_session(ctx: Context) -> None:
    if ctx.principal.rights is not None:
        raise Refused("identity.session_needed")


def sweep(ctx: Context) -> None:
    """Delete sessions that are over, and counts of tries that no longer matter."""
    now = ctx.clock.now()
    with everywhere(ctx.parts, ctx.principal.name) as tx:
        store.forget_ended(tx, now, now - tokens.IDLE, now - throttle.QUIET)
