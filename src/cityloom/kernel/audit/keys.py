"""The city's signing key, kept outside the database, and the public keys that check what it signed."""

import base64
import hashlib
from pathlib import Path
from typing import Final, Literal

import msgspec
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

from cityloom.kernel import secrets
from cityloom.kernel.errors import Conflict, Invalid

ALGORITHM: Final = "Ed25519"
FILE = "signing_ed25519"


class Signature(msgspec.Struct, frozen=True):
    """A signature that names how it was made and whose key checks it."""

    algorithm: str
    key_id: str
    value: bytes


class Jwk(msgspec.Struct, frozen=True):
    """An Ed25519 public key as a JSON Web Key (RFC 8037, clause 2)."""

    kid: str
    """The `key_id` of signatures."""
    x: str
    """The 32 bytes of the key, in base64url."""
    kty: Literal["OKP"] = "OKP"
    crv: Literal["Ed25519"] = "Ed25519"
    alg: Literal["EdDSA"] = "EdDSA"
    use: Literal["sig"] = "sig"


class PublicKey:
    """A key that checks signatures. Its id is the SHA-256 of its DER (SubjectPublicKeyInfo), in hexadecimal."""

    def __init__(self, key: Ed25519PublicKey) -> None:
        self._key = key
        self.algorithm = ALGORITHM
        self.id = hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()

    def pem(self) -> str:
        """The key as text, as `openssl pkey -pubin` reads it."""
        return self._key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()

    def jwk(self) -> Jwk:
        """The key as a JSON Web Key."""
        return Jwk(self.id, base64.urlsafe_b64encode(self._key.public_bytes_raw()).rstrip(b"=").decode())

    def verifies(self, signature: Signature, data: bytes) -> bool:
        """Whether this key signed exactly `data`."""
        if signature.algorithm != self.algorithm or signature.key_id != self.id:
            return False
        try:
            self._key.verify(signature.value, data)
        except InvalidSignature:
            return False
        return True


class Signer:
    """Signs for the city. Whatever is signed says what it is (a `type`), so that no text can pass for another."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self.public = PublicKey(key.public_key())

    def sign(self, data: bytes) -> Signature:
        """The signature over `data`, 64 bytes (RFC 8032)."""
        return Signature(ALGORITHM, self.public.id, self._key.sign(data))


def open_signer(folder: Path) -> Signer:
    """The signer whose key lies in this folder of secrets; made at first use with mode 0600.

    Raises Conflict `audit.key_exposed` if others than its owner can read it, `audit.key_damaged` if it is no key.
    """
    text = secrets.load_or_make(folder, FILE)
    path = folder / FILE
    if path.stat().st_mode & 0o077:
        raise Conflict("audit.key_exposed", path=str(path))
    try:
        return Signer(Ed25519PrivateKey.from_private_bytes(bytes.fromhex(text)))
    except ValueError as error:
        raise Conflict("audit.key_damaged", path=str(path)) from error


def read_public(pem: str) -> PublicKey:
    """A public key from its PEM. Raises Invalid `audit.key_unreadable`."""
    try:
        key = load_pem_public_key(pem.encode())
    except (ValueError, UnsupportedAlgorithm) as error:
        raise Invalid("audit.key_unreadable", reason=str(error)) from error
    if not isinstance(key, Ed25519PublicKey):
        raise Invalid("audit.key_unreadable", reason=type(key).__name__)
    return PublicKey(key)
