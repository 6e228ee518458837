"""Workbooks come in as the clerk sees them, and what the spreadsheet has spoilt is flagged."""

import random
import zipfile
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import openpyxl
import pytest
import python_calamine
from openpyxl.worksheet.worksheet import Worksheet

from cityloom.exchange.intake import cells
from cityloom.exchange.intake.limits import MIB, Limits
from cityloom.kernel.errors import Invalid, NotFound, Problem, TooLarge, Unsupported
from exchange.intake_reading import read

SHEET = """<?xml version="1.0" encoding="UTF-8"?>
<x:worksheet xmlns:x="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><x:sheetData>{rows}</x:sheetData></x:worksheet>"""


def sheet(book: openpyxl.Workbook) -> Worksheet:
    found = book.active
    assert isinstance(found, Worksheet)
    return found


def put(folder: Path, *rows: list[Any], top: int = 1) -> Path:
    book = openpyxl.Workbook()
    for number, row in enumerate(rows, top):
        for column, value in enumerate(row, 1):
            sheet(book).cell(number, column, value)
    path = folder / "in.xlsx"
    book.save(path)
    return path


def rewrite(path: Path, member: str, text: str) -> Path:
    """Put another text in the place of a member of the archive."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members[member] = text.encode()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def raw(folder: Path, cell_xml: str, before: str = "", after: str = "") -> Path:
    """A workbook with the columns a and b, whose second row is `cell_xml`."""
    path = put(folder, ["a", "b"], ["x", "y"])
    head = '<x:row r="1"><x:c r="A1" t="inlineStr"><x:is><x:t>a</x:t></x:is></x:c>'
    head += '<x:c r="B1" t="inlineStr"><x:is><x:t>b</x:t></x:is></x:c></x:row>'
    rows = f'{before}{head}<x:row r="2">{cell_xml}</x:row>{after}'
    return rewrite(path, "xl/worksheets/sheet1.xml", SHEET.format(rows=rows))


def test_values_are_what_the_clerk_sees(tmp_path: Path) -> None:
    path = put(
        tmp_path,
        ["公民身份号码", "金额", "日期", "时间", "是"],
        ["440301199001011234", 12.5, date(2020, 1, 31), datetime.fromisoformat("2020-01-31T08:05"), True],
        ["00123", 0.1 + 0.2, date(1900, 2, 28), time(8, 5, 30), False],
        [" x ", 1.1, date(1900, 3, 1), datetime.fromisoformat("2020-01-31T23:59:59.500"), None],
        [123456789012345, -1e-7, date(9999, 12, 31), timedelta(hours=30), 1e14],
        ["", 100, 43861, "2020-01-31", "深圳\n市"],
    )
    columns, good, bad = read(path, "xlsx")
    assert columns == ("公民身份号码", "金额", "日期", "时间", "是")
    assert bad == []
    assert good == [
        (1, "440301199001011234", "12.5", "2020-01-31", "2020-01-31T08:05:00", "true"),
        (2, "00123", "0.3", "1900-02-28", "08:05:30", "false"),
        (3, " x ", "1.1", "1900-03-01", "2020-01-31T23:59:59.500", None),
        (4, "123456789012345", "-0.0000001", "9999-12-31", "30:00:00", "100000000000000"),
        (5, None, "100", "43861", "2020-01-31", "深圳\n市"),
    ]


def test_rows_are_numbered_as_the_sheet_shows_them(tmp_path: Path) -> None:
    """The header is in row 3 and there is an empty row: number n is sheet row 3 + n."""
    path = put(tmp_path, ["id", "name"], [1, "甲"], [None, None], [3, "丙"], [None, ""], [5, None], top=3)
    assert read(path, "xlsx")[1] == [(1, "1", "甲"), (3, "3", "丙"), (5, "5", None)]


@pytest.mark.parametrize(
    ("cell_xml", "reason", "value"),
    [
        (
            '<x:c r="B2"><x:v>4.4030119900101101E+17</x:v></x:c>',
            "exchange.cell_precision_lost",
            "4.4030119900101101E+17",
        ),
        ('<x:c r="B2"><x:v>440301199001011234</x:v></x:c>', "exchange.cell_precision_lost", "440301199001011234"),
        ('<x:c r="B2" t="e"><x:v>#REF!</x:v></x:c>', "exchange.cell_error", "#REF!"),
        ('<x:c r="B2"><x:f>A1+1</x:f><x:v/></x:c>', "exchange.cell_not_computed", ""),
        ('<x:c r="B2"><x:v>many</x:v></x:c>', "exchange.cell_broken", "many"),
    ],
)
def test_spoilt_cells_are_flagged_and_not_guessed(tmp_path: Path, cell_xml: str, reason: str, value: str) -> None:
    path = raw(
        tmp_path,
        f'<x:c r="A2"><x:v>7</x:v></x:c>{cell_xml}',
        after='<x:row r="3"><x:c r="A3"><x:v>8</x:v></x:c></x:row>',
    )
    _, good, bad = read(path, "xlsx")
    assert good == [(2, "8", None)]
    assert bad == [(1, "b", "type", reason, value)]


@pytest.mark.parametrize(
    ("cell_xml", "text"),
    [
        ('<x:c r="B2"><x:v>1.5E3</x:v></x:c>', "1500"),
        ('<x:c r="B2" t="str"><x:f>"a"</x:f><x:v>a_x000D_b_x4E2D_</x:v></x:c>', "a\rb中"),
        ('<x:c t="n"><x:v>5</x:v></x:c>', None),
        ('<x:c/><x:c t="b"><x:v>1</x:v></x:c>', "true"),
        ('<x:c r="B2" t="d"><x:v>2020-01-31</x:v></x:c>', "2020-01-31"),
        (
            '<x:c r="B2" t="inlineStr"><x:is><x:r><x:t>中</x:t></x:r><x:r><x:t>国</x:t></x:r>'
            '<x:rPh sb="0" eb="1"><x:t>zhong</x:t></x:rPh></x:is></x:c>',
            "中国",
        ),
    ],
)
def test_cells_other_programs_write(tmp_path: Path, cell_xml: str, text: str | None) -> None:
    assert read(raw(tmp_path, cell_xml), "xlsx")[1][0][2] == text


def test_a_value_beside_the_header_is_flagged(tmp_path: Path) -> None:
    path = put(tmp_path, ["id", None, "name"], [1, None, "甲"], [2, "stray", "乙"], [3, None, "丙", "far"])
    columns, good, bad = read(path, "xlsx")
    assert columns == ("id", "name")
    assert good == [(1, "1", "甲")]
    assert bad == [
        (2, "B", "shape", "exchange.cell_beside_header", "stray"),
        (3, "D", "shape", "exchange.cell_beside_header", "far"),
    ]


def test_shared_texts_are_followed(tmp_path: Path) -> None:
    cells_xml = '<x:c r="A2" t="s"><x:v>1</x:v></x:c><x:c r="B2" t="s"><x:v>0</x:v></x:c>'
    path = raw(tmp_path, cells_xml, after='<x:row r="3"><x:c r="A3" t="s"><x:v>2</x:v></x:c></x:row>')
    texts = (
        '<sst><si><t>零</t><rPh sb="0" eb="1"><t>líng</t></rPh></si>'
        '<si><r><t>一</t></r><r><t xml:space="preserve"> 1 </t></r></si><si><t/></si></sst>'
    )
    rewrite(path, "xl/sharedStrings.xml", texts)
    with zipfile.ZipFile(path) as archive:
        links = archive.read("xl/_rels/workbook.xml.rels").decode()
    link = '<Relationship Id="shared" Type="http://x/relationships/sharedStrings" Target="/xl/sharedStrings.xml"/>'
    rewrite(path, "xl/_rels/workbook.xml.rels", links.replace("</Relationships>", link + "</Relationships>"))
    assert read(path, "xlsx")[1] == [(1, "一 1 ", "零")]
    with pytest.raises(TooLarge) as refused:
        read(path, "xlsx", limits=Limits(max_shared_bytes=len(texts.encode()) - 1))
    assert refused.value.code == "exchange.unpacked_too_large"
    rewrite(path, "xl/sharedStrings.xml", "<sst><si><t>x</t></si></sst>")
    with pytest.raises(Invalid) as broken:
        read(path, "xlsx")
    assert broken.value.code == "exchange.workbook_broken"


def test_formats_and_1904_are_followed(tmp_path: Path) -> None:
    path = put(tmp_path, ["a", "b"], ["x", date(2020, 1, 31)])
    with zipfile.ZipFile(path) as archive:
        workbook, styles = (archive.read(f"xl/{name}.xml").decode() for name in ("workbook", "styles"))
    assert read(path, "xlsx")[1] == [(1, "x", "2020-01-31")]
    rewrite(path, "xl/styles.xml", styles.replace('formatCode="yyyy-mm-dd"', 'formatCode="0.00&quot;y&quot;"'))
    assert read(path, "xlsx")[1] == [(1, "x", "43861")]
    rewrite(
        path,
        "xl/styles.xml",
        styles.replace('formatCode="yyyy-mm-dd"', 'formatCode="[$-804]yyyy&quot;年&quot;m&quot;月&quot;"'),
    )
    assert read(path, "xlsx")[1] == [(1, "x", "2020-01-31")]
    rewrite(path, "xl/workbook.xml", workbook.replace("<workbookPr", '<workbookPr date1904="1"', 1))
    assert read(path, "xlsx")[1] == [(1, "x", "2024-02-01")]


@pytest.mark.parametrize(
    ("number", "code", "kind"),
    [
        (0, "", "number"), (14, "", "date"), (20, "", "time"), (22, "", "date"), (31, "", "date"), (57, "", "date"),
        (164, "General", "number"), (164, "G/通用格式", "number"), (164, "@", "number"), (164, "0.00E+00", "number"),
        (164, '#,##0.00"元"', "number"), (164, "[Red]0.00_);(0.00)", "number"), (164, '"day "0', "number"),
        (164, "yyyy/m/d h:mm", "date"), (164, "[$-F400]h:mm:ss AM/PM", "time"), (164, "[h]:mm", "time"),
        (164, 'm"月"', "date"), (164, "[DBNum1][$-804]yyyy年m月d日;@", "date"), (164, "mm:ss.0", "time"),
    ],
)  # fmt: skip
def test_formats_say_what_a_number_is(number: int, code: str, kind: str) -> None:
    assert cells.style(number, code) == kind


@pytest.mark.parametrize("serial", ["60", "0", "-1", "2958466"])
def test_days_that_never_were_are_flagged(serial: str) -> None:
    assert cells.moment(serial, "date", False) == cells.Wrong(serial, "exchange.cell_date_wrong")


def test_sheets_are_chosen(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    sheet(book).append(["hidden"])
    sheet(book).append([1])
    sheet(book).sheet_state = "hidden"
    for name in ("说明", "数据"):
        other = book.create_sheet(name)
        other.append([name])
        other.append([2])
    path = tmp_path / "in.xlsx"
    book.save(path)
    assert read(path, "xlsx")[0] == ("说明",)
    assert read(path, "xlsx", sheet_name="数据")[0] == ("数据",)
    assert read(path, "xlsx", sheet_name="Sheet")[0] == ("hidden",)
    with pytest.raises(NotFound) as refused:
        read(path, "xlsx", sheet_name="数据2")
    assert (refused.value.code, refused.value.params["known"]) == ("exchange.sheet_missing", "Sheet, 说明, 数据")


@pytest.mark.parametrize(
    ("rows", "code"),
    [
        ([], "exchange.file_empty"),
        ([["a", "b"]], "exchange.file_no_rows"),
        ([["a", "a"], [1, 2]], "exchange.header_repeated"),
        ([["_a"], [1]], "exchange.header_broken"),
        ([["a", "=1/0"], [1, 2]], "exchange.header_broken"),
    ],
)
def test_headers_that_cannot_be_used_are_refused(tmp_path: Path, rows: list[list[Any]], code: str) -> None:
    with pytest.raises(Invalid) as refused:
        read(put(tmp_path, *rows), "xlsx")
    assert refused.value.code == code


def test_what_is_no_workbook_is_refused(tmp_path: Path) -> None:
    good = put(tmp_path, ["a"], *([text] for text in map(str, range(20_000)))).read_bytes()
    path = tmp_path / "in.xlsx"
    cases: list[tuple[bytes, type[Problem], str]] = [
        (b"no workbook", Invalid, "exchange.workbook_broken"),
        (good[: len(good) // 2], Invalid, "exchange.workbook_broken"),
        (good[:3000] + bytes(500) + good[3500:], Invalid, "exchange.workbook_broken"),
        (bytes.fromhex("d0cf11e0a1b11ae1") + bytes(100), Unsupported, "exchange.workbook_locked"),
    ]
    for data, kind, code in cases:
        path.write_bytes(data)
        with pytest.raises(kind) as refused:
            read(path, "xlsx")
        assert refused.value.code == code


def test_a_fault_further_down_comes_out_of_the_block(tmp_path: Path) -> None:
    """Found while DuckDB reads, it is still our problem and not DuckDB's text."""
    path = put(tmp_path, ["a"], *([text] for text in map(str, range(50_000))))
    with zipfile.ZipFile(path) as archive:
        text = archive.read("xl/worksheets/sheet1.xml").decode()
    middle = text.index('<row r="40000"')
    rewrite(path, "xl/worksheets/sheet1.xml", text[:middle] + "<<" + text[middle:])
    with pytest.raises(Invalid) as refused:
        read(path, "xlsx")
    assert refused.value.code == "exchange.workbook_broken"


def test_entities_are_no_bomb(tmp_path: Path) -> None:
    path = put(tmp_path, ["a"], ["x"])
    bomb = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;">]>'
    rewrite(path, "xl/worksheets/sheet1.xml", bomb + SHEET.format(rows="").partition("?>")[2])
    with pytest.raises(Invalid) as refused:
        read(path, "xlsx")
    assert refused.value.code == "exchange.workbook_broken"


def test_a_zip_bomb_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    path = put(tmp_path, ["a"], ["x"])
    rewrite(path, "xl/media/bomb.bin", " " * (200 * MIB))
    assert path.stat().st_size < MIB
    with pytest.raises(TooLarge) as refused:
        read(path, "xlsx")
    assert refused.value.code == "exchange.ratio_too_high"
    with pytest.raises(TooLarge) as refused:
        read(path, "xlsx", limits=Limits(max_bytes=100 * MIB, max_ratio=10_000))
    assert (refused.value.code, refused.value.params) == ("exchange.unpacked_too_large", {"limit": 100})


def test_far_corners_and_fat_cells_are_refused(tmp_path: Path) -> None:
    corner = '<x:c r="A2"><x:v>1</x:v></x:c>'
    path = raw(tmp_path, corner, after='<x:row r="1048576"><x:c r="XFD1048576"><x:v>1</x:v></x:c></x:row>')
    with pytest.raises(TooLarge) as refused:
        read(path, "xlsx")
    assert (refused.value.code, refused.value.params) == (
        "exchange.too_many_columns", {"found": 16384, "limit": 2000},
    )  # fmt: skip
    path = raw(tmp_path, f'<x:c r="A2" t="str"><x:v>{"x" * 1001}</x:v></x:c>')
    with pytest.raises(TooLarge) as refused:
        read(path, "xlsx", limits=Limits(max_cell_bytes=1000))
    assert refused.value.code == "exchange.cell_too_large"
    assert len(read(path, "xlsx", limits=Limits(max_cell_bytes=1001))[1]) == 1


def test_another_reader_sees_the_same(tmp_path: Path) -> None:
    """2,000 random cells, against a library that reads the whole sheet at once."""
    chance = random.Random(7)  # noqa: S311 - a test's dice
    makers = [
        lambda: "市" + "".join(chance.choices("深圳市_x000D_ <&>\"'é𠮷", k=chance.randint(1, 12))) + "x",
        lambda: chance.randint(-(10**14), 10**14),
        lambda: round(chance.uniform(-1e6, 1e6), chance.randint(1, 6)),
        lambda: chance.random() < 0.5,
        lambda: date.fromordinal(chance.randint(693_961, 800_000)),
        lambda: None,
    ]
    table = [[chance.choice(makers)() for _ in range(10)] for _ in range(200)]
    path = put(tmp_path, [f"c{number}" for number in range(10)], *table)
    others = python_calamine.CalamineWorkbook.from_path(path).get_sheet_by_index(0).to_python()[1:]
    _, good, bad = read(path, "xlsx")
    assert bad == []
    assert [list(row[1:]) for row in good] == [[_shown(value) for value in row] for row in others]


def _shown(value: object) -> str | None:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return str(int(value)) if value == int(value) else repr(value)
    return str(value) or None
