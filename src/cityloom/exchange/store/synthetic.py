"""Made-up records on their way through the checks, in temporary tables of one session."""

from collections.abc import Mapping, Sequence
from typing import Any

import duckdb
import pyarrow as pa

from cityloom.exchange.store import checked
from cityloom.kernel import sql


def table(dataset: str) -> str:
    """The temporary table of a dataset's made-up records."""
    return sql.name(f"twin_{dataset}")


def deliver(cursor: duckdb.DuckDBPyConnection, fields: Sequence[str], rows: Sequence[Mapping[str, str | None]]) -> None:
    """Make `delivered` of candidates, as if they had come in a file."""
    names = ", ".join(sql.name(field) for field in fields)
    columns = {field: pa.array([row[field] for row in rows], pa.string()) for field in fields}
    cursor.register("candidates", pa.table({"_row": pa.array(range(1, len(rows) + 1), pa.int64()), **columns}))
    checked.keep(cursor, f"SELECT _row, NULL::STRUCT(rule VARCHAR)[] AS _faults, {names} FROM candidates")
    cursor.unregister("candidates")


def keep(cursor: duckdb.DuckDBPyConnection, dataset: str, fields: Sequence[str], most: int) -> list[dict[str, Any]]:
    """Keep the first good rows of `checked` as the dataset's made-up records."""
    names = ", ".join(sql.name(field) for field in fields)
    cursor.execute(
        f"CREATE OR REPLACE TEMP TABLE {table(dataset)} AS SELECT {names} FROM checked WHERE _good ORDER BY _row LIMIT {most}"
    )
    rows: list[dict[str, Any]] = cursor.execute(f"SELECT * FROM {table(dataset)}").to_arrow_table().to_pylist()
    return rows
