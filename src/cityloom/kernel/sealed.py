"""A few bytes under a passphrase: AES-256-GCM with a key of scrypt (RFC 7914), everything needed named in the first line."""

import os
from typing import Final

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from cityloom.kernel.errors import Invalid

FORMAT: Final = "cityloom.sealed/1"
MOST_MEMORY = 1 << 30
"""What a header may make us use, in bytes."""


class Header(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The first line: how to open the rest. It is protected with it."""

    salt: str
    nonce: str
    format: str = FORMAT
    kdf: str = "scrypt"
    n: int = 1 << 15
    r: int = 8
    p: int = 1
    cipher: str = "AES-256-GCM"


def seal(content: bytes, passphrase: str) -> bytes:
    """The content under the passphrase; another salt and nonce each time."""
    header = Header(os.urandom(16).hex(), os.urandom(12).hex())
    line = msgspec.json.encode(header)
    return line + b"\n" + AESGCM(_key(header, passphrase)).encrypt(bytes.fromhex(header.nonce), content, line)


def unseal(sealed: bytes, passphrase: str) -> bytes:
    """The content. Raises Invalid `backup.passphrase_wrong` when it cannot be opened, for whatever reason."""
    line, _, content = sealed.partition(b"\n")
    try:
        header = msgspec.json.decode(line, type=Header)
        if (header.format, header.kdf, header.cipher) != (FORMAT, "scrypt", "AES-256-GCM"):
            raise ValueError(header.format)
        if 128 * header.n * header.r * max(header.p, 1) > MOST_MEMORY:
            raise ValueError(header.n)
        return AESGCM(_key(header, passphrase)).decrypt(bytes.fromhex(header.nonce), content, line)
    except (InvalidTag, ValueError, msgspec.MsgspecError) as error:
        raise Invalid("backup.passphrase_wrong") from error


def _key(header: Header, passphrase: str) -> bytes:
    kdf = Scrypt(salt=bytes.fromhex(header.salt), length=32, n=header.n, r=header.r, p=header.p)
    return kdf.derive(passphrase.encode())
