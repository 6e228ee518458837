"""A register of people: a day's changes taken in, and records with their history read under a purpose.

The city runs in processes of its own on the same cores as the clients. Each reading is a use of the grant that shows the
record, metered and kept with an audit entry before it is answered.
"""

import random
import time
from contextlib import closing

import httpx
import msgspec
import psycopg

from cityloom import app, supervise
from cityloom.bench import town
from cityloom.bench.line import Line, Memory, percentile, show
from cityloom.kernel.context import Parts
from cityloom.kernel.db import PLATFORM

PEOPLE = 20_000_000
CLIENTS = 16
SECONDS = 30
KEEPER = ("exchange.deliver", "exchange.read_receipt", "sharing.approve", "sharing.read")
HOLDER = ("sharing.ask", "sharing.read", "sharing.use", "registers.read")
REGISTER = """\
title: {en: People, zh: 人口}
keeper: keeper
letter: P
identifiers: [{name: number, title: {en: Number, zh: 编号}}]
fields:
  - {name: name, title: {en: Name, zh: 姓名}}
  - {name: born, title: {en: Born, zh: 出生}}
  - {name: district, title: {en: District, zh: 区}}
sources:
  - {dataset: resident, identifier: number, by: id, fields: {name: name, born: born, district: district}}
"""


def run(quick: bool, talk: town.Talk) -> None:
    """`quick` has a tenth of the people and of the time."""
    people, seconds = PEOPLE // (10 if quick else 1), SECONDS // (3 if quick else 1)
    files = {"registers/person.yaml": REGISTER}
    with town.town(talk, files) as city, closing(httpx.Client(base_url=city.url, timeout=60)) as http:
        parts = app.open_parts(city.settings)
        keeper, holder = town.token(parts, "keeper", KEEPER), town.token(parts, "holder", HOLDER)
        town.deliver(city, keeper, "first", f"range({people}) t(n)", talk)
        started = time.perf_counter()
        _await(parts, people)
        talk(f"{people} records taken in within {time.perf_counter() - started:.0f} s")
        with psycopg.connect(app.admin_url(city.settings), autocommit=True) as connection:
            connection.execute("VACUUM ANALYZE registers.claim")  # as the database does by itself some minutes later
            connection.execute("CHECKPOINT")
        terms = {"fields": ["id", "name", "born"], "per_minute": 10**8, "per_day": 10**8}
        town.grant(http, keeper, holder, "bench-1", terms)
        memory = Memory()
        with memory.watch(city.pids()):
            _day(city, parts, keeper, people, memory, talk)
            _read(city, parts, holder, people, seconds, memory)
        app.close_parts(parts)


def _day(
    city: supervise.City, parts: Parts, keeper: str, people: int, memory: Memory, talk: town.Talk
) -> None:  # fmt: skip
    """One in a hundred changes: until all of it is in the register, from the receipt on."""
    changed = people // 100
    town.deliver(city, keeper, "day", f"(SELECT 100 * n AS n FROM range({changed}) t(n))", talk)
    started = time.perf_counter()
    _await(parts, people + changed)
    took = time.perf_counter() - started
    with parts.db.begin(PLATFORM) as tx:
        named = tx.scalar(
            int, "SELECT count(*)::int FROM registers.claim WHERE closed = 0 AND delivery = 'day' AND how = 0"
        )
    if named != changed:
        raise AssertionError(f"{changed} people changed, and {named} of the register")
    show(
        Line(
            bench="register", item=f"a day's changes of {people:,} people applied", rows=changed, seconds=round(took, 2),
            rate=round(changed / took), peak_mib=memory.peak, target="<= 60 s", met=took <= 60,
        )
    )  # fmt: skip


def _read(city: supervise.City, parts: Parts, holder: str, people: int, seconds: int, memory: Memory) -> None:
    before = parts.clock.now().isoformat()
    questions = [_question(people, before if client % 2 else "") for client in range(CLIENTS)]
    latencies, took = town.ask(city.url, holder, questions, _check, seconds)
    with parts.db.begin(PLATFORM) as tx:
        kept = tx.scalar(int, "SELECT count(*)::int FROM registers.reading")
    if kept < len(latencies):
        raise AssertionError(f"{len(latencies)} answers and only {kept} readings")
    rate, p95 = len(latencies) / took, percentile(latencies, 0.95)
    show(
        Line(
            bench="register", item=f"records under purpose, half of them as known before, {people:,} people, {CLIENTS} clients",
            rows=len(latencies), seconds=round(took, 2), rate=round(rate), p50_ms=round(percentile(latencies, 0.5), 1),
            p95_ms=round(p95, 1), peak_mib=memory.peak, target=">= 1000/s, p95 <= 30 ms", met=rate >= 1000 and p95 <= 30,
        )
    )  # fmt: skip


def _question(people: int, known_on: str) -> town.Question:
    """People whose record changed, so that each has a history."""
    fixed = {"case": "bench-1", "kind": "number"} | ({"known_on": known_on} if known_on else {})

    def draw(chance: random.Random) -> tuple[str, bytes]:
        number = 100 * chance.randrange(people // 100)
        return "/api/registers/person/read", msgspec.json.encode({**fixed, "value": town.key(number)})

    return draw


def _check(body: bytes) -> None:
    record = msgspec.json.decode(body)
    if [field["name"] for field in record["fields"]] != ["name", "born"] or record["hidden"]:
        raise AssertionError(body.decode())


def _await(parts: Parts, sequence: int) -> None:
    """Until the worker has taken all change rows up to here into the register."""
    while True:
        with parts.db.begin(PLATFORM) as tx:
            reached = tx.values(int, "SELECT sequence FROM registers.feed")
        if reached and reached[0] >= sequence:
            return
        time.sleep(0.5)
