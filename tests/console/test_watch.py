"""Those who watch over data, driven in a real browser: mending what was quarantined, proving a receipt and a reading."""

from pathlib import Path

from playwright.sync_api import Page, expect

from cityloom import app
from cityloom.identity.api import accounts
from cityloom.identity.contracts import Role
from cityloom.kernel.jobs import platform_context
from console.conftest import PASSWORD, Desk, Town

BAD = (
    "id,name,district,born,income,married\n"
    "w1,Wanda Willow,N1,1980-05-01,100.50,true\n"
    "w2,Walt Walnut,N2,never,200.00,false\n"
    "w3,Will Yew,N2,1990-06-02,much,maybe\n"
)
READ = "w1"


def desk_of(town: Town, name: str, role: Role, language: str = "en", size: str = "wide") -> Desk:
    """The desk of somebody with one role, who has chosen a password."""
    with app.running_parts(town.city.settings) as parts:
        ctx = platform_context(parts, "test")
        one_time = accounts.create(ctx, name, "civil").password
        accounts.give_roles(ctx, name, [role])
    desk = town.desk("", language, size)
    desk.sign_in(name, one_time)
    desk.page.wait_for_selector("input[name=next]")
    desk.choose_password(one_time, PASSWORD)
    desk.arrive()
    return desk


def deliver(page: Page, file: Path) -> None:
    page.set_input_files("input[type=file]", file)
    page.get_by_role("button", name="Deliver", exact=True).click()
    expect(page.get_by_role("heading", name="Receipt")).to_be_visible()


def proved(page: Page, lines: int) -> None:
    """All that was checked in the browser holds."""
    expect(page.locator(".verdicts li.proved")).to_have_count(lines, timeout=30_000)
    assert page.locator(".verdicts li").count() == lines


def without_404(desk: Desk) -> None:
    """Browsers tell of each answer that is not there (yet): a proof before the next head, a dataset asked for in vain."""
    desk.wrong = [told for told in desk.wrong if "404" not in told]


def test_a_data_officer_mends_quarantined_rows_in_place_and_verifies_the_receipt(town: Town, tmp_path: Path) -> None:
    desk = town.desk("civil")
    file = tmp_path / "residents.csv"
    file.write_text(BAD)
    page = desk.open("/deliveries/resident")
    deliver(page, file)
    first = page.url
    rows = page.locator(".rows > li")
    expect(rows).to_have_count(2)
    expect(rows.nth(0)).to_contain_text("Row 2")
    expect(rows.nth(0)).to_contain_text("Walt Walnut")
    assert rows.nth(1).get_by_role("textbox").count() == 2, "only what is wrong is asked for"
    rows.nth(0).get_by_label("Born").fill("1990-06-02")
    rows.nth(1).get_by_label("Income").fill("300.00")
    assert desk.faults() == []
    page.get_by_role("button", name="Try", exact=True).click()
    expect(page.get_by_text("1 of 2 rows would be quarantined")).to_be_visible()
    expect(rows.nth(0).get_by_text("passes")).to_be_visible()
    expect(rows.nth(1).get_by_text("still wrong")).to_be_visible()
    rows.nth(1).get_by_label("Married").fill("false")
    page.get_by_role("button", name="Hand in mended rows").click()
    expect(page.get_by_role("link", name="Correction of")).to_be_visible()
    assert page.locator(".balance dd").all_inner_texts() == ["2", "2", "0", "0"]
    page.get_by_role("button", name="Verify").click()
    proved(page, 4)
    without_404(desk)
    assert desk.faults() == []
    receipt = "**/api/exchange/datasets/resident/deliveries/" + page.url.rsplit("/", 1)[1]
    page.route(
        receipt,
        lambda route: route.fulfill(
            response=(answer := route.fetch()), body=answer.text().replace('"accepted":2', '"accepted":1')
        ),
    )
    page.reload()
    page.get_by_role("button", name="Verify").click()
    expect(page.locator(".verdicts li.wrong")).to_have_count(1)
    expect(page.locator(".verdicts li.wrong")).to_contain_text("The signed text says what stands here")
    page.unroute(receipt)
    page.goto(first)
    expect(page.get_by_role("link", name="2 rows were handed in again")).to_be_visible()
    expect(rows.nth(0).get_by_text("handed in again")).to_be_visible()
    desk.open("/")
    expect(page.get_by_text("Quarantined rows to mend")).to_have_count(0)
    desk.context.close()


def test_an_auditor_finds_who_read_a_record_and_proves_it(town: Town) -> None:
    asker = town.desk("housing")
    asker.page.evaluate(
        """async () => {
            const csrf = document.cookie.match(/cityloom_csrf=([^;]+)/)[1];
            const ask = (method, url, body, more = {}) => fetch(url, {method, body: JSON.stringify(body),
                headers: {'content-type': 'application/json', 'x-csrf-token': csrf, ...more}});
            await ask('PUT', '/api/sharing/requests/watched', {dataset: 'resident', purpose: 'rent_aid',
                legal_basis: 'Housing Act, article 3', reason: 'who lives where',
                terms: {fields: ['id', 'district'], rows: '', kind: 'read', per_day: 100, days: 30}});
        }"""
    )
    keeper = town.desk("civil")
    page = keeper.open("/requests/watched")
    page.get_by_role("button", name="Approve", exact=True).click()
    page.get_by_role("dialog").get_by_label("Reason").fill("as the law says")
    page.get_by_role("dialog").get_by_role("button", name="Approve", exact=True).click()
    expect(page.get_by_text("Approved").first).to_be_visible()
    status = asker.page.evaluate(
        """async (id) => {
            const csrf = document.cookie.match(/cityloom_csrf=([^;]+)/)[1];
            const answer = await fetch('/api/sharing/grants/watched/query', {method: 'POST',
                headers: {'content-type': 'application/json', 'x-csrf-token': csrf, 'x-purpose': 'rent_aid'},
                body: JSON.stringify({key: [id], case: 'rent-2026-7'})});
            return answer.status;
        }""",
        READ,
    )
    assert status == 200
    desk = desk_of(town, "auditor", Role.audit_admin)
    page = desk.page
    expect(page.get_by_role("link", name="Hand in data")).to_have_count(0)
    page.get_by_role("link", name="Audit", exact=True).click()
    page.get_by_role("button", name="Who read a record").click()
    page.get_by_label("Register or dataset").select_option(label="Residents")
    page.get_by_label("Number").fill(READ)
    assert desk.faults() == []
    page.get_by_role("button", name="Look").click()
    row = page.locator("tbody tr")
    expect(row).to_have_count(1)
    for text in ("housing", "Rent aid", "rent-2026-7", "Number", "District"):
        expect(row).to_contain_text(text)
    row.get_by_role("link").click()
    expect(page.get_by_role("heading", name="Grant used")).to_be_visible()
    expect(page.get_by_text("rent-2026-7")).to_be_visible()
    page.get_by_role("button", name="Prove this entry").click()
    proved(page, 2)
    without_404(desk)
    assert desk.faults() == []
    page.get_by_role("link", name="grant:watched").click()
    expect(page.locator("tbody tr").first).to_contain_text("Grant")
    page.get_by_label("What was done").select_option(label="Grant used")
    page.get_by_role("button", name="Look").click()
    expect(page.locator("tbody tr")).to_have_count(1)
    with page.expect_download() as download:
        page.get_by_role("button", name="Save what is shown").click()
    saved = Path(download.value.path()).read_text(encoding="utf-8-sig").splitlines()
    assert saved[0].startswith("position,time,actor")
    assert len(saved) == 2
    assert ",sharing.used,grant:watched,rent_aid," in saved[1]
    for each in (asker, keeper, desk):
        assert each.wrong == []
        each.context.close()


def test_the_operator_sees_the_machinery_and_finds_the_lines_of_a_request(town: Town) -> None:
    desk = desk_of(town, "operator", Role.system_admin, "zh", "phone")
    page = desk.open("/operation")
    expect(page.locator(".gauges li").first).to_be_visible(timeout=60_000)
    expect(page.get_by_role("cell", name="audit.seal")).to_be_visible()
    number = page.evaluate(
        "async () => (await (await fetch('/api/exchange/datasets/none')).json()).instance.split(':').pop()"
    )
    page.locator("main form input").fill(number)
    for _ in range(30):  # lines are written a moment after the answer went out
        page.get_by_role("button", name="查找").click()
        page.wait_for_load_state("networkidle")
        if page.get_by_role("cell", name="access").count():
            break
    expect(page.get_by_role("cell", name="access").first).to_be_visible()
    without_404(desk)
    assert desk.faults() == []
    desk.context.close()
