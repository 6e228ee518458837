"""Reads change rows and current state out of the lake, through a view of fields and rows that is always named."""

from collections.abc import Iterator, Mapping
from itertools import pairwise

import duckdb
import msgspec
import numpy as np
import pyarrow as pa

from cityloom.exchange.store.shape import Shape
from cityloom.kernel import sql

BATCH = 8_000
"""Rows sent at once: about a MiB, which memory is found for without asking the kernel."""
FIRST_WINDOW = 100_000
WINDOW_BYTES = 64 << 20
"""About what is read of the change rows at once; so much memory a reader takes, however much it asks for."""
WIDEN = 8
WAS = "_was"
"""What a row was before its change."""


class View(msgspec.Struct, frozen=True):
    """What a reader may see: these fields, of the rows for which `rows` (SQL over the fields) holds.

    There is no reading without one, so that a grant cannot be forgotten. `was` is the same condition over the fields of
    the STRUCT column `WAS`; `masked` has SQL for what is shown in a field's place. `told` has the sequences of the
    erasures that readers through `rows` are told of (store.told): of their change rows no filter can be asked.
    """

    fields: tuple[str, ...]
    rows: str = "true"
    was: str = "true"
    masked: Mapping[str, str] = {}
    told: tuple[int, ...] = ()

    def shown(self, field: str) -> str:
        """SQL of what is shown for a field, without its name."""
        return self.masked.get(field, sql.name(field))


def whole(shape: Shape) -> View:
    """Every field of every row: for the keeper of the data."""
    return View(tuple(name for name, _ in shape.columns))


def changes(
    cursor: duckdb.DuckDBPyConnection, shape: Shape, view: View, since: int, upto: int, limit: int
) -> Iterator[pa.RecordBatch]:
    """Change rows with since < sequence <= upto, in order, at most `limit`; at least one batch, be it empty.

    A row that leaves the view's rows is a delete for its reader, one that enters an insert. Read window by window,
    since rows lie in their files nearly in order, and putting a window right costs much less than sorting all of them.
    """
    cursor.execute("BEGIN")  # every window sees one snapshot; it ends with the cursor
    query, width, left = _query(shape, view), FIRST_WINDOW, limit
    while True:
        end = min(since + width, upto)
        table = in_order(cursor.execute(query, [since, end]).to_arrow_table()).slice(0, left)
        yield from table.to_batches(BATCH) or [_nothing(table.schema)]
        since, left = end, left - table.num_rows
        if since >= upto or left <= 0:
            return
        width = min(WIDEN * width, width * WINDOW_BYTES // max(table.nbytes, 1) + 1)


def in_order(table: pa.Table) -> pa.Table:
    """The rows by `_sequence`. Pieces that only lie in another order are put in order without a copy."""
    sequence = table.column("_sequence").to_numpy()
    breaks = [0, *(np.flatnonzero(np.diff(sequence) < 0) + 1).tolist(), len(sequence)]
    runs = sorted(pairwise(breaks), key=lambda run: int(sequence[run[0]])) if len(sequence) else []
    if len(runs) <= 1:
        return table
    if all(sequence[one[1] - 1] < sequence[other[0]] for one, other in pairwise(runs)):
        return pa.concat_tables(table.slice(start, end - start) for start, end in runs)
    return table.take(np.argsort(sequence))


def _query(shape: Shape, view: View) -> str:
    """Change rows between two sequences as the view shows them."""
    fields = ", ".join(sql.name(name) for name in view.fields)
    shown = ", ".join(
        f"{view.shown(name)} AS {sql.name(name)}"
        if name in shape.key
        else f"CASE WHEN _op <> 'delete' THEN {view.shown(name)} END AS {sql.name(name)}"
        for name in view.fields
    )
    operation, source = "_op", shape.changes
    if view.rows != "true":
        # of a row that the lake keeps inlined, no single field of a STRUCT can be read; so the whole is read first
        source = f"(SELECT *, CASE WHEN _op <> 'insert' THEN _before END AS {WAS} FROM {shape.changes})"
        was = f"({WAS} IS NOT NULL AND coalesce({view.was}, false))"
        told = f"_sequence IN ({', '.join(map(str, view.told))})" if view.told else "false"
        after = f"(_op <> 'delete' AND coalesce({view.rows}, false))"
        operation = (
            f"CASE WHEN {after} AND {was} THEN 'update' WHEN {after} THEN 'insert'"
            f" WHEN {was} OR (_op = 'delete' AND _before IS NULL AND {told}) THEN 'delete' END"
        )
    return f"""
        SELECT _sequence, _op, _delivery, _cause, _at, _as_of, {shown}
        FROM (SELECT _sequence, {operation} AS _op, _delivery, _cause, _at, _as_of, {fields} FROM {source}
              WHERE _sequence > ? AND _sequence <= ?) WHERE _op IS NOT NULL
    """


def records(cursor: duckdb.DuckDBPyConnection, shape: Shape, view: View) -> Iterator[pa.RecordBatch]:
    """The current state as the view shows it; at least one batch, be it empty."""
    reader = cursor.execute(f"SELECT {_shown(view)} FROM {_rows(shape, view)}").to_arrow_reader(BATCH)
    yield _nothing(reader.schema)
    yield from reader


def counts(
    cursor: duckdb.DuckDBPyConnection, shape: Shape, view: View, smallest: int
) -> list[dict[str, str | int | None]]:
    """How many rows of the current state have each combination of what the view shows, in steps of `smallest`.

    Rounded down, so that the difference of two counts that overlap tells nothing of the few by which they differ;
    groups below the first step are left out.
    """
    names = [sql.name(name) for name in view.fields]
    grouped = ", ".join([f"CAST({view.shown(name)} AS VARCHAR) AS {sql.name(name)}" for name in view.fields])
    order = ", ".join(names)
    table = cursor.execute(
        f"SELECT {grouped}, count(*) // ? * ? AS rows FROM {_rows(shape, view)}"
        f" GROUP BY ALL HAVING count(*) >= ? ORDER BY {order}",
        [smallest, smallest, smallest],
    ).to_arrow_table()
    return list(table.to_pylist())


def _shown(view: View) -> str:
    return ", ".join(f"{view.shown(name)} AS {sql.name(name)}" for name in view.fields)


def _rows(shape: Shape, view: View) -> str:
    """The rows of the view. A query of its own, so that the filter never reads a name that a mask gave."""
    fields = ", ".join(sql.name(name) for name in view.fields)
    return f"(SELECT {fields} FROM {shape.current} WHERE {view.rows})"


def _nothing(schema: pa.Schema) -> pa.RecordBatch:
    """No rows, so that a reader learns the columns."""
    return pa.RecordBatch.from_pylist([], schema=schema)
