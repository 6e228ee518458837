"""Grants in use through the real doors: questions about single records by many clients, and decisions among many grants.

The city runs in processes of its own (web, worker, PostgreSQL) on the same cores as the clients. Every answer is signed,
and its use and audit entry are committed before it goes out. The clients speak HTTP/1.1 over kept connections.
"""

import random
import time
from contextlib import closing
from typing import Any

import httpx
import msgspec
import psycopg

from cityloom import app
from cityloom.bench import town
from cityloom.bench.line import Line, Memory, percentile, show
from cityloom.kernel.access import Principal
from cityloom.kernel.context import Parts
from cityloom.kernel.db import PLATFORM
from cityloom.sharing.api.held import Held

RECORDS = 20_000_000
CLIENTS = 64
SECONDS = 30
GRANTS = 100_000
DECISIONS = 200_000
GROUP = 64
USED = 16
"""Grants that the clients use between them."""
RIGHTS = ("exchange.deliver", "exchange.read_receipt")
KEEPER = (*RIGHTS, "sharing.approve", "sharing.read")
HOLDER = ("sharing.ask", "sharing.read", "sharing.use")


def query(quick: bool, talk: town.Talk) -> None:
    """Questions under grants; `quick` has a tenth of the records and of the time."""
    records, seconds = RECORDS // (10 if quick else 1), SECONDS // (3 if quick else 1)
    with town.town(talk) as city, closing(httpx.Client(base_url=city.url, timeout=60)) as http:
        parts = app.open_parts(city.settings)
        keeper, holder = town.token(parts, "keeper", KEEPER), town.token(parts, "holder", HOLDER)
        town.deliver(city, keeper, "name", f"range({records}) t(n)", talk)
        grants = [_grant(http, keeper, holder, f"bench-{number}") for number in range(USED)]
        _await_copy(parts, records, talk)
        with psycopg.connect(app.admin_url(city.settings), autocommit=True) as connection:
            connection.execute("VACUUM ANALYZE sharing.record")  # as the database does by itself some minutes later
            connection.execute("CHECKPOINT")
        memory = Memory()
        with memory.watch(city.pids()):
            questions = [_question(grants[client % USED], records, client) for client in range(CLIENTS)]
            latencies, took = town.ask(city.url, holder, questions, _check, seconds)
        kept = _kept(parts)
        app.close_parts(parts)
    p95 = percentile(latencies, 0.95)
    talk(f"{len(latencies)} answers; {kept} uses kept")
    if kept < len(latencies):
        raise AssertionError(f"{len(latencies)} answers and only {kept} uses")
    show(
        Line(
            bench="query", item=f"signed, logged single-record questions, {records:,} records, {CLIENTS} clients",
            rows=len(latencies), seconds=round(took, 2), rate=round(len(latencies) / took),
            p50_ms=round(percentile(latencies, 0.5), 1), p95_ms=round(p95, 1), peak_mib=memory.peak,
            target=">= 1000/s, p95 <= 50 ms", met=len(latencies) / took >= 1000 and p95 <= 50,
        )
    )  # fmt: skip


def grants(quick: bool, talk: town.Talk) -> None:
    """Decisions among many live grants, in groups as questions come; the version of each is asked for every time."""
    number, decisions = GRANTS // (10 if quick else 1), DECISIONS // (10 if quick else 1)
    with town.town(talk) as city, closing(httpx.Client(base_url=city.url, timeout=60)) as http:
        parts = app.open_parts(city.settings)
        keeper, holder = town.token(parts, "keeper", KEEPER), town.token(parts, "holder", HOLDER)
        _grant(http, keeper, holder, "first")
        with psycopg.connect(app.admin_url(city.settings), autocommit=True) as connection:
            connection.execute(MANY, {"number": number})
            connection.execute("ANALYZE sharing.granted")
        talk(f"{number} grants")
        held, chance, latencies = Held(parts), random.Random(7), []  # noqa: S311 - no secret
        who = Principal("holder-service", "holder", frozenset({"data_officer"}))
        names = [f"many-{each}" for each in range(1, number + 1)]
        started = time.perf_counter()
        for _ in range(decisions // GROUP):
            begun = time.perf_counter()
            _decide(parts, held, who, chance.sample(names, GROUP))
            latencies.append((time.perf_counter() - begun) * 1000)
        took = time.perf_counter() - started
        app.close_parts(parts)
    done = decisions // GROUP * GROUP
    show(
        Line(
            bench="grants", item=f"access decisions among {number:,} live grants, groups of {GROUP}", rows=done,
            seconds=round(took, 2), rate=round(done / took), p50_ms=round(percentile(latencies, 0.5), 2),
            p95_ms=round(percentile(latencies, 0.95), 2), target=">= 5000/s", met=done / took >= 5000,
        )
    )  # fmt: skip


MANY = """
    INSERT INTO sharing.granted (id, request, organisation, keeper, dataset, purpose, legal_basis, terms, flow, state,
                                 version, valid_from, valid_until)
    SELECT 'many-' || n, request, organisation, keeper, dataset, purpose, legal_basis, terms, flow, state, version,
           valid_from, valid_until
    FROM sharing.granted, generate_series(1, %(number)s) n WHERE id = 'first'
"""


def _decide(parts: Parts, held: Held, who: Principal, ids: list[str]) -> None:
    now = parts.clock.now()
    with parts.db.begin(PLATFORM) as tx:
        found = held.grants(tx, set(ids))
    for id in ids:
        problem = held.refusal(who, id, found.get(id), "query", "bench", now)
        if problem is not None:
            raise AssertionError(problem)
        if held.refusal(who, id, found.get(id), "query", "other", now) is None:
            raise AssertionError(f"{id} was permitted for another purpose")


def _grant(http: httpx.Client, keeper: str, holder: str, id: str) -> str:
    terms = {
        "fields": ["id", "name", "born"], "rows": "district IN ('N0', 'N1', 'N2', 'N3')",
        "masks": [{"field": "name", "kind": "keep", "first": 4, "last": 2}], "per_minute": 10**8, "per_day": 10**8,
    }  # fmt: skip
    return town.grant(http, keeper, holder, id, terms)


def _question(grant: str, records: int, client: int) -> town.Question:
    address = f"/api/sharing/grants/{grant}/query"
    return lambda chance: (
        address,
        msgspec.json.encode({"key": [town.key(chance.randrange(records))], "case": f"case-{client}"}),
    )


def _check(body: bytes) -> None:
    statement: dict[str, Any] = msgspec.json.decode(msgspec.json.decode(body)["statement"])
    if statement["found"] and "*" not in statement["record"]["name"]:
        raise AssertionError("a masked name was shown")


def _await_copy(parts: Parts, records: int, talk: town.Talk) -> None:
    """Until the worker has copied all records into PostgreSQL."""
    started = time.perf_counter()
    while True:
        with parts.db.begin(PLATFORM) as tx:
            reached = tx.values(int, "SELECT sequence FROM sharing.projection WHERE generation > 0")
        if reached and reached[0] >= records:
            break
        time.sleep(1)
    took = time.perf_counter() - started
    talk(f"copied in {took:.0f} s ({records / took:,.0f}/s)")


def _kept(parts: Parts) -> int:
    with parts.db.begin(PLATFORM) as tx:
        return tx.scalar(int, "SELECT count(*)::int FROM sharing.use")
