"""Accounts and their roles: what the system administrator does, and what the security administrator does."""

from collections.abc import Sequence

from cityloom.identity import store
from cityloom.identity.api.entry import everywhere
from cityloom.identity.contracts import Account, OneTimePassword, Role
from cityloom.identity.events import AccountDisabled, RolesChanged
from cityloom.identity.rules import passwords, roles
from cityloom.kernel.access import Fact, Resource
from cityloom.kernel.context import PLATFORM, Context
from cityloom.kernel.db import Transaction
from cityloom.kernel.errors import Conflict, NotFound, Refused

FIRST = (
    ("sysadmin", Role.system_admin),
    ("secadmin", Role.security_admin),
    ("auditadmin", Role.audit_admin),
)


def account_of(row: store.AccountRow) -> Account:
    """The account as others see it."""
    return Account(
        name=row.name,
        organisation=row.organisation,
        title=row.title,
        roles=tuple(Role(role) for role in row.roles),
        active=row.active,
        made_at=row.made_at,
        signed_in_at=row.signed_in_at,
    )


def resource(ctx: Context, name: str, organisation: str, held: Sequence[str] = ()) -> Resource:
    """An account as the policies see it when something is done to it."""
    facts: dict[str, Fact] = {
        "organisation": organisation,
        "own": name == ctx.principal.name,
        "administrator": roles.administers(held),
    }
    return Resource("StaffAccount", name, facts)


def asked(ctx: Context, right: str, name: str) -> store.AccountRow:
    """The account, once the policies let the caller do this to it. Raises NotFound `identity.account_missing`."""
    if not roles.NAME.fullmatch(name):
        raise NotFound("identity.account_missing", account=name)
    with everywhere(ctx.parts, ctx.principal.name) as tx:
        row = store.account(tx, name)
    ctx.require(right, resource(ctx, name, row.organisation if row else "", row.roles if row else ()))
    if row is None:
        raise NotFound("identity.account_missing", account=name)
    return row


def _locked(tx: Transaction, before: store.AccountRow) -> store.AccountRow:
    """The account as it was when the policies were asked; nobody changes it until the transaction ends."""
    row = store.account(tx, before.name, lock=True)
    if row is None or (row.roles, row.active) != (before.roles, before.active):
        raise Conflict("identity.account_changed", account=before.name)
    return row


def find(ctx: Context, name: str) -> Account:
    """One account. Right `identity.read_accounts`."""
    return account_of(asked(ctx, "identity.read_accounts", name))


def listing(ctx: Context, organisation: str = "", after: str = "", limit: int = 100) -> list[Account]:
    """Accounts by name behind `after`, of one organisation or of all. Right `identity.read_accounts`."""
    ctx.require("identity.read_accounts", resource(ctx, "", organisation))
    with everywhere(ctx.parts, ctx.principal.name) as tx:
        return [account_of(row) for row in store.accounts(tx, organisation, after, limit)]


def create(ctx: Context, name: str, organisation: str, title: str = "") -> OneTimePassword:
    """A new account without roles. Right `identity.create_account`.

    Raises Invalid `identity.account_name_wrong`, NotFound `identity.organisation_missing`, Conflict
    `identity.account_exists`.
    """
    ctx.require("identity.create_account", resource(ctx, roles.check_name(name), organisation))
    with everywhere(ctx.parts, ctx.principal.name) as tx:
        kept = store.organisation(tx, organisation)
    if kept is None or not kept.active:
        raise NotFound("identity.organisation_missing", organisation=organisation)
    password = passwords.one_time()
    hash = passwords.hashed(password)
    with everywhere(ctx.parts, ctx.principal.name) as tx:
        row = store.AccountRow(name, organisation, title, [], True, ctx.clock.now(), None)
        issued = _add(ctx, tx, row, hash, password)
        ctx.record(tx, "identity.account_created", f"account:{name}", organisation=organisation)
    return issued


def _add(ctx: Context, tx: Transaction, row: store.AccountRow, hash: str, password: str) -> OneTimePassword:
    if not store.add_account(tx, row, ctx.principal.name):
        raise Conflict("identity.account_exists", account=row.name)
    return _set_one_time(ctx, tx, row, hash, password)


def _set_one_time(ctx: Context, tx: Transaction, row: store.AccountRow, hash: str, password: str) -> OneTimePassword:
    valid_until = ctx.clock.now() + passwords.ONE_TIME_LASTS
    store.set_password(tx, row.name, hash, ctx.clock.now(), valid_until)
    return OneTimePassword(row.name, tuple(Role(role) for role in row.roles), password, valid_until)


def give_roles(ctx: Context, name: str, wanted: Sequence[Role]) -> Account:
    """The account has these roles from now on and no other. Right `identity.give_role`, never for oneself.

    Raises Invalid `identity.roles_not_apart`, Conflict `identity.last_administrator`, `identity.account_changed`.
    """
    before = asked(ctx, "identity.give_role", name)
    given = [str(role) for role in roles.kept_apart(wanted)]
    lost = [role for role in before.roles if role not in given]
    with everywhere(ctx.parts, ctx.principal.name) as tx:
        _check_remaining(tx, before, lost)
        row = _locked(tx, before)
        store.set_roles(tx, name, given)
        ctx.emit(tx, RolesChanged(name, row.organisation, tuple(given)))
        ctx.record(tx, "identity.roles_given", f"account:{name}", roles=tuple(given), before=tuple(before.roles))
        return account_of(store.account(tx, name) or row)


def _check_remaining(tx: Transaction, before: store.AccountRow, lost: Sequence[str]) -> None:
    if before.active and roles.administers(lost):
        holders = [(holder.name, holder.role) for holder in store.administrators(tx, lost)]
        roles.check_remaining(before.name, lost, holders)


def reset_password(ctx: Context, name: str) -> OneTimePassword:
    """A new one-time password; sessions end. Right `identity.reset_password`.

    The roles are taken away and must be given again by the security administrator: else whoever resets a password
    could act as that account. The platform itself leaves them, so that it can let administrators in again.
    """
    before = asked(ctx, "identity.reset_password", name)
    password = passwords.one_time()
    hash = passwords.hashed(password)
    kept = before.roles if ctx.principal == PLATFORM else []
    with everywhere(ctx.parts, ctx.principal.name) as tx:
        row = _locked(tx, before)
        store.set_roles(tx, name, kept)
        store.end_sessions(tx, name)
        issued = _set_one_time(ctx, tx, store.account(tx, name) or row, hash, password)
        if kept != before.roles:
            ctx.emit(tx, RolesChanged(name, row.organisation, tuple(kept)))
        ctx.record(tx, "identity.password_reset", f"account:{name}", roles=tuple(kept), before=tuple(before.roles))
    return issued


def disable(ctx: Context, name: str) -> Account:
    """The account lets nobody in from now on; sessions end. Right `identity.disable_account`.

    Raises Conflict `identity.last_administrator`, `identity.account_changed`.
    """
    before = asked(ctx, "identity.disable_account", name)
    with everywhere(ctx.parts, ctx.principal.name) as tx:
        _check_remaining(tx, before, before.roles)
        row = _locked(tx, before)
        store.set_active(tx, name, False)
        store.end_sessions(tx, name)
        ctx.emit(tx, AccountDisabled(name, row.organisation))
        ctx.record(tx, "identity.account_disabled", f"account:{name}")
        return account_of(store.account(tx, name) or row)


def enable(ctx: Context, name: str) -> Account:
    """The account lets its holder in again. Right `identity.enable_account`."""
    before = asked(ctx, "identity.enable_account", name)
    with everywhere(ctx.parts, ctx.principal.name) as tx:
        row = _locked(tx, before)
        store.set_active(tx, name, True)
        ctx.record(tx, "identity.account_enabled", f"account:{name}")
        return account_of(store.account(tx, name) or row)


def end_sessions(ctx: Context, name: str) -> None:
    """Sign the account out everywhere. Right `identity.end_sessions`."""
    asked(ctx, "identity.end_sessions", name)
    with everywhere(ctx.parts, ctx.principal.name) as tx:
        ended = store.end_sessions(tx, name)
        ctx.record(tx, "identity.sessions_ended", f"account:{name}", sessions=ended)


def bootstrap(ctx: Context, organisation: str = "") -> list[OneTimePassword]:
    """The three administrators with one-time passwords, only while there is no account; only for the platform itself.

    They belong to `organisation`, or else to the one that is the platform's own.
    Raises Conflict `identity.bootstrap_done`, NotFound `identity.organisation_missing`, `identity.platform_missing`.
    """
    if ctx.principal != PLATFORM:
        raise Refused("identity.platform_only")
    issued = [passwords.one_time() for _ in FIRST]
    hashes = [passwords.hashed(password) for password in issued]
    with everywhere(ctx.parts, ctx.principal.name) as tx:
        if store.any_account(tx):
            raise Conflict("identity.bootstrap_done")
        home, now = _platform_organisation(tx, organisation), ctx.clock.now()
        made = [
            _add(ctx, tx, store.AccountRow(name, home, "", [str(role)], True, now, None), hash, password)
            for (name, role), hash, password in zip(FIRST, hashes, issued, strict=True)
        ]
        names = tuple(name for name, _ in FIRST)
        ctx.record(tx, "identity.bootstrapped", f"organisation:{home}", accounts=names)
    return made


def _platform_organisation(tx: Transaction, wanted: str) -> str:
    active = [row for row in store.organisations(tx) if row.active]
    if wanted:
        if wanted not in [row.code for row in active]:
            raise NotFound("identity.organisation_missing", organisation=wanted)
        return wanted
    own = [row.code for row in active if row.kind == "platform"]
    if len(own) != 1:
        raise NotFound("identity.platform_missing", found=len(own))
    return own[0]
