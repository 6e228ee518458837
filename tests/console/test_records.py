"""Registers, doubtful pairs, grants and corrections, worked with in a browser from their beginning to their end."""

import re
import time
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from openpyxl import load_workbook
from playwright.sync_api import Browser, Page, expect

from cityloom import app
from cityloom.appraisal.api import publications
from cityloom.appraisal.contracts import Release
from cityloom.identity.api import services
from cityloom.kernel.jobs import platform_context
from console.conftest import PURPOSES, Desk, Town, settled
from registers import registers_kit

PAIRS = 10
CODES = ("dataset_class", "resource_class")
BASE = Path(__file__).parents[2] / "packs/base/catalogue/codes"
RESIDENTS = "id,name,district,born,income,married\ns1,Sam Sorrel,N1,1980-06-01,90.00,false\n" + "".join(
    f"a{n},Anna Apple{n},N1,1980-05-{n + 10},100.50,true\n" for n in range(PAIRS)
)
TENANTS = "contract,person,name,born,dwelling\ncs,s1,Samira Sorrel,1980-06-01,h1\n" + "".join(
    f"c{n},b{n},Anna Aple{n},1980-05-{n + 10},h1\n" for n in range(PAIRS)
)


class Office:
    """The town's doors for programs: what is there before anybody sits down."""

    def __init__(self, town: Town) -> None:
        self.url = town.city.url
        with app.running_parts(town.city.settings) as parts:
            ctx = platform_context(parts, "test")
            self.tokens = {
                name: services.issue(ctx, name, registers_kit.Door.rights).secret
                for name in ("civil", "housing", "other", "bureau")
            }

    def call(self, who: str, method: str, path: str, **more: Any) -> Any:
        headers = {"authorization": f"Bearer {self.tokens[who]}", "x-purpose": "rent_aid", "accept-language": "en"}
        headers |= more.pop("headers", {})
        return httpx.request(method, f"{self.url}/api/{path}", headers=headers, timeout=60, **more)

    def deliver(self, who: str, dataset: str, text: str) -> None:
        path = f"exchange/datasets/{dataset}/deliveries/d-{dataset}"
        answer = self.call(who, "PUT", path, content=text.encode(), headers={"content-type": "text/csv"})
        assert answer.status_code == 200, answer.text

    def entity(self, who: str, number: str) -> str:
        """The register follows what was delivered within a second or two."""
        body = {"case": "setup-1", "kind": "number", "value": number}
        for _ in range(300):
            answer = self.call(who, "POST", "registers/person/read", json=body)
            if answer.status_code == 200:
                return str(answer.json()["id"])
            time.sleep(0.1)
        raise AssertionError(answer.text)


@pytest.fixture(scope="module")
def town(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """Two departments that have delivered, and the bureau that keeps the register of people."""
    folder = tmp_path_factory.mktemp("records")
    (folder / "packs/small/catalogue/codes").mkdir(parents=True)
    codes = {f"catalogue/codes/{name}.yaml": (BASE / f"{name}.yaml").read_text() for name in CODES}
    registers_kit.write_pack(folder / "packs", {"identity/purposes.yaml": PURPOSES, **codes})
    with settled(browser, folder, {"civil": "civil", "housing": "housing", "bureau": "bureau"}) as made:
        yield made


@pytest.fixture(scope="module")
def office(town: Town) -> Office:
    made = Office(town)
    made.deliver("civil", "resident", RESIDENTS)
    made.deliver("housing", "tenant", TENANTS)
    made.deliver("other", "home", registers_kit.HOMES)
    for n in range(PAIRS):
        pair = {"left": made.entity("civil", f"a{n}"), "right": made.entity("housing", f"b{n}"), "reason": "may be one"}
        answer = made.call("bureau", "POST", "registers/person/doubts", json=pair)
        assert answer.status_code == 200, answer.text
    return made


def begin(page: Page, case: str) -> None:
    """Say once for which case personal data is opened; the grant says the purpose."""
    page.get_by_label("Case").fill(case)
    page.get_by_role("button", name="Begin").click()


def test_a_steward_resolves_ten_pairs_by_keyboard_and_takes_a_merge_back(town: Town, office: Office) -> None:
    decided = len(office.call("bureau", "GET", "registers/person/decisions").json())
    desk = town.desk("bureau")
    page = desk.open("/")
    page.get_by_role("link", name="Pairs that may be one").click()
    expect(page.get_by_text("0 of 10 decided")).to_be_visible()
    expect(page.locator("td .differs").first).to_be_visible()
    assert desk.faults() == []

    first = page.locator("thead code").first
    for key, done in (("s", 1), ("u", 0), ("k", 0), *(("sd"[n % 2], n) for n in range(1, PAIRS))):
        before = first.inner_text()
        page.keyboard.press(key)
        expect(page.get_by_text(f"{done} of 10 decided")).to_be_visible()
        if done < PAIRS - 1:
            expect(first).not_to_have_text(before)
    page.get_by_role("button", name="Those passed over once more").click()
    first.wait_for()
    page.keyboard.press("s")
    expect(page.get_by_text("No pair waits.")).to_be_visible()
    expect(page.get_by_text("10 of 10 decided")).to_be_visible()
    states = [each["state"] for each in office.call("bureau", "GET", "registers/person/doubts?status=").json()]
    assert sorted(states) == ["distinct"] * 5 + ["merged"] * 5
    page.get_by_role("button", name="Decisions").click()
    expect(page.get_by_role("row")).to_have_count(1 + decided + 5 + 2)  # the one that was undone, and its undoing
    page.get_by_role("button", name="Undo").first.click()
    page.get_by_role("dialog").get_by_label("Reason").fill("two people after all")
    page.get_by_role("dialog").get_by_role("button", name="Undo").click()
    expect(page.get_by_text("two people after all")).to_be_visible()
    assert desk.faults() == []
    desk.context.close()


def test_a_request_is_offered_less_accepted_and_a_record_read_and_disputed(town: Town, office: Office) -> None:
    analyst, keeper = town.desk("housing"), town.desk("civil")
    page = analyst.open("/requests/new?dataset=resident")
    page.get_by_text("records", exact=True).click()
    for field in ("Number", "Name", "District", "Income"):
        page.locator("label.el-checkbox").filter(has_text=re.compile(f"^{field}")).click()
    page.get_by_role("combobox", name="For which purpose").click()
    page.get_by_role("option", name="Rent aid").click()
    page.get_by_label("Reason").fill("who may have rent aid")
    page.get_by_role("button", name="Send the request").click()
    expect(page.get_by_text("Asked", exact=True).first).to_be_visible()
    request = page.url.rsplit("/", 1)[1]

    desk = keeper.open(f"/requests/{request}")
    desk.get_by_role("button", name="Offer something else").click()
    dialog = desk.get_by_role("dialog")
    dialog.locator("label.el-checkbox").filter(has_text="Income").click()
    dialog.get_by_role("combobox", name="Name: How it is shown").press("Enter")
    desk.get_by_role("option", name="first and last character").click()
    dialog.get_by_label("Only rows where").fill("district = 'N1'")
    dialog.get_by_label("Reason").fill("the income is not needed")
    assert keeper.faults() == []
    dialog.get_by_role("button", name="Offer something else").click()
    expect(desk.get_by_role("heading", name="What is offered instead")).to_be_visible()
    assert keeper.faults() == []

    page.goto(f"{town.city.url}/console/")
    page.get_by_role("link", name="Offers by keepers to answer").click()
    page.get_by_role("link", name="resident").first.click()
    page.get_by_role("button", name="Accept the offer").click()
    page.get_by_role("dialog").get_by_role("button", name="Accept the offer").click()
    page.get_by_role("button", name="Grant").click()
    expect(page.get_by_role("heading", name="What do you need it for?")).to_be_visible()
    assert analyst.faults() == []
    begin(page, "case-2026-17")
    page.get_by_label("Number").fill("a3")
    page.get_by_role("button", name="Read the record").click()
    answer = page.locator(".answer")
    expect(answer.get_by_text("a3", exact=True)).to_be_visible(timeout=15000)
    expect(answer.get_by_text(re.compile(r"^A\*+3$"))).to_be_visible()
    expect(answer.get_by_text("100.50")).to_have_count(0)
    expect(page.get_by_role("cell", name="case-2026-17")).to_be_visible()
    expect(page.get_by_text("1 / 10,000")).to_be_visible()
    assert analyst.faults() == []

    answer.get_by_role("button", name="Dispute District").click()
    page.get_by_label("It should say").fill("N2")
    page.get_by_label("Evidence").fill("rents a flat in N2")
    page.get_by_role("button", name="Send to the keeper").click()
    expect(page.get_by_text("Disputed", exact=True).first).to_be_visible()
    desk = keeper.open("/")
    desk.get_by_role("link", name="Disputed values in your data").click()
    desk.get_by_role("link", name="Residents").click()
    desk.get_by_role("button", name="Accept and mend").click()
    desk.get_by_role("dialog").get_by_role("button", name="Accept and mend").click()
    expect(desk.get_by_text("Being mended").first).to_be_visible()
    page.goto(f"{town.city.url}/console/registers/person/{office.entity('civil', 'a4')}")
    page.get_by_role("button", name="Dispute District").click()
    expect(page.locator("form").get_by_text("N1", exact=True)).to_be_visible()
    page.get_by_label("Evidence").fill("moved in spring")
    page.get_by_role("button", name="Send to the keeper").click()
    expect(page.get_by_text("Disputed", exact=True).first).to_be_visible()
    for each in (analyst, keeper):
        assert each.faults() == []
        each.context.close()


@pytest.mark.parametrize(("language", "size"), [("zh", "phone"), ("en", "wide")])
def test_a_record_is_opened_for_a_purpose_and_the_purpose_ends(
    town: Town, office: Office, language: str, size: str
) -> None:
    words = {
        "zh": ("开始查阅", "查询", "结束查阅", "查看历次记录", "查阅用途", "唯一数源", "1980年5月19日"),
        "en": ("Begin", "Open", "End", "Show the history", "What do you need it for?", "the one source", "19 May 1980"),
    }[language]
    desk = town.desk("civil", language, size)
    desk.page.emulate_media(color_scheme="dark" if size == "phone" else "light")
    for path in ("/grants", "/tickets?ended=1", "/doubts", "/registers"):
        expect(desk.open(path).get_by_role("heading", level=1)).to_be_visible()
        assert desk.faults() == [], path
    page = desk.open("/registers/person/P000000000001")
    expect(page.get_by_role("heading", name=words[4])).to_be_visible()
    page.goto(f"{town.city.url}/console/registers")
    page.locator(".el-select").first.click()
    page.get_by_role("option").first.click()
    page.fill("input[name=case]", "case-9")
    page.get_by_role("button", name=words[0]).click()
    page.fill("input[name=identifier]", "a9")
    page.get_by_role("button", name=words[1], exact=True).click()
    expect(page.get_by_role("heading", name="Anna Apple9")).to_be_visible()
    assert "a9" not in page.url
    expect(page.get_by_text(words[5]).first).to_be_visible()
    page.get_by_role("button", name=words[3]).click()
    expect(page.get_by_role("listitem").filter(has_text=words[6]).first).to_be_visible()
    assert desk.faults() == []
    page.reload()  # it holds for the tab
    expect(page.get_by_role("heading", name="Anna Apple9")).to_be_visible()
    page.get_by_role("button", name=words[2]).click()
    expect(page.get_by_role("heading", name=words[4])).to_be_visible()
    expect(page.get_by_text("Anna Apple9")).to_have_count(0)
    assert desk.faults() == []
    desk.context.close()
    read = office.call("bureau", "GET", f"registers/person/{office.entity('civil', 'a9')}/readings").json()
    assert sum(each["case"] == "case-9" for each in read) >= 3


def test_a_data_officer_registers_a_resource_and_is_told_while_typing(
    town: Town, office: Office, tmp_path: Path
) -> None:
    desk = town.desk("housing")
    page = desk.open("/catalogue/new")
    page.get_by_label("Name: English").first.fill("Renters")
    page.get_by_label("Name: Chinese").first.fill("承租人")
    page.get_by_label("Subject").select_option("person")
    page.get_by_role("button", name="Add").first.click()
    page.get_by_label("Name of the item: English").fill("Name")
    page.get_by_label("Name of the item: Chinese").fill("姓名")
    expect(page.get_by_text("Do not ask for 姓名: request it from Civil Affairs")).to_be_visible()
    page.get_by_label("We are its source").check()
    expect(page.get_by_text("Civil Affairs answers for the item")).to_be_visible()
    page.get_by_label("Sharing", exact=False).first.select_option("refused")
    expect(page.get_by_text("Sharing is refused and no law is cited")).to_be_visible()
    expect(page.get_by_text("2 to mend")).to_be_visible()
    page.get_by_role("button", name="Register").click()
    assert page.url.endswith("/new")
    assert desk.faults() == []
    page.get_by_label("We are its source").uncheck()
    page.get_by_label("Law against sharing: English").fill("State Secrets Law, article 25")
    expect(page.get_by_text("It will be in the catalogue at once.")).to_be_visible()
    page.get_by_role("button", name="Register").click()
    expect(page.get_by_role("heading", name="Renters", level=1)).to_be_visible()
    id = page.url.rsplit("/", 1)[1]

    page.get_by_role("button", name="Edit").click()
    page.get_by_label("Sharing", exact=False).first.select_option("unconditional")
    page.get_by_label("Summary: English").fill("Who rents")
    expect(page.get_by_text("It comes into force at once.")).to_be_visible()
    expect(page.get_by_role("cell", name="shared freely")).to_be_visible()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Version 2").first).to_be_visible()
    expect(page.get_by_role("row").filter(has_text="not shared")).to_contain_text("shared freely")
    page.get_by_role("button", name="In the text").click()
    expect(page.locator("ins").filter(has_text="Who rents")).to_be_visible()
    assert desk.faults() == []

    page.goto(f"{town.city.url}/console/catalogue/workbook")
    with page.expect_download() as taken:
        page.get_by_role("button", name="Ours", exact=True).click()
    book = load_workbook(BytesIO(taken.value.path().read_bytes()))
    sheet = book.worksheets[0]
    columns = {cell.value: cell.column for cell in sheet[1]}
    last = sheet.max_row
    row = next(n for n in range(2, last + 1) if sheet.cell(n, columns["Resource id"]).value == id)
    sheet.cell(row, columns["Summary in English"]).value = "Who rents, and where"
    sheet.cell(last + 1, columns["Name"]).value = "Leases"
    sheet.cell(last + 1, columns["Keeper"]).value = "Housing"
    sheet.cell(last + 1, columns["Sharing"]).value = "refused"
    sheet.cell(last + 1, columns["Item"]).value = "Rent"
    book.save(tmp_path / "mine.xlsx")
    page.set_input_files("input[type=file]", tmp_path / "mine.xlsx")
    expect(page.get_by_text("Nothing is kept yet.")).to_be_visible()
    expect(page.locator(".faults").filter(has_text="no law is cited")).to_be_visible()
    page.locator("summary").filter(has_text="Renters").click()
    expect(page.locator("ins").filter(has_text=", and where")).to_be_visible()
    assert desk.faults() == []
    page.get_by_role("button", name="Take over 1").click()
    expect(page.get_by_text("Done.")).to_be_visible()
    found = office.call("housing", "GET", f"catalogue/resources/{id}").json()
    assert (found["revision"], found["record"]["summary"]["en"]) == (3, "Who rents, and where")

    page.goto(f"{town.city.url}/console/catalogue?keeper=housing&sharing=unconditional")
    page.get_by_role("button", name="Save this filter").click()
    page.get_by_label("Name of the filter").fill("ours, free")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Take all filters away").click()
    page.get_by_role("button", name="ours, free", exact=True).click()
    expect(page).to_have_url(re.compile("keeper=housing"))
    assert desk.faults() == []
    claim_and_retire(town, office, desk, id)
    desk.context.close()


def claim_and_retire(town: Town, office: Office, desk: Desk, id: str) -> None:
    """An item that another answers for is claimed, answered, ruled on; then the resource goes."""
    page = desk.open(f"/catalogue/{id}")
    expect(page.get_by_role("link", name="Civil Affairs answers for it")).to_be_visible()
    page.get_by_role("link", name="Claim Name").click()
    expect(page.get_by_text("Civil Affairs answers for it now")).to_be_visible()
    page.get_by_label("Law or duty").fill("Tenancy Act, article 4")
    page.get_by_label("Reason").fill("tenants tell us first")
    assert desk.faults() == []
    page.get_by_role("button", name="Claim it").click()
    expect(page.get_by_text("Claimed", exact=True).first).to_be_visible()
    assert desk.faults() == []
    holder, bureau = town.desk("civil"), town.desk("bureau")
    for one, task, move, law in (
        (holder, "Claims on your items to answer", "Answer", "Register Act, article 2"),
        (bureau, "Disputes over sources to rule on", "Move the source", "Tenancy Act, article 4"),
    ):
        one.open("/").get_by_role("link", name=task).click()
        one.page.get_by_role("table").get_by_role("link").first.click()
        one.page.get_by_role("button", name=move, exact=True).click()
        dialog = one.page.get_by_role("dialog")
        dialog.get_by_label("Law or duty").fill(law)
        dialog.get_by_label("Reason", exact=False).last.fill("as the law says")
        assert one.faults() == []
        dialog.get_by_role("button", name=move, exact=True).click()
        expect(dialog).to_be_hidden()
        assert one.faults() == []
        one.context.close()
    assert office.call("housing", "GET", f"catalogue/resources/{id}").json()["record"]["items"][0]["authoritative"]

    page = desk.open(f"/catalogue/{id}")
    page.get_by_role("button", name="Retire").click()
    page.get_by_label("Why, and what to use instead").fill("use Leases")
    assert desk.faults() == []
    page.get_by_role("button", name="Announce").click()
    expect(page.get_by_text("use Leases")).to_be_visible()
    announced = office.call("housing", "GET", f"catalogue/resources/{id}").json()["announced"]
    assert announced["reason"] == "use Leases"
    assert desk.faults() == []


def test_a_department_files_and_appeals_and_the_platform_decides(town: Town, office: Office) -> None:
    officer, bureau = town.desk("housing", "zh", "phone"), town.desk("bureau")
    page = officer.open("/appraisal/filings/new?indicator=institutions")
    page.get_by_label("得分").fill("11")
    expect(page.get_by_text("不大于 10。")).to_have_count(2)
    page.get_by_label("得分").fill("4.5")
    page.get_by_role("button", name="提交申报").click()
    expect(page.get_by_text("此项必填。").first).to_be_visible()
    assert officer.faults() == []
    page.get_by_label("说明").fill("已出台共享管理办法")
    page.get_by_role("button", name="添加").click()
    page.get_by_label("名称").fill("管理办法")
    page.get_by_label("存放位置").fill("档案 2026-7")
    page.get_by_role("button", name="提交申报").click()
    expect(page.get_by_text("待评审").first).to_be_visible()
    filing = page.url.rsplit("/", 1)[1]
    assert officer.faults() == []

    desk = bureau.open("/")
    desk.get_by_role("link", name="Filings to decide").click()
    desk.get_by_role("link", name="Institutional innovation").click()
    desk.get_by_role("button", name="Accept").click()
    dialog = desk.get_by_role("dialog")
    dialog.get_by_label("points").fill("3")
    dialog.get_by_label("Reason").fill("half of it was there before")
    assert bureau.faults() == []
    dialog.get_by_role("button", name="Accept").click()
    expect(desk.get_by_text("given: 3")).to_be_visible()

    year = time.strftime("%Y")
    release = {"set": "2018", "start": f"{int(year) - 1}-01-01", "end": f"{int(year) - 1}-12-31", "key": "k"}
    with app.running_parts(town.city.settings) as parts:
        made = publications.publish(platform_context(parts, "test"), msgspec.convert(release, Release))
    page.goto(f"{town.city.url}/console/appraisal?publication={made.id}&revision=1")
    page.get_by_role("link", name="申诉", exact=True).first.click()
    page.locator("textarea").fill("遗漏了一项")
    page.get_by_role("button", name="添加").click()
    page.get_by_label("名称").fill("清单")
    page.get_by_label("存放位置").fill("档案 2026-8")
    page.get_by_role("button", name="提交申诉").click()
    expect(page.get_by_text("待复核").first).to_be_visible()
    assert officer.faults() == []
    desk.goto(f"{town.city.url}/console/appraisal/appeals/{page.url.rsplit('/', 1)[1]}")
    desk.get_by_role("button", name="Uphold").click()
    desk.get_by_role("dialog").get_by_label("Points as corrected").fill("1.50")
    desk.get_by_role("dialog").get_by_label("Reason").fill("it was forgotten")
    desk.get_by_role("dialog").get_by_role("button", name="Uphold").click()
    expect(desk.get_by_text("1.50").first).to_be_visible()
    desk.goto(f"{town.city.url}/console/appraisal/matrix?publication={made.id}&revision=2")
    desk.get_by_role("button", name=re.compile("^Housing.*1.50 of")).click()
    expect(desk.get_by_role("link", name=re.compile("^a-"))).to_be_visible()
    assert bureau.faults() == []
    desk.goto(f"{town.city.url}/console/appraisal/filings/{filing}")
    expect(desk.get_by_text("half of it was there before").first).to_be_visible()
    for each in (officer, bureau):
        assert each.faults() == []
        each.context.close()


def test_a_steward_splits_a_record_and_takes_it_back(town: Town, office: Office) -> None:
    entity = office.entity("civil", "s1")
    office.entity("housing", "s1")
    desk = town.desk("bureau")
    page = desk.open(f"/registers/person/{entity}")  # which no grant shows the bureau
    page.get_by_role("button", name="Look at the sources").click()
    page.get_by_role("button", name="Split", exact=True).click()
    expect(page.get_by_text("Choose at least one.")).to_be_visible()
    page.get_by_label(re.compile("cs")).check()
    page.get_by_label(re.compile("^Reason")).fill("two cards after all")
    assert desk.faults() == []
    page.get_by_role("button", name="Split", exact=True).click()
    expect(page.get_by_text("1 went to a record of their own:")).to_be_visible()
    decisions = office.call("bureau", "GET", "registers/person/decisions").json()
    assert (decisions[0]["kind"], decisions[0]["records"]) == ("split", 1)
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_label(re.compile("cs"))).to_be_visible()
    assert office.call("bureau", "GET", "registers/person/decisions").json()[0]["undoes"] == decisions[0]["id"]
    assert desk.faults() == []
    desk.context.close()
