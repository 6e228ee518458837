"""SQL of the figures in PostgreSQL, and counts over the datasets in the lake."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime

import duckdb
import msgspec
import pyarrow as pa

from cityloom.kernel import sql
from cityloom.kernel.db import Transaction
from cityloom.topics.contracts import Counted, Measure, Met, Point


class FigureRow(msgspec.Struct, frozen=True):
    """One row of topics.figure."""

    topic: str
    day: date
    part: str
    measure: str
    field: str
    other: str
    source: str
    count: int
    total: int
    counted_at: datetime


def put(tx: Transaction, topic: str, day: date, figures: Sequence[Counted], at: datetime) -> None:
    """Keep a topic's figures of a day, in the place of an earlier count of that day."""
    tx.execute("DELETE FROM topics.figure WHERE topic = %s AND day = %s", [topic, day])
    tx.many(
        """INSERT INTO topics.figure (topic, day, part, measure, field, other, count, total, source, counted_at)
           VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)""",
        [[topic, day, *msgspec.structs.astuple(each.figure), each.source, at] for each in figures],
    )


class Span(msgspec.Struct, frozen=True):
    """The first and the last day on which a topic was counted."""

    topic: str
    first: date
    last: date


def spans(tx: Transaction) -> dict[str, Span]:
    """Of each topic that was counted."""
    rows = tx.all(Span, "SELECT topic, min(day) AS first, max(day) AS last FROM topics.figure GROUP BY topic")
    return {row.topic: row for row in rows}


def of_day(tx: Transaction, topic: str, day: date) -> list[FigureRow]:
    """All figures of a topic on one day."""
    return tx.all(
        FigureRow,
        """SELECT topic, day, part, measure, field, other, source, count, total, counted_at FROM topics.figure
           WHERE topic = %s AND day = %s ORDER BY part, measure, field, other""",
        [topic, day],
    )


def wholes(tx: Transaction) -> list[FigureRow]:
    """Of each topic the figures of the whole on the last day on which it was counted."""
    return tx.all(
        FigureRow,
        """SELECT topic, day, part, measure, field, other, source, count, total, counted_at FROM topics.figure f
           WHERE part = '' AND day = (SELECT max(day) FROM topics.figure l WHERE l.topic = f.topic)
           ORDER BY topic, measure, field, other""",
    )


def curve(tx: Transaction, topic: str, first: date, last: date) -> list[Point]:
    """The figures of the whole from `first` to `last`."""
    rows = tx.connection.execute(
        """SELECT day, measure, count, total FROM topics.figure
           WHERE topic = %s AND part = '' AND day BETWEEN %s AND %s ORDER BY day, measure""",
        [topic, first, last],
    ).fetchall()
    return [Point(row[0], Measure(row[1]), row[2], row[3]) for row in rows]


def records(cursor: duckdb.DuckDBPyConnection, table: tuple[str, str, str]) -> int:
    """How many records a dataset has now."""
    found = cursor.execute(f"SELECT count(*) FROM {sql.name(*table)}").fetchone()
    return int(found[0]) if found else 0


class Numbers(msgspec.Struct, frozen=True):
    """A dataset's fields with numbers of a register's entities."""

    dataset: str
    table: tuple[str, str, str]
    fields: tuple[str, ...]


def met(cursor: duckdb.DuckDBPyConnection, wanted: Sequence[Numbers], pages: Iterable[pa.Table]) -> dict[str, Met]:
    """How many entities, and how many of the numbers that stand in each dataset, are met in the pages of a register.

    An entity lies in one page, so pages add up; the numbers of a dataset are distinct, and stay in the engine.
    """
    found = {}
    for place, each in enumerate(wanted):
        cursor.execute(f"CREATE OR REPLACE TEMP TABLE seen_{place} AS SELECT DISTINCT value FROM ({_numbers(each)})")
        named = cursor.execute(f"SELECT count(*) FROM seen_{place}").fetchone()
        found[each.dataset] = Met(0, 0, int(named[0]) if named else 0)
    for page in pages:
        cursor.register("page", page)
        for place, each in enumerate(wanted):
            row = cursor.execute(
                f"SELECT count(DISTINCT entity), count(DISTINCT value) FROM page JOIN seen_{place} USING (value)"
            ).fetchone()
            before = found[each.dataset]
            entities, known = row or (0, 0)
            found[each.dataset] = Met(before.entities + entities, before.known + known, before.named)
        cursor.unregister("page")
    for place in range(len(wanted)):
        cursor.execute(f"DROP TABLE seen_{place}")
    return found


def _numbers(each: Numbers) -> str:
    table = sql.name(*each.table)
    return " UNION ALL ".join(
        f"SELECT CAST({sql.name(field)} AS VARCHAR) AS value FROM {table} WHERE {sql.name(field)} IS NOT NULL"
        for field in each.fields
    )
