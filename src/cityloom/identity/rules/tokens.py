"""Secrets that stand for an account: sessions and API tokens. Only SHA-256 digests of them are kept."""

import hashlib
import hmac
import re
import secrets
from base64 import b64decode
from datetime import datetime, timedelta

import msgspec

from cityloom.identity.contracts import TokenWish
from cityloom.kernel.errors import Invalid

IDLE = timedelta(minutes=30)
LONGEST_SESSION = timedelta(hours=12)
TOUCH = timedelta(minutes=1)
"""How exactly `seen_at` and `used_at` are kept."""
LONGEST_TOKEN = 366
LONGEST_OVERLAP = timedelta(days=14)

TOKEN = re.compile(r"ctl_([0-9a-f]{16})_([A-Za-z0-9_-]{43})")
RIGHT = re.compile(r'Action::"([a-z_]+\.[a-z_]+)"')
NEVER_IN_TOKENS = "identity."
"""Administration needs a person's session."""


class TokenSecret(msgspec.Struct, frozen=True):
    """The two halves of `ctl_<id>_<secret>`."""

    id: str
    secret: str
    account: str = ""
    """Whose it must be, where that was said."""

    @property
    def text(self) -> str:
        return f"ctl_{self.id}_{self.secret}"

    @property
    def hash(self) -> bytes:
        """SHA-256 of the secret; it has 256 random bits, so nothing slower is needed."""
        return digest(self.secret)


def new_token() -> TokenSecret:
    """A token nobody has seen."""
    return TokenSecret(secrets.token_hex(8), secrets.token_urlsafe(32))


def parse_token(authorization: str) -> TokenSecret | None:
    """The token of an Authorization header `Bearer ctl_…` (RFC 6750 2.1), or `Basic` with the account as user and the
    token as password (RFC 7617); None if it is no such thing."""
    scheme, _, text = authorization.partition(" ")
    account = ""
    if scheme.lower() == "basic":
        account, text = _basic(text.strip())
        if not account:
            return None
    found = TOKEN.fullmatch(text.strip()) if scheme.lower() in ("bearer", "basic") else None
    return TokenSecret(found[1], found[2], account) if found else None


def _basic(text: str) -> tuple[str, str]:
    """User and password; two empty texts if it is no such thing."""
    try:
        user, _, password = b64decode(text, validate=True).decode().partition(":")
    except ValueError:
        return "", ""
    return user, password


def new_session() -> str:
    """What a browser will hold."""
    return secrets.token_urlsafe(32)


def digest(secret: str) -> bytes:
    """SHA-256, 32 bytes."""
    return hashlib.sha256(secret.encode()).digest()


def same(kept: bytes, shown: bytes) -> bool:
    """Compared in constant time."""
    return hmac.compare_digest(kept, shown)


def session_over(now: datetime, seen_at: datetime, ends_at: datetime) -> bool:
    """Whether a session was idle too long or is at its end."""
    return now >= ends_at or now - seen_at >= IDLE


def usable(expires_at: datetime, revoked_at: datetime | None, now: datetime) -> bool:
    """Whether a token still works."""
    return revoked_at is None and now < expires_at


def lasts(now: datetime, days: int) -> datetime:
    """When a token made now ends."""
    return now + timedelta(days=days)


def known_rights(policies: str) -> frozenset[str]:
    """The rights that the policies (Cedar text) speak of."""
    return frozenset(RIGHT.findall(policies))


def check_wish(wish: TokenWish, known: frozenset[str]) -> None:
    """Raises Invalid `identity.token_right_wrong` or `identity.token_too_long`."""
    for right in wish.rights:
        if right not in known or right.startswith(NEVER_IN_TOKENS):
            raise Invalid("identity.token_right_wrong", right=right)
    if wish.days > LONGEST_TOKEN:
        raise Invalid("identity.token_too_long", days=LONGEST_TOKEN)


def check_overlap(hours: int) -> timedelta:
    """How long the old token still works beside the new one. Raises Invalid `identity.overlap_too_long`."""
    if not 0 <= hours <= LONGEST_OVERLAP.days * 24:
        raise Invalid("identity.overlap_too_long", hours=LONGEST_OVERLAP.days * 24)
    return timedelta(hours=hours)
