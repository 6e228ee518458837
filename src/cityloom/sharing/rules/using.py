"""The decision about one use of a grant: a pure function of the grant, who asks, what for, and when."""

import hashlib
import hmac
from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec

from cityloom.exchange.contracts import KEY_SEPARATOR
from cityloom.kernel.errors import Conflict, Invalid, Problem, Refused, Throttled
from cityloom.sharing.contracts import Kind, Terms

WAYS: Mapping[str, tuple[Kind, ...]] = {
    "query": (Kind.read,),
    "changes": (Kind.read,),
    "records": (Kind.read,),
    "verify": (Kind.read, Kind.verify),
    "counts": (Kind.read, Kind.aggregate),
}
"""Which kinds of grants give what."""
BY_KEY = ("query", "verify")
"""Ways that name a record by its key: they would undo a mask on the key."""


class Live(msgspec.Struct, frozen=True):
    """A grant as a process holds it, with what its terms were compiled to."""

    id: str
    organisation: str
    keeper: str
    dataset: str
    purpose: str
    state: str
    version: int
    valid_from: datetime
    valid_until: datetime
    terms: Terms
    key: tuple[str, ...]
    show: Callable[[dict[str, Any]], dict[str, Any] | None]
    problem: Problem | None = None
    """Why its terms can no longer be used, such as a field that its dataset lost; told to its parties only."""


def refusal(grant: Live, way: str, now: datetime) -> Problem | None:
    """Why a grant, which is the asker's and for this purpose, does not give this now; None if it does."""
    if grant.state != "active":
        return Conflict("sharing.grant_over", grant=grant.id, state=grant.state)
    if not grant.valid_from <= now < grant.valid_until:
        return Conflict("sharing.grant_not_now", grant=grant.id, until=grant.valid_until.isoformat())
    if grant.terms.kind not in WAYS[way]:
        return Refused("sharing.kind_differs", grant=grant.id, kind=grant.terms.kind, way=way)
    masked = [mask.field for mask in grant.terms.masks if mask.field in grant.key]
    if masked and way in BY_KEY:
        return Refused("sharing.key_masked", grant=grant.id, field=masked[0])
    return grant.problem


def over(grant: Live, in_day: int, in_minute: int, now: datetime) -> Problem | None:
    """Whether the question that is this many-th of its day and minute is one too many."""
    if in_day > grant.terms.per_day:
        return Throttled("sharing.quota_used", grant=grant.id, most=grant.terms.per_day, seconds=3600)
    if in_minute > grant.terms.per_minute:
        return Throttled("sharing.too_fast", grant=grant.id, most=grant.terms.per_minute, seconds=60 - now.second)
    return None


def wrong_key(grant: Live, key: tuple[str, ...]) -> Problem | None:
    """A key that has another number of parts than the dataset's."""
    if len(key) != len(grant.key):
        return Invalid("sharing.key_parts", found=len(key), fields=", ".join(grant.key))
    return None


def wrong_claims(grant: Live, claims: Mapping[str, Any]) -> Problem | None:
    """A claim about a field that the grant does not give, or gives masked only."""
    masked = {mask.field for mask in grant.terms.masks}
    for name in claims:
        if name not in grant.terms.fields or name in masked:
            known = ", ".join(field for field in grant.terms.fields if field not in masked)
            return Refused("sharing.claim_not_granted", grant=grant.id, field=name, known=known)
    return None


def matches(shown: Mapping[str, Any] | None, claims: Mapping[str, Any]) -> dict[str, bool]:
    """Whether each claim is true of a record; none is of a record that is not there."""
    return {name: shown is not None and _same(shown.get(name), claim) for name, claim in claims.items()}


def _same(value: Any, claim: Any) -> bool:
    if value is None or claim is None or isinstance(value, bool) or isinstance(claim, bool):
        return value is claim
    if isinstance(value, int | float) or isinstance(claim, int | float):
        try:
            return Decimal(str(value)) == Decimal(str(claim))
        except InvalidOperation:
            return False
    return str(value).strip() == str(claim).strip()


def digest(secret: bytes, dataset: str, key: str) -> str:
    """A keyed hash of a record's key (HMAC-SHA-256), so that the log of uses names no person and can be searched."""
    return "hmac-sha256:" + hmac.new(secret, f"{dataset}{KEY_SEPARATOR}{key}".encode(), hashlib.sha256).hexdigest()[:40]
