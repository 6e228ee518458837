"""Deletes for good, in the lake: records and rows past their retention, and everything held under an erased key.

Each kind is planned into temporary tables first, which say how much and which keys, and then written inside one lake
commit. `upkeep` sees to it that the files go too.
"""

import hashlib
from collections.abc import Iterable, Sequence
from datetime import datetime

import duckdb
import msgspec

from cityloom.exchange.spec import Span
from cityloom.exchange.store.records import Stamp, _moment, _text, write_deletes
from cityloom.exchange.store.shape import RETAINED, Shape
from cityloom.exchange.store.withdrawal import Replacement, earliest, standing
from cityloom.kernel import sql

FULL_WIDTH = "".join(map(chr, range(0xFF01, 0xFF5F)))
HALF_WIDTH = "".join(map(chr, range(0x21, 0x7F)))
BETWEEN = "[\\s\u00a0\u3000\u200b-\u200f\u2060\ufeff'’`]"
"""What a key may have around or within it in a file: white space, invisible characters, the apostrophe of a spreadsheet."""

LEFT_BEHIND = "_cause = 'erasure' AND _op = 'delete' AND _before IS NULL"
"""The change row of an erasure."""


class Kept(msgspec.Struct, frozen=True):
    """The oldest row of the change tables that is within its retention."""

    sequence: int
    delivery: str
    by_delivery: bool
    """Whether the row belongs to a delivery itself, and not to its withdrawal, to retention or to an erasure."""


class Asked(msgspec.Struct, frozen=True):
    """A key to erase."""

    parts: tuple[str, ...]
    """The values of the key's fields, in the order of the key, as DuckDB reads them."""
    forms: tuple[tuple[str, ...], ...]
    """For each part the ways in which a file may have written it."""


def cutoff(cursor: duckdb.DuckDBPyConnection, now: datetime, span: Span) -> datetime:
    """The moment one span of the calendar before `now` (UTC, naive)."""
    row = cursor.execute(f"SELECT {_moment(now)} - {span.sql}").fetchone()
    found: datetime = row[0] if row else now
    return found


def plan_records(cursor: duckdb.DuckDBPyConnection, shape: Shape, before: datetime, withdrawn: Sequence[str]) -> int:
    """Make `doomed`: the records that no standing delivery has stated since `before`; how many there are.

    A record counts as stated when it was set, and when a later delivery had it again unchanged.
    """
    keys, standing_still = shape.key_names(), _not_by(withdrawn)
    cursor.execute("DROP TABLE IF EXISTS doomed")
    cursor.execute(
        f"""CREATE TEMP TABLE doomed AS
            SELECT row_number() OVER (ORDER BY {shape.key_names("c.")}) AS _offset, {shape.names("c.")}
            FROM {shape.current} c
            ANTI JOIN (SELECT {keys} FROM {shape.confirmed} WHERE _at >= {_moment(before)} AND {standing_still}) f USING ({keys})
            WHERE c._at < {_moment(before)}"""
    )
    return _count(cursor, "doomed")


def write_records(cursor: duckdb.DuckDBPyConnection, shape: Shape, stamp: Stamp) -> None:
    """Delete `doomed` from the current state, with a change row for each."""
    write_deletes(cursor, shape, f"SELECT _offset, {shape.names()} FROM doomed", stamp)


def oldest_kept(cursor: duckdb.DuckDBPyConnection, shape: Shape, floor: int, before: datetime) -> Kept | None:
    """The first row above the floor, by sequence, that was written at `before` or later; None when there is none."""
    recent = f"_sequence > {int(floor)} AND _at >= {_moment(before)}"
    row = cursor.execute(
        f"""SELECT _sequence, _delivery, by_delivery FROM (
                SELECT _sequence, _delivery, _cause = 'delivery' AS by_delivery FROM {shape.changes} WHERE {recent}
                UNION ALL SELECT _sequence, _delivery, true FROM {shape.confirmed} WHERE {recent}
            ) ORDER BY _sequence LIMIT 1"""
    ).fetchone()
    return Kept(*row) if row else None


def plan_changes(
    cursor: duckdb.DuckDBPyConnection,
    shape: Shape,
    floor: int,
    before: datetime,
    withdrawn: Sequence[str],
    replacements: list[Replacement],
) -> int:
    """Make `forgotten`, the rows to delete of both change tables, and `retained`; how many are forgotten.

    `retained` says what the keys fall back to whose state at the floor rests on a delivery that was withdrawn later:
    without it a later withdrawal would bring that state back. It holds no other key, and loses each again when the
    floor has passed what upholds its state. `replacements` are the standing ones up to the floor whose change rows are
    still there.
    """
    keys, upto = shape.key_names(), int(floor)
    cursor.execute("DROP TABLE IF EXISTS forgotten")
    cursor.execute(
        f"""CREATE TEMP TABLE forgotten AS
            SELECT rowid AS _row, true AS _change, {keys} FROM {shape.changes}
            WHERE _sequence <= {upto} AND _cause <> {_text(RETAINED)}
            UNION ALL {_outdated(shape, upto, before)}"""
    )
    cursor.execute("DROP TABLE IF EXISTS affected")
    cursor.execute(
        f"""CREATE TEMP TABLE affected AS
            SELECT {keys} FROM {shape.changes} WHERE _sequence <= {upto} AND _cause = 'delivery' AND {_by(withdrawn)}
            UNION SELECT {keys} FROM {shape.changes} WHERE _cause = {_text(RETAINED)}
            UNION SELECT {keys} FROM {shape.confirmed} WHERE _sequence <= {upto} AND {_by(withdrawn)}"""
    )
    was = f"CASE WHEN e.had THEN e.image WHEN c._sequence IS NOT NULL THEN {shape.packed('c')} END"
    cursor.execute("DROP TABLE IF EXISTS retained")
    cursor.execute(
        f"""CREATE TEMP TABLE retained AS
            WITH {standing(shape, list(withdrawn), replacements, upto)}, compared AS (
                SELECT {shape.key_names("a.")}, CASE WHEN s.said.op <> 'delete' THEN s.said.image END AS image, {was} AS was
                FROM affected a
                LEFT JOIN standing s ON {shape.same_key("a", "s")}
                LEFT JOIN ({earliest(shape.changes, shape, upto)}) e ON {shape.same_key("a", "e")}
                LEFT JOIN {shape.current} c ON {shape.same_key("a", "c")}
            )
            SELECT {keys}, image FROM compared WHERE image IS DISTINCT FROM was"""
    )
    return _count(cursor, "forgotten")


def _outdated(shape: Shape, floor: int, before: datetime) -> str:
    """Confirmations that only forgotten change rows gave a meaning.

    The last one of a record that is still there stays: it says until when the record was stated (`plan_records`).
    """
    keys = shape.key_names()
    return (
        f"SELECT f.rowid, false, {shape.key_names('f.')} FROM {shape.confirmed} f"
        f" JOIN (SELECT {keys}, max(_at) AS at FROM {shape.confirmed} GROUP BY {keys}) l ON {shape.same_key('f', 'l')}"
        f" LEFT JOIN {shape.current} c ON {shape.same_key('f', 'c')}"
        f" WHERE (f._sequence <= {floor} OR (f._sequence IS NULL AND f._at < {_moment(before)}))"
        f" AND (c._sequence IS NULL OR f._at <= c._at OR f._at < l.at)"
    )


def write_changes(cursor: duckdb.DuckDBPyConnection, shape: Shape, floor: int, before: datetime) -> None:
    """Delete what `forgotten` names, and put `retained` in its place."""
    cursor.execute(f"DELETE FROM {shape.confirmed} WHERE rowid IN (SELECT _row FROM forgotten WHERE NOT _change)")
    cursor.execute(f"DELETE FROM {shape.changes} WHERE _sequence <= {int(floor)}")
    fields = ", ".join(
        f"r.{sql.name(name)}" if name in shape.key else f"r.image.{sql.name(name)}" for name, _ in shape.columns
    )
    cursor.execute(
        f"INSERT INTO {shape.changes} (_sequence, _delivery, _at, _op, _cause, _as_of, {shape.names()}, _before)"
        f" SELECT {int(floor)}, '', {_moment(before)}, CASE WHEN r.image IS NULL THEN 'delete' ELSE 'insert' END,"
        f" {_text(RETAINED)}, NULL, {fields}, NULL FROM retained r"
    )


def plan_quarantine(cursor: duckdb.DuckDBPyConnection, shape: Shape, before: datetime) -> int:
    """How many quarantined rows are older than `before`."""
    return _count(cursor, f"{shape.quarantine} WHERE _at < {_moment(before)}")


def write_quarantine(cursor: duckdb.DuckDBPyConnection, shape: Shape, before: datetime) -> None:
    """Delete the quarantined rows that are older than `before`."""
    cursor.execute(f"DELETE FROM {shape.quarantine} WHERE _at < {_moment(before)}")


def unreadable(cursor: duckdb.DuckDBPyConnection, shape: Shape, parts: Sequence[str]) -> list[str]:
    """The key's fields whose part is no value of the field's type."""
    kinds = dict(shape.columns)
    found = []
    for name, part in zip(shape.key, parts, strict=True):
        row = cursor.execute(f"SELECT TRY_CAST(? AS {kinds[name]}) IS NULL", [part]).fetchone()
        if row is None or row[0]:
            found.append(name)
    return found


def plan_erasure(cursor: duckdb.DuckDBPyConnection, shape: Shape, asked: Iterable[Asked]) -> int:
    """Make `erased`: everything held under the asked keys, with a row of `announced` for each that readers know of.

    How many rows there are: of the current state, change rows, confirmations, and quarantined rows that have every
    part of a key in some column. The change row that an earlier erasure left is not counted.
    """
    _load_asked(cursor, shape, asked)
    keys = shape.key_names()
    cursor.execute("DROP TABLE IF EXISTS erased")
    cursor.execute(
        f"""CREATE TEMP TABLE erased AS
            SELECT 'current' AS part, c.rowid AS _row, {keys} FROM {shape.current} c SEMI JOIN asked USING ({keys})
            UNION ALL SELECT 'changes', h.rowid, {keys} FROM {shape.changes} h SEMI JOIN asked USING ({keys})
            WHERE NOT ({LEFT_BEHIND})
            UNION ALL SELECT 'confirmed', f.rowid, {keys} FROM {shape.confirmed} f SEMI JOIN asked USING ({keys})"""
    )
    cursor.execute("DROP TABLE IF EXISTS announced")
    cursor.execute(
        f"""CREATE TEMP TABLE announced AS
            SELECT row_number() OVER (ORDER BY {keys}) AS _offset, {keys}
            FROM (SELECT DISTINCT {keys} FROM erased WHERE part IN ('current', 'changes'))"""
    )
    raw = f"list_transform(q.raw, v -> upper(trim(translate(v, {_text(FULL_WIDTH)}, {_text(HALF_WIDTH)}))))"
    cursor.execute(
        f"""INSERT INTO erased
            SELECT DISTINCT ON (q.rowid) 'quarantine', q.rowid, {shape.key_names("a.")}
            FROM (SELECT rowid, {raw} AS texts FROM {shape.quarantine} q) q JOIN asked a
            ON list_bool_and(list_transform(a._forms, forms -> list_has_any(forms, q.texts)))"""
    )
    return _count(cursor, "erased")


def _load_asked(cursor: duckdb.DuckDBPyConnection, shape: Shape, asked: Iterable[Asked]) -> None:
    kinds = dict(shape.columns)
    typed = ", ".join(f"{sql.name(name)} {kinds[name]}" for name in shape.key)
    cursor.execute("DROP TABLE IF EXISTS asked")
    cursor.execute(f"CREATE TEMP TABLE asked ({typed}, _forms VARCHAR[][])")
    marks = ", ".join("?" for _ in shape.key)
    bare = f"list_transform(?::VARCHAR[][], forms -> list_transform(forms, t -> {_bare('t')}))"
    for each in asked:
        cursor.execute(f"INSERT INTO asked SELECT {marks}, {bare}", [*each.parts, [list(part) for part in each.forms]])


def _bare(text: str) -> str:
    """A text in half width and upper case, without what may stand around or within it."""
    narrow = f"translate({text}, {_text(FULL_WIDTH)}, {_text(HALF_WIDTH)})"
    return f"upper(regexp_replace({narrow}, {_text(BETWEEN)}, '', 'g'))"


def announced(cursor: duckdb.DuckDBPyConnection) -> int:
    """How many change rows an erasure writes."""
    return _count(cursor, "announced")


def unpack(cursor: duckdb.DuckDBPyConnection, shape: Shape) -> None:
    """Make `states`: every state that is held of each `announced` record, by its offset."""
    fields, keys = shape.names(), shape.key_names()
    packed = f"SELECT {shape.names('h.')}, CASE WHEN h._op <> 'insert' THEN h._before END AS was, h._op"
    before = ", ".join(f"was.{sql.name(name)} AS {sql.name(name)}" for name, _ in shape.columns)
    cursor.execute("DROP TABLE IF EXISTS history")
    # whole STRUCTs first: of one that the lake keeps inlined no single field can be read
    cursor.execute(f"CREATE TEMP TABLE history AS {packed} FROM {shape.changes} h SEMI JOIN announced USING ({keys})")
    cursor.execute("DROP TABLE IF EXISTS states")
    cursor.execute(
        f"""CREATE TEMP TABLE states AS
            SELECT n._offset, s.* FROM announced n JOIN (
                SELECT {shape.names("c.")} FROM {shape.current} c SEMI JOIN announced USING ({keys})
                UNION ALL SELECT {fields} FROM history WHERE _op <> 'delete'
                UNION ALL SELECT {before} FROM history WHERE was IS NOT NULL
            ) s ON {shape.same_key("n", "s")}"""
    )


def shown_to(cursor: duckdb.DuckDBPyConnection, rows: str) -> list[int]:
    """Offsets of the `announced` records of which a row filter (SQL) let some state through. Needs `unpack`."""
    found = cursor.execute(f"SELECT DISTINCT _offset FROM states WHERE coalesce({rows}, false) ORDER BY 1").fetchall()
    return [row[0] for row in found]


def told_before(cursor: duckdb.DuckDBPyConnection, shape: Shape) -> list[tuple[int, int]]:
    """Change rows of earlier erasures whose key is `announced` anew, as (sequence, offset)."""
    found = cursor.execute(
        f"""SELECT h._sequence, n._offset FROM {shape.changes} h JOIN announced n ON {shape.same_key("h", "n")}
            WHERE {LEFT_BEHIND} ORDER BY 1"""
    ).fetchall()
    return [(row[0], row[1]) for row in found]


def write_erasure(cursor: duckdb.DuckDBPyConnection, shape: Shape, stamp: Stamp) -> None:
    """Delete what `erased` names; one change row a key stays, that holds the key and nothing else."""
    keys = shape.key_names()
    if announced(cursor):
        cursor.execute(f"DELETE FROM {shape.changes} h USING announced n WHERE {shape.same_key('h', 'n')}")
    for part, table in (("current", shape.current), ("confirmed", shape.confirmed), ("quarantine", shape.quarantine)):
        if _count(cursor, f"erased WHERE part = {_text(part)}"):
            cursor.execute(f"DELETE FROM {table} WHERE rowid IN (SELECT _row FROM erased WHERE part = {_text(part)})")
    cursor.execute(
        f"INSERT INTO {shape.changes} (_sequence, _delivery, _at, _op, _cause, {keys})"
        f" SELECT {stamp.base} + _offset, {_text(stamp.delivery)}, {_moment(stamp.at)}, 'delete', {_text(stamp.cause)}, {keys}"
        " FROM announced"
    )


def digest(cursor: duckdb.DuckDBPyConnection, shape: Shape, table: str, salt: str) -> str:
    """SHA-256 over the salt and the distinct keys of a table, sorted by their bytes, each on a line of its own, the parts
    of a key parted by U+001F. Written `sha-256:<salt>:<hex>`.

    Without the salt nobody can try out keys against the digest, which the audit log keeps for ever.
    """
    parts = ", ".join(f"CAST({sql.name(name)} AS VARCHAR)" for name in shape.key)
    return _digest(cursor, f"SELECT DISTINCT concat_ws(chr(31), {parts}) || chr(10) AS line FROM {table}", salt)


def digest_quarantine(cursor: duckdb.DuckDBPyConnection, shape: Shape, before: datetime, salt: str) -> str:
    """The same over delivery and row number of the quarantined rows older than `before`."""
    lines = (
        f"SELECT _delivery || chr(31) || _row || chr(10) AS line FROM {shape.quarantine} WHERE _at < {_moment(before)}"
    )
    return _digest(cursor, lines, salt)


def _digest(cursor: duckdb.DuckDBPyConnection, lines: str, salt: str) -> str:
    found = hashlib.sha256(salt.encode() + b"\n")
    for batch in cursor.execute(f"{lines} ORDER BY line").to_arrow_reader(65_536):
        for line in batch.column(0):
            found.update(line.as_buffer())
    return f"sha-256:{salt}:{found.hexdigest()}"


def _by(deliveries: Sequence[str]) -> str:
    return f"_delivery IN ({', '.join(_text(each) for each in deliveries)})" if deliveries else "false"


def _not_by(deliveries: Sequence[str]) -> str:
    return f"NOT {_by(deliveries)}"


def _count(cursor: duckdb.DuckDBPyConnection, source: str) -> int:
    row = cursor.execute(f"SELECT count(*) FROM {source}").fetchone()
    return int(row[0]) if row else 0
