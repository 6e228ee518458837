"""How long the next try at signing in must wait: longer after each failure, forgotten after an hour of quiet.

Tries are counted in buckets. A stranger's try counts for the address it came from and for the account it named; a
try from a browser that this account signed in from before counts for that browser alone, so that strangers can keep
nobody out (OWASP, "Slow Down Online Guessing Attacks with Device Cookies").
"""

import hashlib
import ipaddress
from datetime import datetime, timedelta

from cityloom.identity.contracts import Bucket, Count

FREE_OF_ADDRESS = 50
FREE_OF_ACCOUNT = 5
QUIET = timedelta(hours=1)
LONGEST = 900
"""Seconds; a wait grows 1, 2, 4, … up to this."""


def buckets(account: str, address: str, device: str) -> list[Bucket]:
    """Buckets of a try; `device` is empty unless the browser proved that it knows the account."""
    if device:
        return [Bucket(_id("device", account, device), FREE_OF_ACCOUNT)]
    both = [Bucket(_id("address", network(address)), FREE_OF_ADDRESS), Bucket(_id("account", account), FREE_OF_ACCOUNT)]
    return sorted(both, key=lambda bucket: bucket.id)  # one order for all, so that two tries cannot lock each other out


def own_bucket(account: str) -> Bucket:
    """Where wrong old passwords are counted when a password is changed."""
    return Bucket(_id("change", account), FREE_OF_ACCOUNT)


def _id(*parts: str) -> bytes:
    return hashlib.sha256("\x1f".join(parts).encode()).digest()


def network(address: str) -> str:
    """The IPv4 address, or the /64 of an IPv6 address, which one subscriber holds whole (RFC 6177)."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return ""
    if isinstance(parsed, ipaddress.IPv6Address):
        return str(parsed.ipv4_mapped or ipaddress.ip_network((parsed, 64), strict=False).network_address)
    return str(parsed)


def seconds_to_wait(count: Count, now: datetime) -> int:
    """Whole seconds until a try is heard; 0: now."""
    left = (count.open_at - now).total_seconds()
    return max(0, -int(-left // 1))


def counted(count: Count, free: int, now: datetime) -> Count:
    """The bucket after one more try. It is counted before its outcome is known, so that tries at once all count."""
    tries = 1 if now - count.tried_at >= QUIET else count.tries + 1
    wait = 0 if tries < free else min(LONGEST, 2 ** min(tries - free, 30))
    return Count(tries, now, now + timedelta(seconds=wait))


def forgiven(count: Count, now: datetime) -> Count:
    """The bucket after a try turned out right: as if that one had not been."""
    return Count(max(0, count.tries - 1), count.tried_at, now)
