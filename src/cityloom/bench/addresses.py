"""Messy addresses against a library of a million, through the door of a running city: how fast, and how often rightly.

Web, worker and PostgreSQL run on the same cores as the client. The peer compares each text with every full text of one
district, which is what a department does that has a list and no library.
"""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import httpx
import msgspec
import psycopg
from rapidfuzz import fuzz, process

from cityloom import app, client, supervise
from cityloom.addresses.api import shelf
from cityloom.addresses.contracts import LibraryState, MatchedText
from cityloom.bench import town
from cityloom.bench.line import Line, Memory, percentile, show
from cityloom.kernel import packs
from cityloom.kernel.context import Parts
from cityloom.kernel.db import PLATFORM
from cityloom.samplecity import api as samplecity
from cityloom.samplecity.contracts import PlannedSpelling

SIZE, TEXTS, SINGLE, PEER_TEXTS = 1_000_000, 20_000, 500, 40
GROUP = 200
"""Texts in one request."""
TARGET = 200
PRECISION = 0.99
DAY = datetime(2026, 11, 21, 3, 30, tzinfo=UTC)
PATIENCE = 3600.0
RIGHTS = ("exchange.deliver", "exchange.read_receipt", "addresses.read")
PACK = "{name: townbench, title: {en: Bench, zh: 测试}, version: '1', keeper: psb, city: true, needs: [base, places]}"
ORGANISATIONS = "".join(
    f"- {{code: {code}, title: {{en: {code}, zh: 测试}}, kind: department}}\n"
    for code in ("psb", "grid", "civil_affairs")
)
ELEMENTS = "".join(
    f"{name}: {{title: {{en: {name}, zh: 坐标}}, type: number, min: -180, max: 180}}\n"
    for name in ("longitude", "latitude")
)


def run(quick: bool, talk: Callable[[str], None]) -> None:
    """Measure and print. `quick` has a tenth of the addresses and of the texts."""
    size = SIZE // 10 if quick else SIZE
    plan = samplecity.plan(packs.shipped() / "shenzhen", 10_000, 1, DAY, months=0)
    with town.town(talk, _files()) as city:
        parts = app.open_parts(city.settings)
        token = town.token(parts, "psb", RIGHTS)
        with closing(
            httpx.Client(base_url=city.url, headers={"authorization": f"Bearer {token}"}, timeout=600)
        ) as http:
            rows = _build(city, plan, size, http, token, talk)
            _names(parts)
            texts = list(samplecity.misspellings(plan, size, max(1, size // (TEXTS // (10 if quick else 1)))))
            _match(city, plan, size, http, texts, rows, talk)
            _single(http, texts[:: max(1, len(texts) // SINGLE)])
        app.close_parts(parts)


def _files() -> dict[str, str]:
    """A city's pack with the pack of places and the divisions of Shenzhen."""
    found = {"pack.yaml": PACK, "identity/organisations.yaml": ORGANISATIONS, "catalogue/elements.yaml": ELEMENTS}
    found["exchange/resident.yaml"] = town.DATASET.replace("keeper: keeper", "keeper: psb")
    for name in ("district", "street", "community"):
        for ending in ("yaml", "csv"):
            path = f"catalogue/codes/{name}.{ending}"
            found[path] = (packs.shipped() / "shenzhen" / path).read_text(encoding="utf-8")
    return found


def _build(
    city: supervise.City, plan: samplecity.Plan, size: int, http: httpx.Client, token: str, talk: Callable[[str], None]
) -> int:
    """Deliver, and wait until the library has all of it; the number of addresses."""
    folder = city.settings.home.parent
    files = {"standard_address": folder / "addresses.csv", "address_division": folder / "spans.csv"}
    rows, spans = samplecity.write_addresses(plan, size, files["standard_address"], files["address_division"])
    with closing(client.Exchange(city.url, token, patience=PATIENCE)) as door:
        for dataset, path in files.items():
            door.deliver(dataset, "all", client.File(path))
            path.unlink()
    talk(f"{rows:,} addresses and {spans:,} spans delivered")
    memory, started = Memory(), time.perf_counter()
    with memory.watch(city.pids()):
        while not _current(http):
            if time.perf_counter() - started > PATIENCE:
                raise TimeoutError("the library does not follow")
            time.sleep(0.5)
    seconds = time.perf_counter() - started
    with psycopg.connect(app.admin_url(city.settings), autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE addresses.entry, addresses.span")  # as the database does some minutes later
        query = "SELECT (sum(pg_total_relation_size(oid)) / 1048576)::int FROM pg_class WHERE relname IN ('entry', 'heir', 'span', 'name')"
        disk = connection.execute(query).fetchone()
    show(
        Line(
            bench="addresses", item=f"taken into the library, from the receipt on; {disk[0] if disk else '?'} MiB on disk",
            rows=rows + spans, seconds=round(seconds, 1), rate=round((rows + spans) / seconds), peak_mib=memory.peak,
        )
    )  # fmt: skip
    return rows


def _current(http: httpx.Client) -> bool:
    answer = http.get("/api/addresses/library")
    answer.raise_for_status()
    state = msgspec.json.decode(answer.content, type=LibraryState)
    return all(each.followed_at is not None and each.sequence == each.last_sequence for each in state.sources)


def _names(parts: Parts) -> None:
    """What a process keeps in memory, looked at in this one: it grows with the names, not with the addresses."""
    before, started = _resident(), time.perf_counter()
    with parts.db.begin(PLATFORM) as tx:
        names = shelf.of(parts.db, parts.packs).names(tx)
    known = sum(map(len, names.similar.values()))
    show(
        Line(
            bench="addresses", item="names kept in the memory of a web process", rows=known,
            seconds=round(time.perf_counter() - started, 2), peak_mib=max(0, _resident() - before),
        )
    )  # fmt: skip


def _resident() -> int:
    rows = Path("/proc/self/status").read_text().splitlines()
    return next(int(row.split()[1]) >> 10 for row in rows if row.startswith("VmRSS"))


def _ask(http: httpx.Client, texts: Sequence[PlannedSpelling]) -> list[MatchedText]:
    body = {"texts": [each.text for each in texts], "on": DAY.date().isoformat()}
    answer = http.post("/api/addresses/match", json=body)
    answer.raise_for_status()
    return msgspec.json.decode(answer.content, type=list[MatchedText])


def _match(
    city: supervise.City, plan: samplecity.Plan, size: int, http: httpx.Client, texts: list[PlannedSpelling], rows: int,
    talk: Callable[[str], None],
) -> None:  # fmt: skip
    memory, took, answers = Memory(), [], []
    _ask(http, texts[:GROUP])  # names are learnt at the first question
    with memory.watch(city.pids()):
        for start in range(0, len(texts), GROUP):
            begun = time.perf_counter()
            answers += _ask(http, texts[start : start + GROUP])
            took.append(time.perf_counter() - begun)
    found = Counter(_kind(text, answer) for text, answer in zip(texts, answers, strict=True))
    peer = _peer(plan, size, texts)
    seconds = sum(took)
    rate, precision = len(texts) / seconds, found["right"] / max(1, found["right"] + found["wrong"])
    show(
        Line(
            bench="addresses", item=f"matched against {rows:,}, {GROUP} texts a request", rows=len(texts),
            seconds=round(seconds, 2), rate=round(rate), p50_ms=round(percentile(took, 0.5) * 1e3, 1),
            p95_ms=round(percentile(took, 0.95) * 1e3, 1), peak_mib=memory.peak, precision=round(precision, 4),
            recall=round(found["right"] / sum(1 for text in texts if text.code), 4),
            baseline="rapidfuzz over the full texts of one district", ratio=round(seconds / len(texts) / peer, 4),
            target=f">= {TARGET}/s, precision >= {PRECISION}", met=rate >= TARGET and precision >= PRECISION,
        )
    )  # fmt: skip
    talk(", ".join(f"{count} {kind}" for kind, count in sorted(found.items())))


def _kind(text: PlannedSpelling, answer: MatchedText) -> str:
    if answer.decision != "matched":
        return f"{answer.decision} ({'meant' if text.code else 'none meant'})"
    return "right" if answer.code == text.code else "wrong"


def _peer(plan: samplecity.Plan, size: int, texts: list[PlannedSpelling]) -> float:
    """Seconds a text takes when it is compared with every full text of the district with the median number of them."""
    by_district: dict[str, list[str]] = {}
    for each in samplecity.addresses(plan, size):
        by_district.setdefault(each.division[:6], []).append(each.text)
    full = sorted(by_district.values(), key=len)[len(by_district) // 2]
    some = texts[:: max(1, len(texts) // PEER_TEXTS)]
    started = time.perf_counter()
    for text in some:
        process.extractOne(text.text, full, scorer=fuzz.ratio)
    return (time.perf_counter() - started) / len(some)


def _single(http: httpx.Client, texts: Sequence[PlannedSpelling]) -> None:
    took = []
    for text in texts:
        begun = time.perf_counter()
        _ask(http, [text])
        took.append(time.perf_counter() - begun)
    show(
        Line(
            bench="addresses", item="matched, one text a request", rows=len(took), seconds=round(sum(took), 2),
            rate=round(len(took) / sum(took)), p50_ms=round(percentile(took, 0.5) * 1e3, 1),
            p95_ms=round(percentile(took, 0.95) * 1e3, 1),
        )
    )  # fmt: skip
