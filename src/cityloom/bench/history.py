"""A year of many sensors in the lake: one sensor by hour, all sensors by district, a day of rows; and a day on its way there.

The year's rows are written into the lake by SQL, as if each month's had arrived on its last day; what they come to is worked out
by sensing itself. Questions go through the HTTP door. The baseline is DuckDB alone, over the same Parquet files.
"""

import time
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any

import duckdb
import httpx
import psycopg

from cityloom import app
from cityloom.bench import sensing, town
from cityloom.bench.line import Line, Memory, percentile, show, timed
from cityloom.kernel.context import Parts
from cityloom.kernel.jobs import platform_context
from cityloom.sensing.api import keeping
from cityloom.supervise import City

STREAMS, STEP = 115_000, 3600
"""Datastreams, and seconds between their observations: a year has a thousand million."""
YEAR = 2025
ROUNDS = 30
DAY = "from=2025-06-15T00:00:00%2B08:00&to=2025-06-16T00:00:00%2B08:00"
MOVED = 1_000_000


def run(quick: bool, talk: town.Talk) -> None:
    """All items; `quick` has a hundredth of the Datastreams."""
    streams = STREAMS // (100 if quick else 1)
    with sensing.devices(streams, talk) as (city, http):
        parts = app.open_parts(city.settings)
        try:
            rows = _fill(parts, city, streams, talk)
            with closing(_plain(parts)) as plain:
                _one_by_hour(city, http, plain, streams, rows)
                _all_by_district(city, http, plain, streams, rows)
            _size(parts, rows)
            _rows_of_a_day(http, streams, rows)
            _on_its_way(parts, city, talk)
        finally:
            app.close_parts(parts)


def _months() -> list[tuple[datetime, datetime, date]]:
    """Beginning and end of each month, and the day on which it arrived."""
    starts = [datetime(YEAR + month // 12, month % 12 + 1, 1, tzinfo=UTC) for month in range(13)]
    return [(start, end, (end - timedelta(days=1)).date()) for start, end in pairwise(starts)]


def _fill(parts: Parts, city: City, streams: int, talk: town.Talk) -> int:
    ctx = platform_context(parts, "bench")
    keeping.prepare(ctx)
    count = 0
    for start, end, arrived in _months():
        steps = int((end - start).total_seconds()) // STEP
        began = time.perf_counter()
        with parts.lake.session() as cursor, parts.lake.commit(cursor, f"bench {arrived}", {}):
            cursor.execute(RAW, {"first": count, "rows": streams * steps, "steps": steps, "start": _plain_moment(start), "step": STEP,
                                 "arrived": arrived})  # fmt: skip
        keeping.rebuild(ctx, arrived)
        count += streams * steps
        talk(f"{count:,} observations, the last month in {time.perf_counter() - began:.0f} s")
    keeping.tidy(ctx)
    with psycopg.connect(app.admin_url(city.settings), autocommit=True) as connection:
        connection.execute(COLD.encode(), {"per": count // streams, "start": datetime(YEAR, 1, 1, tzinfo=UTC),
                                           "end": datetime(YEAR, 12, 31, 23, tzinfo=UTC)})  # fmt: skip
        connection.execute(LATEST.encode())
        connection.execute(b"UPDATE sensing.history SET cold_until = '2026-01-01Z'")
        connection.execute(b"VACUUM ANALYZE sensing.cold_streams, sensing.latest")
    return count


def _plain_moment(at: datetime) -> datetime:
    return at.replace(tzinfo=None)


def _plain(parts: Parts) -> duckdb.DuckDBPyConnection:
    """DuckDB alone, with a view over the files of the lake."""
    with parts.lake.session() as cursor:
        found = cursor.execute(
            "SELECT data_file FROM ducklake_list_files('lake', 'observations', schema => 'sensing')"
        ).fetchall()
    connection = duckdb.connect(config={"memory_limit": "2GB"})
    connection.execute(f"CREATE VIEW rows AS SELECT * FROM read_parquet({[row[0] for row in found]!r})")
    return connection


def _asked(http: httpx.Client, paths: list[str], right: Callable[[Any], bool]) -> list[float]:
    """Milliseconds of each answer; the first one compiles and fills caches."""
    latencies = []
    for path in [paths[0], *paths]:
        begun = time.perf_counter()
        answer = http.get(path, headers={"accept-encoding": "identity"})
        latencies.append((time.perf_counter() - begun) * 1000)
        if answer.status_code != 200 or not right(answer.json()["value"]):
            raise AssertionError(answer.text[:500])
    return latencies[1:]


def _one_by_hour(city: City, http: httpx.Client, plain: duckdb.DuckDBPyConnection, streams: int, rows: int) -> None:
    picked = [1 + number * 7919 % streams for number in range(ROUNDS)]
    span = f"from={YEAR}-01-01T00:00:00Z&to={YEAR + 1}-01-01T00:00:00Z"
    memory = Memory()
    with memory.watch(city.pids()):
        latencies = _asked(
            http,
            [f"/v1.1/Datastreams({id})/aggregates?by=hour&{span}" for id in picked],
            lambda found: len(found) == 8760,
        )
    others = []
    for id in picked:
        with timed() as took:
            found = plain.execute(BY_HOUR, {"id": id}).fetchall()
        others.append(took[0] * 1000)
        if len(found) != 8760:
            raise AssertionError(f"{len(found)} hours")
    p95 = percentile(latencies, 0.95)
    show(
        Line(
            bench="history", item=f"a year of one sensor by hour, {rows:,} observations", rows=8760,
            p50_ms=round(percentile(latencies, 0.5), 1), p95_ms=round(p95, 1), peak_mib=memory.peak,
            baseline=f"DuckDB over the same Parquet, p50 {percentile(others, 0.5):.1f} ms, without a door",
            ratio=round(percentile(latencies, 0.5) / percentile(others, 0.5), 2), target="p95 <= 500 ms", met=p95 <= 500,
        )
    )  # fmt: skip


def _all_by_district(city: City, http: httpx.Client, plain: duckdb.DuckDBPyConnection, streams: int, rows: int) -> None:
    districts = min(sensing.DISTRICTS, streams // sensing.STREAMS_OF_THING)
    memory = Memory()
    with memory.watch(city.pids()):
        latencies = _asked(http, [f"/api/sensing/aggregates?by=day&{DAY}"] * 5, lambda found: len(found) == districts)
    others = []
    for _ in range(5):
        with timed() as took:
            plain.execute(BY_DISTRICT, {"things": sensing.STREAMS_OF_THING, "districts": sensing.DISTRICTS}).fetchall()
        others.append(took[0] * 1000)
    worst = max(latencies)
    show(
        Line(
            bench="history", item=f"a day of all {streams:,} sensors by district, {rows:,} observations", rows=streams * 86400 // STEP,
            p50_ms=round(percentile(latencies, 0.5), 1), p95_ms=round(worst, 1), peak_mib=memory.peak,
            baseline=f"DuckDB over the same Parquet, p50 {percentile(others, 0.5):.1f} ms",
            ratio=round(percentile(latencies, 0.5) / percentile(others, 0.5), 2), target="<= 10 s", met=worst <= 10_000,
        )
    )  # fmt: skip


def _size(parts: Parts, rows: int) -> None:
    """What the year takes on disk: the rows, and their buckets of each width."""
    with parts.lake.session() as cursor:
        for table in ("observations", "parts_minute", "parts_hour", "parts_day"):
            found = cursor.execute(
                f"SELECT sum(data_file_size_bytes) FROM ducklake_list_files('lake', '{table}', schema => 'sensing')"
            ).fetchone()
            show(
                Line(
                    bench="history",
                    item=f"files of {table}, {rows:,} observations",
                    kib=int(found[0] if found else 0) >> 10,
                )
            )


def _rows_of_a_day(http: httpx.Client, streams: int, rows: int) -> None:
    picked = [1 + number * 7919 % streams for number in range(ROUNDS)]
    span = "phenomenonTime ge 2025-06-15T00:00:00Z and phenomenonTime lt 2025-06-16T00:00:00Z"
    path = "/v1.1/Datastreams({})/Observations?$orderby=phenomenonTime&$filter=" + span
    latencies = _asked(http, [path.format(id) for id in picked], lambda found: len(found) == 86400 // STEP)
    show(
        Line(
            bench="history", item=f"the rows of a past day of one sensor, {rows:,} observations", rows=86400 // STEP,
            p50_ms=round(percentile(latencies, 0.5), 1), p95_ms=round(percentile(latencies, 0.95), 1),
        )
    )  # fmt: skip


def _on_its_way(parts: Parts, city: City, talk: town.Talk) -> None:
    """A day of observations out of PostgreSQL into the lake."""
    with psycopg.connect(app.admin_url(city.settings), autocommit=True) as connection:
        connection.execute(b"SELECT sensing.make_day('2026-01-01')")
        connection.execute(b"ALTER TABLE sensing.observations_20260101 DISABLE TRIGGER USER")
        connection.execute(HOT.encode(), {"rows": MOVED})
        connection.execute(b"ALTER TABLE sensing.observations_20260101 ENABLE TRIGGER USER")
        connection.execute(b"ANALYZE sensing.observations_20260101")
    talk(f"{MOVED:,} observations of a day are in PostgreSQL")
    ctx = platform_context(parts, "bench")
    memory = Memory()
    with memory.watch(city.pids()), timed() as took:
        moved = keeping.move(ctx)
    if date(2026, 1, 1) not in moved:
        raise AssertionError(f"{moved} were moved")
    show(
        Line(
            bench="history", item="a day moves from PostgreSQL to the lake, with its buckets and totals", rows=MOVED,
            seconds=round(took[0], 2), rate=round(MOVED / took[0]), peak_mib=memory.peak,
        )
    )  # fmt: skip


RAW = """
    INSERT INTO lake.sensing.observations
    SELECT $first + i + 1, i // $steps + 1, i // $steps // 5 + 1, $start::TIMESTAMP + to_seconds((i % $steps) * $step), NULL, NULL,
      $arrived::DATE + INTERVAL 12 HOUR, hash(i) % 4000 / 8.0, 'keeper', NULL, NULL, NULL, NULL, NULL
    FROM range($rows) r(i)"""
COLD = """
    INSERT INTO sensing.cold_streams (datastream_id, keeper, total, first_received, first_start, last_end, id, feature_id,
      phenomenon_start, received, number)
    SELECT d.id, 'keeper', %(per)s, %(start)s, %(start)s, %(end)s, d.id, d.id, %(end)s, %(end)s, 20 FROM sensing.datastreams d"""
LATEST = """
    INSERT INTO sensing.latest (datastream_id, keeper, total, first_start, last_end, id, feature_id, phenomenon_start, received, number)
    SELECT datastream_id, keeper, total, first_start, last_end, id, feature_id, phenomenon_start, received, number
    FROM sensing.cold_streams"""
HOT = """
    INSERT INTO sensing.observations_20260101 (id, datastream_id, feature_id, phenomenon_start, received, number, keeper)
    SELECT 1000000000000 + n, n %% (SELECT max(id) FROM sensing.datastreams) + 1, 1,
      '2026-01-01Z'::timestamptz + make_interval(secs => n %% 86400), '2026-01-01 12:00Z', n %% 4000 / 8.0, 'keeper'
    FROM generate_series(1, %(rows)s) n"""
BY_HOUR = """
    SELECT time_bucket(INTERVAL 1 HOUR, phenomenon_start) AS hour, count(*), sum(number), min(number), max(number),
      arg_min(number, phenomenon_start), arg_max(number, phenomenon_start)
    FROM rows WHERE datastream_id = $id GROUP BY 1 ORDER BY 1"""
BY_DISTRICT = """
    SELECT (datastream_id - 1) // $things % $districts, count(*), sum(number), min(number), max(number) FROM rows
    WHERE phenomenon_start >= TIMESTAMP '2025-06-14 16:00:00' AND phenomenon_start < TIMESTAMP '2025-06-15 16:00:00' GROUP BY 1"""
