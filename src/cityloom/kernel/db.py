"""PostgreSQL for the modules: pooled connections, typed rows, and a scope that row-level security can trust.

A transaction runs for one organisation. The application's role cannot choose it: the scope is a text signed for this
one transaction with a key that the role cannot read, checked in the database by `kernel.organisation()` (migration
0001). Nothing that a transaction leaves on its connection reaches the next one.
"""

import hashlib
import hmac
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import msgspec
import psycopg
from psycopg.abc import Params
from psycopg_pool import ConnectionPool, PoolTimeout

from cityloom.kernel.errors import NoRoom, Unavailable

Row = TypeVar("Row", bound=msgspec.Struct)
Value = TypeVar("Value")

EVERY_ORGANISATION = "*"
# DISCARD ALL without the cached plans, which nobody can choose and which cost 80 µs to make again
CLEAN = (
    b"SET SESSION AUTHORIZATION DEFAULT; RESET ALL; DEALLOCATE ALL; CLOSE ALL; UNLISTEN *;"
    b"SELECT pg_advisory_unlock_all(); DISCARD TEMP"
)
BEGIN = b"BEGIN; SELECT pg_backend_pid(), (extract(epoch FROM transaction_timestamp()) * 1000000)::bigint"


class Scope(msgspec.Struct, frozen=True):
    """On whose behalf a transaction runs; organisation "*" is the platform itself."""

    organisation: str
    actor: str


PLATFORM = Scope(EVERY_ORGANISATION, "platform")


class Transaction:
    """One PostgreSQL transaction. Parameters are bound; rows come back as structs named by their columns."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self.connection = connection

    def execute(self, sql: str, params: Params = ()) -> int:
        """Run a statement; the number of rows it touched."""
        return self.connection.execute(sql.encode(), params).rowcount

    def many(self, sql: str, params: Sequence[Params]) -> None:
        """Run a statement once per set of parameters, pipelined."""
        with self.connection.cursor() as cursor:
            cursor.executemany(sql.encode(), params)

    def all(self, kind: type[Row], sql: str, params: Params = ()) -> list[Row]:
        """Every row of the answer."""
        cursor = self.connection.execute(sql.encode(), params)
        names = _names(cursor)
        return [kind(**dict(zip(names, row, strict=True))) for row in cursor.fetchall()]

    def first(self, kind: type[Row], sql: str, params: Params = ()) -> Row | None:
        """The first row, or None."""
        rows = self.all(kind, sql, params)
        return rows[0] if rows else None

    def one(self, kind: type[Row], sql: str, params: Params = ()) -> Row:
        """The only row. Raises LookupError if there is none or more than one."""
        rows = self.all(kind, sql, params)
        if len(rows) != 1:
            raise LookupError(f"{len(rows)} rows where one was expected")
        return rows[0]

    def scalar(self, kind: type[Value], sql: str, params: Params = ()) -> Value:
        """The only value of the only row, checked to be of `kind`. Raises LookupError or TypeError."""
        row = self.connection.execute(sql.encode(), params).fetchone()
        if row is None:
            raise LookupError("no row where one value was expected")
        if not isinstance(row[0], kind):
            raise TypeError(f"{type(row[0]).__name__} where {kind.__name__} was expected")
        return row[0]

    def values(self, kind: type[Value], sql: str, params: Params = ()) -> list[Value]:
        """The first column of every row, each checked to be of `kind`."""
        found = [row[0] for row in self.connection.execute(sql.encode(), params).fetchall()]
        for value in found:
            if not isinstance(value, kind):
                raise TypeError(f"{type(value).__name__} where {kind.__name__} was expected")
        return found


class Database:
    """A pool of connections as the application's role."""

    def __init__(self, url: str, scope_key: bytes, size: int = 32) -> None:
        self._scope_key = scope_key
        self._url = url
        self._pool = ConnectionPool(
            url,
            min_size=0,
            max_size=size,
            open=True,
            timeout=6,  # so soon is a caller told to come again while the database is away
            max_idle=120,
            reconnect_timeout=5,
            check=_clean,
            kwargs={
                "autocommit": True,
                "prepare_threshold": None,  # a prepared statement could be swapped under the next transaction
                "connect_timeout": 10,
                "application_name": "cityloom",
                # for the job queue's functions; all other names are written out
                "options": "-c search_path=jobs,pg_temp",
            },
            name="cityloom",
        )

    @contextmanager
    def begin(self, scope: Scope) -> Iterator[Transaction]:
        """A transaction of this scope: commits at the end, rolls back on any exception.

        Raises Unavailable `kernel.database_unreachable` while the database is away.
        """
        try:
            with self._pool.connection() as connection:  # commits at the end of the block, else rolls back
                backend_pid, started = _begin(connection)
                signed = self.sign(scope, backend_pid, started)
                connection.execute("SELECT set_config('cityloom.scope', %s, true)", [signed])
                yield Transaction(connection)
        except psycopg.errors.DiskFull as error:
            raise NoRoom("kernel.disk_full", free=0, needed="?") from error
        except (PoolTimeout, psycopg.OperationalError) as error:
            raise Unavailable("kernel.database_unreachable") from error

    def sign(self, scope: Scope, backend_pid: int, started: int) -> str:
        """The text that `kernel.organisation()` accepts in the transaction begun there then (Unix time in µs)."""
        text = "\x1f".join([scope.organisation, scope.actor, str(backend_pid), str(started)])
        return text + "\x1f" + hmac.new(self._scope_key, text.encode(), hashlib.sha256).hexdigest()

    @contextmanager
    def raw(self) -> Iterator[psycopg.Connection[Any]]:
        """A bare connection outside any scope: sees no organisation's rows (for advisory locks and health)."""
        try:
            with self._pool.connection() as connection:
                yield connection
        except (PoolTimeout, psycopg.OperationalError) as error:
            raise Unavailable("kernel.database_unreachable") from error

    @contextmanager
    def alone(self) -> Iterator[psycopg.Connection[Any]]:
        """A connection outside the pool, for locks that are held while pooled ones work."""
        try:
            with psycopg.connect(self._url, autocommit=True, connect_timeout=10) as connection:
                yield connection
        except psycopg.OperationalError as error:
            raise Unavailable("kernel.database_unreachable") from error

    def close(self) -> None:
        """Close every connection."""
        self._pool.close()


def _names(cursor: psycopg.Cursor[Any]) -> list[str]:
    """The columns' names; `description` would make an object of each column for every answer."""
    result = cursor.pgresult
    return [(result.fname(place) or b"").decode() for place in range(result.nfields)] if result else []


def _clean(connection: psycopg.Connection[Any]) -> None:
    """Drop settings, prepared statements, temporary objects and locks of earlier work; fails on a dead connection."""
    connection.execute(CLEAN)


def _begin(connection: psycopg.Connection[Any]) -> tuple[int, int]:
    """Begin a transaction; which backend runs it and when it began, in one round trip."""
    cursor = connection.execute(BEGIN)
    cursor.nextset()
    pid, started = cursor.fetchall()[0]
    return int(pid), int(started)
