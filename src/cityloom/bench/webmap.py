"""The map as a person meets it in a city of many communities: until one can work with it, and how smoothly it is moved."""

import json
import random
import statistics
import time
from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING

import httpx
import psycopg

from cityloom import app
from cityloom.bench import town
from cityloom.bench.line import Line, show
from cityloom.demo.desks import furnish

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

DISTRICTS, STREETS, COMMUNITIES = 10, 10, 100
"""A city of 10,000 communities: a hundred in each of ten streets of each of ten districts."""
WEST, SOUTH, SIDE = 113.75, 22.45, 0.009
"""A community is about a kilometre wide."""
CORNERS = 10
"""A side of a community bends so often, as lines that follow streets do."""
VISITS = 5
SECONDS = 3.0
PAN_SECONDS = 4.0
MAP = "/console/map?level=community"
DRAWN = "document.querySelector('[data-idle=community]')"
SOFTWARE = "Chromium without a graphics card (software rendering), 1,440 x 900"
FRAMES = """() => { window.frames_ = []; const step = (at) => { window.frames_.push(at); window.next_ = requestAnimationFrame(step) };
  window.next_ = requestAnimationFrame(step) }"""
POPULATION = """
INSERT INTO indicators.computation VALUES
  ('bench', 'population', '2026-06-30', repeat('0', 64), '{}', '[]', %(figures)s, 'bench', 'keeper', now());
"""
FIGURES = """
INSERT INTO indicators.figure SELECT 'population', 'bench', level, area, '', people
FROM unnest(%(levels)s::text[], %(areas)s::text[], %(people)s::bigint[]) AS f (level, area, people)
"""


def files(districts: int) -> dict[str, str]:
    """The pack's files: lines of all communities, names, and the name of the pack whose model would count people."""
    codes = [code for code, _ in _communities(districts)]
    named = {level: sorted({code[:digits] for code in codes}) for level, digits in _LEVELS.items()}
    source = "source: {en: bench, zh: 测试}"
    areas = [f"  - {{level: {level}, file: maps/{level}.geojson, {source}}}" for level in ("community",)]
    lists = ", ".join(f"{level}: {level}" for level in _LEVELS)
    found = {
        "pack.yaml": "{name: townbench, title: {en: Bench, zh: 测试}, version: '1', keeper: keeper, city: true, needs: [people]}",
        "../people/pack.yaml": "{name: people, title: {en: People, zh: 人口}, version: '1', keeper: keeper}",
        "maps/areas.yaml": "\n".join(["boundaries:", *areas, f"lists: {{{lists}}}", ""]),
        "maps/community.geojson": json.dumps({"type": "FeatureCollection", "features": list(_features(districts))}),
    }
    for level, all_codes in named.items():
        found[f"catalogue/codes/{level}.yaml"] = (
            f"{{title: {{en: {level}, zh: 区划}}, standard: bench, version: '1', valid_from: '2023-01-01', file: {level}.csv}}"
        )
        rows = [f"{code},第{code[-3:]}号,Area {code[-3:]},{code[: len(code) - 3]}" for code in all_codes]
        found[f"catalogue/codes/{level}.csv"] = "\n".join(["code,zh,en,parent", *rows, ""])
    return found


_LEVELS = {"district": 6, "street": 9, "community": 12}


def _communities(districts: int) -> Iterator[tuple[str, tuple[int, int]]]:
    """Code and place in the city (columns and rows of communities)."""
    for district in range(districts):
        for street in range(STREETS):
            for community in range(COMMUNITIES):
                x = district % 5 * 20 + street % 2 * 10 + community % 10
                y = district // 5 * 50 + street // 2 * 10 + community // 10
                yield f"1901{district + 1:02d}{street + 1:03d}{community + 1:03d}", (x, y)


def _features(districts: int) -> Iterator[dict[str, object]]:
    for code, (x, y) in _communities(districts):
        south, north = _side((x, y), (x + 1, y)), _side((x, y + 1), (x + 1, y + 1))
        west, east = _side((x, y), (x, y + 1)), _side((x + 1, y), (x + 1, y + 1))
        ring = [*south[:-1], *east[:-1], *reversed(north[1:]), *reversed(west)]
        yield {"type": "Feature", "properties": {"code": code}, "geometry": {"type": "Polygon", "coordinates": [ring]}}


def _side(start: tuple[int, int], end: tuple[int, int]) -> list[tuple[float, float]]:
    """The line between two corners, that bends; the same for both neighbours."""
    chance = random.Random(f"{start}{end}")  # noqa: S311 - no secret
    across = start[1] == end[1]
    found = []
    for step in range(CORNERS + 1):
        away = 0.0 if step in (0, CORNERS) else chance.uniform(-0.12, 0.12)
        x, y = (start[0] + step / CORNERS, start[1] + away) if across else (start[0] + away, start[1] + step / CORNERS)
        found.append((round(WEST + x * SIDE, 6), round(SOUTH + y * SIDE, 6)))
    return found


def run(quick: bool, browser: "Browser", talk: town.Talk) -> None:
    """`quick` has a tenth of the communities."""
    districts = DISTRICTS // (10 if quick else 1)
    with town.town(talk, files(districts)) as city:
        parts = app.open_parts(city.settings)
        names, password = furnish(parts, city.url)
        app.close_parts(parts)
        _publish(app.admin_url(city.settings), districts)
        seconds = _await_atlas(city.url, names[0], password)
        amount = districts * STREETS * COMMUNITIES
        talk(f"{amount:,} communities; their atlas was there {seconds:.0f} s after one could sign in")
        found, frames = [], []
        for visit in range(VISITS + 1):
            page = _inside(browser, city.url, names[0], password)
            found.append(_open(page, city.url))
            if visit == VISITS:
                frames = _pan(page)
            page.context.close()
    median = statistics.median(found[1:])  # the first one warms the city up
    show(
        Line(
            bench="web", item=f"map of {amount:,} communities drawn with its table, empty cache, median of {VISITS}, {SOFTWARE}",
            rows=amount, seconds=round(median, 2), target=f"<= {SECONDS:.0f} s", met=median <= SECONDS,
        )
    )  # fmt: skip
    between = [(later - earlier) for earlier, later in pairwise(frames)]
    show(
        Line(
            bench="web", item=f"frames while the same map is dragged about, {SOFTWARE}", rows=len(between),
            rate=round(len(between) / ((frames[-1] - frames[0]) / 1000)), p50_ms=round(statistics.median(between), 1),
            p95_ms=round(statistics.quantiles(between, n=20)[-1], 1), target="60 a second with a graphics card",
        )
    )  # fmt: skip


def _publish(url: str, districts: int) -> None:
    """People of every area, as if the model had counted them."""
    people: dict[tuple[str, str], int] = {}
    for place, (code, _) in enumerate(_communities(districts)):
        for level, digits in {"city": 0, **_LEVELS}.items():
            people[level, code[:digits]] = people.get((level, code[:digits]), 0) + place * 37 % 4000
    with psycopg.connect(url) as connection:
        connection.execute(POPULATION, {"figures": len(people)})
        given = {"levels": [level for level, _ in people], "areas": [area for _, area in people]}
        connection.execute(FIGURES, {**given, "people": list(people.values())})


def _await_atlas(url: str, account: str, password: str) -> float:
    started = time.monotonic()
    with httpx.Client(base_url=url, trust_env=False, timeout=60) as http:
        began = http.post("/api/identity/session", json={"account": account, "password": password})
        cookies = "; ".join(f"{name}={value}" for name, value in began.cookies.items())
        while not http.get("/api/maps", headers={"cookie": cookies}).json()["version"]:
            time.sleep(0.5)
    return time.monotonic() - started


def _inside(browser: "Browser", url: str, account: str, password: str) -> "Page":
    page = browser.new_context(locale="zh-CN", bypass_csp=True, viewport={"width": 1440, "height": 900}).new_page()
    page.goto(f"{url}/console/sign-in")
    page.fill("input[name=account]", account)
    page.fill("input[name=password]", password)
    page.keyboard.press("Enter")
    page.wait_for_selector("nav", state="attached")
    page.wait_for_load_state("networkidle")
    return page


def _open(page: "Page", url: str) -> float:
    """Seconds until the map of communities is drawn to its end and its table stands."""
    started = time.perf_counter()
    page.goto(f"{url}{MAP}")
    page.wait_for_function(f"{DRAWN} && document.querySelector('main tbody tr')")
    return time.perf_counter() - started


def _pan(page: "Page") -> list[float]:
    """When the browser drew, in milliseconds, while the map was dragged in circles."""
    box = page.locator("canvas.maplibregl-canvas").bounding_box() or {"x": 0, "y": 0, "width": 0, "height": 0}
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.evaluate(FRAMES)
    ending, step = time.perf_counter() + PAN_SECONDS, 0
    while time.perf_counter() < ending:
        step += 1
        page.mouse.move(x + 120 * ((step % 40) / 20 - 1), y + 80 * ((step % 24) / 12 - 1))
    page.mouse.up()
    page.evaluate("() => cancelAnimationFrame(window.next_)")
    return [float(at) for at in page.evaluate("() => window.frames_")]
