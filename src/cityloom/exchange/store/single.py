"""Reads single records, and the change rows of a few, out of the lake."""

from collections.abc import Mapping, Sequence
from typing import Any

import duckdb

from cityloom.exchange.contracts import Watched
from cityloom.exchange.store.changes import WAS
from cityloom.exchange.store.shape import RETAINED, Shape
from cityloom.kernel import sql

Row = Mapping[str, Any]


def record(cursor: duckdb.DuckDBPyConnection, shape: Shape, key: Sequence[str]) -> Row | None:
    """The record of that key in the current state."""
    kinds = dict(shape.columns)
    same = " AND ".join(f"{sql.name(name)} = TRY_CAST(? AS {kinds[name]})" for name in shape.key)
    rows = cursor.execute(f"SELECT {shape.names()} FROM {shape.current} WHERE {same} LIMIT 1", list(key))
    found: list[dict[str, Any]] = rows.to_arrow_table().to_pylist()
    return found[0] if found else None


def having(cursor: duckdb.DuckDBPyConnection, shape: Shape, field: str, values: Sequence[str], most: int) -> list[Row]:
    """The records of the current state that have one of these values in a field, by key; at most `most` of each value."""
    kind = dict(shape.columns)[field]
    order = ", ".join(sql.name(name) for name in shape.key)
    wanted = ", ".join(f"TRY_CAST(? AS {kind})" for _ in values)
    rows = cursor.execute(
        f"""SELECT {shape.names()} FROM {shape.current} WHERE {sql.name(field)} IN ({wanted})
            QUALIFY row_number() OVER (PARTITION BY {sql.name(field)} ORDER BY {order}) <= ? ORDER BY {order}""",
        [*values, most],
    )
    found: list[Row] = rows.to_arrow_table().to_pylist()
    return found


def changes(cursor: duckdb.DuckDBPyConnection, shape: Shape, watched: Sequence[Watched], upto: int) -> list[Row]:
    """The change rows of these records up to a sequence, by sequence: `_place`, what changed it, the row, `_was`."""
    kinds, places = dict(shape.columns), ", ".join("?" for _ in range(len(shape.key) + 2))
    typed = ", ".join(f"{sql.name(name)} {kinds[name]}" for name in shape.key)
    cursor.execute(f"CREATE OR REPLACE TEMP TABLE watched ({typed}, _place BIGINT, _since BIGINT)")
    cursor.executemany(
        f"INSERT INTO watched VALUES ({places})", [[*each.key, n, each.since] for n, each in enumerate(watched)]
    )
    # of a row that the lake keeps inlined, no single field of a STRUCT can be read; so the whole is read first
    source = (
        f"SELECT *, CASE WHEN _op <> 'insert' THEN _before END AS {WAS} FROM {shape.changes}"
        f" WHERE _sequence > ? AND _sequence <= ? AND _cause <> {sql.literal(RETAINED)}"
    )
    rows = cursor.execute(
        f"""SELECT w._place, c._sequence, c._op, c._cause, c._delivery, {shape.names("c.")}, c.{WAS}
            FROM ({source}) c JOIN watched w ON {shape.same_key("c", "w")} AND c._sequence > w._since
            ORDER BY c._sequence""",
        [min(each.since for each in watched), upto],
    )
    found: list[Row] = rows.to_arrow_table().to_pylist()
    return found
