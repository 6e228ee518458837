"""How a checked delivery becomes current state and change rows, in one lake commit.

The table `checked` (made by rules.compile) has one row per row of the file: `_row`, the typed fields, `_good`
(no fault, and not a repeat within the file), `_repeat`. The sequence number of a record is the dataset's last number
before the delivery plus `_row`; derived deletes come after the last row.
"""

from datetime import date, datetime

import duckdb
import msgspec

from cityloom.exchange.contracts import Counts, Mode
from cityloom.exchange.store.shape import Shape
from cityloom.kernel import sql


class Delta(msgspec.Struct, frozen=True):
    """What a delivery would change; the temporary tables `checked` and `matched` hold it row by row."""

    counts: Counts
    matched: bool
    """Whether some key is already in the current state, so that `matched` must be joined."""
    gone: int = 0
    deletes_held: bool = False

    @property
    def numbers(self) -> int:
        """How many sequence numbers the delivery takes: one per row and derived delete, and at least one."""
        return max(1, self.counts.rows_in + self.gone)


class Stamp(msgspec.Struct, frozen=True):
    """What every written row carries."""

    delivery: str
    at: datetime
    base: int
    """The dataset's last sequence number before this delivery."""
    as_of: date | None = None
    cause: str = "delivery"


def compare(cursor: duckdb.DuckDBPyConnection, shape: Shape, mode: Mode, empty: bool) -> Delta:
    """Compare the checked rows with the current state. Call under the dataset's commit lock.

    Makes the temporary table `matched` (_row, differs, before) of the good rows whose key is already known.
    """
    source = f"SELECT NULL::BIGINT AS _row, NULL::BOOLEAN AS differs, NULL::{_before_type(shape)} AS before WHERE false"
    if not empty:
        source = (
            f"SELECT t._row, {shape.differs('t', 'c')} AS differs,"
            f" CASE WHEN {shape.differs('t', 'c')} OR {str(mode == Mode.delete).lower()} THEN {shape.packed('c')} END AS before"
            f" FROM checked t JOIN {shape.current} c ON {shape.same_key('t', 'c')} WHERE t._good"
        )
    cursor.execute("DROP TABLE IF EXISTS matched")
    cursor.execute(f"CREATE TEMP TABLE matched AS {source}")
    totals = _row(cursor, "SELECT count(*), count(*) FILTER (_good), count(*) FILTER (_repeat) FROM checked")
    known = _row(cursor, "SELECT count(*), count(*) FILTER (differs) FROM matched")
    gone, held = _gone(cursor, shape) if mode == Mode.replace and not empty else (0, False)
    return Delta(_count(mode, totals, known, gone), known[0] > 0, gone, held)


def _count(mode: Mode, totals: tuple[int, ...], known: tuple[int, ...], gone: int) -> Counts:
    rows_in, good, repeats = totals
    matched, differing = known
    faulty = rows_in - good - repeats
    if mode == Mode.delete:
        return Counts(rows_in, matched, faulty, repeats + good - matched, deleted=matched)
    if mode == Mode.append:
        new = good - matched
        return Counts(rows_in, new, faulty + differing, repeats + matched - differing, inserted=new)
    return Counts(
        rows_in,
        good - matched + differing,
        faulty,
        repeats + matched - differing,
        inserted=good - matched,
        updated=differing,
        deleted=gone,
    )


def _gone(cursor: duckdb.DuckDBPyConnection, shape: Shape) -> tuple[int, bool]:
    """Make `gone`: the current rows that a replacement no longer has. None when some row's key cannot be read."""
    unread = " OR ".join(f"{sql.name(name)} IS NULL" for name in shape.key)
    held = _row(cursor, f"SELECT count(*) FROM checked WHERE {unread}")[0] > 0
    cursor.execute("DROP TABLE IF EXISTS gone")
    condition = "false" if held else f"NOT EXISTS (SELECT 1 FROM checked t WHERE {shape.same_key('t', 'c')})"
    cursor.execute(f"CREATE TEMP TABLE gone AS SELECT {shape.names('c.')} FROM {shape.current} c WHERE {condition}")
    return _row(cursor, "SELECT count(*) FROM gone")[0], held


def write(cursor: duckdb.DuckDBPyConnection, shape: Shape, mode: Mode, delta: Delta, stamp: Stamp) -> None:
    """Write change rows and current state of a compared delivery, inside a lake commit."""
    if mode == Mode.delete:
        write_deletes(cursor, shape, _deleted_rows(shape), stamp)
        _confirm(cursor, shape, stamp, "checked t ANTI JOIN matched m ON m._row = t._row WHERE t._good")
        return
    _write_changes(cursor, shape, mode, delta, stamp)
    if mode == Mode.replace and delta.counts.quarantined:
        _mention(cursor, shape, stamp)
    if mode == Mode.replace and delta.gone:
        gone = f"SELECT {stamp.base + delta.counts.rows_in} + row_number() OVER () AS _sequence, g.* FROM gone g"
        write_deletes(cursor, shape, gone, stamp)
    if delta.matched:
        _confirm(cursor, shape, stamp, "checked t JOIN matched m ON m._row = t._row WHERE NOT m.differs")


def _write_changes(cursor: duckdb.DuckDBPyConnection, shape: Shape, mode: Mode, delta: Delta, stamp: Stamp) -> None:
    marks = f"{_text(stamp.delivery)}, {_moment(stamp.at)}"
    sequence = f"{stamp.base} + t._row"
    tables, wanted, operation, before = "checked t", "t._good", "'insert'", f"NULL::{_before_type(shape)}"
    if delta.matched:
        tables = "checked t LEFT JOIN matched m ON m._row = t._row"
        wanted = "t._good AND " + ("m._row IS NULL" if mode == Mode.append else "(m._row IS NULL OR m.differs)")
        operation, before = "CASE WHEN m._row IS NULL THEN 'insert' ELSE 'update' END", "m.before"
    cursor.execute(
        f"INSERT INTO {shape.changes} (_sequence, _delivery, _at, _op, _cause, _as_of, {shape.names()}, _before)"
        f" SELECT {sequence}, {marks}, {operation}, {_text(stamp.cause)}, {_day(stamp.as_of)}, {shape.names('t.')}, {before}"
        f" FROM {tables} WHERE {wanted}"
    )
    if delta.counts.updated:
        cursor.execute(
            f"DELETE FROM {shape.current} c USING (SELECT {shape.key_names('t.')} FROM checked t JOIN matched m"
            f" ON m._row = t._row WHERE m.differs) u WHERE {shape.same_key('c', 'u')}"
        )
    cursor.execute(
        f"INSERT INTO {shape.current} ({shape.names()}, _sequence, _delivery, _at)"
        f" SELECT {shape.names('t.')}, {sequence}, {marks} FROM {tables} WHERE {wanted}"
    )


def _deleted_rows(shape: Shape) -> str:
    fields = ", ".join(f"m.before.{sql.name(name)} AS {sql.name(name)}" for name, _ in shape.columns)
    return f"SELECT m._row AS _offset, {fields} FROM matched m"


def write_deletes(cursor: duckdb.DuckDBPyConnection, shape: Shape, source: str, stamp: Stamp) -> None:
    """Remove rows from the current state, with a change row for each, inside a lake commit.

    `source` gives `_sequence` (or `_offset` from the base) and the fields of the rows to remove."""
    sequence = "d._sequence" if "_sequence" in source.split(" FROM ")[0] else f"{stamp.base} + d._offset"
    cursor.execute(
        f"INSERT INTO {shape.changes} (_sequence, _delivery, _at, _op, _cause, _as_of, {shape.names()}, _before)"
        f" SELECT {sequence}, {_text(stamp.delivery)}, {_moment(stamp.at)}, 'delete', {_text(stamp.cause)},"
        f" {_day(stamp.as_of)}, {shape.keyed_only('d')}, {shape.packed('d')} FROM ({source}) d"
    )
    cursor.execute(f"DELETE FROM {shape.current} c USING ({source}) d WHERE {shape.same_key('c', 'd')}")


def _confirm(cursor: duckdb.DuckDBPyConnection, shape: Shape, stamp: Stamp, source: str) -> None:
    cursor.execute(
        f"INSERT INTO {shape.confirmed} (_sequence, _delivery, _at, {shape.key_names()})"
        f" SELECT {stamp.base} + t._row, {_text(stamp.delivery)}, {_moment(stamp.at)}, {shape.key_names('t.')} FROM {source}"
    )


def _mention(cursor: duckdb.DuckDBPyConnection, shape: Shape, stamp: Stamp) -> None:
    """Keys whose row was not accepted: the replacement says nothing of them, neither that they are nor that they are not.

    They are kept among the confirmations without a number, so that a later withdrawal does not take them for left out.
    """
    readable = " AND ".join(f"t.{sql.name(name)} IS NOT NULL" for name in shape.key)
    cursor.execute(
        f"INSERT INTO {shape.confirmed} (_sequence, _delivery, _at, {shape.key_names()})"
        f" SELECT DISTINCT NULL::BIGINT, {_text(stamp.delivery)}, {_moment(stamp.at)}, {shape.key_names('t.')}"
        f" FROM checked t WHERE NOT t._good AND NOT t._repeat AND {readable}"
    )


def count(cursor: duckdb.DuckDBPyConnection, shape: Shape) -> int:
    """Records in the current state."""
    return int(_row(cursor, f"SELECT count(*) FROM {shape.current}")[0])


def _before_type(shape: Shape) -> str:
    return "STRUCT(" + ", ".join(f"{sql.name(name)} {kind}" for name, kind in shape.columns) + ")"


def _row(cursor: duckdb.DuckDBPyConnection, query: str) -> tuple[int, ...]:
    row = cursor.execute(query).fetchone()
    return tuple(int(value) for value in row or ())


def _text(value: str) -> str:
    return sql.literal(value)


def _moment(at: datetime) -> str:
    return f"TIMESTAMP {sql.literal(at.replace(tzinfo=None).isoformat(sep=' '))}"


def _day(day: date | None) -> str:
    return f"DATE {sql.literal(day.isoformat())}" if day else "NULL::DATE"
