"""SQL of what was measured."""

from collections.abc import Sequence
from datetime import date, datetime

import msgspec

from cityloom.kernel.db import Transaction
from cityloom.quality.contracts import Dimension, Measure


class ScoreRow(msgspec.Struct, frozen=True):
    """One row of quality.score; the part '' is the measure itself."""

    dataset: str
    day: date
    dimension: str
    part: str
    organisation: str
    good: int
    total: int


def put(tx: Transaction, dataset: str, day: date, rows: Sequence[ScoreRow], at: datetime) -> None:
    """Keep what was measured, in the place of an earlier measuring of that dataset and day."""
    tx.execute("DELETE FROM quality.score WHERE dataset = %s AND day = %s", [dataset, day])
    tx.many(
        """INSERT INTO quality.score (dataset, day, dimension, part, organisation, good, total, computed_at)
           VALUES (%s, %s, %s, %s, %s, %s, %s, %s)""",
        [[*msgspec.structs.astuple(row), at] for row in rows],
    )


def measured(
    tx: Transaction, start: date, end: date, organisation: str, dataset: str, after: tuple[date, str] | None, limit: int
) -> list[Measure]:  # fmt: skip
    """Measures that the scope may see, from `start` until before `end`, by day, dataset and dimension."""
    rows = tx.all(
        ScoreRow,
        """SELECT dataset, day, dimension, part, organisation, good, total FROM quality.score
           WHERE part = '' AND day >= %(start)s AND day < %(end)s AND %(organisation)s IN ('', organisation)
             AND %(dataset)s IN ('', dataset)
             AND (%(day)s::date IS NULL OR (day, dataset) > (%(day)s::date, %(after)s))
           ORDER BY day, dataset, dimension LIMIT %(limit)s""",
        {"start": start, "end": end, "organisation": organisation, "dataset": dataset,
         "day": after[0] if after else None, "after": after[1] if after else "", "limit": limit},
    )  # fmt: skip
    return [
        Measure(row.dataset, row.organisation, row.day, Dimension(row.dimension), row.good, row.total) for row in rows
    ]


def parts(tx: Transaction, dataset: str, day: date) -> list[ScoreRow]:
    """Everything that was measured of one dataset on one day, each measure before its parts."""
    return tx.all(
        ScoreRow,
        """SELECT dataset, day, dimension, part, organisation, good, total FROM quality.score
           WHERE dataset = %s AND day = %s ORDER BY dimension, part""",
        [dataset, day],
    )


def latest(tx: Transaction, datasets: Sequence[str], first: date, last: date, dimension: str) -> list[ScoreRow]:
    """One dimension of each of these datasets, with its parts, on the latest day from `first` to `last` that was measured."""
    return tx.all(
        ScoreRow,
        """SELECT s.dataset, s.day, s.dimension, s.part, s.organisation, s.good, s.total FROM quality.score s
           JOIN (SELECT dataset, max(day) AS day FROM quality.score
                 WHERE dataset = ANY(%(datasets)s) AND day BETWEEN %(first)s AND %(last)s GROUP BY dataset) l
             ON l.dataset = s.dataset AND l.day = s.day
           WHERE s.dimension = %(dimension)s ORDER BY s.dataset, s.part""",
        {"datasets": list(datasets), "first": first, "last": last, "dimension": dimension},
    )


class Sum(msgspec.Struct, frozen=True):
    """What a dimension of a dataset comes to over some days."""

    dataset: str
    good: int
    total: int


def sums(tx: Transaction, datasets: Sequence[str], first: date, last: date, dimension: str) -> list[Sum]:
    """One dimension of each of these datasets over the days from `first` to `last`."""
    return tx.all(
        Sum,
        """SELECT dataset, sum(good)::bigint AS good, sum(total)::bigint AS total FROM quality.score
           WHERE dataset = ANY(%s) AND day BETWEEN %s AND %s AND dimension = %s AND part = ''
           GROUP BY dataset ORDER BY dataset""",
        [list(datasets), first, last, dimension],
    )


def last_days(tx: Transaction, before: date) -> dict[str, date]:
    """The last day before another on which each dataset was measured."""
    rows = tx.connection.execute(
        "SELECT dataset, max(day) FROM quality.score WHERE day < %s GROUP BY dataset", [before]
    ).fetchall()
    return {row[0]: row[1] for row in rows}
