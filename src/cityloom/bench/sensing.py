"""Sensing through its HTTP door: observations taken, the latest of a district, Things with their last values.

Web, worker and PostgreSQL run on the same cores as the clients. What is taken is committed (fsync) before the answer.
"""

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import msgspec
import psycopg

from cityloom import app
from cityloom.bench import town
from cityloom.bench.line import Line, Memory, percentile, show
from cityloom.supervise import City

RIGHTS = ("sensing.read", "sensing.observe", "sensing.register")
STREAMS_OF_THING = 5
STREAMS, DISTRICTS = 1_000_000, 1_000
ROWS, STREAMS_OF_BATCH, CLIENTS = 10_000, 500, 2
SECONDS = 600
ROUNDS = 60
START = datetime(2026, 3, 1, tzinfo=UTC)
MINUTE = f"{START:%Y-%m-%dT%H:%M}"
"""Of all values of a body; each body that is sent has the next one."""
LAST = "Observations($orderby=phenomenonTime desc;$top=1;$select=result,phenomenonTime)"


RULES = {
    "high": "severity: red, when: {kind: threshold, above: 80, until: 70}",
    "swing": "severity: blue, when: {kind: rate, rises: 50, over: PT1M}",
    "still": "severity: notice, when: {kind: constant, lasting: PT1H, least: 10}",
    "silent": "severity: notice, when: {kind: missing, after: PT6H}",
}
"""Rules that watch every Datastream."""


@contextmanager
def devices(streams: int, talk: town.Talk, rules: Mapping[str, str] = {}) -> Iterator[tuple[City, httpx.Client]]:
    """A city with so many Datastreams, five a Thing, in districts; and a client of its door."""
    head = "title: {en: rule, zh: 规则}, source: ours, watch: {properties: [t]}"
    files = {f"sensing/rules/{name}.yaml": f"{{{head}, {text}}}" for name, text in rules.items()}
    with town.town(talk, files) as city:
        parts = app.open_parts(city.settings)
        headers = {"authorization": f"Bearer {town.token(parts, 'keeper', RIGHTS)}"}
        app.close_parts(parts)
        with psycopg.connect(app.admin_url(city.settings), autocommit=True) as connection:
            connection.execute(DEVICES.encode(), {"things": streams // STREAMS_OF_THING, "districts": DISTRICTS})
            connection.execute(b"VACUUM ANALYZE")
        talk(f"{streams} Datastreams")
        with closing(httpx.Client(base_url=city.url, headers=headers, timeout=600)) as http:
            yield city, http


def ingest(quick: bool, talk: town.Talk) -> None:
    """Bodies of CreateObservations from two clients, one after the other, while rules judge every value; `quick` for a
    twentieth of the time. In each body one Datastream has something to tell."""
    seconds = SECONDS // (20 if quick else 1)
    with devices(STREAMS // 100, talk, RULES) as (city, http):
        bodies = [_body(number * STREAMS_OF_BATCH, ROWS) for number in range(8)]
        http.post("/v1.1/CreateObservations", content=bodies[0]).raise_for_status()
        memory, latencies = Memory(), list[float]()
        with memory.watch(city.pids()):
            started = time.perf_counter()
            clients = [
                threading.Thread(target=_send, args=(http, bodies[client::CLIENTS], started + seconds, latencies))
                for client in range(CLIENTS)
            ]
            for client in clients:
                client.start()
            for client in clients:
                client.join()
            took = time.perf_counter() - started
            behind = _judged(city)
        taken = len(latencies) * ROWS
        counted = http.get("/v1.1/Observations?$count=true&$top=0").json()["@iot.count"]
        if counted != taken + ROWS:
            raise AssertionError(f"{taken + ROWS} sent and {counted} kept")
        found = {rule: _count(city, f"SELECT count(*) FROM sensing.events WHERE rule = '{rule}'") for rule in RULES}
        told = len(latencies) + 1
        if found != {"high": told, "swing": told, "still": 0, "silent": 0}:
            raise AssertionError(f"{told} bodies with an event of two rules each made {found}")
        plain = _plain(city)
    rate = taken / took
    show(
        Line(
            bench="ingest", item=f"dataArray of {ROWS:,} rows, committed, {CLIENTS} clients, {len(RULES)} rules on", rows=taken,
            seconds=round(took, 2), rate=round(rate), p50_ms=round(percentile(latencies, 0.5), 1),
            p95_ms=round(percentile(latencies, 0.95), 1), peak_mib=memory.peak,
            baseline=f"plain COPY of ready rows into a table with one index, {round(plain):,}/s", ratio=round(plain / rate, 2),
            target=">= 60000/s", met=rate >= 60_000,
        )
    )  # fmt: skip
    judged = taken / (took + behind)
    show(
        Line(
            bench="ingest", item=f"every value judged by {len(RULES)} rules, {2 * told} events; {behind:.1f} s behind at the end",
            rows=taken, seconds=round(took + behind, 2), rate=round(judged), peak_mib=memory.peak, target=">= 60000/s",
            met=judged >= 60_000,
        )
    )  # fmt: skip


def _judged(city: City) -> float:
    """Seconds until the rules have had all that was taken."""
    started = time.perf_counter()
    while _count(city, WAITING):
        if time.perf_counter() - started > 300:
            raise AssertionError("the rules do not come to an end")
        time.sleep(0.1)
    return time.perf_counter() - started


def _count(city: City, statement: str) -> int:
    with psycopg.connect(app.admin_url(city.settings)) as connection:
        row = connection.execute(statement.encode()).fetchone()
    return int(row[0]) if row else 0


WAITING = """
    SELECT count(*) FROM kernel.outbox o WHERE topic = 'sensing.observations_arrived' AND NOT EXISTS (
      SELECT FROM kernel.outbox_cursor c WHERE c.listener = 'sensing.rules' AND (c.transaction_id, c.id) >= (o.transaction_id, o.id))"""


def _body(first: int, rows: int) -> bytes:
    """So many rows over the Datastreams of a batch."""
    each = rows // STREAMS_OF_BATCH
    groups = [
        {
            "Datastream": {"@iot.id": first + number + 1}, "components": ["phenomenonTime", "result"],
            "dataArray": [[f"{MINUTE}:{row:02}Z", 90 if not number and row == each // 2 else 20 + row / 8] for row in range(each)],
        }
        for number in range(STREAMS_OF_BATCH)
    ]  # fmt: skip
    return msgspec.json.encode(groups)


def _send(http: httpx.Client, bodies: list[bytes], end: float, latencies: list[float]) -> None:
    number = 0
    while (begun := time.perf_counter()) < end:
        minute = START + timedelta(minutes=1 + number // len(bodies))
        body = bodies[number % len(bodies)].replace(MINUTE.encode(), f"{minute:%Y-%m-%dT%H:%M}".encode())
        answer = http.post("/v1.1/CreateObservations", content=body)
        if answer.status_code != 201 or b"error" in answer.content:
            raise AssertionError(answer.text[:500])
        latencies.append((time.perf_counter() - begun) * 1000)
        number += 1


def _plain(city: City) -> float:
    """Rows a second of the plain engine, committed each ten thousand rows."""
    moments = [START + timedelta(seconds=row) for row in range(ROWS)]
    with psycopg.connect(app.admin_url(city.settings)) as connection:
        connection.execute(PLAIN.encode())
        connection.commit()
        started, rounds = time.perf_counter(), 20
        for _ in range(rounds):
            with connection.cursor() as cursor, cursor.copy("COPY sensing.plain FROM STDIN") as copy:
                for row, at in enumerate(moments):
                    copy.write_row((row % STREAMS_OF_BATCH, at, 20 + row / 8))
            connection.commit()
        took = time.perf_counter() - started
        connection.execute("DROP TABLE sensing.plain")
    return rounds * ROWS / took


def latest(quick: bool, talk: town.Talk) -> None:
    """Every latest value of one district; `quick` has a tenth of the Datastreams."""
    streams = STREAMS // (10 if quick else 1)
    with _observed(streams, talk) as (city, http):
        path = f"Datastreams?$filter=Thing/properties/district eq 'D{{}}'&$select=id,name&$top=1000&$expand={LAST}"
        wanted = streams // DISTRICTS

        def right(found: Mapping[str, Any]) -> bool:
            return len(found["value"]) == wanted and all(each["Observations"] for each in found["value"])

        _measure(city, http, "latest", f"all {wanted} latest of one district, {streams:,} Datastreams", path, right)


def expand(quick: bool, talk: town.Talk) -> None:
    """A hundred Things, each with its Datastreams, each with its last Observation."""
    streams = STREAMS // (10 if quick else 1)
    with _observed(streams, talk) as (city, http):
        path = f"Things?$top=100&$skip={{}}&$expand=Datastreams($expand={LAST})"

        def right(found: Mapping[str, Any]) -> bool:
            inside = [each for thing in found["value"] for each in thing["Datastreams"]]
            return len(inside) == 100 * STREAMS_OF_THING and all(each["Observations"] for each in inside)

        _measure(city, http, "expand", f"100 Things, Datastreams, 1 latest each, {streams:,} Datastreams", path, right)


@contextmanager
def _observed(streams: int, talk: town.Talk) -> Iterator[tuple[City, httpx.Client]]:
    """A city in which every Datastream has a last Observation."""
    with devices(streams, talk) as (city, http):
        with psycopg.connect(app.admin_url(city.settings), autocommit=True) as connection:
            connection.execute(OBSERVED.encode())
            connection.execute(b"VACUUM ANALYZE")
        yield city, http


def _measure(city: City, http: httpx.Client, bench: str, item: str, path: str, right: Any) -> None:
    latencies: list[float] = []
    memory = Memory()
    with memory.watch(city.pids()):
        for number in range(ROUNDS + 5):
            begun = time.perf_counter()
            answer = http.get(f"/v1.1/{path.format(number)}", headers={"accept-encoding": "identity"})
            took = (time.perf_counter() - begun) * 1000
            if answer.status_code != 200 or not right(answer.json()):
                raise AssertionError(answer.text[:500])
            if number >= 5:  # the first ones compile and fill caches
                latencies.append(took)
    p95 = percentile(latencies, 0.95)
    show(
        Line(
            bench=bench, item=item, rows=ROUNDS, p50_ms=round(percentile(latencies, 0.5), 1), p95_ms=round(p95, 1),
            peak_mib=memory.peak, target="p95 <= 100 ms", met=p95 <= 100,
        )
    )  # fmt: skip


PLAIN = """
    CREATE TABLE sensing.plain (stream bigint, at timestamptz, number double precision);
    CREATE INDEX ON sensing.plain (stream, at)"""
DEVICES = """
    WITH sensor AS (
      INSERT INTO sensing.sensors (keeper, name, description, encoding_type, metadata)
      VALUES ('keeper', 's', 's', 'text', '"s"') RETURNING id),
    property AS (
      INSERT INTO sensing.observed_properties (keeper, name, description, definition) VALUES ('keeper', 't', 't', 't')
      RETURNING id),
    thing AS (
      INSERT INTO sensing.things (keeper, name, description, properties)
      SELECT 'keeper', 'thing ' || n, 'a station', jsonb_build_object('district', 'D' || n %% %(districts)s)
      FROM generate_series(1, %(things)s) n RETURNING id),
    location AS (
      INSERT INTO sensing.locations (keeper, name, description, encoding_type, location, west, south, east, north)
      SELECT 'keeper', 'place', 'place', 'application/geo+json',
        jsonb_build_object('type', 'Point', 'coordinates', jsonb_build_array(114, 22)), 114, 22, 114, 22
      FROM generate_series(1, %(things)s) RETURNING id, location),
    feature AS (
      INSERT INTO sensing.features (keeper, name, description, encoding_type, feature, west, south, east, north, location_id)
      SELECT 'keeper', 'place', 'place', 'application/geo+json', location, 114, 22, 114, 22, id FROM location RETURNING id),
    placed AS (
      INSERT INTO sensing.thing_locations (thing_id, location_id, keeper)
      SELECT t.id, l.id, 'keeper' FROM (SELECT id, row_number() OVER (ORDER BY id) AS n FROM thing) t
      JOIN (SELECT id, row_number() OVER (ORDER BY id) AS n FROM location) l USING (n)),
    stream AS (
      INSERT INTO sensing.datastreams (keeper, multi, thing_id, sensor_id, name, description, observation_type, unit)
      SELECT 'keeper', false, thing.id, sensor.id, 'stream', 'stream', 'measurement', '{"name": "degree", "symbol": "C"}'
      FROM sensor, thing, generate_series(1, 5) ORDER BY thing.id RETURNING id)
    INSERT INTO sensing.datastream_properties (datastream_id, position, observed_property_id, keeper)
    SELECT stream.id, 0, property.id, 'keeper' FROM stream, property"""
OBSERVED = """
    INSERT INTO sensing.latest (datastream_id, keeper, total, first_start, last_end, id, feature_id, phenomenon_start,
      received, number, west, south, east, north)
    SELECT d.id, 'keeper', 10, '2026-03-01Z', '2026-03-02Z', d.id * 10, f.id, '2026-03-02Z', '2026-03-02Z', d.id % 100 / 8.0,
      114, 22, 114, 22
    FROM sensing.datastreams d JOIN sensing.thing_locations t ON t.thing_id = d.thing_id
    JOIN sensing.features f ON f.location_id = t.location_id"""
