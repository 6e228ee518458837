"""The console as a person meets it: the first view in a browser without a cache, the pages of a long table, and the map.

Needs Debian's Chromium and the Python package `playwright`, which come with the tools for work on CityLoom.
"""

import random
import shutil
import statistics
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

import httpx
import psycopg

from cityloom import app
from cityloom.bench import town, webmap
from cityloom.bench.line import Line, percentile, show
from cityloom.demo.desks import furnish
from cityloom.kernel.context import Parts

if TYPE_CHECKING:
    from playwright.sync_api import Browser

VISITS = 15
FIRST_SECONDS, FIRST_KIB = 1.5, 400
ROWS = 10_000_000
PAGES = 300
PAGE_MS = 200
KEEPER = ("exchange.deliver", "exchange.read_receipt", "sharing.approve", "sharing.read")
HOLDER = ("sharing.ask", "sharing.read", "sharing.use")
STANDS = "document.querySelector('main h1') && !document.querySelector('main [role=status]') && document.querySelector('main h2')"
"""Today's page has its heading, waits for nothing, and shows what it is about."""
USES = """
    INSERT INTO sharing.use (granted, id, organisation, keeper, dataset, at, account, way, purpose, case_reference, fields,
                             key_digest, found, sequence, request, audit_position)
    SELECT %(grant)s, 'u' || lpad(to_hex(n), 22, '0'), 'holder', 'keeper', 'resident', now(), 'holder-service', 'query', 'bench',
           'case-' || n, '{name}', md5(n::text), true, n, 'bench', n
    FROM generate_series(1, %(rows)s) n
"""


def run(quick: bool, talk: town.Talk) -> None:
    """`quick` has a tenth of the rows and a third of the visits."""
    rows, visits = ROWS // (10 if quick else 1), VISITS // (3 if quick else 1)
    with town.town(talk) as city:
        parts = app.open_parts(city.settings)
        _page(city.url, parts, rows, talk)
        names, password = furnish(parts, city.url)
        app.close_parts(parts)
        with _browser(talk) as browser:
            if browser is not None:
                _first_view(browser, city.url, names[0], password, visits)
    with _browser(talk) as browser:
        if browser is not None:
            webmap.run(quick, browser, talk)


def _page(url: str, parts: Parts, rows: int, talk: town.Talk) -> None:
    """Pages of 50 at random places of the uses of one grant, as its page in the console asks for them."""
    keeper, holder = town.token(parts, "keeper", KEEPER), town.token(parts, "holder", HOLDER)
    with closing(httpx.Client(base_url=url, timeout=60, trust_env=False)) as http:
        grant = town.grant(http, keeper, holder, "bench", {"fields": ["id", "name"]})
        with psycopg.connect(app.admin_url(parts.settings), autocommit=True) as connection:
            connection.execute(USES, {"grant": grant, "rows": rows})
            connection.execute("VACUUM ANALYZE sharing.use")
        talk(f"{rows:,} rows")
        chance, milliseconds = random.Random(7), []  # noqa: S311 - no secret
        for _ in range(PAGES):
            after = f"u{chance.randrange(rows):022x}"
            begun = time.perf_counter()
            answer = http.get(f"/api/sharing/grants/{grant}/uses", params={"after": after, "limit": 50},
                              headers={"authorization": f"Bearer {holder}"})  # fmt: skip
            milliseconds.append((time.perf_counter() - begun) * 1000)
            if answer.status_code != 200 or not answer.json():
                raise AssertionError(answer.text)
    p95 = percentile(milliseconds, 0.95)
    show(
        Line(
            bench="web", item=f"pages of 50 at random places of a table of {rows:,} rows", rows=PAGES,
            p50_ms=round(percentile(milliseconds, 0.5), 1), p95_ms=round(p95, 1), target=f"p95 <= {PAGE_MS} ms", met=p95 <= PAGE_MS,
        )
    )  # fmt: skip


@contextmanager
def _browser(talk: town.Talk) -> "Iterator[Browser | None]":
    """Debian's Chromium; None where it is not there."""
    program = shutil.which("chromium")
    try:
        from playwright.sync_api import sync_playwright  # only with the tools for work on CityLoom
    except ImportError:
        program = None
    if program is None:
        talk("left out: what needs a browser, since there is no chromium, or no Python package playwright")
        yield None
        return
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        browser.close()


def _first_view(browser: "Browser", url: str, account: str, password: str, visits: int) -> None:
    _visit(browser, url, account, password)  # the first one warms the city up
    found = [_visit(browser, url, account, password) for _ in range(visits)]
    shown, inside, kib = (statistics.median(each) for each in zip(*found, strict=True))
    for item, seconds in (("sign-in stands", shown), ("from the password to today's page", inside)):
        show(
            Line(
                bench="web", item=f"{item}, empty cache, median of {visits}", rows=visits, seconds=round(seconds, 2),
                target=f"<= {FIRST_SECONDS} s", met=seconds <= FIRST_SECONDS,
            )
        )  # fmt: skip
    show(
        Line(
            bench="web", item="sent for sign-in and today's page, as compressed", kib=round(kib),
            target=f"<= {FIRST_KIB} KiB", met=kib <= FIRST_KIB,
        )
    )  # fmt: skip


def _visit(browser: "Browser", url: str, account: str, password: str) -> tuple[float, float, float]:
    """Seconds until one can sign in, seconds from there until today's page stands, and KiB over the wire."""
    context = browser.new_context(locale="zh-CN", bypass_csp=True)  # for the question below alone
    page, sizes = context.new_page(), []
    devtools = context.new_cdp_session(page)
    devtools.send("Network.enable")

    def finished(event: dict[str, Any]) -> None:
        sizes.append(event["encodedDataLength"])

    devtools.on("Network.loadingFinished", finished)
    started = time.perf_counter()
    page.goto(f"{url}/console/")
    page.wait_for_selector("input[name=password]")
    shown = time.perf_counter() - started
    page.fill("input[name=account]", account)
    page.fill("input[name=password]", password)
    started = time.perf_counter()
    page.keyboard.press("Enter")
    page.wait_for_function(STANDS)
    inside = time.perf_counter() - started
    page.wait_for_load_state("networkidle")
    context.close()
    return shown, inside, sum(sizes) / 1024
