"""From where an organisation comes in: network addresses, and client certificates that a proxy took over TLS."""

import ipaddress
from base64 import b64decode
from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from urllib.parse import unquote_to_bytes

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256

from cityloom.identity.contracts import Certificate, Credentials
from cityloom.kernel.errors import BadRequest, Invalid, Refused

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
MOST_BYTES = 16_384
"""Longest header with a certificate."""


@lru_cache(maxsize=1024)
def networks(texts: tuple[str, ...]) -> tuple[Network, ...]:
    """Addresses and networks (10.3.0.0/16, 2001:db8::1). Raises Invalid `identity.network_wrong`."""
    found = []
    for text in texts:
        try:
            found.append(ipaddress.ip_network(text.strip()))
        except ValueError as error:
            raise Invalid("identity.network_wrong", network=text[:100]) from error
    return tuple(found)


def listed(text: str) -> tuple[Network, ...]:
    """The networks of a setting, separated by commas."""
    return networks(tuple(part for part in text.split(",") if part.strip()))


@lru_cache(maxsize=1024)
def within(address: str, among: tuple[Network, ...]) -> bool:
    """Whether an address lies in one of the networks. An IPv4 address mapped into IPv6 counts as what it is."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(found, ipaddress.IPv6Address):
        found = found.ipv4_mapped or found
    return any(found in network for network in among)


@lru_cache(maxsize=1024)
def client_address(peer: str, forwarded: str, trusted: tuple[Network, ...]) -> str:
    """Who really calls: the last address of X-Forwarded-For that no trusted proxy has; what others send is not heeded."""
    address = peer
    for part in reversed(forwarded.split(",")):
        if not within(address, trusted) or not _is_address(part.strip()):
            break
        address = part.strip()
    return address


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


@lru_cache(maxsize=1024)
def fingerprint(client_cert: str, escaped_pem: str) -> str:
    """SHA-256 of the certificate that a proxy took: header Client-Cert (RFC 9440, :base64 of DER:), or the escaped PEM of
    nginx and its kin in X-SSL-Client-Cert; empty when there was none. Raises BadRequest `identity.certificate_unreadable`.
    """
    if not client_cert and not escaped_pem:
        return ""
    if max(len(client_cert), len(escaped_pem)) > MOST_BYTES:
        raise BadRequest("identity.certificate_unreadable")
    try:
        if client_cert:
            found = x509.load_der_x509_certificate(b64decode(client_cert.strip().strip(":"), validate=True))
        else:
            found = x509.load_pem_x509_certificate(unquote_to_bytes(escaped_pem))
    except ValueError as error:
        raise BadRequest("identity.certificate_unreadable") from error
    return found.fingerprint(SHA256()).hex()


def read_certificate(pem: str) -> Certificate:
    """A certificate as text. Raises Invalid `identity.certificate_not_pem`."""
    try:
        found = x509.load_pem_x509_certificate(pem.encode())
    except ValueError as error:
        raise Invalid("identity.certificate_not_pem") from error
    return Certificate(
        fingerprint=found.fingerprint(SHA256()).hex(),
        subject=found.subject.rfc4514_string()[:500],
        issuer=found.issuer.rfc4514_string()[:500],
        not_before=found.not_valid_before_utc,
        not_after=found.not_valid_after_utc,
    )


def address_refusal(shown: Credentials, addresses: Sequence[str]) -> Refused | None:
    """Why somebody may not come in from where they are; None if they may."""
    if addresses and not within(shown.address, networks(tuple(addresses))):
        return Refused("identity.address_refused", address=shown.address)
    return None


def certificate_refusal(shown: Credentials, ends: dict[str, datetime], now: datetime) -> Refused | None:
    """Why a program may not come in with the certificate it has or has not; None if it may. `ends`: fingerprint, end."""
    if not ends:
        return None
    if not shown.certificate:
        return Refused("identity.certificate_needed")
    if shown.certificate not in ends:
        return Refused("identity.certificate_unknown", fingerprint=shown.certificate)
    if ends[shown.certificate] <= now:
        return Refused("identity.certificate_over", fingerprint=shown.certificate)
    return None
