"""Parts of buckets: of what is hot from its rows, of what is in the lake from the parts that are kept there."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

import duckdb
import msgspec
import pyarrow as pa

from cityloom.kernel.db import Transaction
from cityloom.sensing.contracts.buckets import GOOD, Part, Ruler
from cityloom.sensing.store import lake
from cityloom.sensing.store.history import Border

FINITE = "(number > '-Infinity' AND number < 'Infinity')"
IS_GOOD = "(quality IS NULL OR COALESCE(quality ->> 'flag', quality #>> '{}') = ANY(%(good)s))"
SUMS = f"""count(*) AS total, count(*) FILTER (WHERE {FINITE}) AS numbers, count(*) FILTER (WHERE {IS_GOOD}) AS good,
    sum(number) FILTER (WHERE {FINITE}) AS added, min(number) FILTER (WHERE {FINITE}) AS least,
    max(number) FILTER (WHERE {FINITE}) AS most"""
MERGED = """sum(total)::BIGINT, sum(numbers)::BIGINT, sum(good)::BIGINT, sum(added), min(COALESCE(least, added)),
    max(COALESCE(most, added))"""


class Span(msgspec.Struct, frozen=True):
    """Buckets of a width that begin from `start` on and before `end`."""

    ruler: Ruler
    start: datetime
    end: datetime

    @property
    def bound(self) -> dict[str, object]:
        return {
            "width": self.ruler.length,
            "origin": self.ruler.origin,
            "start": self.start,
            "end": self.end,
            "good": list(GOOD),
        }

    @property
    def condition(self) -> str:
        return f"bucket >= {lake.moment(self.start)} AND bucket < {lake.moment(self.end)}"


class Group(msgspec.Struct, frozen=True):
    """Datastreams of one district, ObservedProperty and unit."""

    district: str
    property: str
    unit: str
    datastreams: int


Pairs = Sequence[tuple[int, date]]
"""Datastreams and days of arrival."""


def pairs(tx: Transaction) -> list[tuple[int, date]]:
    """For which Datastreams and days of arrival the parts in the lake are not what they should be."""
    rows = tx.connection.execute(
        b"""SELECT was_of, (received AT TIME ZONE 'UTC')::date FROM sensing.corrections
            UNION SELECT datastream_id, (received AT TIME ZONE 'UTC')::date FROM sensing.corrections"""
    ).fetchall()
    return [(int(row[0]), row[1]) for row in rows]


def hot(tx: Transaction, border: Border, stream: int, span: Span) -> list[tuple[datetime, Part]]:
    """Of one Datastream, what is not in the lake and what overrules it."""
    key = "(phenomenon_start, received, id)"
    source = f"""SELECT {lake.NAMES} FROM sensing.observations WHERE received >= %(until)s
        UNION ALL SELECT {lake.NAMES} FROM sensing.corrections WHERE NOT removed"""
    rows = tx.connection.execute(
        f"""SELECT date_bin(%(width)s, phenomenon_start, %(origin)s), (received AT TIME ZONE 'UTC')::date, {SUMS},
              (array_agg(number ORDER BY {key}) FILTER (WHERE {FINITE}))[1], min(phenomenon_start) FILTER (WHERE {FINITE}),
              (array_agg(number ORDER BY {key} DESC) FILTER (WHERE {FINITE}))[1], max(phenomenon_start) FILTER (WHERE {FINITE})
            FROM ({source}) o WHERE datastream_id = %(stream)s AND phenomenon_start >= %(start)s AND phenomenon_start < %(end)s
            GROUP BY 1, 2""".encode(),
        {**span.bound, "stream": stream, "until": _until(border)},
    ).fetchall()
    return [(row[0], _part(row[1:])) for row in rows]


def cold(
    cursor: duckdb.DuckDBPyConnection, border: Border, stream: int, span: Span, but: Pairs, overruled: Sequence[int]
) -> list[tuple[datetime, Part]]:
    """Of one Datastream, what is in the lake; for the days of `but` from the rows that are not overruled."""
    days = [day for of, day in but if of == stream]
    names = "bucket, arrival, total, numbers, good, added, least, most, opening, opened, closing, closed"
    whole = """bucket, arrival, total, numbers, good, added, COALESCE(least, added), COALESCE(most, added),
        COALESCE(opening, added), opened, COALESCE(closing, added), COALESCE(closed, opened)"""
    where = f"datastream_id = {int(stream)} AND arrival < DATE '{_until(border).date()}'"
    statement = f"SELECT {whole} FROM {lake.parts(span.ruler.width)} WHERE {where} AND {span.condition}"
    values: dict[str, object] = {}
    if days:
        values = {"days": days, "overruled": list(overruled)}
        rows = f"""{lake.RAW} WHERE datastream_id = {int(stream)} AND received < {lake.moment(_until(border))}
            AND ({" OR ".join(lake.of_day(day) for day in days)}) AND id NOT IN (SELECT unnest($overruled::BIGINT[]))"""
        statement += f""" AND arrival NOT IN (SELECT unnest($days::DATE[]))
            UNION ALL SELECT {names} FROM ({lake.summed(span.ruler, rows)}) WHERE {span.condition}"""
    return [(row[0].replace(tzinfo=UTC), _part(row[1:])) for row in lake.rows(cursor, statement, values)]


def _part(row: tuple[Any, ...]) -> Part:
    arrival, total, numbers, good, added, least, most, opening, opened, closing, closed = row
    if not numbers:
        return Part(total, 0, good)
    first, last = (at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC) for at in (opened, closed))
    return Part(total, numbers, good, added, least, most, opening, (first, arrival), closing, (last, arrival))


def groups(tx: Transaction, district: str | None, property: str | None) -> tuple[list[Group], list[int], list[int]]:
    """The districts' Datastreams that the scope sees, by property and unit: groups, and of each Datastream its id and group."""
    rows = tx.connection.execute(
        b"""SELECT t.district, p.name, COALESCE(d.unit ->> 'symbol', ''), array_agg(d.id)
            FROM sensing.things t JOIN sensing.datastreams d ON d.thing_id = t.id AND NOT d.multi
            JOIN sensing.datastream_properties l ON l.datastream_id = d.id
            JOIN sensing.observed_properties p ON p.id = l.observed_property_id
            WHERE t.district IS NOT NULL AND (%(district)s::text IS NULL OR t.district = %(district)s)
              AND (%(property)s::text IS NULL OR p.name = %(property)s OR p.definition = %(property)s)
            GROUP BY 1, 2, 3 ORDER BY 1, 2, 3""",
        {"district": district, "property": property},
    ).fetchall()
    found = [Group(row[0], row[1], row[2], len(row[3])) for row in rows]
    return found, [id for row in rows for id in row[3]], [number for number, row in enumerate(rows) for _ in row[3]]


def hot_areas(
    tx: Transaction, border: Border, streams: Sequence[int], numbers: Sequence[int], span: Span
) -> list[tuple[int, datetime, Part]]:
    """Of groups of Datastreams, what is not in the lake and what overrules it."""
    source = f"""SELECT {lake.NAMES} FROM sensing.observations WHERE received >= %(until)s
        UNION ALL SELECT {lake.NAMES} FROM sensing.corrections WHERE NOT removed"""
    rows = tx.connection.execute(
        f"""SELECT g.place, date_bin(%(width)s, o.phenomenon_start, %(origin)s), {SUMS}
            FROM ({source}) o JOIN unnest(%(streams)s::bigint[], %(numbers)s::int[]) g(stream, place) ON g.stream = o.datastream_id
            WHERE o.phenomenon_start >= %(start)s AND o.phenomenon_start < %(end)s GROUP BY 1, 2""".encode(),
        {**span.bound, "until": _until(border), "streams": list(streams), "numbers": list(numbers)},
    ).fetchall()
    return [(row[0], row[1], Part(*row[2:])) for row in rows]


def cold_areas(
    cursor: duckdb.DuckDBPyConnection, border: Border, of: Mapping[str, Sequence[int]], span: Span, but: Pairs,
    overruled: Sequence[int],
) -> list[tuple[int, datetime, Part]]:  # fmt: skip
    """Of groups (`of`: `stream` and `number`), what is in the lake."""
    cursor.register(
        "asked_groups",
        pa.table({"stream": pa.array(of["stream"], pa.int64()), "number": pa.array(of["number"], pa.int32())}),
    )
    names = "datastream_id, bucket, arrival, total, numbers, good, added, least, most"
    until = _until(border)
    source = (
        f"SELECT {names} FROM {lake.parts(span.ruler.width)} WHERE arrival < DATE '{until.date()}' AND {span.condition}"
    )
    values: dict[str, object] = {}
    if but:
        values = {"of": [each[0] for each in but], "days": [each[1] for each in but], "overruled": list(overruled)}
        pair = "(SELECT unnest($of::BIGINT[]), unnest($days::DATE[]))"
        rows = f"""{lake.RAW} WHERE (datastream_id, received::DATE) IN {pair} AND received < {lake.moment(until)}
            AND ({" OR ".join(lake.of_day(day) for day in sorted({each[1] for each in but}))})
            AND id NOT IN (SELECT unnest($overruled::BIGINT[]))"""
        source += f""" AND (datastream_id, arrival) NOT IN {pair}
            UNION ALL SELECT {names} FROM ({lake.summed(span.ruler, rows)}) WHERE {span.condition}"""
    found = lake.rows(
        cursor,
        f"""SELECT g.number, p.bucket, {MERGED} FROM ({source}) p JOIN asked_groups g ON g.stream = p.datastream_id
            GROUP BY ALL""",
        values,
    )
    cursor.unregister("asked_groups")
    return [(row[0], row[1].replace(tzinfo=UTC), Part(*row[2:])) for row in found]


def _until(border: Border) -> datetime:
    return border.until or datetime(1970, 1, 1, tzinfo=UTC)
