"""SQL of rules at work: what arrived, what came before, Datastreams as rules look at them, and where each stands."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
import numpy as np

from cityloom.kernel.db import Transaction
from cityloom.sensing.rules.columns import EPOCH, Floats, Integers, moment
from cityloom.sensing.rules.watching import Observed, Stream

JUDGING = 7216051
"""The lock of whoever judges."""
WHOLE, REAL = np.dtype([("size", ">i4"), ("value", ">i8")]), np.dtype([("size", ">i4"), ("value", ">f8")])
HEAD = 20
"""Bytes before the elements of an array of one dimension (array_send)."""
WHAT = """o.id, o.datastream_id, COALESCE(o.phenomenon_end, o.phenomenon_start) AS time, o.phenomenon_start AS start,
    COALESCE(o.number, 'NaN'::float8) AS number"""


class Arrived(msgspec.Struct, frozen=True):
    """Observations by the column: an interval counts at its end. NaN: its result is no number."""

    ids: Integers
    streams: Integers
    times: Integers
    starts: Integers
    values: Floats

    def __len__(self) -> int:
        return len(self.ids)


def lock(tx: Transaction) -> None:
    """One judges at a time."""
    tx.execute("SELECT pg_advisory_xact_lock(%s)", [JUDGING])


def sum_up(tx: Transaction, partition: str, since: int) -> int:
    """Let the index of ids know the pages that were filled; where to go on (-1 at first)."""
    return tx.scalar(int, "SELECT sensing.sum_up(%s, %s)", [partition, since])


def arrived(tx: Transaction, received: datetime, first: int, last: int) -> Arrived:
    """A batch, as much of it as is still there."""
    return _gathered(
        tx, f"SELECT {WHAT} FROM sensing.observations o WHERE o.received = %s AND o.id BETWEEN %s AND %s",
        [received, first, last],
    )  # fmt: skip


def around(
    tx: Transaction, streams: Sequence[int], since: Sequence[int], until: Sequence[int], most: int
) -> Arrived:  # fmt: skip
    """What Datastreams observed between two moments each (µs), the first `most` of each."""
    return _gathered(
        tx,
        f"""SELECT o.* FROM unnest(%s::bigint[], %s::timestamptz[], %s::timestamptz[]) n(stream, since, until)
            CROSS JOIN LATERAL (
              SELECT {WHAT} FROM sensing.observations o
              WHERE o.datastream_id = n.stream AND o.phenomenon_start BETWEEN n.since AND n.until
              ORDER BY o.phenomenon_start, o.id LIMIT {int(most)}) o""",
        [list(streams), _moments(since), _moments(until)],
    )


def _gathered(tx: Transaction, select: str, params: Sequence[Any]) -> Arrived:
    """Rows as one array a column, read from the bytes that PostgreSQL sends: no row of them is an object here."""
    with tx.connection.cursor(binary=True) as cursor:
        cursor.execute(
            f"""SELECT array_agg(id), array_agg(datastream_id), array_agg(time), array_agg(start), array_agg(number)
                FROM ({select}) r""".encode(),
            params,
        )
        found = [cursor.pgresult.get_value(0, place) or bytes(HEAD) for place in range(5)] if cursor.pgresult else []
    ids, streams, times, starts = (np.frombuffer(each, WHOLE, -1, HEAD)["value"].astype(np.int64) for each in found[:4])
    values = np.frombuffer(found[4], REAL, -1, HEAD)["value"].astype(np.float64)
    return Arrived(ids, streams, times + EPOCH, starts + EPOCH, values)


EARLIEST, LATEST = -62_135_596_800_000_000, 253_402_300_799_000_000


def _moments(values: Sequence[int]) -> list[datetime | None]:
    return [moment(min(max(each, EARLIEST), LATEST)) for each in values]


class Result(msgspec.Struct, frozen=True):
    """A result that is no number, as JSON."""

    id: int
    result: str


def results(tx: Transaction, found: Arrived) -> dict[int, str]:
    """Results of Observations by id."""
    rows = tx.all(
        Result,
        """SELECT o.id, o.result::text AS result FROM unnest(%s::bigint[], %s::timestamptz[], %s::bigint[]) n(stream, start, id)
           JOIN sensing.observations o ON o.datastream_id = n.stream AND o.phenomenon_start = n.start AND o.id = n.id
           WHERE o.result IS NOT NULL""",
        [found.streams.tolist(), _moments(found.starts.tolist()), found.ids.tolist()],
    )
    return {each.id: each.result for each in rows}


class StreamRow(msgspec.Struct, frozen=True):
    """A Datastream with what belongs to it, as text."""

    id: int
    keeper: str
    multi: bool
    thing: int
    thing_name: str
    district: str
    unit: str
    observed: str
    properties: str
    thing_properties: str
    longitude: float | None
    latitude: float | None


STREAM = """
    SELECT d.id, d.keeper, d.multi, t.id AS thing, t.name AS thing_name, COALESCE(t.district, '') AS district,
      COALESCE(CASE WHEN d.multi THEN '' ELSE d.unit ->> 'symbol' END, '') AS unit,
      COALESCE((SELECT jsonb_agg(jsonb_build_object('name', p.name, 'definition', p.definition, 'properties', p.properties)
        ORDER BY l.position) FROM sensing.datastream_properties l JOIN sensing.observed_properties p
        ON p.id = l.observed_property_id WHERE l.datastream_id = d.id), '[]')::text AS observed,
      COALESCE(d.properties, 'null')::text AS properties, COALESCE(t.properties, 'null')::text AS thing_properties,
      (w.west + w.east) / 2 AS longitude, (w.south + w.north) / 2 AS latitude
    FROM sensing.datastreams d JOIN sensing.things t ON t.id = d.thing_id
    LEFT JOIN LATERAL (
      SELECT o.west, o.east, o.south, o.north FROM sensing.thing_locations h JOIN sensing.locations o ON o.id = h.location_id
      WHERE h.thing_id = t.id AND o.shape IS NOT NULL ORDER BY o.id DESC LIMIT 1) w ON true"""


NAMED = """EXISTS (SELECT FROM sensing.datastream_properties p JOIN sensing.observed_properties o ON o.id = p.observed_property_id
      JOIN sensing.datastreams m ON m.id = p.datastream_id
      WHERE p.datastream_id = {id} AND (o.name = ANY(%(words)s) OR o.definition = ANY(%(words)s)
        OR o.properties ->> 'code' = ANY(%(words)s) OR m.properties ->> 'code' = ANY(%(words)s)))"""
"""It observes a property of one of these names, definitions or codes."""


def streams(tx: Transaction, ids: Sequence[int]) -> list[Stream]:
    """Those of the ids that are there."""
    return [_stream(row) for row in tx.all(StreamRow, f"{STREAM} WHERE d.id = ANY(%s)", [list(ids)])]


def named_streams(tx: Transaction, words: Sequence[str], most: int) -> list[int]:
    """Ids of all that observe a property of one of these names, definitions or codes."""
    return tx.values(
        int,
        f"""SELECT d.id FROM sensing.datastreams d WHERE {NAMED.format(id="d.id")} ORDER BY 1 LIMIT %(most)s""",
        {"words": list(words), "most": most},
    )


def all_streams(tx: Transaction, most: int) -> list[int]:
    """Ids of all that the scope sees."""
    return tx.values(int, "SELECT id FROM sensing.datastreams ORDER BY id LIMIT %s", [most])


def _stream(row: StreamRow) -> Stream:
    decode = msgspec.json.decode
    return Stream(
        row.id, row.keeper, row.multi, row.thing, row.thing_name, row.district, row.unit,
        decode(row.observed, type=tuple[Observed, ...]), decode(row.properties), decode(row.thing_properties),
        row.longitude, row.latitude,
    )  # fmt: skip


class Standing(msgspec.Struct, frozen=True):
    """Where a Datastream stands."""

    datastream_id: int
    seen: int
    run_value: float | None
    run_since: int
    run_id: int
    run_count: int
    states: bytes | None


def standing(tx: Transaction, ids: Sequence[int]) -> list[Standing]:
    """Those of the ids that were judged before."""
    return tx.all(
        Standing,
        """SELECT datastream_id, seen, run_value, run_since, run_id, run_count, states FROM sensing.rule_streams
           WHERE datastream_id = ANY(%s)""",
        [list(ids)],
    )


def holding(tx: Transaction, rule: str) -> list[int]:
    """Datastreams that an open event of the rule is about."""
    return tx.values(
        int, "SELECT datastream_id FROM sensing.events WHERE rule = %s AND state = 'open' AND datastream_id IS NOT NULL", [rule]
    )  # fmt: skip


def stand(tx: Transaction, rows: Sequence[Standing]) -> None:
    """Keep where they stand; those that are gone meanwhile are passed over."""
    tx.execute(
        """INSERT INTO sensing.rule_streams AS r (datastream_id, seen, run_value, run_since, run_id, run_count, states)
           SELECT n.* FROM unnest(%s::bigint[], %s::bigint[], %s::float8[], %s::bigint[], %s::bigint[], %s::bigint[],
             %s::bytea[]) n(id, seen, value, since, first, count, states)
           WHERE EXISTS (SELECT FROM sensing.datastreams d WHERE d.id = n.id)
           ORDER BY n.id ON CONFLICT (datastream_id) DO UPDATE SET seen = excluded.seen, run_value = excluded.run_value,
             run_since = excluded.run_since, run_id = excluded.run_id, run_count = excluded.run_count,
             states = excluded.states""",
        [
            [each.datastream_id for each in rows], [each.seen for each in rows], [each.run_value for each in rows],
            [each.run_since for each in rows], [each.run_id for each in rows], [each.run_count for each in rows],
            [each.states for each in rows],
        ],
    )  # fmt: skip


class Silent(msgspec.Struct, frozen=True):
    """A Datastream of which nothing came since then."""

    id: int
    received: datetime
    evidence: int


def silent(tx: Transaction, rule: str, words: Sequence[str], before: datetime, most: int) -> list[Silent]:
    """Datastreams whose last Observation came before a moment, without an open event of the rule that says so."""
    named = "AND " + NAMED.format(id="l.datastream_id") if words else ""
    return tx.all(
        Silent,
        f"""SELECT l.datastream_id AS id, l.received, l.id AS evidence FROM sensing.latest l
            WHERE l.received < %(before)s {named} AND NOT EXISTS (SELECT FROM sensing.events e
              WHERE e.rule = %(rule)s AND e.place = 'datastream:' || l.datastream_id AND e.state = 'open')
            ORDER BY l.datastream_id LIMIT %(most)s""",
        {"rule": rule, "words": list(words), "before": before, "most": most},
    )


class Clock(msgspec.Struct, frozen=True):
    """Since when the platform has listened, when it last said so, and how often entities were changed."""

    listening: datetime | None
    last: datetime | None
    entities: int


def clock(tx: Transaction) -> Clock:
    """As it stands. `-infinity` reads as None."""
    return tx.one(
        Clock,
        """SELECT NULLIF(listening, '-infinity') AS listening, NULLIF(last, '-infinity') AS last, entities
           FROM sensing.rule_clock""",
    )


def set_clock(tx: Transaction, listening: datetime, last: datetime) -> None:
    """The platform listens."""
    tx.execute("UPDATE sensing.rule_clock SET listening = %s, last = %s", [listening, last])


def entities_changed(tx: Transaction) -> None:
    """What is known of Datastreams has to be read anew."""
    tx.execute("UPDATE sensing.rule_clock SET entities = entities + 1")


class VersionRow(msgspec.Struct, frozen=True):
    """The version of a rule that judged last."""

    rule: str
    version: str


def versions(tx: Transaction) -> dict[str, str]:
    """By rule."""
    return {each.rule: each.version for each in tx.all(VersionRow, "SELECT rule, version FROM sensing.rule_versions")}


def set_versions(tx: Transaction, versions: dict[str, str], now: datetime) -> None:
    """These judge from now on."""
    tx.execute("DELETE FROM sensing.rule_versions WHERE rule <> ALL(%s)", [list(versions)])
    tx.execute(
        """INSERT INTO sensing.rule_versions AS r SELECT n.rule, n.version, %s FROM unnest(%s::text[], %s::text[]) n(rule, version)
           ON CONFLICT (rule) DO UPDATE SET version = excluded.version, since = excluded.since WHERE r.version <> excluded.version""",
        [now, list(versions), list(versions.values())],
    )
