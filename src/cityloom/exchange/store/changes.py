"""Reads change rows and current state out of the lake, through a view of fields and rows that is always named."""

from collections.abc import Iterator

import duckdb
import msgspec
import pyarrow as pa

from cityloom.exchange.store.shape import Shape
from cityloom.kernel import sql

BATCH = 50_000


class View(msgspec.Struct, frozen=True):
    """What a reader may see: these fields, of the rows for which `rows` (SQL over the fields) holds.

    There is no reading without one, so that a grant cannot be forgotten.
    """

    fields: tuple[str, ...]
    rows: str = "true"


def whole(shape: Shape) -> View:
    """Every field of every row: for the keeper of the data."""
    return View(tuple(name for name, _ in shape.columns))


def changes(
    cursor: duckdb.DuckDBPyConnection, shape: Shape, view: View, since: int, upto: int, limit: int
) -> Iterator[pa.RecordBatch]:
    """Change rows with since < sequence <= upto, in order, at most `limit`.

    A row that leaves the view's rows is a delete for its reader, one that enters an insert.
    """
    fields = ", ".join(sql.name(name) for name in view.fields)
    shown = ", ".join(
        sql.name(name)
        if name in shape.key
        else f"CASE WHEN _op <> 'delete' THEN {sql.name(name)} END AS {sql.name(name)}"
        for name in view.fields
    )
    operation = "_op"
    if view.rows != "true":
        before = f"coalesce((SELECT {view.rows} FROM (SELECT unnest(_before))), false)"
        after = f"(_op <> 'delete' AND coalesce({view.rows}, false))"
        operation = (
            f"CASE WHEN {after} AND {before} THEN 'update' WHEN {after} THEN 'insert'"
            f" WHEN {before} OR (_op = 'delete' AND _before IS NULL) THEN 'delete' END"
        )
    query = f"""
        SELECT _sequence, _op, _delivery, _cause, _at, _as_of, {shown}
        FROM (SELECT _sequence, {operation} AS _op, _delivery, _cause, _at, _as_of, {fields}, _before FROM {shape.changes}
              WHERE _sequence > {int(since)} AND _sequence <= {int(upto)}) WHERE _op IS NOT NULL
        ORDER BY _sequence LIMIT {int(limit)}
    """
    yield from cursor.execute(query).to_arrow_reader(BATCH)


def records(cursor: duckdb.DuckDBPyConnection, shape: Shape, view: View) -> Iterator[pa.RecordBatch]:
    """The current state as the view shows it."""
    fields = ", ".join(sql.name(name) for name in view.fields)
    yield from cursor.execute(f"SELECT {fields} FROM {shape.current} WHERE {view.rows}").to_arrow_reader(BATCH)
