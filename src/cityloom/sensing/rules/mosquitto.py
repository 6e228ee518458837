"""Files that Mosquitto reads: its passwords, and what each user may do."""

import base64
import hashlib
from collections.abc import Sequence

import msgspec

from cityloom.sensing.rules import topics

ROUNDS = 101
"""Of PBKDF2, as mosquitto_passwd has it. The passwords are 192 random bits, so more of them would protect nothing."""


class User(msgspec.Struct, frozen=True):
    """A device: its name, its password, and the topics of its own Datastreams."""

    name: str
    password: str
    streams: tuple[str, ...]


def password_line(name: str, password: str, salt: bytes) -> str:
    """A line of password_file: PBKDF2 with SHA-512 and a salt of 12 bytes (Mosquitto 2, `$7$`)."""
    found = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, ROUNDS)
    return f"{name}:$7${ROUNDS}${base64.b64encode(salt).decode()}${base64.b64encode(found).decode()}\n"


def salt(key: bytes, name: str) -> bytes:
    """Always the same for a name, so that a file changes only where a password does."""
    return hashlib.blake2b(name.encode(), key=key[:64], digest_size=12).digest()


def passwords(key: bytes, users: Sequence[User]) -> str:
    """The file of passwords."""
    return "".join(password_line(each.name, each.password, salt(key, each.name)) for each in users)


def access(users: Sequence[User], worker: str) -> str:
    """The access list: a device sends to its own topics and reads what is sent to it; workers read everything."""
    lines = [f"user {worker}", "topic read #", ""]
    for each in users:
        own = [
            f"topic write {version}/{stream}/Observations" for stream in each.streams for version in ("v1.1", "v1.0")
        ]
        lines += [f"user {each.name}", f"topic readwrite {topics.DEVICES}/{each.name}/#", *own, ""]
    return "\n".join(lines)
