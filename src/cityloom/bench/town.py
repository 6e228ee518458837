"""A city for a bench, in processes of its own: one dataset of people, who keeps it, who reads it; and clients of its door.

Web, worker and PostgreSQL run on the same cores as the clients, which speak HTTP/1.1 over kept connections.
"""

import asyncio
import random
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Any
from urllib.parse import urlsplit

import duckdb
import httpx
import uvloop

from cityloom import client, supervise
from cityloom.identity.api import services
from cityloom.kernel import jobs, sql
from cityloom.kernel.context import Parts
from cityloom.kernel.postgres import passing_folder
from cityloom.kernel.settings import load

Talk = Callable[[str], None]
Question = Callable[[random.Random], tuple[str, bytes]]
"""Draws one: the address, and the body."""
Check = Callable[[bytes], None]
DATASET = """\
title: {en: Residents, zh: 居民}
keeper: keeper
legal_basis: {en: bench, zh: 测试}
class: person
sharing: conditional
modes: [upsert]
update: {every: irregular}
queryable: true
key: [id]
retention: {records: P10Y}
fields:
  - {name: id, title: {en: Number, zh: 编号}, type: text, required: true}
  - {name: name, title: {en: Name, zh: 姓名}, type: text}
  - {name: district, title: {en: District, zh: 区}, type: text}
  - {name: born, title: {en: Born, zh: 出生}, type: date}
  - {name: amount, title: {en: Amount, zh: 金额}, type: decimal, precision: 12, scale: 2}
"""
ORGANISATIONS = """\
- {code: keeper, title: {en: Keeper, zh: 主责}, kind: department}
- {code: holder, title: {en: Holder, zh: 使用}, kind: department}
"""


@contextmanager
def town(talk: Talk, files: Mapping[str, str] = {}) -> Iterator[supervise.City]:
    """The running city; `files` are more files of its pack, by their path."""
    with passing_folder("cityloom-bench-") as place:
        pack = place / "packs/townbench"
        whole = {
            "pack.yaml": "{name: townbench, title: {en: Bench, zh: 测试}, version: '1', keeper: keeper, city: true}",
            "exchange/resident.yaml": DATASET,
            "identity/organisations.yaml": ORGANISATIONS,
            **files,
        }
        for path, text in whole.items():
            (pack / path).parent.mkdir(parents=True, exist_ok=True)
            (pack / path).write_text(text)
        settings = load(
            {}, home=place / "home", packs=str(pack.parent), city="townbench", port=supervise.free_port(),
            lake_memory_mib=2000, secure_cookies=False, delivery_max_mib=4096,
        )  # fmt: skip
        city = supervise.City(settings, talk)
        city.start()
        try:
            city.wait_until_ready()
            yield city
        finally:
            city.stop()


def token(parts: Parts, organisation: str, rights: tuple[str, ...]) -> str:
    """A token of an organisation's own service."""
    return services.issue(jobs.platform_context(parts, "bench"), organisation, rights).secret


def key(number: int) -> str:
    """The number of the so-many-th resident."""
    return f"A{number:011d}"


def deliver(city: supervise.City, token: str, id: str, rows: str, talk: Talk) -> None:
    """Hand in residents: those with the numbers that `rows` gives (SQL with a column n), named by the delivery."""
    file = city.settings.home.parent / f"{id}.parquet"
    with duckdb.connect(config={"memory_limit": "1GB"}) as maker:
        maker.execute(
            f"""COPY (SELECT printf('A%011d', n) AS id, {sql.literal(id)} || ' ' || n AS name, 'N' || n % 8 AS district,
                        CAST(DATE '1950-01-01' + CAST(n % 20000 AS INTEGER) AS DATE) AS born,
                        CAST(n % 1000000 AS DECIMAL(12, 2)) AS amount
                      FROM {rows}) TO {sql.literal(str(file))} (FORMAT parquet)"""
        )
    started = time.perf_counter()
    with closing(client.Exchange(city.url, token, patience=3600)) as door:
        door.deliver("resident", id, client.File(file))
    file.unlink()
    talk(f"{id} delivered in {time.perf_counter() - started:.0f} s")


def grant(http: httpx.Client, keeper: str, holder: str, id: str, terms: Mapping[str, Any]) -> str:
    """A grant of the keeper to the holder, for the purpose `bench`; its id."""
    wish = {"dataset": "resident", "purpose": "bench", "legal_basis": "bench", "reason": "bench", "terms": terms}
    asked = http.put(f"/api/sharing/requests/{id}", json=wish, headers={"authorization": f"Bearer {holder}"})
    asked.raise_for_status()
    act = {"move": "approve", "version": 1, "key": "1"}
    given = http.post(f"/api/sharing/requests/{id}/moves", json=act, headers={"authorization": f"Bearer {keeper}"})
    given.raise_for_status()
    return str(given.json()["grant"])


def ask(url: str, token: str, questions: list[Question], check: Check, seconds: float) -> tuple[list[float], float]:
    """One client for each way to draw questions, each asking one after the other: milliseconds of every answer, and the
    seconds that it took. The first two seconds, in which grants are compiled, do not count.

    On uvloop, since the clients take their time from the same cores as the city.
    """
    uvloop.run(_ask(url, token, questions, check, 2))
    started = time.perf_counter()
    latencies = uvloop.run(_ask(url, token, questions, check, seconds))
    return latencies, time.perf_counter() - started


async def _ask(url: str, token: str, questions: list[Question], check: Check, seconds: float) -> list[float]:
    end = time.perf_counter() + seconds
    clients = [_client(url, token, question, check, end, number) for number, question in enumerate(questions)]
    return [each for found in await asyncio.gather(*clients) for each in found]


async def _client(url: str, token: str, question: Question, check: Check, end: float, seed: int) -> list[float]:
    place, chance, latencies = urlsplit(url), random.Random(seed), []  # noqa: S311 - no secret
    reader, writer = await asyncio.open_connection(place.hostname, place.port)
    head = (
        f"HTTP/1.1\r\nHost: {place.netloc}\r\nAuthorization: Bearer {token}\r\n"
        "X-Purpose: bench\r\nContent-Type: application/json\r\nContent-Length: "
    )
    while (begun := time.perf_counter()) < end:
        address, body = question(chance)
        writer.write(f"POST {address} {head}{len(body)}\r\n\r\n".encode() + body)
        status, answer = await _answer(reader)
        if not status.startswith(b"HTTP/1.1 200"):
            raise AssertionError(answer.decode())
        check(answer)
        latencies.append((time.perf_counter() - begun) * 1000)
    writer.close()
    await writer.wait_closed()
    return latencies


async def _answer(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
    return head, await reader.readexactly(int(length.split(b":")[1]))
