"""Observations in: the day's partition by COPY, the latest values, the totals and the boxes, all in the caller's transaction."""

from collections.abc import Sequence
from datetime import date, datetime

import msgspec
import numpy as np

from cityloom.kernel import sql
from cityloom.kernel.db import Transaction
from cityloom.sensing.rules import columns
from cityloom.sensing.rules.columns import HEAD, TAIL, Columns, Copy, Integers, Summary, moment

FEW = "id, datastream_id, feature_id, phenomenon_start, phenomenon_end, result_time, received, number, keeper"
ALL = f"{FEW}, result, quality, valid_start, valid_end, parameters"
LAST = (
    "id", "feature_id", "phenomenon_start", "phenomenon_end", "result_time", "received", "number", "result", "quality",
    "valid_start", "valid_end", "parameters",
)  # fmt: skip
"""What `latest` has of the last Observation."""


class Stream(msgspec.Struct, frozen=True):
    """What taking an Observation needs of its Datastream; `feature` is the default one, 0 where there is none yet."""

    id: int
    keeper: str
    multi: bool
    size: int
    location: int
    feature: int


def make_day(tx: Transaction, day: date) -> str:
    """The partition of a day (UTC), made if need be; its name."""
    return tx.scalar(str, "SELECT sensing.make_day(%s)", [day])


def streams(tx: Transaction, ids: Sequence[int]) -> list[Stream]:
    """Those of the ids that the scope sees, with the feature that stands for where their Thing is."""
    return tx.all(
        Stream,
        """SELECT d.id, d.keeper, d.multi,
             CASE WHEN d.multi THEN jsonb_array_length(d.unit) ELSE 1 END AS size,
             COALESCE(l.id, 0) AS location, COALESCE(l.feature, 0) AS feature
           FROM sensing.datastreams d LEFT JOIN LATERAL (
             SELECT o.id, f.id AS feature FROM sensing.thing_locations t
             JOIN sensing.locations o ON o.id = t.location_id LEFT JOIN sensing.features f ON f.location_id = o.id
             WHERE t.thing_id = d.thing_id ORDER BY (o.shape IS NULL), o.id DESC LIMIT 1) l ON true
           WHERE d.id = ANY(%s)""",
        [list(ids)],
    )


def make_features(tx: Transaction, locations: Sequence[int]) -> None:
    """Features of interest made from locations, once each."""
    tx.execute(
        """INSERT INTO sensing.features (keeper, public, name, description, properties, encoding_type, feature, shape,
             west, south, east, north, location_id)
           SELECT keeper, public, name, description, properties, encoding_type, location, shape, west, south, east, north, id
           FROM sensing.locations WHERE id = ANY(%s) ORDER BY id ON CONFLICT (location_id) DO NOTHING""",
        [list(locations)],
    )


def features(tx: Transaction, ids: Sequence[int]) -> set[int]:
    """Those of the ids that the scope sees."""
    return set(tx.values(int, "SELECT id FROM sensing.features WHERE id = ANY(%s)", [list(ids)]))


def write(tx: Transaction, found: Columns, partition: str, received: datetime, keeper: str) -> int:
    """Take a batch of one keeper; the first of its ids, which go on in its order."""
    first = tx.scalar(int, "SELECT sensing.take_ids(%s)", [len(found)])
    for each in columns.copies(found, first, received, keeper):
        _copy(tx, partition, each)
    if found.more:
        _copy_more(tx, partition, found, first, received, keeper)
    pairs = np.unique(np.stack((found.streams, found.features)), axis=1)
    _pairs(tx, pairs)
    _latest(tx, found, columns.summed(found), pairs, first, received)
    return first


def _copy(tx: Transaction, partition: str, each: Copy) -> None:
    names = ", ".join(each.columns)
    statement = f"COPY {sql.name('sensing', partition)} ({names}) FROM STDIN (FORMAT BINARY)"
    with tx.connection.cursor() as cursor, cursor.copy(statement.encode()) as copy:
        copy.write(HEAD + each.rows + TAIL)


def _copy_more(tx: Transaction, partition: str, found: Columns, first: int, at: datetime, keeper: str) -> None:
    statement = f"COPY {sql.name('sensing', partition)} ({ALL}) FROM STDIN"
    with tx.connection.cursor() as cursor, cursor.copy(statement.encode()) as copy:
        for place, each in sorted(found.more.items()):
            valid = (each.valid.start, each.valid.end) if each.valid else (None, None)
            ids = (first + place, int(found.streams[place]), int(found.features[place]))
            values = (each.start, each.end, each.result_time, at, each.number, keeper)
            copy.write_row((*ids, *values, each.result, each.quality, *valid, each.parameters))


def _pairs(tx: Transaction, pairs: Integers) -> None:
    tx.execute(
        """INSERT INTO sensing.datastream_features (datastream_id, feature_id, keeper, public)
           SELECT n.stream, n.feature, d.keeper, d.public
           FROM unnest(%s::bigint[], %s::bigint[]) n(stream, feature) JOIN sensing.datastreams d ON d.id = n.stream
           WHERE NOT EXISTS (SELECT FROM sensing.datastream_features o
             WHERE o.datastream_id = n.stream AND o.feature_id = n.feature)
           ORDER BY 1, 2 ON CONFLICT DO NOTHING""",
        [pairs[0].tolist(), pairs[1].tolist()],
    )


def _times(values: Integers) -> list[datetime | None]:
    return [moment(each) for each in values.tolist()]


NEWER = "(excluded.phenomenon_start, excluded.id) > (l.phenomenon_start, l.id)"
UPSERT = f"""
    INSERT INTO sensing.latest AS l (datastream_id, keeper, public, total, first_start, last_end, first_result, last_result,
      west, south, east, north, {", ".join(LAST)})
    SELECT n.stream, d.keeper, d.public, n.total, n.first_start, n.last_end, n.first_result, n.last_result,
      b.west, b.south, b.east, b.north, n.id, n.feature, n.start, n.ending, n.result_time, %(received)s, n.number,
      n.result, n.quality, n.valid_start, n.valid_end, n.parameters
    FROM unnest(%(streams)s::bigint[], %(totals)s::bigint[], %(first_starts)s::timestamptz[], %(last_ends)s::timestamptz[],
      %(first_results)s::timestamptz[], %(last_results)s::timestamptz[], %(ids)s::bigint[], %(features)s::bigint[],
      %(starts)s::timestamptz[], %(ends)s::timestamptz[], %(result_times)s::timestamptz[], %(numbers)s::float8[],
      %(results)s::jsonb[], %(qualities)s::jsonb[], %(valid_starts)s::timestamptz[], %(valid_ends)s::timestamptz[],
      %(parameters)s::jsonb[])
      n(stream, total, first_start, last_end, first_result, last_result, id, feature, start, ending, result_time, number,
        result, quality, valid_start, valid_end, parameters)
    JOIN sensing.datastreams d ON d.id = n.stream
    LEFT JOIN (
      SELECT u.stream, min(f.west) AS west, min(f.south) AS south, max(f.east) AS east, max(f.north) AS north
      FROM unnest(%(all_streams)s::bigint[], %(all_features)s::bigint[]) u(stream, feature)
      JOIN sensing.features f ON f.id = u.feature GROUP BY u.stream) b ON b.stream = n.stream
    ORDER BY n.stream
    ON CONFLICT (datastream_id) DO UPDATE SET
      total = l.total + excluded.total, first_start = least(l.first_start, excluded.first_start),
      last_end = greatest(l.last_end, excluded.last_end), first_result = least(l.first_result, excluded.first_result),
      last_result = greatest(l.last_result, excluded.last_result), west = least(l.west, excluded.west),
      south = least(l.south, excluded.south), east = greatest(l.east, excluded.east),
      north = greatest(l.north, excluded.north),
      {", ".join(f"{name} = CASE WHEN {NEWER} THEN excluded.{name} ELSE l.{name} END" for name in LAST)}"""


def _latest(
    tx: Transaction, found: Columns, summary: Summary, pairs: Integers, first: int, received: datetime
) -> None:  # fmt: skip
    last = summary.last
    more = [found.more.get(place) for place in last.tolist()]
    valid = [each.valid if each else None for each in more]
    numbers = [None if number != number else number for number in found.numbers[last].tolist()]
    tx.execute(
        UPSERT,
        {
            "received": received, "streams": summary.streams.tolist(), "totals": summary.totals.tolist(),
            "first_starts": _times(summary.first_starts), "last_ends": _times(summary.last_ends),
            "first_results": _times(summary.first_results), "last_results": _times(summary.last_results),
            "ids": (last + first).tolist(), "features": found.features[last].tolist(),
            "starts": _times(found.starts[last]), "ends": _times(found.ends[last]),
            "result_times": _times(found.result_times[last]), "numbers": numbers,
            "results": [each.result if each else None for each in more],
            "qualities": [each.quality if each else None for each in more],
            "valid_starts": [each.start if each else None for each in valid],
            "valid_ends": [each.end if each else None for each in valid],
            "parameters": [each.parameters if each else None for each in more],
            "all_streams": pairs[0].tolist(), "all_features": pairs[1].tolist(),
        },
    )  # fmt: skip


HOT = "received >= (SELECT cold_until FROM sensing.history)"


def recount(tx: Transaction, streams: Sequence[int]) -> None:
    """Work out latest values, totals and boxes anew, after Observations were changed or removed."""
    ids = sorted(set(streams))
    tx.execute("SELECT FROM sensing.latest WHERE datastream_id = ANY(%s) ORDER BY datastream_id FOR UPDATE", [ids])
    tx.execute("DELETE FROM sensing.latest WHERE datastream_id = ANY(%s)", [ids])
    tx.execute(
        f"""DELETE FROM sensing.datastream_features s WHERE datastream_id = ANY(%s) AND NOT cold AND NOT EXISTS (
             SELECT FROM sensing.observations o
             WHERE o.datastream_id = s.datastream_id AND o.feature_id = s.feature_id AND o.{HOT})""",
        [ids],
    )
    names = ", ".join(LAST)
    last = "ORDER BY phenomenon_start DESC, id DESC LIMIT 1"
    tx.execute(
        f"""INSERT INTO sensing.latest (datastream_id, keeper, public, total, first_start, last_end, first_result,
              last_result, west, south, east, north, {names})
            SELECT d.id, d.keeper, d.public, s.total + COALESCE(c.total, 0), least(s.first_start, c.first_start),
              greatest(s.last_end, c.last_end), least(s.first_result, c.first_result),
              greatest(s.last_result, c.last_result),
              b.west, b.south, b.east, b.north, {", ".join(f"o.{name}" for name in LAST)}
            FROM sensing.datastreams d LEFT JOIN sensing.cold_streams c ON c.datastream_id = d.id
            CROSS JOIN LATERAL (
              SELECT count(*) AS total, min(phenomenon_start) AS first_start,
                max(COALESCE(phenomenon_end, phenomenon_start)) AS last_end, min(result_time) AS first_result,
                max(result_time) AS last_result
              FROM sensing.observations WHERE datastream_id = d.id AND {HOT}) s
            CROSS JOIN LATERAL (
              SELECT {names} FROM (
                (SELECT {names} FROM sensing.observations WHERE datastream_id = d.id AND {HOT} {last})
                UNION ALL (SELECT {names} FROM sensing.cold_streams WHERE datastream_id = d.id)) z {last}) o
            LEFT JOIN LATERAL (
              SELECT min(f.west) AS west, min(f.south) AS south, max(f.east) AS east, max(f.north) AS north
              FROM sensing.datastream_features p JOIN sensing.features f ON f.id = p.feature_id
              WHERE p.datastream_id = d.id) b ON true
            WHERE d.id = ANY(%s)""",
        [ids],
    )


def change(tx: Transaction, id: int, values: dict[str, object]) -> None:
    """Write other values of one Observation."""
    pairs = ", ".join(f"{sql.name(name)} = %({name})s" for name in values)
    tx.execute(f"UPDATE sensing.observations SET {pairs} WHERE id = %(own_id)s", {**values, "own_id": id})


def remove(tx: Transaction, ids: Sequence[int]) -> int:
    """Delete Observations; how many there were."""
    return tx.execute("DELETE FROM sensing.observations WHERE id = ANY(%s)", [list(ids)])


def remove_of_streams(tx: Transaction, streams: Sequence[int]) -> int:
    """Delete every Observation of these Datastreams; how many were hot. What the lake has of them is not seen any more."""
    tx.execute(
        """UPDATE sensing.corrections SET removed = true, version = nextval('sensing.correction_versions')
           WHERE datastream_id = ANY(%s)""",
        [list(streams)],
    )
    return tx.execute("DELETE FROM sensing.observations WHERE datastream_id = ANY(%s)", [list(streams)])


def remove_of_feature(tx: Transaction, feature: int) -> list[int]:
    """Delete every Observation of a feature; the Datastreams that had any."""
    found = tx.values(int, "SELECT datastream_id FROM sensing.datastream_features WHERE feature_id = %s", [feature])
    tx.execute("DELETE FROM sensing.observations WHERE feature_id = %s AND datastream_id = ANY(%s)", [feature, found])
    return found


def pair(tx: Transaction, id: int) -> None:
    """Know the feature of one Observation among those of its Datastream."""
    tx.execute(
        """INSERT INTO sensing.datastream_features (datastream_id, feature_id, keeper, public)
           SELECT d.id, o.feature_id, d.keeper, d.public FROM sensing.observations o
           JOIN sensing.datastreams d ON d.id = o.datastream_id WHERE o.id = %s ON CONFLICT DO NOTHING""",
        [id],
    )
