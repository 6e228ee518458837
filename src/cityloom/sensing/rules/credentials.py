"""Secrets of devices: made, and turned into what is kept of them.

What a device can hold is often tiny: six characters in HJ 212, four hexadecimal digits in SL 651. No slow hash protects
65,536 possible passwords, and a gateway checks one with each frame. So the digest is keyed (HMAC-SHA-256): without the key,
which is a file of the city and not in the database, a digest says nothing. The device's number is in it, so that equal
passwords do not look equal.
"""

import base64
import hashlib
import hmac
import secrets

from cityloom.sensing.contracts.devices import Protocol

ALGORITHM = "hmac-sha256"
_MADE = {Protocol.hj212: 6, Protocol.sl651: 4}


def digest(key: bytes, protocol: str, number: str, secret: str) -> str:
    """What is kept of a secret."""
    said = "\x1f".join((protocol, number, normal(protocol, secret))).encode()
    return f"{ALGORITHM}:{hmac.new(key, said, hashlib.sha256).hexdigest()}"


def fits(key: bytes, kept: str | None, protocol: str, number: str, secret: str) -> bool:
    """Whether it is the secret of which that digest was kept."""
    return kept is not None and hmac.compare_digest(kept, digest(key, protocol, number, secret))


def normal(protocol: str, secret: str) -> str:
    """As the protocol's reader hands it over: SL 651 has four hexadecimal digits."""
    return secret.upper().zfill(4) if protocol == Protocol.sl651 else secret


def made(protocol: str) -> str:
    """A new secret of the size that devices of the protocol can hold."""
    if protocol == Protocol.hj212:
        return f"{secrets.randbelow(10**6):06d}"
    if protocol == Protocol.sl651:
        return f"{secrets.randbelow(0xFFFE) + 1:04X}"
    return secrets.token_urlsafe(24)


def code(key: bytes, number: str, turns: int) -> str:
    """The authentication code of a JT/T 808 terminal: always the same until it is rotated, so that it may ask again."""
    said = f"jt808 code\x1f{number}\x1f{turns}".encode()
    return hmac.new(key, said, hashlib.sha256).hexdigest()[:24]


def password(key: bytes, device: int, number: str, turns: int) -> str:
    """The secret of an MQTT client: 192 bits that nobody guesses and that can be worked out again, for a broker that is not
    ours wants a list of passwords hashed in its own way, and what we keep is a digest that leads to none."""
    said = f"mqtt password\x1f{device}\x1f{number}\x1f{turns}".encode()
    return base64.urlsafe_b64encode(hmac.new(key, said, hashlib.sha256).digest()[:24]).decode()
