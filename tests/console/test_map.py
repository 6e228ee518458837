"""The map of the city, driven in a real browser against a city whose people were delivered and counted on two days."""

import csv
import io
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from cityloom import app
from cityloom.identity.api import accounts
from cityloom.identity.contracts import Role
from cityloom.indicators.api import computing
from cityloom.indicators.contracts import CountWish
from cityloom.kernel.jobs import platform_context
from console.conftest import PASSWORD, Town
from faults.running import RunningCity
from indicators.indicators_kit import deliver

PEOPLE = {"household_resident", "household", "residence_collected", "tenancy", "dwelling", "school", "clinic"}
DRAWN = "[data-idle]"


@pytest.fixture(scope="module")
def city(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """The shipped city, its people counted for today and for a year ago."""
    folder = tmp_path_factory.mktemp("map")
    running = RunningCity(folder, city="shenzhen", packs="", language="en", lake_memory_mib=1024)
    running.start()
    try:
        running.wait()
        with app.running_parts(running.settings) as parts:
            ctx = platform_context(parts, "test")
            deliver(ctx, folder, PEOPLE)
            today = parts.clock.now().date()
            computing.compute(ctx, "population", "now", CountWish(today))
            computing.compute(ctx, "population", "before", CountWish(today - timedelta(days=365)))
            computing.compute(ctx, "health_centres", "now", CountWish(today))
            one_time = accounts.create(ctx, "planner", "planning").password
            accounts.give_roles(ctx, "planner", [Role.analyst])
        town = Town(running, browser, {})
        desk = town.desk()
        desk.sign_in("planner", one_time)
        desk.page.wait_for_selector("input[name=next]")
        desk.choose_password(one_time, PASSWORD)
        desk.arrive()
        desk.context.close()
        yield town
    finally:
        running.remove()


def choose(page: Page, label: str, value: str) -> None:
    page.get_by_label(label, exact=True).select_option(label=value)
    page.wait_for_load_state("networkidle")


def test_a_planner_goes_from_the_city_to_a_cell_compares_two_days_and_keeps_what_is_seen(city: Town) -> None:
    desk = city.desk("planner")
    page = desk.open("/map")
    page.wait_for_selector(DRAWN)
    rows = page.get_by_role("table").locator("tbody tr")
    expect(rows).to_have_count(9)
    page.wait_for_function("document.querySelector('[data-idle]').dataset.idle === 'district'")
    assert desk.faults() == []

    # what is on the map is what the tiles hold and the door tells: colours from the largest class and from the least
    colours = page.evaluate(
        """() => { const canvas = document.querySelector('canvas.maplibregl-canvas'), copy = document.createElement('canvas');
          [copy.width, copy.height] = [canvas.width, canvas.height]; const pen = copy.getContext('2d');
          pen.drawImage(canvas, 0, 0); const seen = {}, data = pen.getImageData(0, 0, copy.width, copy.height).data;
          for (let at = 0; at < data.length; at += 4) { const key = [data[at], data[at+1], data[at+2]].join();
            seen[key] = (seen[key] ?? 0) + 1 } return seen }"""
    )
    assert colours.get("21,59,87", 0) > 1000, "no district has the darkest colour"
    assert colours.get("223,234,242", 0) > 500, "no district has the lightest colour"

    # a number opens its source, by keyboard; the figure at its door is the one on the screen
    number = rows.first.get_by_role("button", name="where it comes from")
    told = number.inner_text()
    number.focus()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("Counted from")).to_be_visible()
    expect(dialog.get_by_role("link", name="Dwellings")).to_be_visible()
    address = dialog.get_by_role("link", name="The figure at its door").get_attribute("href")
    figures = page.evaluate("(at) => fetch(at).then((answer) => answer.json())", address)
    assert f"{figures[0]['value']:,}" == told
    assert desk.faults() == []
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()

    # down to the cells, each step an address that can be sent
    for title, step in (("Bao'an District", "by street"), (None, "by community"), (None, "by cell of the grid")):
        target = (
            page.get_by_role("table").get_by_role("button", name=title)
            if title
            else rows.first.get_by_role("button").first
        )
        target.click()
        page.wait_for_load_state("networkidle")
        expect(
            page.get_by_label("Areas", exact=True) if step != "by cell of the grid" else page.get_by_role("main")
        ).to_contain_text(step)
    assert "area=440306" in page.url
    page.get_by_role("navigation", name="Where you are").get_by_role("button", name="Shenzhen").click()
    expect(rows).to_have_count(9)

    # two days
    choose(page, "Areas", "by community")
    options = page.get_by_label("Compared with").locator("option").all_inner_texts()
    choose(page, "Compared with", options[1])
    expect(page.get_by_role("columnheader", name="Change")).to_be_visible()
    expect(page.get_by_text("hidden: too few to be told").first).to_be_visible()
    page.wait_for_function("document.querySelector('[data-idle]').dataset.idle === 'community'")
    page.wait_for_timeout(300)
    assert desk.faults() == []

    # kept as a table and as a picture
    with page.expect_download() as download:
        page.get_by_role("button", name="Keep as a table").click()
    kept = list(csv.reader(io.StringIO(Path(download.value.path()).read_text("utf-8-sig"))))
    assert kept[0][:2] == ["Code", "Area"]
    assert len(kept) == 789
    for _code, _name, now, before, change in kept[1:]:
        if change not in ("", "hidden"):
            assert int(now) - int(before) == int(change)
    assert any(row[2] == "hidden" for row in kept[1:])
    with page.expect_download() as download:
        page.get_by_role("button", name="Keep as a picture").click()
    picture = Path(download.value.path()).read_bytes()
    assert picture.startswith(b"\x89PNG")
    assert len(picture) > 30_000
    assert desk.wrong == []

    # the policy lets the map's worker run, with nothing bypassed
    strict = city.browser.new_context(storage_state=desk.context.storage_state())
    plain = strict.new_page()
    said: list[str] = []
    asked: list[str] = []
    plain.on("console", lambda told: said.append(told.text) if told.type in ("error", "warning") else None)
    plain.on("request", lambda request: asked.append(request.url))
    plain.goto(f"{city.city.url}/console/map?level=community")
    plain.wait_for_selector(DRAWN)
    assert said == []
    assert {url.split("/")[2] for url in asked if url.startswith("http")} == {httpx.URL(city.city.url).netloc.decode()}
    strict.close()
    desk.context.close()


def test_the_map_is_sound_in_chinese_and_on_a_phone(city: Town) -> None:
    desk = city.desk("planner", "zh", "phone")
    for path in ("/map", "/map?indicator=health_centres", "/map?area=440303001001&level=grid"):
        page = desk.open(path)
        page.wait_for_selector(DRAWN)
        assert desk.faults() == [], path
    page = desk.open("/map")
    page.wait_for_selector(DRAWN)
    page.get_by_role("button", name="深色").click()
    page.wait_for_timeout(300)
    assert desk.faults() == []
    expect(page.get_by_text("区界：TransBigData")).to_be_visible()
    desk.context.close()
