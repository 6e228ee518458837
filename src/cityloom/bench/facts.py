"""Facts about people, asked by many clients at once under grants that verify, beside the plain look-up of the same records.

The city runs in processes of its own on the same cores as the clients. Each question asks two facts: one of a record that
the register leads to, one of a record by its key. Each record is a use of its grant, metered and kept with an audit entry,
as are the reading of the register and what was asked, before the signed answer goes out.
"""

import asyncio
import random
import time
from contextlib import closing
from datetime import timedelta

import httpx
import msgspec
import psycopg
from psycopg import AsyncConnection

from cityloom import app
from cityloom.bench import town
from cityloom.bench.line import Line, Memory, percentile, show
from cityloom.kernel.context import Parts
from cityloom.kernel.db import PLATFORM

PEOPLE = 200_000
CLIENTS = 32
SECONDS = 20
KEEPER = ("exchange.deliver", "exchange.read_receipt", "sharing.approve", "sharing.read")
HOLDER = ("sharing.ask", "sharing.read", "sharing.use", "facts.ask", "facts.read_asked")
REGISTER = """\
title: {en: People, zh: 人口}
keeper: keeper
letter: P
identifiers: [{name: number, title: {en: Number, zh: 编号}}]
fields: [{name: name, title: {en: Name, zh: 姓名}}, {name: born, title: {en: Born, zh: 出生}}]
sources: [{dataset: resident, identifier: number, by: id, fields: {name: name, born: born}}]
"""
FACTS = """\
title: {en: Bench, zh: 测试}
keeper: holder
askers: [holder]
purpose: bench
law: {en: bench, zh: 测试}
consent: person
subjects: [{name: person, title: {en: Person, zh: 本人}, register: person, identifier: number}]
parameters: [{name: age, title: {en: Age, zh: 年龄}, value: 40, unit: year}]
facts:
  - name: old_enough
    title: {en: Old enough, zh: 达到年龄}
    law: {en: bench, zh: 测试}
    paper: {en: Birth certificate, zh: 出生证明}
    ways:
      - find: [{name: one, dataset: resident, of: person, fields: [born]}]
        when: [{if: "years_between(one.born, on) >= age", else: {en: Too young., zh: 未达到年龄。}, unit: year}]
  - name: lives_here
    title: {en: Lives in the district, zh: 居住在本区}
    law: {en: bench, zh: 测试}
    paper: {en: Residence certificate, zh: 居住证明}
    ways:
      - find: [{name: one, dataset: resident, key: [person], fields: [district]}]
        when: [{if: 'one.district in ("N0", "N1", "N2", "N3")', else: {en: Lives elsewhere., zh: 不在本区居住。}}]
"""
PLAIN = """
    SELECT c.record, r.row FROM registers.claim c
    JOIN sharing.projection p ON p.dataset = 'resident'
    JOIN sharing.record r ON r.dataset = p.number AND r.generation = p.generation AND r.key = %(key)s
    WHERE c.identifier = %(identifier)s AND c.closed = 0
"""


def run(quick: bool, talk: town.Talk) -> None:
    """`quick` has a tenth of the people, and a third of the time."""
    people, seconds = PEOPLE // (10 if quick else 1), SECONDS // (3 if quick else 1)
    files = {"registers/person.yaml": REGISTER, "facts/bench.yaml": FACTS}
    with town.town(talk, files) as city, closing(httpx.Client(base_url=city.url, timeout=60)) as http:
        parts = app.open_parts(city.settings)
        keeper, holder = town.token(parts, "keeper", KEEPER), town.token(parts, "holder", HOLDER)
        town.deliver(city, keeper, "first", f"range({people}) t(n)", talk)
        _await(parts, people)
        url = app.admin_url(city.settings)
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("VACUUM ANALYZE registers.claim, sharing.record")  # as the database does by itself later
        terms = {"kind": "verify", "fields": ["id", "born", "district"], "per_minute": 10**8, "per_day": 10**8}
        town.grant(http, keeper, holder, "bench-1", terms)
        plain = asyncio.run(_plain(url, people, seconds))
        memory = Memory()
        with memory.watch(city.pids()):
            questions = [_question(parts, people)] * CLIENTS
            latencies, took = town.ask(city.url, holder, questions, _check, seconds)
        _kept(parts, len(latencies))
        app.close_parts(parts)
    rate, p95 = len(latencies) / took, percentile(latencies, 0.95)
    show(
        Line(
            bench="facts", item=f"two facts of one of {people:,} people under grants, signed and kept, {CLIENTS} clients",
            rows=len(latencies), seconds=round(took, 2), rate=round(rate), p50_ms=round(percentile(latencies, 0.5), 1),
            p95_ms=round(p95, 1), peak_mib=memory.peak, baseline=f"PostgreSQL: the same records, nothing else, {plain:,.0f}/s",
            ratio=round(plain / rate, 2), target=">= 300/s, p95 <= 250 ms", met=rate >= 300 and p95 <= 250,
        )
    )  # fmt: skip


def _question(parts: Parts, people: int) -> town.Question:
    given = (parts.clock.now() - timedelta(days=1)).isoformat()

    def draw(chance: random.Random) -> tuple[str, bytes]:
        number = town.key(chance.randrange(people))
        consent = {"by": number, "reference": "form-1", "given_at": given}
        question = {"case": "bench-1", "subjects": {"person": [number]}, "consent": consent}
        return "/api/facts/bench/ask", msgspec.json.encode({"questions": [question]})

    return draw


def _check(body: bytes) -> None:
    (line,) = msgspec.json.decode(body)
    answers = {fact["name"]: fact["answer"] for fact in msgspec.json.decode(line["statement"])["facts"]}
    if set(answers) != {"old_enough", "lives_here"} or not set(answers.values()) <= {"yes", "no"}:
        raise AssertionError(body.decode())


async def _plain(url: str, people: int, seconds: float) -> float:
    """Look-ups a second of the same records by as many clients, over connections and statements that are kept."""
    end = time.perf_counter() + seconds
    started = time.perf_counter()
    done = await asyncio.gather(*(_look(url, people, number, end) for number in range(CLIENTS)))
    return sum(done) / (time.perf_counter() - started)


async def _look(url: str, people: int, seed: int, end: float) -> int:
    chance, done = random.Random(seed), 0  # noqa: S311 - no secret
    async with await AsyncConnection.connect(url, autocommit=True) as connection:
        while time.perf_counter() < end:
            key = town.key(chance.randrange(people))
            result = await connection.execute(PLAIN, {"key": key, "identifier": f"person:number:{key}"}, prepare=True)
            if len(await result.fetchall()) != 1:
                raise AssertionError(key)
            done += 1
    return done


def _kept(parts: Parts, answers: int) -> None:
    with parts.db.begin(PLATFORM) as tx:
        asked = tx.scalar(int, "SELECT count(*)::int FROM facts.asked")
        uses = tx.scalar(int, "SELECT count(*)::int FROM sharing.use")
    if asked < answers or uses < answers:  # the two facts look at one record, which is one use
        raise AssertionError(f"{answers} answers, {asked} kept, {uses} uses")


def _await(parts: Parts, sequence: int) -> None:
    """Until the worker has taken all change rows into the register and into the copy."""
    while True:
        with parts.db.begin(PLATFORM) as tx:
            reached = tx.values(int, "SELECT sequence FROM registers.feed")
            copied = tx.values(int, "SELECT sequence FROM sharing.projection WHERE generation > 0")
        if reached and copied and min(reached[0], copied[0]) >= sequence:
            return
        time.sleep(0.5)
