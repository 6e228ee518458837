"""API tokens: made, narrowed, rotated with an overlap, revoked at once."""

from cityloom.identity import store
from cityloom.identity.api.accounts import asked
from cityloom.identity.api.entry import everywhere
from cityloom.identity.contracts import NewToken, Token, TokenWish
from cityloom.identity.rules import tokens as rules
from cityloom.kernel.context import Context
from cityloom.kernel.db import Transaction
from cityloom.kernel.errors import Conflict, NotFound, Refused

OVERLAP = 24
"""Hours."""


def token_of(row: store.TokenRow) -> Token:
    """The token as others see it."""
    return Token(
        id=row.id,
        account=row.account,
        organisation=row.organisation,
        title=row.title,
        rights=tuple(row.rights),
        datasets=None if row.datasets is None else tuple(row.datasets),
        made_at=row.made_at,
        expires_at=row.expires_at,
        used_at=row.used_at,
        revoked_at=row.revoked_at,
        follows=row.follows,
    )


def make(ctx: Context, wish: TokenWish, account: str = "") -> NewToken:
    """A token of the caller's account (the platform makes them for any). Right `identity.make_token`.

    It can do what both its rights and, at each use, the roles of its account permit.
    Raises Invalid `identity.token_right_wrong`, `identity.token_too_long`.
    """
    owner = asked(ctx, "identity.make_token", account or ctx.principal.name)
    rules.check_wish(wish, rules.known_rights(ctx.parts.policies.text))
    now, secret = ctx.clock.now(), rules.new_token()
    row = store.TokenRow(
        id=secret.id,
        account=owner.name,
        organisation=owner.organisation,
        title=wish.title,
        rights=sorted(set(wish.rights)),
        datasets=None if wish.datasets is None else sorted(set(wish.datasets)),
        made_at=now,
        expires_at=rules.lasts(now, wish.days),
        used_at=None,
        revoked_at=None,
        follows=None,
    )
    with everywhere(ctx.parts, ctx.principal.name) as tx:
        store.add_token(tx, row, secret.hash)
        _record(ctx, tx, "identity.token_made", row)
    return NewToken(token_of(row), secret.text)


def rotate(ctx: Context, id: str, overlap_hours: int = OVERLAP) -> NewToken:
    """A token with the same rights and a full new life; the old one works `overlap_hours` longer at most.

    Right `identity.rotate_token`. Raises NotFound `identity.token_missing`, Invalid `identity.overlap_too_long`,
    Conflict `identity.token_over`, `identity.token_rotated`.
    """
    _asked(ctx, "identity.rotate_token", id)
    now, secret, overlap = ctx.clock.now(), rules.new_token(), rules.check_overlap(overlap_hours)
    with everywhere(ctx.parts, ctx.principal.name) as tx:
        old = _locked(tx, id)
        if not rules.usable(old.expires_at, old.revoked_at, now):
            raise Conflict("identity.token_over", token=id)
        if store.followed(tx, id):
            raise Conflict("identity.token_rotated", token=id)
        row = store.TokenRow(
            id=secret.id,
            account=old.account,
            organisation=old.organisation,
            title=old.title,
            rights=old.rights,
            datasets=old.datasets,
            made_at=now,
            expires_at=now + (old.expires_at - old.made_at),
            used_at=None,
            revoked_at=None,
            follows=id,
        )
        store.add_token(tx, row, secret.hash)
        if overlap:
            store.shorten_token(tx, id, now + overlap)
        else:
            store.revoke_token(tx, id, now)
        _record(ctx, tx, "identity.token_rotated", row)
    return NewToken(token_of(row), secret.text)


def revoke(ctx: Context, id: str) -> Token:
    """It works no more, from the next request on. Right `identity.revoke_token`. Safe to repeat."""
    _asked(ctx, "identity.revoke_token", id)
    with everywhere(ctx.parts, ctx.principal.name) as tx:
        old = _locked(tx, id)
        if old.revoked_at is None:
            store.revoke_token(tx, id, ctx.clock.now())
            row = _locked(tx, id)
            _record(ctx, tx, "identity.token_revoked", row)
            return token_of(row)
    return token_of(old)


def listing(ctx: Context, account: str = "", after: str = "", limit: int = 100) -> list[Token]:
    """Tokens of the caller's account, or of another's; by id behind `after`. Right `identity.read_tokens`."""
    owner = asked(ctx, "identity.read_tokens", account or ctx.principal.name)
    with everywhere(ctx.parts, ctx.principal.name) as tx:
        return [token_of(row) for row in store.tokens(tx, owner.name, after, limit)]


def _asked(ctx: Context, right: str, id: str) -> None:
    with everywhere(ctx.parts, ctx.principal.name) as tx:
        row = _locked(tx, id)
    try:
        asked(ctx, right, row.account)
    except Refused:  # kept in the audit log; whose token it is, and that there is one, is not told
        if row.account == ctx.principal.name:
            raise
        raise NotFound("identity.token_missing", token=id) from None


def _locked(tx: Transaction, id: str) -> store.TokenRow:
    row = store.token(tx, id)
    if row is None:
        raise NotFound("identity.token_missing", token=id)
    return row


def _record(ctx: Context, tx: Transaction, action: str, row: store.TokenRow) -> None:
    ctx.record(
        tx,
        action,
        f"token:{row.id}",
        account=row.account,
        rights=tuple(row.rights),
        datasets=None if row.datasets is None else tuple(row.datasets),
        expires_at=row.expires_at.isoformat(),
        follows=row.follows,
    )
