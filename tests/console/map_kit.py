"""What the town has to draw: two districts of two streets of two communities each, in squares, and people counted on two days."""

import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path

from cityloom.indicators import store
from cityloom.indicators.contracts import Figure
from cityloom.indicators.store import ComputationRow
from cityloom.kernel.context import Context
from cityloom.maps.api import drawing

WEST, SOUTH, SIDE = 114.0, 22.5, 0.02
GRID = {"metres": 500, "west": 73.0, "south": 3.0, "latitude": 22.6}
DIGITS = {"district": 6, "street": 9, "community": 12}
NAMES = {"district": ("District", "区"), "street": ("Subdistrict", "街道"), "community": ("Community", "社区")}
COMMUNITIES = tuple(f"19010{d}00{s}00{c}" for d in (1, 2) for s in (1, 2) for c in (1, 2))
PEOPLE = {code: 100 * place for place, code in enumerate(COMMUNITIES)}
"""As published; the first is hidden."""
INDICATORS = """\
name: {name}
title: {{en: {name}, zh: 指标}}
version: "1"
keeper: civil
"""
LIST = "{{title: {{en: {level}, zh: 区划}}, standard: GB/T 10114-2003, version: '1', valid_from: '2023-01-01', file: {level}.csv}}\n"


def codes(level: str) -> list[str]:
    """The areas of a level."""
    return sorted({code[: DIGITS[level]] for code in COMMUNITIES})


def files() -> Iterator[tuple[str, str]]:
    """Files of the town's pack by path: shapes, names, and where they stand."""
    yield (
        "pack.yaml",
        (
            "{name: small, title: {en: Small town, zh: 小镇}, version: '1', keeper: civil, city: true, needs: [people, facilities]}"
        ),
    )
    source = "source: {en: Surveyors (CC0), zh: 测绘院（CC0）}"
    lines = [f"  - {{level: {level}, file: maps/{level}.geojson, {source}}}" for level in DIGITS]
    lists = ", ".join(f"{level}: {level}" for level in DIGITS)
    yield "maps/areas.yaml", "\n".join(["boundaries:", *lines, f"lists: {{{lists}}}", f"grid: {json.dumps(GRID)}", ""])
    for level, digits in DIGITS.items():
        features = [
            {"type": "Feature", "properties": {"code": code}, "geometry": {"type": "MultiPolygon", "coordinates": [
                [square(place)] for place, each in enumerate(COMMUNITIES) if each.startswith(code)]}}
            for code in codes(level)
        ]  # fmt: skip
        yield f"maps/{level}.geojson", json.dumps({"type": "FeatureCollection", "features": features})
        en, zh = NAMES[level]
        named = [f"{code},第{code[5:]}{zh},{en} {code[5:]},{code[: max(digits - 3, 4)]}" for code in codes(level)]
        yield f"catalogue/codes/{level}.yaml", LIST.format(level=level)
        yield f"catalogue/codes/{level}.csv", "\n".join(["code,zh,en,parent", *named, ""])


def square(place: int) -> list[list[float]]:
    """A community: four to a row."""
    x, y = WEST + SIDE * (place % 4), SOUTH + SIDE * (place // 4)
    return [[x, y], [x + SIDE, y], [x + SIDE, y + SIDE], [x, y + SIDE], [x, y]]


def write(folder: Path) -> None:
    """The files, in the folder of packs; beside them the packs whose models would compute, with nothing but their names."""
    for path, text in files():
        (folder / "small" / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / "small" / path).write_text(text, encoding="utf-8")
    for name in ("people", "facilities"):
        (folder / name).mkdir()
        (folder / name / "pack.yaml").write_text(INDICATORS.format(name=name), encoding="utf-8")


def publish(ctx: Context) -> None:
    """Two computations of the population, kept by their own store, as if its model had made them."""
    for id, day, growth in (("now", date(2026, 6, 30), 1.0), ("before", date(2025, 6, 30), 0.8)):
        figures = list(population(growth))
        row = ComputationRow(
            id, "population", day, "0" * 64, json.dumps({"grid": GRID}), json.dumps([{"dataset": "resident", "sequence": 7}]),
            len(figures), "test", ctx.principal.organisation, ctx.clock.now(),
        )  # fmt: skip
        with ctx.begin() as tx:
            store.add(tx, row, figures)
    drawing.draw_due(ctx)  # as the worker does every ten seconds


def population(growth: float) -> Iterator[Figure]:
    """Figures of all levels that add up."""
    people = {code: round(count * growth) for code, count in PEOPLE.items()}
    for level, digits in {"city": 0, **DIGITS}.items():
        for area in sorted({code[:digits] for code in COMMUNITIES}):
            found = sum(count for code, count in people.items() if code.startswith(area))
            yield Figure(level, area, "", found or None)
            yield Figure(level, area, "H", found // 2 or None)
    for place, count in enumerate(people.values()):
        across, up = 111_320 * 0.92321024 / GRID["metres"], 110_574 / GRID["metres"]
        x, y = WEST + SIDE * (place % 4 + 0.5), SOUTH + SIDE * (place // 4 + 0.5)
        cell = int((x - GRID["west"]) * across) * 1_000_000 + int((y - GRID["south"]) * up)
        yield Figure("grid", str(cell), "", count or None)
