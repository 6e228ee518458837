"""Counts for measuring quality: one pass over a dataset's state at a moment, and over what a day's deliveries left."""

from collections.abc import Sequence
from datetime import datetime

import duckdb
import msgspec

from cityloom.exchange.contracts import FaultCount
from cityloom.exchange.store.changes import WAS
from cityloom.exchange.store.records import _moment
from cityloom.exchange.store.shape import RETAINED, Shape
from cityloom.kernel import sql
from cityloom.kernel.db import Transaction

Counted = tuple[int, int]
"""Good, total."""


class Delivered(msgspec.Struct, frozen=True):
    """What came of one delivery."""

    id: str
    rows_in: int
    quarantined: int
    duplicates: int


def delivered(tx: Transaction, dataset: str, start: datetime, end: datetime) -> list[Delivered]:
    """Deliveries that brought values and were received from `start` until before `end`, also those withdrawn since."""
    return tx.all(
        Delivered,
        """SELECT id, rows_in, quarantined, duplicates FROM exchange.delivery
           WHERE dataset = %s AND received_at >= %s AND received_at < %s AND mode <> 'delete'
             AND state IN ('accepted', 'withdrawing', 'withdrawn') ORDER BY id""",
        [dataset, start, end],
    )


def accepted_within(tx: Transaction, dataset: str, start: datetime, end: datetime) -> bool:
    """Whether a delivery that still stands was received from `start` until `end`."""
    return tx.scalar(
        bool,
        """SELECT EXISTS (SELECT FROM exchange.delivery
             WHERE dataset = %s AND received_at >= %s AND received_at <= %s AND state = 'accepted')""",
        [dataset, start, end],
    )


class Broken(msgspec.Struct, frozen=True):
    """How many quarantined rows broke exactly these rules."""

    rules: list[str]
    rows: int


def _state(shape: Shape, end: datetime) -> str:
    """The current state as it was at `end` (UTC, naive): what changed since is put back.

    Rows whose record was erased since are not there.
    """
    was = ", ".join(f"{WAS}.{sql.name(name)} AS {sql.name(name)}" for name, _ in shape.columns)
    # of a row that the lake keeps inlined, no single field of a STRUCT can be read; so the whole is read first
    since = (
        f"SELECT {shape.key_names()}, _sequence, CASE WHEN _op <> 'insert' THEN _before END AS {WAS}"
        f" FROM {shape.changes} WHERE _at >= {_moment(end)} AND _cause <> {sql.literal(RETAINED)}"
    )
    first = f"SELECT {WAS} FROM ({since}) QUALIFY row_number() OVER (PARTITION BY {shape.key_names()} ORDER BY _sequence) = 1"
    return (
        f"(SELECT {shape.names()} FROM {shape.current} WHERE _at < {_moment(end)}"
        f" UNION ALL SELECT {was} FROM ({first}) WHERE {WAS} IS NOT NULL)"
    )


def judge(
    cursor: duckdb.DuckDBPyConnection, shape: Shape, conditions: Sequence[tuple[str, str]], end: datetime
) -> list[Counted]:  # fmt: skip
    """In the state at `end`, for each pair of conditions: how many records of those that meet the first meet the second."""
    cases = ", ".join(
        f"CASE WHEN {seen} THEN coalesce({good}, false) END AS _look{n}" for n, (seen, good) in enumerate(conditions)
    )
    counts = ", ".join(f"count(*) FILTER (_look{n}), count(_look{n})" for n in range(len(conditions)))
    row = cursor.execute(f"SELECT {counts} FROM (SELECT {cases} FROM {_state(shape, end)})").fetchone() or ()
    return [(int(good), int(total)) for good, total in zip(row[::2], row[1::2], strict=True)]


def alone(cursor: duckdb.DuckDBPyConnection, shape: Shape, fields: Sequence[str], end: datetime) -> Counted:
    """Of the records that have these fields in the state at `end`, how many share their values with no other."""
    names = ", ".join(sql.name(field) for field in fields)
    there = " AND ".join(f"{sql.name(field)} IS NOT NULL" for field in fields)
    row = cursor.execute(
        f"""SELECT count(*) FILTER (n = 1), coalesce(sum(n), 0)::BIGINT
            FROM (SELECT count(*) AS n FROM {_state(shape, end)} WHERE {there} GROUP BY {names})"""
    ).fetchone() or (0, 0)
    return int(row[0]), int(row[1])


def faults(cursor: duckdb.DuckDBPyConnection, shape: Shape, deliveries: Sequence[str]) -> list[FaultCount]:
    """The faults of these deliveries' quarantined rows by rule and field."""
    rows = cursor.execute(
        f"""SELECT f.rule, f.field, count(DISTINCT (_delivery, _row)) FROM
              (SELECT _delivery, _row, unnest(faults) AS f FROM {shape.quarantine} WHERE {_of(deliveries)})
            GROUP BY ALL ORDER BY ALL"""
    ).fetchall()
    return [FaultCount(rule, field, count) for rule, field, count in rows]


def broken(cursor: duckdb.DuckDBPyConnection, shape: Shape, deliveries: Sequence[str]) -> list[Broken]:
    """The quarantined rows of these deliveries by the rules that they broke."""
    rows = cursor.execute(
        f"""SELECT list_sort(list_distinct(list_transform(faults, f -> f.rule))) AS rules, count(*)
            FROM {shape.quarantine} WHERE {_of(deliveries)} GROUP BY ALL ORDER BY ALL"""
    ).fetchall()
    return [Broken(rules, count) for rules, count in rows]


def confirmed(cursor: duckdb.DuckDBPyConnection, shape: Shape, deliveries: Sequence[str]) -> int:
    """How many records these deliveries stated again unchanged."""
    row = cursor.execute(
        f"SELECT count(*) FROM {shape.confirmed} WHERE _sequence IS NOT NULL AND {_of(deliveries)}"
    ).fetchone()
    return int(row[0]) if row else 0


def _of(deliveries: Sequence[str]) -> str:
    return f"_delivery IN ({', '.join(sql.literal(each) for each in deliveries)})" if deliveries else "false"
