"""All SQL of identity. Decides nothing; every write needs the platform's scope."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from cityloom.identity.contracts import Bucket, Certificate, Count
from cityloom.kernel.db import Transaction


class OrganisationRow(msgspec.Struct, frozen=True):
    """One row of identity.organisation."""

    code: str
    title_en: str
    title_zh: str
    kind: str
    division: str
    parent: str | None
    active: bool


class AccountRow(msgspec.Struct, frozen=True):
    """One row of identity.account."""

    name: str
    organisation: str
    title: str
    roles: list[str]
    active: bool
    made_at: datetime
    signed_in_at: datetime | None


class PasswordRow(msgspec.Struct, frozen=True):
    """What a sign-in needs to know."""

    account: str
    organisation: str
    roles: list[str]
    active: bool
    """Whether both the account and its organisation are."""
    hash: str
    valid_until: datetime | None
    addresses: list[str]


class SessionRow(msgspec.Struct, frozen=True):
    """A session with what its account may do now."""

    account: str
    organisation: str
    roles: list[str]
    active: bool
    must_change: bool
    seen_at: datetime
    ends_at: datetime
    addresses: list[str]


class TokenRow(msgspec.Struct, frozen=True):
    """One row of identity.token."""

    id: str
    account: str
    organisation: str
    title: str
    rights: list[str]
    datasets: list[str] | None
    made_at: datetime
    expires_at: datetime
    used_at: datetime | None
    revoked_at: datetime | None
    follows: str | None


class TokenUse(msgspec.Struct, frozen=True):
    """A token with what its account may do now."""

    id: str
    account: str
    organisation: str
    roles: list[str]
    active: bool
    rights: list[str]
    datasets: list[str] | None
    hash: bytes
    expires_at: datetime
    used_at: datetime | None
    revoked_at: datetime | None
    addresses: list[str]
    fingerprints: list[str]
    ends: list[datetime]
    """Until when each of the fingerprints is good."""


class Holder(msgspec.Struct, frozen=True):
    """An active account with an administrator's role."""

    name: str
    role: str


ORGANISATION = "code, title_en, title_zh, kind, division, parent, active"
ACCOUNT = "name, organisation, title, roles, active, made_at, signed_in_at"
ADDRESSES = """coalesce(CASE WHEN o.guarded THEN
    (SELECT e.addresses FROM identity.entrance e WHERE e.organisation = a.organisation) END, '{}') AS addresses"""
CERTIFICATE = "fingerprint, subject, issuer, not_before, not_after"
TOKEN = "id, account, organisation, title, rights, datasets, made_at, expires_at, used_at, revoked_at, follows"  # noqa: S105


# ---- organisations


def organisations(tx: Transaction) -> list[OrganisationRow]:
    """All of them, by code."""
    return tx.all(OrganisationRow, f"SELECT {ORGANISATION} FROM identity.organisation ORDER BY code")


def organisation(tx: Transaction, code: str) -> OrganisationRow | None:
    """The one of that code."""
    return tx.first(OrganisationRow, f"SELECT {ORGANISATION} FROM identity.organisation WHERE code = %s", [code])


def put_organisation(tx: Transaction, row: OrganisationRow, now: datetime) -> int:
    """Add it, or bring it to what the packs say; 1 if anything changed."""
    return tx.execute(
        f"""INSERT INTO identity.organisation AS old ({ORGANISATION}, installed_at)
            VALUES (%s, %s, %s, %s, %s, %s, %s, %s)
            ON CONFLICT (code) DO UPDATE SET title_en = excluded.title_en, title_zh = excluded.title_zh,
                kind = excluded.kind, division = excluded.division, parent = excluded.parent, active = true,
                installed_at = excluded.installed_at
            WHERE (old.title_en, old.title_zh, old.kind, old.division, old.parent, old.active) IS DISTINCT FROM
                (excluded.title_en, excluded.title_zh, excluded.kind, excluded.division, excluded.parent, true)""",
        [row.code, row.title_en, row.title_zh, row.kind, row.division, row.parent, row.active, now],
    )


def retire_organisations(tx: Transaction, kept: Sequence[str]) -> int:
    """Nobody of an organisation that is not among `kept` comes in any more; how many were retired."""
    return tx.execute(
        "UPDATE identity.organisation SET active = false WHERE active AND NOT code = ANY(%s)", [list(kept)]
    )


# ---- accounts


def account(tx: Transaction, name: str, lock: bool = False) -> AccountRow | None:
    """The account of that name; `lock` keeps it as it is until the transaction ends."""
    suffix = " FOR UPDATE" if lock else ""
    return tx.first(AccountRow, f"SELECT {ACCOUNT} FROM identity.account WHERE name = %s{suffix}", [name])


def accounts(tx: Transaction, organisation: str, after: str, limit: int) -> list[AccountRow]:
    """Accounts by name behind `after`, of one organisation or (empty) of all."""
    return tx.all(
        AccountRow,
        f"""SELECT {ACCOUNT} FROM identity.account
            WHERE name > %(after)s AND (%(organisation)s = '' OR organisation = %(organisation)s)
            ORDER BY name LIMIT %(limit)s""",
        {"after": after, "organisation": organisation, "limit": limit},
    )


def any_account(tx: Transaction) -> bool:
    """Whether there is one. Until this transaction ends no other one can ask, so that only one finds none."""
    tx.execute("SELECT pg_advisory_xact_lock(hashtextextended('identity first accounts', 0))")
    return tx.scalar(bool, "SELECT EXISTS (SELECT FROM identity.account)")


def add_account(tx: Transaction, row: AccountRow, made_by: str) -> int:
    """Add it; 0 if the name is taken."""
    return tx.execute(
        """INSERT INTO identity.account (name, organisation, title, roles, active, made_at, made_by)
           VALUES (%s, %s, %s, %s, %s, %s, %s) ON CONFLICT (name) DO NOTHING""",
        [row.name, row.organisation, row.title, row.roles, row.active, row.made_at, made_by],
    )


def set_roles(tx: Transaction, name: str, roles: Sequence[str]) -> None:
    """These roles and no other."""
    tx.execute("UPDATE identity.account SET roles = %s WHERE name = %s", [list(roles), name])


def set_active(tx: Transaction, name: str, active: bool) -> None:
    """Whether the account lets anybody in."""
    tx.execute("UPDATE identity.account SET active = %s WHERE name = %s", [active, name])


def administrators(tx: Transaction, roles: Sequence[str]) -> list[Holder]:
    """Who holds these roles and is active; locked, so that two last ones cannot go at once."""
    return tx.all(
        Holder,
        """SELECT name, roles[1] AS role FROM identity.account
           WHERE active AND roles && %s::text[] ORDER BY name FOR UPDATE""",
        [list(roles)],
    )


# ---- passwords


def password(tx: Transaction, name: str, lock: bool = False) -> PasswordRow | None:
    """The account's password and standing; `lock` keeps both as they are until the transaction ends."""
    suffix = " FOR NO KEY UPDATE OF a, p" if lock else ""
    return tx.first(
        PasswordRow,
        f"""SELECT a.name AS account, a.organisation, a.roles, a.active AND o.active AS active, p.hash, p.valid_until, {ADDRESSES}
            FROM identity.account a JOIN identity.organisation o ON o.code = a.organisation
            JOIN identity.password p ON p.account = a.name WHERE a.name = %s{suffix}""",
        [name],
    )


def set_password(tx: Transaction, name: str, hash: str, now: datetime, valid_until: datetime | None) -> None:
    """The account's only password from now on; one-time if it has an end."""
    tx.execute(
        """INSERT INTO identity.password (account, hash, set_at, valid_until) VALUES (%s, %s, %s, %s)
           ON CONFLICT (account) DO UPDATE
           SET hash = excluded.hash, set_at = excluded.set_at, valid_until = excluded.valid_until""",
        [name, hash, now, valid_until],
    )


def rehash_password(tx: Transaction, name: str, hash: str) -> None:
    """The same password, hashed with today's parameters."""
    tx.execute("UPDATE identity.password SET hash = %s WHERE account = %s", [hash, name])


# ---- sessions


def add_session(tx: Transaction, id: bytes, row: PasswordRow, now: datetime, ends_at: datetime) -> None:
    """A session of the account begins."""
    tx.execute(
        """INSERT INTO identity.session (id, account, organisation, begun_at, seen_at, ends_at)
           VALUES (%s, %s, %s, %s, %s, %s)""",
        [id, row.account, row.organisation, now, now, ends_at],
    )
    tx.execute("UPDATE identity.account SET signed_in_at = %s WHERE name = %s", [now, row.account])


def session(tx: Transaction, id: bytes) -> SessionRow | None:
    """The session of that digest."""
    return tx.first(
        SessionRow,
        f"""SELECT s.account, s.organisation, a.roles, a.active AND o.active AS active,
                  p.valid_until IS NOT NULL AS must_change, s.seen_at, s.ends_at, {ADDRESSES}
           FROM identity.session s JOIN identity.account a ON a.name = s.account
           JOIN identity.organisation o ON o.code = a.organisation JOIN identity.password p ON p.account = a.name
           WHERE s.id = %s""",
        [id],
    )


def touch_session(tx: Transaction, id: bytes, now: datetime) -> None:
    """It was used."""
    tx.execute("UPDATE identity.session SET seen_at = %s WHERE id = %s", [now, id])


def end_session(tx: Transaction, id: bytes) -> int:
    """End it; 0 if it was over."""
    return tx.execute("DELETE FROM identity.session WHERE id = %s", [id])


def end_sessions(tx: Transaction, account: str) -> int:
    """End every session of the account; how many there were."""
    return tx.execute("DELETE FROM identity.session WHERE account = %s", [account])


# ---- tokens


def add_token(tx: Transaction, row: TokenRow, hash: bytes) -> None:
    """Keep a new token by the digest of its secret."""
    tx.execute(
        """INSERT INTO identity.token
               (id, account, organisation, title, rights, datasets, hash, made_at, expires_at, follows)
           VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)""",
        [
            row.id, row.account, row.organisation, row.title, row.rights, row.datasets, hash, row.made_at,
            row.expires_at, row.follows,
        ],
    )  # fmt: skip


def token(tx: Transaction, id: str) -> TokenRow | None:
    """The token of that id, locked until the transaction ends."""
    return tx.first(TokenRow, f"SELECT {TOKEN} FROM identity.token WHERE id = %s FOR UPDATE", [id])


def token_uses(tx: Transaction, ids: Sequence[str]) -> dict[str, TokenUse]:
    """What callers who show these tokens may do, by the token's id."""
    rows = tx.all(
        TokenUse,
        f"""SELECT t.id, t.account, t.organisation, a.roles, a.active AND o.active AS active, t.rights, t.datasets, t.hash,
                  t.expires_at, t.used_at, t.revoked_at, {ADDRESSES},
                  coalesce(CASE WHEN o.guarded THEN ARRAY(SELECT c.fingerprint FROM identity.certificate c
                    WHERE c.organisation = a.organisation ORDER BY 1) END, '{{}}') AS fingerprints,
                  coalesce(CASE WHEN o.guarded THEN ARRAY(SELECT c.not_after FROM identity.certificate c
                    WHERE c.organisation = a.organisation ORDER BY c.fingerprint) END, '{{}}') AS ends
           FROM identity.token t JOIN identity.account a ON a.name = t.account
           JOIN identity.organisation o ON o.code = a.organisation WHERE t.id = ANY(%s)""",
        [list(ids)],
    )
    return {row.id: row for row in rows}


def tokens(tx: Transaction, account: str, after: str, limit: int) -> list[TokenRow]:
    """The account's tokens by id behind `after`."""
    return tx.all(
        TokenRow,
        f"SELECT {TOKEN} FROM identity.token WHERE account = %s AND id > %s ORDER BY id LIMIT %s",
        [account, after, limit],
    )


def followed(tx: Transaction, id: str) -> bool:
    """Whether another token already took this one's place."""
    return tx.scalar(bool, "SELECT EXISTS (SELECT FROM identity.token WHERE follows = %s)", [id])


def touch_token(tx: Transaction, id: str, now: datetime) -> None:
    """It was used."""
    tx.execute("UPDATE identity.token SET used_at = %s WHERE id = %s", [now, id])


def shorten_token(tx: Transaction, id: str, until: datetime) -> None:
    """It works until then at most."""
    tx.execute("UPDATE identity.token SET expires_at = least(expires_at, %s) WHERE id = %s", [until, id])


def revoke_token(tx: Transaction, id: str, now: datetime) -> None:
    """It works no more."""
    tx.execute("UPDATE identity.token SET revoked_at = %s WHERE id = %s", [now, id])


# ---- entrances


def addresses(tx: Transaction, organisation: str) -> tuple[str, ...]:
    """Networks from which it comes in; none: anywhere."""
    rows = tx.values(list, "SELECT addresses FROM identity.entrance WHERE organisation = %s", [organisation])
    return tuple(rows[0]) if rows else ()


def set_addresses(tx: Transaction, organisation: str, networks: Sequence[str]) -> None:
    """These networks and no other; none: anywhere."""
    tx.execute("DELETE FROM identity.entrance WHERE organisation = %s", [organisation])
    if networks:
        tx.execute(
            "INSERT INTO identity.entrance (organisation, addresses) VALUES (%s, %s)", [organisation, list(networks)]
        )


def guard(tx: Transaction, organisation: str) -> int:
    """Note whether there is anything that requests of this organisation are held to."""
    return tx.execute(
        """UPDATE identity.organisation o SET guarded =
             EXISTS (SELECT FROM identity.entrance e WHERE e.organisation = o.code)
             OR EXISTS (SELECT FROM identity.certificate c WHERE c.organisation = o.code)
           WHERE o.code = %s""",
        [organisation],
    )


def certificates(tx: Transaction, organisation: str) -> list[Certificate]:
    """Client certificates of an organisation, the one that ends first in front."""
    return tx.all(
        Certificate,
        f"SELECT {CERTIFICATE} FROM identity.certificate WHERE organisation = %s ORDER BY not_after, fingerprint",
        [organisation],
    )


def add_certificate(tx: Transaction, organisation: str, new: Certificate, now: datetime, by: str) -> int:
    """Add it; 0 if it is there."""
    return tx.execute(
        f"""INSERT INTO identity.certificate (organisation, {CERTIFICATE}, added_at, added_by)
            VALUES (%s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING""",
        [organisation, new.fingerprint, new.subject, new.issuer, new.not_before, new.not_after, now, by],
    )


def drop_certificate(tx: Transaction, organisation: str, fingerprint: str) -> int:
    """Remove it; 0 if there is none."""
    return tx.execute(
        "DELETE FROM identity.certificate WHERE organisation = %s AND fingerprint = %s", [organisation, fingerprint]
    )


# ---- tries


def count_of(tx: Transaction, bucket: Bucket, now: datetime) -> Count:
    """The bucket's count, an empty one at first; locked until the transaction ends."""
    tx.execute(
        """INSERT INTO identity.throttle (bucket, tries, tried_at, open_at) VALUES (%s, 0, %s, %s)
           ON CONFLICT DO NOTHING""",
        [bucket.id, now, now],
    )
    return tx.one(
        Count, "SELECT tries, tried_at, open_at FROM identity.throttle WHERE bucket = %s FOR UPDATE", [bucket.id]
    )


def set_count(tx: Transaction, bucket: Bucket, count: Count) -> None:
    """Keep the bucket's count."""
    tx.execute(
        "UPDATE identity.throttle SET tries = %s, tried_at = %s, open_at = %s WHERE bucket = %s",
        [count.tries, count.tried_at, count.open_at, bucket.id],
    )


# ---- upkeep


def forget_ended(tx: Transaction, now: datetime, idle_since: datetime, quiet_since: datetime) -> int:
    """Delete sessions that are over and counts that no longer matter; how many."""
    ended = tx.execute("DELETE FROM identity.session WHERE ends_at <= %s OR seen_at <= %s", [now, idle_since])
    quiet = tx.execute("DELETE FROM identity.throttle WHERE tried_at <= %s AND open_at <= %s", [quiet_since, now])
    return ended + quiet
