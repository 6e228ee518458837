"""Messy addresses against a library of a million: how fast they are read and matched, and how often rightly."""

import csv
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime

from rapidfuzz import fuzz, process

from cityloom.bench.line import Line, Memory, percentile, show, timed
from cityloom.kernel import packs
from cityloom.registers.api.addresses import (
    Decision,
    Division,
    DivisionSpan,
    Entry,
    Gazetteer,
    Level,
    Library,
    Match,
    match,
    parse,
)
from cityloom.samplecity import api as samplecity
from cityloom.samplecity.contracts import PlannedAddress, PlannedSpelling

SIZE, TEXTS, BASELINE_TEXTS = 1_000_000, 20_000, 10
TARGET = 1_000
PRECISION = 0.99
DAY = datetime(2026, 11, 21, 3, 30, tzinfo=UTC)
LISTS = ("province", "prefecture", "district", "street", "community")


def run(quick: bool, talk: Callable[[str], None]) -> None:
    """Measure and print."""
    size = SIZE // 10 if quick else SIZE
    plan = samplecity.plan(packs.shipped() / "shenzhen", 10_000, 1, DAY, months=0)
    memory = Memory()
    with memory.watch([os.getpid()]):
        with timed() as building:
            library = Library(map(_entry, samplecity.addresses(plan, size)), _spans(plan, size))
        texts = list(samplecity.misspellings(plan, size, max(1, size // TEXTS)))
        known = Gazetteer(_divisions(), places=_places(plan, size), home="4403")
        talk(f"{len(library):,} addresses, {len(texts):,} spellings")
        took, answers = _matched(library, known, texts)
    show(
        Line(
            bench="addresses", item="library made and packed", rows=len(library), seconds=round(building[0], 2),
            rate=round(len(library) / building[0]), peak_mib=memory.peak,
        )
    )  # fmt: skip
    seconds, found = sum(took), Counter(_kind(text, answer) for text, answer in zip(texts, answers, strict=True))
    per_text = _scan(plan, size, texts[:: max(1, len(texts) // BASELINE_TEXTS)])
    rate, precision = len(texts) / seconds, found["right"] / max(1, found["right"] + found["wrong"])
    show(
        Line(
            bench="addresses", item=f"read and match against {size:,}", rows=len(texts), seconds=round(seconds, 2),
            rate=round(rate), p50_ms=round(percentile(took, 0.5) * 1e3, 3), p95_ms=round(percentile(took, 0.95) * 1e3, 3),
            peak_mib=memory.peak, precision=round(precision, 4),
            recall=round(found["right"] / sum(1 for text in texts if text.code), 4),
            baseline="rapidfuzz over all full texts", ratio=round(seconds / len(texts) / per_text, 6),
            target=f">= {TARGET}/s, precision >= {PRECISION}", met=rate >= TARGET and precision >= PRECISION,
        )
    )  # fmt: skip
    talk(", ".join(f"{count} {kind}" for kind, count in sorted(found.items())))


def _matched(
    library: Library, known: Gazetteer, texts: list[PlannedSpelling]
) -> tuple[list[float], list[Match]]:  # fmt: skip
    took, answers = [], []
    for text in texts:
        started = time.perf_counter()
        answers.append(match(library, parse(text.text, known), DAY.date()))
        took.append(time.perf_counter() - started)
    return took, answers


def _kind(text: PlannedSpelling, answer: Match) -> str:
    if answer.decision != Decision.matched:
        return f"{answer.decision.value} ({'meant' if text.code else 'none meant'})"
    return "right" if answer.code == text.code else "wrong"


def _scan(plan: samplecity.Plan, size: int, texts: list[PlannedSpelling]) -> float:
    """Seconds a text takes when it is compared with every full text of the library."""
    full = [address.text for address in samplecity.addresses(plan, size)]
    with timed() as taken:
        for text in texts:
            process.extractOne(text.text, full, scorer=fuzz.ratio)
    return taken[0] / len(texts)


def _entry(made: PlannedAddress) -> Entry:
    return Entry(
        made.code, made.parent, Level[made.level], made.name, made.division, made.since, made.until, made.replaced_by
    )  # fmt: skip


def _spans(plan: samplecity.Plan, size: int) -> Iterator[DivisionSpan]:
    for made in samplecity.addresses(plan, size):
        if made.former_division:
            yield DivisionSpan(made.code, made.former_division, made.since, date(2025, 9, 1))


def _places(plan: samplecity.Plan, size: int) -> dict[Level, set[str]]:
    found: dict[Level, set[str]] = {Level.road: set(), Level.estate: set()}
    for made in samplecity.addresses(plan, size):
        if made.level in ("road", "estate"):
            found[Level[made.level]].add(made.name)
    return found


def _divisions() -> Iterator[Division]:
    for pack in ("places", "shenzhen"):
        for name in LISTS:
            path = packs.shipped() / pack / "catalogue" / "codes" / f"{name}.csv"
            if path.is_file():
                with path.open(encoding="utf-8", newline="") as file:
                    yield from (Division(row["code"], row["zh"]) for row in csv.DictReader(file))
