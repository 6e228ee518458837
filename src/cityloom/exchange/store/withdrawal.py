"""Takes a delivery back: each key it touched gets the state that the deliveries still standing say it has.

What stands for a key is the latest of: change rows of standing deliveries (and of retention and erasure), standing
confirmations (worth the state at their moment), standing replacements that did not mention the key, and what was
there before the oldest change row that is kept.
"""

import duckdb
import msgspec

from cityloom.exchange.store.records import Stamp, _day, _moment, _text
from cityloom.exchange.store.shape import RETAINED, Shape
from cityloom.kernel import sql


class Replacement(msgspec.Struct, frozen=True):
    """A standing delivery that replaced everything: keys it does not mention are absent from its position on."""

    delivery: str
    position: int


def plan(
    cursor: duckdb.DuckDBPyConnection,
    shape: Shape,
    delivery: str,
    withdrawn: list[str],
    replacements: list[Replacement],
) -> int:
    """Make the temporary table `restored`: one row per key whose state changes; how many there are.

    `withdrawn` are all withdrawn deliveries, this one included; `replacements` all standing ones whose change rows are
    kept, the earlier ones too: one of them may have left a key out that only a withdrawn delivery had deleted.
    """
    gone = sorted({*withdrawn, delivery})
    _affected(cursor, shape, gone)
    cursor.execute("DROP TABLE IF EXISTS restored")
    cursor.execute(
        f"""
        CREATE TEMP TABLE restored AS
        WITH {standing(shape, gone, replacements)}
        SELECT row_number() OVER (ORDER BY {shape.key_names("a.")}) AS _offset, {shape.key_names("a.")},
            CASE WHEN s.said.op <> 'delete' THEN s.said.image END AS after,
            CASE WHEN c._sequence IS NOT NULL THEN {shape.packed("c")} END AS before
        FROM affected a
        LEFT JOIN standing s ON {shape.same_key("a", "s")}
        LEFT JOIN {shape.current} c ON {shape.same_key("a", "c")}
        WHERE (CASE WHEN s.said.op <> 'delete' THEN s.said.image END)
            IS DISTINCT FROM (CASE WHEN c._sequence IS NOT NULL THEN {shape.packed("c")} END)
        """
    )
    found = cursor.execute("SELECT count(*) FROM restored").fetchone()
    return int(found[0]) if found else 0


def _affected(cursor: duckdb.DuckDBPyConnection, shape: Shape, gone: list[str]) -> None:
    """Make `affected`: the keys that some withdrawn delivery changed or confirmed.

    Those of this delivery alone would not do: what it confirmed, or left out, may by now rest on it alone, because the
    delivery that had changed it was withdrawn before.
    """
    by = f"_delivery IN ({', '.join(_text(each) for each in gone)})"
    cursor.execute("DROP TABLE IF EXISTS affected")
    cursor.execute(
        f"CREATE TEMP TABLE affected AS SELECT {shape.key_names()} FROM {shape.changes} WHERE {by} AND _cause = 'delivery'"
        f" UNION SELECT {shape.key_names()} FROM {shape.changes} WHERE _cause = {_text(RETAINED)}"
        f" UNION SELECT {shape.key_names()} FROM {shape.confirmed} WHERE {by}"
    )


def standing(shape: Shape, gone: list[str], replacements: list[Replacement], upto: int | None = None) -> str:
    """Common table expressions that end in `standing`: for each key of the table `affected` that anything stands for,
    `said`: {op, image}. With `upto` only what was said up to that position counts."""
    keys, row = shape.key_names(), f"{{'op': h._op, 'image': {shape.packed('h')}}}"
    standing_still = (
        f"_delivery NOT IN ({', '.join(_text(each) for each in gone) or 'NULL::VARCHAR'})" if gone else "true"
    )
    absent = "".join(f" UNION ALL ({_absences(shape, each)})" for each in replacements)
    limit = f"WHERE position <= {upto}" if upto is not None else ""
    return f"""
        history AS MATERIALIZED (
            SELECT h.* FROM {shape.changes} h SEMI JOIN affected USING ({keys})
        ), oldest AS (
            SELECT {shape.key_names("a.")}, CASE WHEN e.had THEN e.image WHEN c._sequence IS NOT NULL THEN {shape.packed("c")}
                END AS image
            FROM affected a LEFT JOIN ({earliest("history", shape)}) e ON {shape.same_key("a", "e")}
            LEFT JOIN {shape.current} c ON {shape.same_key("a", "c")}
        ), moments AS (
            SELECT {shape.key_names("h.")}, h._sequence AS position, {row} AS said FROM history h
            WHERE h._cause <> {_text(RETAINED)}
            UNION ALL
            SELECT {keys}, 0, {{'op': CASE WHEN image IS NULL THEN 'delete' ELSE 'insert' END, 'image': image}} FROM oldest
        ), statements AS (
            SELECT {keys}, position, false AS retained, said FROM moments WHERE position = 0
            UNION ALL
            SELECT {shape.key_names("h.")}, h._sequence, h._cause = {_text(RETAINED)}, {row} FROM history h
            WHERE h._cause IN ('retention', 'erasure', {_text(RETAINED)}) OR (h._cause = 'delivery' AND {standing_still})
            UNION ALL
            SELECT {shape.key_names("f.")}, f._sequence, false, m.said FROM
                (SELECT * FROM {shape.confirmed} SEMI JOIN affected USING ({keys})
                 WHERE _sequence IS NOT NULL AND {standing_still}) f
                ASOF JOIN moments m ON {shape.same_key("f", "m")} AND f._sequence >= m.position
            {absent}
        ), standing AS (
            SELECT {keys}, arg_max(said, (position, retained)) AS said FROM statements {limit} GROUP BY {keys}
        )"""


def earliest(table: str, shape: Shape, after: int = 0) -> str:
    """A query: what each key was (`image`, NULL for absent) before its first change row after a position, `had` true."""
    return (
        f"SELECT {shape.key_names()}, arg_min({{'image': _before}}, _sequence).image AS image, true AS had FROM {table}"
        f" WHERE _cause <> {_text(RETAINED)} AND _sequence > {after} GROUP BY {shape.key_names()}"
    )


def _absences(shape: Shape, replacement: Replacement) -> str:
    """The affected keys that a standing replacement does not mention, as deleting statements at its position."""
    mentioned = (
        f"SELECT {shape.key_names()} FROM {shape.changes} WHERE _delivery = {_text(replacement.delivery)} AND _cause = 'delivery'"
        f" UNION ALL SELECT {shape.key_names()} FROM {shape.confirmed} WHERE _delivery = {_text(replacement.delivery)}"
    )
    image = "STRUCT(" + ", ".join(f"{sql.name(name)} {kind}" for name, kind in shape.columns) + ")"
    return (
        f"SELECT {shape.key_names('a.')}, {replacement.position}::BIGINT, false, {{'op': 'delete', 'image': NULL::{image}}}"
        f" FROM affected a ANTI JOIN ({mentioned}) USING ({shape.key_names()})"
    )


def write(cursor: duckdb.DuckDBPyConnection, shape: Shape, stamp: Stamp) -> None:
    """Write `restored` as change rows and into the current state, inside a lake commit."""
    after = ", ".join(f"r.after.{sql.name(name)}" for name, _ in shape.columns if name not in shape.key)
    fields = ", ".join([shape.key_names(), *(sql.name(name) for name, _ in shape.columns if name not in shape.key)])
    values = ", ".join(part for part in (shape.key_names("r."), after) if part)
    marks = f"{stamp.base} + r._offset, {_text(stamp.delivery)}, {_moment(stamp.at)}"
    cursor.execute(
        f"INSERT INTO {shape.changes} (_sequence, _delivery, _at, _op, _cause, _as_of, {fields}, _before)"
        f" SELECT {marks}, CASE WHEN r.after IS NULL THEN 'delete' WHEN r.before IS NULL THEN 'insert' ELSE 'update' END,"
        f" 'withdrawal', {_day(stamp.as_of)}, {values}, r.before FROM restored r"
    )
    cursor.execute(f"DELETE FROM {shape.current} c USING restored r WHERE {shape.same_key('c', 'r')}")
    cursor.execute(
        f"INSERT INTO {shape.current} (_sequence, _delivery, _at, {fields})"
        f" SELECT {marks}, {values} FROM restored r WHERE r.after IS NOT NULL"
    )
