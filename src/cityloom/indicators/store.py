"""SQL of indicators: computations and figures in PostgreSQL, and a model's statement run on the lake."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime

import duckdb
import msgspec
import pyarrow as pa

from cityloom.indicators.contracts import Figure, Input
from cityloom.kernel import sql
from cityloom.kernel.db import Transaction

COLUMNS = "id, indicator, on_day, wish, parameters::text AS parameters, inputs::text AS inputs, figures, actor, organisation, at"


class ComputationRow(msgspec.Struct, frozen=True):
    """One row of indicators.computation."""

    id: str
    indicator: str
    on_day: date
    wish: str
    """SHA-256 of what was asked for."""
    parameters: str
    inputs: str
    figures: int
    actor: str
    organisation: str
    at: datetime


class CountRow(msgspec.Struct, frozen=True):
    """How often an indicator was computed."""

    indicator: str
    computations: int


def inputs(row: ComputationRow) -> tuple[Input, ...]:
    """What a computation read."""
    return msgspec.json.decode(row.inputs, type=tuple[Input, ...])


def hold(tx: Transaction, indicator: str, id: str) -> None:
    """Nobody else computes under this id until the transaction ends."""
    tx.execute("SELECT pg_advisory_xact_lock(hashtextextended('indicators ' || %s || ' ' || %s, 0))", [indicator, id])


def find(tx: Transaction, indicator: str, id: str) -> ComputationRow | None:
    """One computation."""
    return tx.first(
        ComputationRow,
        f"SELECT {COLUMNS} FROM indicators.computation WHERE indicator = %s AND id = %s",
        [indicator, id],
    )


def counts(tx: Transaction) -> dict[str, int]:
    """How many computations there are of each indicator that has any."""
    return {
        row.indicator: row.computations
        for row in tx.all(
            CountRow, "SELECT indicator, count(*) AS computations FROM indicators.computation GROUP BY indicator", []
        )
    }


def listing(tx: Transaction, indicator: str, after: str, limit: int) -> list[ComputationRow]:
    """Computations by id."""
    return tx.all(
        ComputationRow,
        f"SELECT {COLUMNS} FROM indicators.computation WHERE indicator = %s AND id > %s ORDER BY id LIMIT %s",
        [indicator, after, limit],
    )


def add(tx: Transaction, row: ComputationRow, figures: Sequence[Figure]) -> None:
    """Keep a computation and its figures."""
    tx.execute(
        """INSERT INTO indicators.computation (id, indicator, on_day, wish, parameters, inputs, figures, actor, organisation,
             at)
           VALUES (%s, %s, %s, %s, %s::jsonb, %s::jsonb, %s, %s, %s, %s)""",
        list(msgspec.structs.astuple(row)),
    )
    tx.many(
        """INSERT INTO indicators.figure (indicator, computation, level, area, kind, value)
           VALUES (%s, %s, %s, %s, %s, %s)""",
        [[row.indicator, row.id, *msgspec.structs.astuple(figure)] for figure in figures],
    )


def figures(
    tx: Transaction, indicator: str, id: str, level: str, area: str, kind: str | None, after: tuple[str, str] | None,
    limit: int,
) -> list[Figure]:  # fmt: skip
    """Figures of a level whose areas begin with these digits, by area and kind; of one kind, unless it is None."""
    given = None if after is None else "after"
    return tx.all(
        Figure,
        """SELECT level, area, kind, value FROM indicators.figure
           WHERE indicator = %s AND computation = %s AND level = %s AND starts_with(area, %s)
             AND (%s::text IS NULL OR kind = %s)
             AND (%s::text IS NULL OR (area, kind) > (%s, %s))
           ORDER BY area, kind LIMIT %s""",
        [indicator, id, level, area, kind, kind, given, *(after or ("", "")), limit],
    )


def schema(cursor: duckdb.DuckDBPyConnection, table: tuple[str, str, str], fields: Sequence[str]) -> pa.Schema:
    """The columns of a table of the lake."""
    names = ", ".join(sql.name(field) for field in fields)
    return cursor.execute(f"SELECT {names} FROM {sql.name(*table)} LIMIT 0").to_arrow_table().schema


def run(cursor: duckdb.DuckDBPyConnection, statement: str, tables: Mapping[str, pa.Table] | None = None) -> pa.Table:
    """What a model's statement comes to, over the lake and these tables."""
    for name, table in (tables or {}).items():
        cursor.register(name, table)
    return cursor.execute(statement).to_arrow_table()
