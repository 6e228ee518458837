"""Pages driven in a real browser, in both languages, wide and on a phone: work done to its end, and nothing out of place."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import expect

from cityloom.console.api import pages
from console.conftest import PASSWORD, Desk, Town

PLACES = [
    "/",
    "/catalogue",
    "/catalogue/resident",
    "/catalogue/disputes",
    "/deliveries",
    "/deliveries/resident",
    "/requests",
    "/nowhere",
]
GOOD = "id,name,district,born,income,married\na1,Anna Apple,N1,1980-05-01,100.50,true\na2,Bert Birch,N2,1990-06-02,200.00,false\n"
SLOW = {"offline": False, "latency": 700, "downloadThroughput": 60_000, "uploadThroughput": 30_000}
"""Milliseconds there and back, bytes a second."""
BAD = f"{GOOD}a3,Cleo Cedar,N1,never,,true\n"


@pytest.mark.parametrize("path", ["", "/", "/.", "//", "/catalogue/x", "/assets/none.js", "/..%2f..%2fsecrets"])
def test_a_path_is_a_file_of_the_console_or_its_first_page(town: Town, path: str) -> None:
    with socket.create_connection(("127.0.0.1", town.city.settings.port), timeout=10) as line:  # as it is, not tidied
        line.sendall(f"GET /console{path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".encode())
        answer = b"".join(iter(lambda: line.recv(1 << 16), b""))
    assert answer.startswith(b"HTTP/1.1 404" if path.startswith("/assets") else b"HTTP/1.1 200"), answer[:300]


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("size", ["wide", "phone"])
def test_every_page_is_sound(town: Town, language: str, size: str) -> None:
    desk = town.desk("civil", language, size)
    for path in PLACES:
        page = desk.open(path)
        expect(page.locator("nav + main :is(h1, .empty)").first).to_be_visible()
        assert desk.faults() == [], path
        assert page.title().endswith("织城" if language == "zh" else "CityLoom")
    desk.context.close()


def test_nothing_is_fetched_from_elsewhere_and_the_pages_say_so(town: Town) -> None:
    asked: list[str] = []
    desk = town.desk()
    desk.page.on("request", lambda request: asked.append(request.url))
    desk.sign_in("civil", PASSWORD)
    desk.arrive()
    for path in PLACES:
        desk.open(path)
    assert asked
    assert {url.split("/")[2] for url in asked if url.startswith("http")} == {f"127.0.0.1:{town.city.settings.port}"}
    policy = httpx.get(f"{town.city.url}/console/").headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "script-src" not in policy
    desk.context.close()


def test_the_first_view_is_small(town: Town) -> None:
    """What sign-in and the home page need, as it goes over the line: at most 400 kB."""
    sizes: dict[str, int] = {}
    desk = town.desk()
    desk.page.on(
        "response",
        lambda response: sizes.update(
            {response.url: len(pages.page(response.url.split("/console")[1], True).content)}
            if "/console/" in response.url and "/api/" not in response.url
            else {}
        ),
    )
    desk.sign_in("civil", PASSWORD)
    desk.arrive()
    desk.page.wait_for_load_state("networkidle")
    assert len(sizes) > 5
    assert sum(sizes.values()) < 400_000
    desk.context.close()


def test_who_comes_first_chooses_a_password(town: Town) -> None:
    desk = town.desk()
    desk.sign_in("newcomer", "not this one")
    expect(desk.page.get_by_role("alert")).to_contain_text("password")
    desk.sign_in("newcomer", town.one_time["newcomer"])
    desk.page.wait_for_selector("input[name=next]")
    desk.choose_password(town.one_time["newcomer"], "short")
    expect(desk.page.get_by_role("alert")).to_be_visible()
    desk.choose_password(town.one_time["newcomer"], "nine dry umbrellas")
    expect(desk.page.get_by_role("navigation")).to_be_visible()
    desk.context.close()


def test_a_lost_session_leads_back_to_where_one_was(town: Town) -> None:
    desk = town.desk("housing")
    desk.open("/catalogue?q=Shops")
    httpx.delete(
        f"{town.city.url}/api/identity/session",
        headers={
            "cookie": "; ".join(f"{each['name']}={each['value']}" for each in desk.context.cookies()),
            "x-csrf-token": next(each["value"] for each in desk.context.cookies() if each["name"].endswith("csrf")),
        },
    ).raise_for_status()
    desk.page.get_by_role("link", name="Shops").click()
    desk.page.wait_for_selector("input[name=account]")
    expect(desk.page.get_by_text("You were signed out")).to_be_visible()
    desk.page.fill("input[name=account]", "housing")
    desk.page.fill("input[name=password]", PASSWORD)
    desk.page.keyboard.press("Enter")
    expect(desk.page.get_by_role("heading", name="Shops")).to_be_visible()
    desk.context.close()


def test_the_search_is_reached_by_a_key(town: Town) -> None:
    desk = town.desk("housing", "zh")
    desk.open("/")
    desk.page.keyboard.press("/")
    desk.page.keyboard.type("商店")
    desk.page.keyboard.press("Enter")
    expect(desk.page.get_by_role("link", name="商店")).to_be_visible()
    expect(desk.page.get_by_role("link", name="涉密")).to_have_count(0)
    desk.page.get_by_role("button", name="EN").click()
    expect(desk.page.get_by_role("link", name="Shops")).to_be_visible()
    assert desk.faults() == []
    desk.context.close()


def test_a_data_officer_tries_a_bad_file_delivers_it_and_takes_the_bad_rows_back(town: Town, tmp_path: Path) -> None:
    desk = town.desk("civil")
    file = tmp_path / "residents.csv"
    file.write_text(BAD)
    page = desk.open("/deliveries/resident")
    page.set_input_files("input[type=file]", file)
    page.get_by_role("button", name="Try", exact=True).click()
    expect(page.get_by_text("1 of 3 rows would be quarantined")).to_be_visible()
    expect(page.get_by_role("cell", name="never", exact=True)).to_be_visible()
    page.get_by_role("button", name="Deliver", exact=True).click()
    expect(page.get_by_role("heading", name="Receipt")).to_be_visible()
    expect(page.get_by_text("Signed by the platform")).to_be_visible()
    assert page.locator(".balance dd").all_inner_texts() == ["3", "2", "1", "0"]
    assert page.locator(".effects strong").all_inner_texts() == ["2", "0", "0"]
    assert desk.faults() == []
    with page.expect_download() as download:
        page.get_by_role("button", name="Download with remarks").click()
    assert download.value.suggested_filename.endswith(".xlsx")
    desk.context.close()


def test_a_department_asks_the_keeper_offers_a_refusal_with_its_law_and_another_is_approved(town: Town) -> None:
    asker, keeper = town.desk("housing"), town.desk("civil")
    for answer in ("Refuse", "Approve"):
        page = asker.open("/catalogue/resident")
        page.get_by_role("button", name="Ask for this data").click()
        page.get_by_text("District", exact=True).click()
        page.get_by_role("combobox", name="For which purpose").click()
        page.get_by_role("option", name="Rent aid").click()
        expect(page.get_by_role("option", name="Rent aid")).to_be_hidden()
        expect(page.get_by_label("Legal basis")).to_have_value("Housing Act, article 3")
        page.get_by_label("Reason").fill("who lives where")
        assert asker.faults() == []
        page.get_by_role("button", name="Send the request").click()
        expect(page.get_by_text("Asked", exact=True).first).to_be_visible()
        keeper.open("/").get_by_role("link", name="Requests for your data to decide").click()
        keeper.page.get_by_role("link", name="resident").first.click()
        keeper.page.get_by_role("button", name=answer, exact=True).click()
        dialog = keeper.page.get_by_role("dialog")
        if answer == "Refuse":
            dialog.get_by_label("Law").fill("Housing Act, article 9")
        dialog.get_by_label("Reason").fill("as the law says")
        assert keeper.faults() == []
        dialog.get_by_role("button", name=answer, exact=True).click()
        expect(keeper.page.get_by_text({"Refuse": "Refused", "Approve": "Approved"}[answer]).first).to_be_visible()
        expect(keeper.page.locator(".timeline").get_by_text("as the law says")).to_be_visible()
    for desk in (asker, keeper):
        assert desk.wrong == []
        desk.context.close()


@contextmanager
def slow(desk: Desk) -> Iterator[None]:
    """A village office's line on a bad day."""
    line = desk.context.new_cdp_session(desk.page)
    line.send("Network.enable")
    line.send("Network.emulateNetworkConditions", SLOW)
    yield
    line.send(
        "Network.emulateNetworkConditions", {**SLOW, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
    )
    line.detach()


def test_nothing_typed_is_lost_on_a_slow_line_or_when_the_city_is_restarted(town: Town) -> None:
    desk = town.desk("housing")
    page = desk.open("/")
    with slow(desk):
        page.get_by_role("link", name="Corrections").click()
        expect(page.get_by_role("progressbar", name="Loading")).to_be_visible()
        expect(page.get_by_role("heading", level=1, name="Corrections")).to_be_visible(timeout=20_000)
    assert desk.faults() == []

    other = desk.context.new_page()
    other.goto(f"{town.city.url}/console/catalogue")
    other.wait_for_load_state("networkidle")
    page = desk.open("/requests/new?dataset=resident")
    page.get_by_text("District", exact=True).click()
    page.get_by_role("combobox", name="For which purpose").click()
    page.get_by_role("option", name="Rent aid").click()
    page.get_by_label("Reason").fill("who lives where")
    town.city.stop()
    try:
        page.get_by_role("button", name="Send the request").click()
        expect(page.get_by_text("The city does not answer.", exact=False).first).to_be_visible()
        expect(page.get_by_label("Reason")).to_have_value("who lives where")
        other.get_by_role("link", name="Appraisal").click()  # a page whose program this browser does not have yet
        expect(other.get_by_text("The city does not answer.", exact=False).first).to_be_visible()
    finally:
        town.city.well()
    expect(page.get_by_text("The city answers again.")).to_be_visible(timeout=15_000)
    page.get_by_role("button", name="Send the request").click()
    expect(page.get_by_text("Asked", exact=True).first).to_be_visible()
    expect(page.get_by_text("who lives where").first).to_be_visible()
    expect(other.get_by_role("heading", level=1, name="Appraisal")).to_be_visible(timeout=15_000)
    desk.wrong.clear()  # the browser has told whom it could not reach
    assert desk.faults() == []
    desk.context.close()
