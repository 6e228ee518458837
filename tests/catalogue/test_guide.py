"""The departments' workbook: our own out and in again, and other cities' spellings of it."""

import io
from datetime import date
from typing import Any

import pytest
from catalogue_kit import Door, Town, item, refused, wish
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from litestar.testing import TestClient
from openpyxl import Workbook, load_workbook

from cityloom.catalogue import intake
from cityloom.catalogue.api import dcat, guide
from cityloom.catalogue.routes import files
from cityloom.catalogue.rules import columns, sheet
from cityloom.identity.api import accounts, services
from cityloom.identity.contracts import Role
from cityloom.kernel.access import Principal
from cityloom.kernel.context import Context
from cityloom.kernel.errors import Problem, Refused, TooLarge

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
LAW = {"zh": "《中华人民共和国统计法》第九条", "en": "Statistics Law, article 9"}


def book(*rows: list[Any], merge: tuple[str, ...] = (), title: str = "Sheet") -> bytes:
    made = Workbook()
    page = made.active
    assert page is not None
    page.title = title
    for row in rows:
        page.append(row)
    for each in merge:
        page.merge_cells(each)
    sink = io.BytesIO()
    made.save(sink)
    return sink.getvalue()


def hand_in(door: Door, content: bytes, **query: Any) -> Any:
    return door.call("POST", "guide-imports", content=content, params=query, headers={"content-type": XLSX})


def export(door: Door, **query: Any) -> bytes:
    answer = door.call("GET", "guide.xlsx", params=query)
    assert answer.status_code == 200, answer.text
    return bytes(answer.content)


def test_our_own_workbook_comes_back_as_it_went(town: Town, housing: Door) -> None:
    full = wish(
        "住宅小区", "housing",
        item("小区编码", "Estate code", type="text", length=12, authoritative=True, required=True, standard="GB/T 1"),
        item("地址", element="address", qualifier="坐落", grade=2),
        item("=1+1", type="decimal", grade=3, personal=True),
        en="Estates", summary={"zh": "全市小区", "en": "All estates"}, subject="place", category="103001",
        keeper_code="11440300MB2D00001X", legal_basis={"zh": "《物业管理条例》第六条", "en": "Property Regulations"},
        sharing="conditional", sharing_condition={"zh": "限行政审批", "en": "approvals only"}, sharing_way="interface",
        openness="conditional", open_condition={"zh": "汇总后", "en": "aggregated"}, cycle="half_year",
        carrier="spreadsheet", format="xlsx", issued="2026-01-31", related=["101000/000001", "9"],
    )  # fmt: skip
    housing.describe("estate", full)
    housing.describe("closed", wish("统计台账", "housing", sharing="refused", refusal_law=LAW))
    why = {"zh": "按街道汇总", "en": "by street"}
    housing.describe("count", wish("小区统计", "housing", derived_from=["estate", "resident"], regraded=why))
    # named in English alone, one below the other
    housing.describe("stops", wish("", "housing", item("", "Stop code"), item("", "Stop name"), en="Bus stops"))
    housing.describe("lines", wish("", "housing", item("", "Line code"), en="Bus lines"))
    before = town.everything()
    for language in ("zh", "en"):
        housing.headers["accept-language"] = language
        answer = hand_in(housing, export(housing, keeper="housing")).json()
        assert (answer["read"], answer["unchanged"], answer["faults"]) == (5, 5, []), answer
        assert answer["columns_unknown"] == []
    assert town.everything() == before


def test_a_workbook_of_another_city_is_understood(town: Town, housing: Door) -> None:
    """A title above, headers over two rows, merged cells, other words, full-width digits, columns of their own."""
    content = book(
        ["某市住房和城乡建设局政务信息资源目录（２０２６年版）"],
        [],
        ["序号", "*资源名称", "资源代码", "提供单位", "摘要", "数据项（必填）", None, "共享属性", None, "是否向社会开放", "更新频率", "编制日期", "备注栏"],
        [None, None, None, None, None, "字段名称", "字段类型", "共享类别", "共享要求", None, None, None, None],
        ["１", "房屋租赁备案", "３０１００１／０００００７", "住房和建设局", "租赁合同备案", "合同编号", "VARCHAR2(32)", "有条件", "用于行政审批", "否", "每日更新", date(2026, 1, 5)],
        [None, None, None, None, None, "租金", "数值型（N）", None, None, None, None, None],
        [None, None, None, None, None, "签订日期", "日期型D", None, None, None, None, None],
        ["２", "房地产经纪机构", None, "住房和建设局", None, "机构名称", "C..100", "无条件共享", "无", "是", "季度", "2026年2月3日"],
        ["３", "公积金个人账户", None, "住房和建设局", None, "账号", "字符串", "不予共享", "《住房公积金管理条例》第十一条", "不开放", "实时", 46000],
        merge=("A1:M1", "F3:G3", "H3:I3", "B5:B7", "C5:C7", "D5:D7", "H5:H7"),
    )  # fmt: skip
    trial = hand_in(housing, content, trial=True).json()
    before = town.everything()
    assert (trial["added"], trial["faults"]) == (3, []), trial
    assert hand_in(housing, content, trial=True).json() == trial
    assert town.everything() == before
    done = hand_in(housing, content).json()
    assert done["added"] == 3
    assert done["columns_unknown"] == ["序号", "备注栏"]
    lease = housing.get("resources/301001-000007")["record"]
    assert [(each["name"]["zh"], each.get("type", "text"), each.get("length")) for each in lease["items"]] == [
        ("合同编号", "text", 32),
        ("租金", "decimal", None),
        ("签订日期", "date", None),
    ]
    assert (lease["cycle"], lease["sharing"], lease["issued"]) == ("day", "conditional", "2026-01-05")
    found = {each["title"]: each for each in housing.get("resources", keeper="housing")["resources"]}
    agency = housing.get(f"resources/{found['房地产经纪机构']['id']}")["record"]
    assert (agency["openness"], agency["cycle"], agency["issued"]) == ("open", "quarter", "2026-02-03")
    fund = housing.get(f"resources/{found['公积金个人账户']['id']}")["record"]
    assert fund["refusal_law"]["zh"] == "《住房公积金管理条例》第十一条"
    again = hand_in(housing, content).json()
    assert (again["unchanged"], again["added"]) == (3, 0)


def test_faults_are_named_by_row_and_column_and_good_rows_are_kept(town: Town, housing: Door) -> None:
    content = book(
        ["信息资源名称", "信息资源提供方", "信息项名称", "数据类型", "数据长度", "共享类型", "共享条件", "更新周期", "发布日期"],
        ["好的", "住房和建设局", "名称", "字符型", 20, "无条件共享", None, "每年", None],
        ["坏的", "住房和建设局", "名称", "魔法型", "很长", "随便", None, "有空时", "2026-02-30"],
        ["没依据", "住房和建设局", "名称", "字符型", None, "不予共享", "内部掌握", None, None],
        ["别人的", "公安局", "姓名", "字符型", None, "无条件共享", None, None, None],
        ["不存在的", "水务厅", "水位", "数值型", None, "无条件共享", None, None, None],
        ["没写共享", "住房和建设局", "名称", None, None, None, None, None, None],
        ["没有项", "住房和建设局", None, None, None, "无条件共享", None, None, None],
    )  # fmt: skip
    done = hand_in(housing, content).json()
    assert (done["read"], done["added"], done["refused"]) == (7, 1, 6), done
    named = {(each["row"], each["column"], each["code"].removeprefix("catalogue.")) for each in done["faults"]}
    assert named == {
        (3, "数据类型", "sheet.value_unknown"),
        (3, "数据长度", "sheet.number_wrong"),
        (3, "共享类型", "sheet.value_unknown"),
        (3, "更新周期", "sheet.value_unknown"),
        (3, "发布日期", "sheet.day_wrong"),
        (4, "不予共享依据", "resource.refusal_without_law"),
        (5, "信息资源提供方", "sheet.not_yours"),
        (6, "信息资源提供方", "sheet.keeper_unknown"),
        (7, "共享类型", "sheet.sharing_untold"),
        (8, "信息项名称", "resource.no_items"),
    }
    assert all(each["problem"] and each["subject"] for each in done["faults"])
    assert housing.get("resources", keeper="housing")["total"] == 1
    assert housing.get("resources", keeper="psb")["total"] == 1


def named(report: dict[str, Any]) -> set[tuple[int, str, str]]:
    """Where each fault is, and what it is."""
    assert all(each["problem"] and each["remedy"] for each in report["faults"]), report["faults"]
    return {(each["row"], each["column"], each["code"].rpartition(".")[2]) for each in report["faults"]}


def test_a_form_with_a_cover_group_headers_and_a_foot_is_understood(town: Town, housing: Door) -> None:
    """Two title rows, headers over two rows, days as numbers, full width, a total and signatures, a hidden sheet."""
    made = Workbook()
    made.worksheets[0].append(["填表说明：请如实填写"])
    page = made.create_sheet("目录")
    for row in (
        ["某市政务信息资源目录编制表"],
        ["填报单位：住房和建设局", None, "填报日期：", "2025年3月"],
        ["序号", "信息资源名称", "信息资源提供方", "信息项信息", None, "共享属性", None, "更新周期", "发布日期"],
        [None, None, None, "信息项名称", "数据类型", "共享类型", "共享条件", None, None],
        [1, "物业企业", "住房和建设局", "企业名称", "字符型Ｃ（２０）", "无条件共享", "无", "每年", 45000],
        [None, None, None, "信用代码", "字符型C(18)"],
        [
            "序号",
            "信息资源名称",
            "信息资源提供方",
            "信息项名称",
            "数据类型",
            "共享类型",
            "共享条件",
            "更新周期",
            "发布日期",
        ],
        [2, "涉密工程", "住房和建设局", "名称", "C", "不予共享", "《保守国家秘密法》第十三条", "不定期", "2024/13/40"],
        ["合计", "2条"],
        ["填表人：张三", None, None, "审核人：李四"],
    ):
        page.append(row)
    for each in ("A1:I1", "D3:E3", "F3:G3", "A3:A4", "B3:B4", "C3:C4", "H3:H4", "I3:I4"):
        page.merge_cells(each)
    hidden = made.create_sheet("旧数据")
    hidden.sheet_state = "hidden"
    for row in (["信息资源名称", "信息项名称", "共享类型"], ["不该读", "x", "无条件共享"]):
        hidden.append(row)
    sink = io.BytesIO()
    made.save(sink)
    done = hand_in(housing, sink.getvalue()).json()
    assert (done["read"], done["added"], done["refused"]) == (2, 1, 1)
    assert named(done) == {(8, "发布日期", "day_wrong")}
    record = housing.get("resources", q="物业企业")["resources"][0]
    found = housing.get(f"resources/{record['id']}")["record"]
    assert found["issued"] == "2023-03-15"
    assert [(each["name"]["zh"], each["length"]) for each in found["items"]] == [("企业名称", 20), ("信用代码", 18)]


def test_what_is_wrong_with_a_description_is_told_at_its_row_and_column_all_at_once(town: Town, housing: Door) -> None:
    content = book(
        ["目录编码", "*目录\n名称", "责任单位", "字段中文名", "字段类型", "字段长度", "共享类型", "共享条件", "是否开放", "安全级别", "是否个人信息"],
        ["301001/1", "停车位", "住房和建设局", "车位号", "VARCHAR2(32)", "32位", "无条件共享", None, None, "L1", None],
        ["301001/1", "停车位", "住房和建设局", "车位号", "VARCHAR2(32)", 32, "无条件共享", None, None, "L1", None],
        ["301001/2", "名册", "住房和建设局", "姓名", "C", None, "无条件共享", "限内部", "有条件开放", "1级", "是"],
        ["301001/3", "租赁", "住房和建设局", "=A2", "int", 10.0, "无条件共享", None, None, "5级", None],
        ["301001/4", "维修", "住房和建设局", "#REF!", "datetime", None, "无条件共享", None, None, None, None],
        ["301001/5", '="住房"&"用地"', "住房和建设局", "地块", "C", None, "无条件共享", None, None, None, None],
        ["301001/6", "好的", "住房和建设局", "编号", "C", None, "无条件共享", None, None, None, None],
        ["301001/7", "停车位", "住房和建设局", "另一", "C", None, "无条件共享", None, None, None, None],
        ["301001/6", "好的又来", "住房和建设局", "编号", "C", None, "无条件共享", None, None, None, None],
    )  # fmt: skip
    done = hand_in(housing, content).json()
    assert named(done) == {
        (3, "字段中文名", "item_twice"),
        (4, "共享条件", "condition_invented"),
        (4, "开放条件", "open_condition_untold"),
        (4, "安全级别", "personal_too_low"),
        (5, "字段中文名", "cell_error"),
        (5, "安全级别", "value_unknown"),
        (6, "字段中文名", "cell_error"),
        (7, "*目录 名称", "cell_error"),
        (10, "*目录 名称", "twice"),
    }
    assert "1级、2级、3级、4级" in next(
        each["remedy"] for each in done["faults"] if each["row"] == 5 and each["value"] == "5级"
    )
    assert (done["added"], done["refused"]) == (2, 6)


def test_all_items_in_one_cell_and_format_with_its_kind(town: Town, housing: Door) -> None:
    content = book(
        [
            "是否\n共享",
            "目录\n名称",
            "数据项（多个用顿号分隔）",
            "数据 更新 频率",
            "是否向社会开放",
            "资源格式",
            "开放条件",
        ],
        ["是", "燃气用户", "用户号、地址、开户日期", "每 月", "依申请", "数据库/mysql", "汇总后"],
    )
    done = hand_in(housing, content).json()
    assert (done["added"], done["columns_unknown"]) == (1, [])
    id = housing.get("resources", q="燃气用户")["resources"][0]["id"]
    found = housing.get(f"resources/{id}")["record"]
    assert [each["name"]["zh"] for each in found["items"]] == ["用户号", "地址", "开户日期"]
    assert (found.get("carrier", "database"), found["format"], found["cycle"]) == ("database", "mysql", "month")


LINES = """某市,大数据局,目录,汇总,表
信息资源代码|信息资源名称|提供单位|信息项|类型|共享属性|共享条件|更新周期

|出租屋|住房和建设局|房号|C|有条件共享|审批用途，限内部，按次|每季度
|||面积|N(8,2)|||
|"带引"号"|住房和建设局|编号|C|无条件共享||每周
|两周的|住房和建设局|编号|C|无条件共享||两周
"""


@pytest.mark.parametrize("charset", ["gb18030", "utf-16", "utf-8-sig"])
@pytest.mark.parametrize("delimiter", ["|", "\t", ";"])
def test_any_delimiter_and_charset_of_a_csv_is_told_from_its_lines(housing: Door, charset: str, delimiter: str) -> None:
    done = hand_in(housing, LINES.replace("|", delimiter).encode(charset)).json()
    assert (done["read"], done["added"], done["refused"]) == (3, 2, 1)
    assert named(done) == {(7, "更新周期", "value_unknown")}
    id = housing.get("resources", q="出租屋")["resources"][0]["id"]
    assert len(housing.get(f"resources/{id}")["record"]["items"]) == 2


@pytest.mark.parametrize("charset", ["utf-8-sig", "gb18030"])
def test_a_csv_is_read_like_a_sheet(housing: Door, charset: str) -> None:
    text = '信息资源名称;信息项名称;共享类型\r\n房屋;"编码;新";无条件共享\r\n;面积;\r\n坏的;编码;也许\r\n'
    done = hand_in(housing, text.encode(charset)).json()
    assert (done["read"], done["added"], done["refused"]) == (2, 1, 1)
    assert [(each["row"], each["column"]) for each in done["faults"]] == [(4, "共享类型")]


def test_two_sources_within_one_file_are_seen(town: Town, housing: Door) -> None:
    content = book(
        ["信息资源名称", "信息项名称", "共享类型", "对象类别", "数源"],
        ["房屋", "房屋编码", "无条件共享", "地点", "是"],
        ["楼盘", "房屋编码", "无条件共享", "地点", "√"],
        ["户籍", "公民身份号码", "无条件共享", "自然人", "是"],
    )
    done = hand_in(housing, content).json()
    assert (done["added"], done["refused"]) == (1, 2)
    assert [each["code"] for each in done["faults"]] == ["catalogue.second_source"] * 2


def test_a_breaking_file_is_announced(town: Town, housing: Door) -> None:
    rows = (["信息资源名称", "信息项名称", "数据类型", "共享类型"], ["房屋", "编码", "字符型", "无条件共享"])
    hand_in(housing, book(*rows, ["", "面积", "数值型", ""]))
    done = hand_in(housing, book(*rows)).json()
    assert [each["code"] for each in done["faults"]] == ["catalogue.notice_needed"]
    assert hand_in(housing, book(*rows), effective_on="2026-05-01").json()["announced"] == 1


def test_a_file_of_another_organisation_is_refused_and_changes_nothing(town: Town, housing: Door, psb: Door) -> None:
    housing.describe("dwelling", wish("房屋", "housing"))
    stolen = export(housing, keeper="housing")
    before = town.everything()
    refused(hand_in(psb, stolen), 403, "kernel.refused")
    assert town.everything() == before


def test_who_may_write_nothing_is_refused_before_the_file_is_read(town: Town) -> None:
    accounts.create(town.platform, "li.na", "housing")
    accounts.give_roles(town.platform, "li.na", [Role.analyst])
    ctx = Context(town.parts, Principal("li.na", "housing", frozenset({"analyst"})))
    before = town.everything()
    with pytest.raises(Refused):
        guide.take(ctx, b"no workbook\0", trial=True)
    with pytest.raises(Refused):
        dcat.take(ctx, b"no turtle", "text/turtle", trial=True)
    assert town.everything() == before


def test_the_right_is_asked_before_the_body_is_read(town: Town, http: "TestClient[Any]", housing: Door) -> None:
    reader = Door(http, services.issue(town.platform, "psb", ("catalogue.follow",)).secret)
    before = town.everything()
    large = b" " * (files.LARGEST + 1)
    for address in ("guide-imports", "dcat-imports"):
        refused(reader.call("POST", address, content=large), 403, "kernel.refused")
        refused(housing.call("POST", address, content=large), 413, "catalogue.sheet_too_large")
        refused(housing.call("POST", address, content=iter([large])), 413, "catalogue.sheet_too_large")
    assert town.everything() == before
    assert len(town.audited("access.refused")) == 2


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [
        (b"", 422, "catalogue.sheet_broken"),
        (b"PK\x03\x04 not a workbook", 422, "catalogue.sheet_broken"),
        (book(["a", "b"], ["1", "2"]), 422, "catalogue.sheet_without_header"),
        (b"\x00\x01\x02", 422, "catalogue.sheet_broken"),
        (b'a,"b', 422, "catalogue.sheet_without_header"),
        ("信息资源名称,x".encode() + b"\0", 422, "catalogue.sheet_broken"),
        (b"just a text", 422, "catalogue.sheet_without_header"),
        (book(), 422, "catalogue.sheet_without_header"),
    ],
)
def test_what_is_no_catalogue_is_refused(town: Town, housing: Door, content: bytes, status: int, code: str) -> None:
    refused(hand_in(housing, content), status, code)


def test_cells_are_counted_over_all_sheets_without_empty_ones_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    made = Workbook()
    for page in (made.worksheets[0], made.create_sheet()):
        for _ in range(3):
            page.append(["a", None, "b", None, ""])
        page.append(["", None])
    sink = io.BytesIO()
    made.save(sink)
    text = b"a,,b,,\n" * 6 + b",,\n"
    monkeypatch.setattr(intake, "MOST_CELLS", 18)
    for grid in intake.grids(sink.getvalue()):
        assert [row.cells for row in grid.rows] == [("a", None, "b")] * 3
    assert [row.cells for row in intake.grids(text)[0].rows] == [("a", "", "b")] * 6
    monkeypatch.setattr(intake, "MOST_CELLS", 17)
    for content in (sink.getvalue(), text, book(["a"], ["b"], ["c"], merge=("A1:F3",))):
        with pytest.raises(TooLarge) as caught:
            intake.grids(content)
        assert caught.value.code == "catalogue.sheet_too_full"


def test_a_formula_is_written_as_text(housing: Door) -> None:
    housing.describe("odd", wish("=cmd|' /C calc'!A0", "housing", item("+1")))
    page = load_workbook(io.BytesIO(export(housing, keeper="housing"))).worksheets[0]
    assert all(cell.data_type != "f" for row in page.iter_rows() for cell in row)
    assert hand_in(housing, export(housing, keeper="housing")).json()["unchanged"] == 1


@given(st.binary(max_size=400), st.integers(0, 3000))
@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow], deadline=None)
def test_a_damaged_workbook_is_a_problem_and_nothing_else(noise: bytes, spot: int) -> None:
    whole = book(["信息资源名称", "信息项名称", "共享类型"], ["房屋", "编码", "无条件共享"])
    damaged = whole[:spot] + noise + whole[spot + len(noise) :]
    try:
        grids = intake.grids(damaged)
    except Problem:
        return
    for grid in grids:
        sheet.header(grid)


def test_every_spelling_means_one_column() -> None:
    for column in columns.COLUMNS:
        for spelling in (column.key, column.title.zh, column.title.en):
            assert columns.column_of(f"* {spelling}（必填）") == column.key
    spelt = [spelling for column in columns.COLUMNS for spelling in filter(None, column.others.split("|"))]
    assert len(spelt) == len(set(spelt))
