"""The map of the city, driven in a real browser: from the city to a cell, two days compared, what is seen kept."""

import base64
import csv
import io
from pathlib import Path

from playwright.sync_api import Page, expect

from console.conftest import Town
from console.map_kit import COMMUNITIES, PEOPLE

DRAWN = "[data-idle]"


def choose(page: Page, label: str, value: str) -> None:
    page.get_by_role("combobox", name=label).select_option(label=value)
    page.wait_for_load_state("networkidle")


def test_a_planner_goes_from_the_city_to_a_cell_compares_two_days_and_keeps_what_is_seen(town: Town) -> None:
    desk = town.desk("civil")
    page = desk.open("/map")
    page.wait_for_selector(DRAWN)
    rows = page.get_by_role("table").locator("tbody tr")
    expect(rows).to_have_count(2)
    page.wait_for_function("document.querySelector('[data-idle]').dataset.idle === 'district'")
    assert desk.faults() == []

    # what is on the map is what the tiles hold and the door tells: colours from the largest class and from the least
    seen = base64.b64encode(page.locator("canvas.maplibregl-canvas").screenshot()).decode()
    colours = page.evaluate(
        """async (seen) => { const picture = new Image(); picture.src = 'data:image/png;base64,' + seen; await picture.decode();
          const copy = document.createElement('canvas'); [copy.width, copy.height] = [picture.width, picture.height];
          const pen = copy.getContext('2d'); pen.drawImage(picture, 0, 0); const found = {};
          const data = pen.getImageData(0, 0, copy.width, copy.height).data;
          for (let at = 0; at < data.length; at += 4) { const key = [data[at], data[at+1], data[at+2]].join();
            found[key] = (found[key] ?? 0) + 1 } return found }""",
        seen,
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
    expect(dialog.get_by_role("link", name="Residents")).to_be_visible()
    with page.expect_download() as download:
        dialog.get_by_role("button", name="Keep with its source").click()
    (head, *from_datasets) = csv.reader(io.StringIO(Path(download.value.path()).read_text("utf-8-sig")))
    kept = [dict(zip(head, row, strict=True)) for row in from_datasets]
    assert [(f"{int(row['Figure']):,}", row["Dataset"], row["Up to change"]) for row in kept] == [
        (told, "Residents", "7")
    ]
    figures = page.evaluate(
        "(at) => fetch(at).then((answer) => answer.json())",
        f"/api/indicators/population/{kept[0]['Computation']}/figures?level=district&area={kept[0]['Code']}&kind=",
    )
    assert f"{figures[0]['value']:,}" == told
    assert desk.faults() == []
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()

    # down to the cells, each step an address that can be sent
    steps = (("District 2", "by street"), ("Subdistrict", "by community"), ("Community", "by cell of the grid"))
    for title, step in steps:
        rows.filter(has_text=title).first.get_by_role("button").first.click()
        page.wait_for_load_state("networkidle")
        expect(page.get_by_role("main")).to_contain_text(f"{step} · as of")
    assert "area=190102" in page.url
    page.get_by_role("navigation", name="Where you are").get_by_role("button", name="Small town").click()
    expect(rows).to_have_count(2)

    # two days
    choose(page, "Areas", "by community")
    options = page.get_by_role("combobox", name="Compared with").locator("option").all_inner_texts()
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
    assert [row[0] for row in kept[1:]] == list(COMMUNITIES)
    assert [row[2] for row in kept[1:]] == [str(count or "hidden") for count in PEOPLE.values()]
    for _code, _name, now, before, change in kept[1:]:
        if change not in ("", "hidden"):
            assert int(now) - int(before) == int(change)
    with page.expect_download() as download:
        page.get_by_role("button", name="Keep as a picture").click()
    picture = Path(download.value.path()).read_bytes()
    assert picture.startswith(b"\x89PNG")
    assert len(picture) > 30_000
    assert desk.wrong == []

    # the policy lets the map's worker run, with nothing bypassed
    strict = town.browser.new_context(storage_state=desk.context.storage_state())
    plain = strict.new_page()
    said: list[str] = []
    asked: list[str] = []
    plain.on("console", lambda told: said.append(told.text) if told.type in ("error", "warning") else None)
    plain.on("request", lambda request: asked.append(request.url))
    plain.goto(f"{town.city.url}/console/map?level=community")
    plain.wait_for_selector(DRAWN)
    assert said == []
    assert {url.split("/")[2] for url in asked if url.startswith("http")} == {f"127.0.0.1:{town.city.settings.port}"}
    strict.close()
    desk.context.close()


def test_the_map_is_sound_in_chinese_and_on_a_phone(town: Town) -> None:
    desk = town.desk("civil", "zh", "phone")
    for path in ("/map", "/map?against=before&level=community", "/map?area=190101001001&level=grid"):
        page = desk.open(path)
        page.wait_for_selector(DRAWN)
        assert desk.faults() == [], path
    page = desk.open("/map")
    page.wait_for_selector(DRAWN)
    page.get_by_role("button", name="深色").click()
    page.wait_for_timeout(300)
    assert desk.faults() == []
    expect(page.get_by_text("区界：测绘院")).to_be_visible()
    desk.context.close()
