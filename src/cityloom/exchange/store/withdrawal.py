"""Takes a delivery back: each key it touched gets the state that the deliveries still standing say it has.

What stands for a key is the latest of: change rows of standing deliveries (and of retention and erasure), standing
confirmations (worth the state at their moment), and standing replacements that did not mention the key.
"""

import duckdb
import msgspec

from cityloom.exchange.store.records import Stamp, _day, _moment, _text
from cityloom.exchange.store.shape import Shape
from cityloom.kernel import sql


class Replacement(msgspec.Struct, frozen=True):
    """A standing delivery that replaced everything: keys it does not mention are absent from its position on."""

    delivery: str
    position: int


def plan(
    cursor: duckdb.DuckDBPyConnection, shape: Shape, delivery: str, withdrawn: list[str], replacements: list[Replacement]
) -> int:
    """Make the temporary table `restored`: one row per key whose state changes; how many there are.

    `withdrawn` are all withdrawn deliveries, this one included; `replacements` the standing ones after it.
    """
    gone = ", ".join(_text(each) for each in {*withdrawn, delivery})
    keys = shape.key_names()
    cursor.execute("DROP TABLE IF EXISTS affected")
    cursor.execute(
        f"CREATE TEMP TABLE affected AS SELECT DISTINCT {keys} FROM {shape.changes}"
        f" WHERE _delivery = {_text(delivery)} AND _cause = 'delivery'"
    )
    absent = " UNION ALL ".join([_absences(shape, each) for each in replacements])
    union_absent = f" UNION ALL ({absent})" if absent else ""
    row = f"{{'op': h._op, 'image': {shape.packed('h')}}}"
    cursor.execute("DROP TABLE IF EXISTS restored")
    cursor.execute(
        f"""
        CREATE TEMP TABLE restored AS
        WITH history AS MATERIALIZED (
            SELECT h.* FROM {shape.changes} h SEMI JOIN affected USING ({keys})
        ), statements AS (
            SELECT {shape.key_names('h.')}, h._sequence AS position, {row} AS said FROM history h
            WHERE h._cause IN ('retention', 'erasure') OR (h._cause = 'delivery' AND h._delivery NOT IN ({gone}))
            UNION ALL
            SELECT {shape.key_names('f.')}, f._sequence, {row} FROM
                (SELECT * FROM {shape.confirmed} SEMI JOIN affected USING ({keys}) WHERE _delivery NOT IN ({gone})) f
                ASOF JOIN history h ON {shape.same_key('f', 'h')} AND f._sequence >= h._sequence
            {union_absent}
        ), standing AS (
            SELECT {keys}, arg_max(said, position) AS said FROM statements GROUP BY {keys}
        )
        SELECT row_number() OVER (ORDER BY {shape.key_names('a.')}) AS _offset, {shape.key_names('a.')},
            CASE WHEN s.said.op <> 'delete' THEN s.said.image END AS after,
            CASE WHEN c._sequence IS NOT NULL THEN {shape.packed('c')} END AS before
        FROM affected a
        LEFT JOIN standing s ON {shape.same_key('a', 's')}
        LEFT JOIN {shape.current} c ON {shape.same_key('a', 'c')}
        WHERE (CASE WHEN s.said.op <> 'delete' THEN s.said.image END)
            IS DISTINCT FROM (CASE WHEN c._sequence IS NOT NULL THEN {shape.packed('c')} END)
        """
    )
    found = cursor.execute("SELECT count(*) FROM restored").fetchone()
    return int(found[0]) if found else 0


def _absences(shape: Shape, replacement: Replacement) -> str:
    """The affected keys that a standing replacement does not mention, as deleting statements at its position."""
    mentioned = (
        f"SELECT {shape.key_names()} FROM {shape.changes} WHERE _delivery = {_text(replacement.delivery)} AND _cause = 'delivery'"
        f" UNION ALL SELECT {shape.key_names()} FROM {shape.confirmed} WHERE _delivery = {_text(replacement.delivery)}"
    )
    image = "STRUCT(" + ", ".join(f"{sql.name(name)} {kind}" for name, kind in shape.columns) + ")"
    return (
        f"SELECT {shape.key_names('a.')}, {replacement.position}::BIGINT, {{'op': 'delete', 'image': NULL::{image}}}"
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
    cursor.execute(
        f"DELETE FROM {shape.current} c USING restored r WHERE {shape.same_key('c', 'r')}"
    )
    cursor.execute(
        f"INSERT INTO {shape.current} (_sequence, _delivery, _at, {fields})"
        f" SELECT {marks}, {values} FROM restored r WHERE r.after IS NOT NULL"
    )
