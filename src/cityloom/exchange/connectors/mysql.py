"""Pulls from MySQL and MariaDB row by row, every value as the text the server sends."""

import ssl
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, TypeAlias

import msgspec
import pymysql
import pymysql.connections
from pymysql.constants import FIELD_TYPE
from pymysql.converters import conversions
from pymysql.cursors import SSCursor

from cityloom.exchange.connectors import tls
from cityloom.exchange.connectors.sources import Bounds, Fetched, Mysql, Secrets
from cityloom.exchange.connectors.spool import BATCH, spooled, write_texts
from cityloom.kernel.errors import Invalid, Unavailable

ENCODERS: dict[int | type[Any], Callable[[Any], str] | Callable[[str], Any]] = {
    kind: convert for kind, convert in conversions.items() if not isinstance(kind, int)
}
"""Without decoders every value stays the text that came over the wire."""
UNREACHABLE = (1040, 1042, 1043, 1044, 1045, 1049, 1053, 1158, 1159, 1160, 1161, 2002, 2003, 2006, 2013, 2026)

Value = str | bytes | None
Link: TypeAlias = "pymysql.connections.Connection[SSCursor]"


class State(msgspec.Struct, frozen=True):
    """How far the last pull came."""

    since: str


def fetch(source: Mysql, state: bytes | None, into: Path, secrets: Secrets, bounds: Bounds) -> Fetched | None:
    """The query's rows as Parquet of texts; None if nothing has reached the watermark of the last pull.

    Raises Unavailable `exchange.pull_unreachable`, Invalid `exchange.pull_query_wrong`, `exchange.pull_column_type`, and
    what `spooled`, `write_texts` and `Spool.check` raise.
    """
    since = msgspec.json.decode(state, type=State).since if state else None
    with _connected(source, secrets, bounds) as connection, spooled(into, bounds) as spool:
        _run(connection, "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        _run(connection, "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")
        until = _highest(connection, source, since) if source.watermark else None
        if source.watermark and until is None:
            return None
        bounded = [("<=", until), (">=", since)] if until is not None else []
        cursor = _run(connection, f"SELECT * FROM {_query(source)}{_where(connection, source, bounded)}")
        names = [column[0] for column in cursor.description or ()]
        rows = write_texts(spool, names, _batches(cursor))
        return Fetched(
            spool.path, "parquet", rows, msgspec.json.encode(State(until)) if until else b"", source.database
        )


@contextmanager
def _connected(source: Mysql, secrets: Secrets, bounds: Bounds) -> Iterator[Link]:
    try:
        with closing(_connect(source, secrets(source.password), bounds)) as connection:
            try:
                yield connection
            finally:
                _forget_rest(connection)
    except pymysql.MySQLError as error:
        code = error.args[0] if error.args else 0
        reason = str(error.args[1] if len(error.args) > 1 else error)[:300]
        if code in UNREACHABLE:
            raise Unavailable("exchange.pull_unreachable", host=source.host, reason=reason) from error
        raise Invalid("exchange.pull_query_wrong", reason=_told(error, code, reason)) from error


def _connect(source: Mysql, password: str, bounds: Bounds) -> Link:
    return pymysql.connect(
        host=source.host, unix_socket=source.host if source.host.startswith("/") else None, port=source.port,
        user=source.user, password=password, database=source.database, charset="utf8mb4", conv=ENCODERS,
        cursorclass=SSCursor, connect_timeout=30, read_timeout=bounds.seconds, write_timeout=60, ssl=_tls(source),
        init_command="SET time_zone = '+00:00'",
    )  # fmt: skip


def _forget_rest(connection: Link) -> None:
    """Rows not yet read would be read to the last one, however many, before the connection closes."""
    result = getattr(connection, "_result", None)
    if result is not None:
        result.unbuffered_active = False


def _run(connection: Link, query: str) -> SSCursor:
    cursor = connection.cursor()
    cursor.execute(query)
    return cursor


def _told(error: pymysql.MySQLError, code: int, reason: str) -> str:
    """Errors about the query's wording name columns, others may quote what is in them."""
    return reason if isinstance(error, pymysql.ProgrammingError | pymysql.OperationalError) else f"MySQL error {code}"


def _tls(source: Mysql) -> ssl.SSLContext | None:
    if source.tls == "off":
        return None
    context = tls.context(source.ca)
    if source.tls == "encrypt":
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _query(source: Mysql) -> str:
    text = source.query.strip().rstrip(";")
    return f"({text}\n) AS pulled"


def _mark(source: Mysql) -> str:
    return "`" + (source.watermark or "").replace("`", "``") + "`"


def _where(connection: Link, source: Mysql, bounded: Sequence[tuple[str, str | None]]) -> str:
    """Literals and not parameters, because the administrator's query may hold % signs."""
    parts = [f"{_mark(source)} {sign} {connection.escape(value)}" for sign, value in bounded if value is not None]
    return f" WHERE {' AND '.join(parts)}" if parts else ""


def _highest(connection: Link, source: Mysql, since: str | None) -> str | None:
    where = _where(connection, source, [(">=", since)])
    rows = _run(connection, f"SELECT CAST(MAX({_mark(source)}) AS CHAR) FROM {_query(source)}{where}").fetchall()
    return str(rows[0][0]) if rows and rows[0][0] is not None else None


def _batches(cursor: SSCursor) -> Iterator[Sequence[Sequence[str | None]]]:
    columns = cursor.description or ()
    converters = [_bits if int(column[1]) == FIELD_TYPE.BIT else _text(column[0]) for column in columns]
    while rows := cursor.fetchmany(BATCH):
        yield [[convert(value) for convert, value in zip(converters, row, strict=True)] for row in rows]


def _bits(value: Value) -> str | None:
    return str(int.from_bytes(value, "big")) if isinstance(value, bytes) else value


def _text(name: str) -> Callable[[Value], str | None]:
    def text(value: Value) -> str | None:
        if isinstance(value, bytes):
            raise Invalid("exchange.pull_column_type", column=name, type="binary")
        return value

    return text
