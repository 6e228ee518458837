"""Pulls from PostgreSQL by COPY: the server itself writes the CSV, so every value comes as it prints it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import psycopg
from psycopg import errors, sql

from cityloom.exchange.connectors.sources import Bounds, Fetched, Postgres, Secrets, Tls
from cityloom.exchange.connectors.spool import Spool, spooled
from cityloom.kernel.errors import Invalid, Unavailable

BOOL, BYTEA = 16, 17
SSLMODES: dict[Tls, str] = {"verify": "verify-full", "encrypt": "require", "off": "disable"}
OPTIONS = "-c timezone=UTC -c datestyle=ISO -c intervalstyle=iso_8601 -c extra_float_digits=1 -c statement_timeout={}"


class State(msgspec.Struct, frozen=True):
    """How far the last pull came."""

    since: str


def fetch(source: Postgres, state: bytes | None, into: Path, secrets: Secrets, bounds: Bounds) -> Fetched | None:
    """The query's rows as CSV; None if nothing has reached the watermark of the last pull.

    Raises Unavailable `exchange.pull_unreachable`, Invalid `exchange.pull_query_wrong`, `exchange.pull_column_type`, and
    what `spooled` and `Spool.check` raise.
    """
    since = msgspec.json.decode(state, type=State).since if state else None
    with _connected(source, secrets, bounds) as connection, spooled(into, bounds) as spool:
        values = _values(connection, source)
        until = _highest(connection, source, since) if source.watermark else None
        if source.watermark and until is None:
            return None
        rows = _copy(connection, _selection(source, values, since, until), spool)
        return Fetched(spool.path, "csv", rows, msgspec.json.encode(State(until)) if until else b"", source.database)


@contextmanager
def _connected(source: Postgres, secrets: Secrets, bounds: Bounds) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    try:
        connection = psycopg.connect(
            host=source.host, port=source.port, dbname=source.database, user=source.user,
            password=secrets(source.password), sslmode=SSLMODES[source.tls], connect_timeout=30, client_encoding="UTF8",
            sslrootcert=source.ca or ("system" if source.tls == "verify" else None),
            options=OPTIONS.format(int(bounds.seconds * 1000)),
        )  # fmt: skip
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.read_only = True
        with connection:
            yield connection
    except errors.QueryCanceled as error:
        raise Unavailable("exchange.pull_too_slow", seconds=int(bounds.seconds)) from error
    except psycopg.OperationalError as error:
        raise Unavailable("exchange.pull_unreachable", host=source.host, reason=_reason(error)) from error
    except psycopg.Error as error:
        raise Invalid("exchange.pull_query_wrong", reason=_reason(error)) from error


def _reason(error: psycopg.Error) -> str:
    """What may be told: errors about the query's wording name columns, others may quote what is in them."""
    if error.sqlstate is None or error.sqlstate.startswith(("42", "28", "3D", "08", "57")):
        return (error.diag.message_primary or str(error)).strip()[:300]
    return f"SQLSTATE {error.sqlstate}"


def _query(source: Postgres) -> sql.Composed:
    text = source.query.strip().rstrip(";")
    return sql.SQL("({}\n) AS pulled").format(sql.SQL(text))


def _values(connection: psycopg.Connection[tuple[object, ...]], source: Postgres) -> sql.Composed:
    """The query's columns, with booleans as the words true and false."""
    described = connection.execute(sql.SQL("SELECT * FROM {} LIMIT 0").format(_query(source))).description or []
    for column in described:
        if column.type_code == BYTEA:
            raise Invalid("exchange.pull_column_type", column=column.name, type="bytea")
    cast = sql.SQL("CAST({0} AS text) AS {0}")
    names = [(sql.Identifier(column.name), column.type_code) for column in described]
    return sql.SQL(", ").join(cast.format(name) if code == BOOL else name for name, code in names)


def _highest(connection: psycopg.Connection[tuple[object, ...]], source: Postgres, since: str | None) -> str | None:
    mark = sql.Identifier(source.watermark or "")
    query = sql.SQL("SELECT CAST(max({}) AS text) FROM {}").format(mark, _query(source))
    if since is not None:
        query += sql.SQL(" WHERE {} >= {}").format(mark, sql.Literal(since))
    row = connection.execute(query).fetchone()
    return str(row[0]) if row and row[0] is not None else None


def _selection(source: Postgres, values: sql.Composed, since: str | None, until: str | None) -> sql.Composed:
    query = sql.SQL("SELECT {} FROM {}").format(values, _query(source))
    mark = sql.Identifier(source.watermark or "")
    if until is not None:
        query += sql.SQL(" WHERE {} <= {}").format(mark, sql.Literal(until))
    if until is not None and since is not None:
        query += sql.SQL(" AND {} >= {}").format(mark, sql.Literal(since))
    return query


def _copy(connection: psycopg.Connection[tuple[object, ...]], query: sql.Composed, spool: Spool) -> int:
    command = sql.SQL("COPY ({}) TO STDOUT WITH (FORMAT csv, HEADER true, ENCODING 'UTF8')").format(query)
    with spool.path.open("wb") as file, connection.cursor() as cursor:
        with cursor.copy(command) as copy:
            for data in copy:
                spool.write(file, bytes(data))
        return cursor.rowcount
