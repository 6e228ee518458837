"""What crosses the border of identity: organisations, accounts, roles, tokens, and what a caller shows to be known."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated

import msgspec
from msgspec import Meta

from cityloom.kernel.words import Text


class Role(StrEnum):
    """What an account may do. The first three administer (三员分立) and go with no other role."""

    system_admin = "system_admin"
    """系统管理员: makes accounts, disables them, gives new one-time passwords."""
    security_admin = "security_admin"
    """安全管理员: gives and takes roles."""
    audit_admin = "audit_admin"
    """审计管理员: reads the audit log."""
    data_officer = "data_officer"
    steward = "steward"
    analyst = "analyst"


class OrganisationKind(StrEnum):
    """What an organisation is; the platform's own keeps the administrators."""

    department = "department"
    district = "district"
    company = "company"
    platform = "platform"


class Organisation(msgspec.Struct, frozen=True):
    """A department, a district, a company, or the platform's own."""

    code: str
    title: Text
    kind: OrganisationKind
    division: str = ""
    """Its division code (GB/T 2260), if it has one."""
    parent: str = ""
    active: bool = True
    """False once no pack declares it: nobody of it can come in."""


class Purpose(msgspec.Struct, frozen=True):
    """For what data may be asked for and read: 目的明确 (PIPL article 6)."""

    code: str
    title: Text
    legal_basis: Text


class Account(msgspec.Struct, frozen=True):
    """A person or a program that acts for one organisation."""

    name: str
    organisation: str
    title: str
    """What people call it; may be empty."""
    roles: tuple[Role, ...]
    active: bool
    made_at: datetime
    signed_in_at: datetime | None


class OneTimePassword(msgspec.Struct, frozen=True):
    """Shown once; opens nothing but the change of password, until `valid_until`."""

    account: str
    roles: tuple[Role, ...]
    password: str
    valid_until: datetime


class Me(msgspec.Struct, frozen=True):
    """Who the caller is. `csrf` goes into the header X-CSRF-Token of every change made with the session's cookie."""

    account: str
    organisation: str
    roles: tuple[Role, ...]
    must_change_password: bool = False
    csrf: str = ""
    session_ends_at: datetime | None = None
    rights: tuple[str, ...] | None = None
    """What the token narrows the account to; null for a session."""


class SignedIn(msgspec.Struct, frozen=True):
    """A session that was just begun, with the two secrets that go into cookies."""

    me: Me
    session: str
    device: str


class Token(msgspec.Struct, frozen=True):
    """An API token without its secret."""

    id: str
    account: str
    organisation: str
    title: str
    rights: tuple[str, ...]
    datasets: tuple[str, ...] | None
    """The only datasets that it reaches; null: all that the account does."""
    made_at: datetime
    expires_at: datetime
    used_at: datetime | None
    revoked_at: datetime | None
    follows: str | None
    """The token that it replaced."""


class NewToken(msgspec.Struct, frozen=True):
    """A token with its secret (`ctl_…`), which is shown this once and kept nowhere."""

    token: Token
    secret: str


class TokenWish(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a new token shall be able to do."""

    title: Annotated[str, Meta(min_length=1, max_length=100)]
    rights: Annotated[tuple[str, ...], Meta(min_length=1, max_length=50)]
    datasets: Annotated[tuple[str, ...], Meta(min_length=1, max_length=500)] | None = None
    days: Annotated[int, Meta(ge=1)] = 90


class AuditEntry(msgspec.Struct, frozen=True):
    """One entry of the audit log."""

    position: int
    time: str
    actor: str
    organisation: str
    action: str
    subject: str
    purpose: str
    request: str
    facts: msgspec.Raw
    """Identifiers, counts and digests by name, as they were hashed."""


class AuditPage(msgspec.Struct, frozen=True):
    """Entries that fit, the newest first, and how far the log was looked through for them."""

    entries: tuple[AuditEntry, ...]
    before: int
    """Ask again with it for what is older; 0 when nothing older can fit."""
    size: int
    """Entries of the whole log."""
    signed: int
    """How many of them the last head signs."""


class Certificate(msgspec.Struct, frozen=True, kw_only=True):
    """A client certificate (X.509) with which an organisation's programs come in."""

    fingerprint: str
    """SHA-256 of its DER, in hexadecimal."""
    subject: str
    """Names as RFC 4514 writes them."""
    issuer: str
    not_before: datetime
    not_after: datetime


class Entrance(msgspec.Struct, frozen=True):
    """From where an organisation comes in, and with which client certificates (mutual TLS)."""

    organisation: str
    addresses: tuple[str, ...]
    """Networks; none: from anywhere."""
    certificates: tuple[Certificate, ...]
    """Its programs show one of these; none: they need no certificate."""


class Credentials(msgspec.Struct, frozen=True, kw_only=True):
    """What an HTTP request shows of who sends it: plain values of headers and cookies, empty where absent."""

    method: str
    authorization: str = ""
    session: str = ""
    csrf: str = ""
    origin: str = ""
    fetch_site: str = ""
    host: str = ""
    address: str = ""
    """Network address of the caller, as a trusted proxy tells it."""
    certificate: str = ""
    """SHA-256 of the client certificate that a trusted proxy took."""


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """A sign-in as it arrives."""

    account: str
    password: str
    address: str
    """Network address of the caller."""
    device: str = ""
    """The cookie that an earlier sign-in left with this browser."""
    session: str = ""
    """The session that the browser still holds; it ends when another begins."""
    language: str = "zh"
    request: str = ""


class Bucket(msgspec.Struct, frozen=True):
    """Where tries at signing in are counted, and how many failures cost nothing there."""

    id: bytes
    free: int


class Count(msgspec.Struct, frozen=True):
    """What a bucket holds."""

    tries: int
    tried_at: datetime
    open_at: datetime
