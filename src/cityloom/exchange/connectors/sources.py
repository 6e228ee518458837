"""Where data is pulled from, as a pack or administrator writes it down, and what a pull brings back.

Passwords and keys are never written down here: a source names a secret, and the caller gives the function that knows it.
"""

from pathlib import Path
from typing import Annotated, Literal, Protocol

import msgspec
from msgspec import Meta

Format = Literal["csv", "ndjson", "parquet", "xlsx"]
Tls = Literal["verify", "encrypt", "off"]
"""verify: encrypted, and the server proves its name; encrypt: encrypted to whoever answers; off: in the clear."""
SecretName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
Port = Annotated[int, Meta(ge=1, le=65535)]


class Source(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="kind"):
    """What every source has; the key `kind` tells them apart."""


class Database(Source, frozen=True, kw_only=True):
    """A query on a database server, read in one read-only transaction.

    With a `watermark` (a column of the query that grows, such as the time of the last change) a pull brings the rows from
    the last pull's highest value on. Those at that very value come again, since more may have been written at it: the
    dataset must be delivered as upsert.
    """

    host: str
    database: str
    user: str
    query: str
    password: SecretName
    watermark: str | None = None
    tls: Tls = "verify"
    ca: str | None = None
    """File with the certificate of the authority that signed the server's, if it is not a public one."""


class Postgres(Database, frozen=True, kw_only=True, tag="postgresql"):
    """PostgreSQL and what speaks its protocol. `host` may be the folder of a Unix socket."""

    port: Port = 5432


class Mysql(Database, frozen=True, kw_only=True, tag="mysql"):
    """MySQL and MariaDB. `host` may be the path of a Unix socket."""

    port: Port = 3306


class Other(Source, frozen=True, kw_only=True, tag="sqlalchemy"):
    """Any database SQLAlchemy has a driver for, installed beside it. Not tested but on SQLite."""

    url: str
    """SQLAlchemy's URL, without the password."""
    query: str
    password: SecretName | None = None


class Web(Source, frozen=True, kw_only=True, tag="http"):
    """A file at an HTTP(S) address; fetched only when it has changed, as far as the server can tell."""

    url: str
    authorization: SecretName | None = None
    """Secret that holds the whole Authorization header, such as `Bearer …`."""
    format: Format | None = None
    """Where name and type of the file do not tell."""
    ca: str | None = None
    """File with the certificate of the authority that signed the server's, if it is not a public one."""


class Sftp(Source, frozen=True, kw_only=True, tag="sftp"):
    """A folder on an SFTP server; each new file is a delivery."""

    host: str
    user: str
    folder: str
    host_key: str
    """The server's public key, such as `ssh-ed25519 AAAA…`; another server is not spoken to."""
    port: Port = 22
    pattern: str = "*"
    """File names to fetch, with * and ?."""
    password: SecretName | None = None
    private_key: SecretName | None = None
    """Secret that holds an OpenSSH private key without passphrase."""
    settle_seconds: Annotated[int, Meta(ge=0)] = 60
    """A file changed within this time may still be being written, and is left for the next pull."""
    format: Format | None = None


SourceSpec = Postgres | Mysql | Other | Web | Sftp


class Bounds(msgspec.Struct, frozen=True, kw_only=True):
    """What the administrator allows a pull."""

    max_bytes: int = 16 << 30
    """Size of the file that is written here."""
    seconds: float = 3600
    """How long a pull may take."""
    allowed: tuple[str, ...] = ()
    """Host names and networks (10.1.0.0/16) that an HTTP source may reach although they are not on the public network."""


class Secrets(Protocol):
    """Gives the secret of a name. Raises NotFound for one that is not there."""

    def __call__(self, name: str, /) -> str: ...


class Fetched(msgspec.Struct, frozen=True):
    """A file that was pulled, ready to be delivered."""

    path: Path
    format: Format
    rows: int | None
    """How many rows the source says it gave, where it says so."""
    state: bytes
    """For the next pull, once this one is delivered."""
    name: str
    """What the source calls it."""
