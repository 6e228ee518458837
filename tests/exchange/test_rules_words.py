"""What the clerk reads: every fault in both languages, quarantined rows as a file to send back, and the template."""

import csv
import io
import json
from collections.abc import Sequence
from datetime import date
from typing import Any

import openpyxl
import pytest
from openpyxl.worksheet.worksheet import Worksheet

from cityloom.exchange.contracts import Fault
from cityloom.exchange.rules import template
from cityloom.exchange.rules.explain import explain
from cityloom.exchange.rules.returned import ReturnedRow, render
from cityloom.exchange.spec import Check, Reference, ResolvedDataset, Span
from cityloom.kernel import words as kernel_words
from cityloom.kernel.errors import Unsupported
from cityloom.kernel.words import Text
from exchange.gate_fixture import check, codes, dataset, field

WORDS = kernel_words.load(("cityloom.exchange",))
DECLARED = ResolvedDataset(
    **{
        **{name: getattr(dataset(field("id")), name) for name in dataset(field("id")).__struct_fields__},
        "fields": (
            field("id", required=True, format="gb11643"),
            field("born", "date", required=True, min=date(1900, 1, 1)),
            field("until", "date", max=date(2030, 1, 1)),
            field("age", "integer", min=0, max=150, unit="year"),
            field("low", "integer", min=1),
            field("high", "number", max=9.5),
            field("money", "decimal", precision=12, scale=2),
            field("alive", "boolean"),
            field("seen", "timestamp", fresh_within=Span(months=12, days=40, seconds=3660)),
            field("name", min_length=2, max_length=4),
            field("exact", min_length=6, max_length=6),
            field("short", max_length=3),
            field("long", min_length=3),
            field("plate", pattern="[A-Z][0-9]{5}"),
            field("sex", codes=codes("sex", "1", "2")),
            field("area", codes=codes("area", *(f"{n:03d}" for n in range(40)))),
            field("school", reference=Reference("school", "code")),
            field("firm", format="gb32100", unique=True),
        ),
        "checks": (Check("order", "until >= born", Text("Ends before it begins", "有效期早于出生"), Text("Check both.", "请核对。")),),
    }
)  # fmt: skip


def said(field: str, rule: str, value: str | None, language: str = "zh") -> tuple[str, str]:
    fault = explain(DECLARED, WORDS, language, 12, field, rule, value)
    return fault.problem, fault.remedy


@pytest.mark.parametrize(
    ("field", "rule", "value", "problem", "remedy"),
    [
        (
            "born",
            "type",
            "2020-13-01",
            "第 12 行「字段born」的值「2020-13-01」不是有效日期。",
            "请按 2020-01-31 的格式填写。",
        ),
        ("born", "required", None, "第 12 行「字段born」为空。", "此项必填，请补充。"),
        (
            "born",
            "range",
            "1899-01-01",
            "第 12 行「字段born」的值「1899-01-01」早于 1900-01-01。",
            "请核对该值及其单位。",
        ),
        (
            "until",
            "range",
            "2031-01-01",
            "第 12 行「字段until」的值「2031-01-01」晚于 2030-01-01。",
            "请核对该值及其单位。",
        ),
        ("age", "range", "151", "第 12 行「字段age」的值「151」不在 0 至 150 year 之间。", "请核对该值及其单位。"),
        ("low", "range", "0", "第 12 行「字段low」的值「0」小于 1。", "请核对该值及其单位。"),
        ("high", "range", "10", "第 12 行「字段high」的值「10」大于 9.5。", "请核对该值及其单位。"),
        (
            "age",
            "type",
            "1,234",
            "第 12 行「字段age」的值「1,234」不是整数。",
            "请只填写数字，如 1234，不要使用千位分隔符。",
        ),
        (
            "money",
            "type",
            "1.234",
            "第 12 行「字段money」的值「1.234」不是有效数字（整数最多 10 位，小数最多 2 位）。",
            "请填写数字，如 1234.55，不要使用千位分隔符。",
        ),
        (
            "alive",
            "type",
            "有",
            "第 12 行「字段alive」的值「有」不是「是」或「否」。",
            "请填写 是 或 否（也可填 true、false，1、0，Y、N）。",
        ),
        (
            "seen",
            "fresh",
            "1999-01-01",
            "第 12 行「字段seen」的值「1999-01-01」晚于交付时间，或早于交付前 1 年 40 天 1 小时 1 分钟。",
            "请报送最新记录，并检查发送系统的时钟。",
        ),
        (
            "name",
            "length",
            "张",
            "第 12 行「字段name」的值「张」长度不在 2 至 4 个字符之间。",
            "请核对是否有遗漏或多余的内容。",
        ),
        ("exact", "length", "1", "第 12 行「字段exact」的值「1」不是 6 个字符。", "请核对是否有遗漏或多余的内容。"),
        (
            "short",
            "length",
            "1234",
            "第 12 行「字段short」的值「1234」超过 3 个字符。",
            "请核对是否有遗漏或多余的内容。",
        ),
        ("long", "length", "12", "第 12 行「字段long」的值「12」少于 3 个字符。", "请核对是否有遗漏或多余的内容。"),
        (
            "plate",
            "pattern",
            "x",
            "第 12 行「字段plate」的值「x」格式不符合要求。",
            "要求的格式（正则表达式）为：[A-Z][0-9]{5}",
        ),
        (
            "sex",
            "codes",
            "男",
            "第 12 行「字段sex」的值「男」不在代码表「代码表」中。",
            "请填写代码：1 代码1、2 代码2。",
        ),
        (
            "school",
            "reference",
            "E9",
            "第 12 行「字段school」的值「E9」在 school.code 中不存在。",
            "请更正；或待 school 补报缺少的记录后，再重新提交本行。",
        ),
        (
            "id",
            "key",
            "1",
            "第 12 行「字段id」：另有一条记录的字段id（「1」）相同而内容不同。",
            "请只报送正确的一条。如需更改以前报送的记录，请使用 upsert 方式交付。",
        ),
        (
            "until",
            "expression:order",
            "2020-01-01 / 2021-01-01",
            "第 12 行：有效期早于出生。各值：字段until 2020-01-01、字段born 2021-01-01。",
            "请核对。",
        ),
        (
            "",
            "shape",
            "a,b,c",
            "第 12 行：该行与表头的列数不符（「a,b,c」）。",
            "请检查该行是否多出或缺少分隔符、引号。",
        ),
    ],
)
def test_faults_in_chinese(field: str, rule: str, value: str | None, problem: str, remedy: str) -> None:
    assert said(field, rule, value) == (problem, remedy)


def test_faults_in_english() -> None:
    assert said("born", "type", "2020-13-01", "en") == (
        "Row 12, “Field born”: “2020-13-01” is not a valid date.", "Write it like 2020-01-31.",
    )  # fmt: skip
    assert said("sex", "codes", "m", "en")[1] == "Write one of the codes: 1 = Code 1, 2 = Code 2."
    assert said("seen", "fresh", "x", "en")[0].endswith(
        "more than 1 years 40 days 1 hours 1 minutes before the delivery."
    )


def test_every_rule_has_words_in_both_languages() -> None:
    rules = {
        "type",
        "required",
        "unique",
        "key",
        "range",
        "length",
        "pattern",
        "codes",
        "reference",
        "gb11643",
        "gb32100",
        "fresh",
        "encoding",
        "shape",
    }
    for each in DECLARED.fields:
        for rule in rules:
            if rule == "type" and each.type == "text":
                continue
            for language in ("en", "zh"):
                problem, remedy = said(each.name, rule, "值", language)
                assert problem.startswith(("Row 12", "第 12 行"))
                assert remedy
                assert "{" not in problem
                assert "{" not in remedy.replace("{5}", "")
                assert "exchange.rule" not in problem + remedy


def test_values_are_cut_and_never_taken_for_placeholders() -> None:
    assert said("born", "type", "{where}{row}")[0] == "第 12 行「字段born」的值「{where}{row}」不是有效日期。"
    assert "x" * 60 + "…" in said("born", "type", "x" * 61)[0]
    assert "x" * 61 not in said("born", "type", "x" * 61)[0]
    assert said("area", "codes", "x")[1].endswith("011 代码011…。")


def test_a_check_of_an_earlier_version_is_named() -> None:
    assert said("id", "expression:gone", "1 / 2") == ("第 12 行：gone。各值：1 / 2。", "")


HEADER = ["身份证号", "姓名", "_备注"]


def held() -> list[ReturnedRow]:
    faults = [
        explain(DECLARED, WORDS, "zh", 3, "born", "required", None),
        explain(DECLARED, WORDS, "zh", 3, "sex", "codes", "男"),
    ]
    broken = Fault(7, "", "shape", "a,b", "problem", "remedy")
    return [
        ReturnedRow(3, ["110105194912310021", '=1+1, "张三"', None], faults),
        ReturnedRow(7, [None, None, None], [broken]),
        ReturnedRow(9, ["0012", "two\nlines\x0b", ""], [faults[0], faults[0]]),
    ]


EXPECTED: list[Sequence[str]] = [
    [*HEADER, "_行号", "_问题", "_建议"],
    [
        "110105194912310021",
        '=1+1, "张三"',
        "",
        "3",
        "第 3 行「字段born」为空。\n第 3 行「字段sex」的值「男」不在代码表「代码表」中。",
        "此项必填，请补充。\n请填写代码：1 代码1、2 代码2。",
    ],
    ["a,b", "", "", "7", "problem", "remedy"],
    ["0012", "two\nlines\x0b", "", "9", "第 3 行「字段born」为空。", "此项必填，请补充。"],
]


def test_rows_come_back_as_csv() -> None:
    content = render(HEADER, held(), "csv", WORDS, "zh")
    assert content.startswith(b"\xef\xbb\xbf")
    assert list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""))) == EXPECTED


def test_rows_come_back_as_xlsx_with_nothing_turned_into_numbers_or_formulas() -> None:
    sheet = openpyxl.load_workbook(io.BytesIO(render(HEADER, held(), "xlsx", WORDS, "zh"))).worksheets[0]
    rows = [[cell.value or "" for cell in row] for row in sheet.iter_rows()]
    assert rows == [[text.replace("\x0b", "") for text in row] for row in EXPECTED]
    assert {cell.data_type for row in sheet.iter_rows() for cell in row if cell.value} == {"s"}


def test_rows_come_back_as_ndjson() -> None:
    lines = [json.loads(line) for line in render(HEADER, held(), "ndjson", WORDS, "en").splitlines()]
    assert list(lines[0]) == [*HEADER, "_row", "_problem", "_remedy"]
    assert [lines[0]["身份证号"], lines[0]["_备注"], lines[0]["_row"], lines[1]["身份证号"]] == [
        "110105194912310021",
        None,
        "3",
        "a,b",
    ]


def test_other_formats_are_refused() -> None:
    with pytest.raises(Unsupported):
        render(HEADER, held(), "pdf", WORDS, "zh")


def sheets(language: str = "zh", declared: ResolvedDataset = DECLARED) -> list[Worksheet]:
    return openpyxl.load_workbook(io.BytesIO(template.workbook(declared, WORDS, language))).worksheets


def test_the_template_has_a_column_for_each_field() -> None:
    data, notes, listed = sheets()
    assert [sheet.title for sheet in (data, notes, listed)] == ["数据", "填写说明", "代码"]
    assert [cell.value for cell in data[1]] == [
        each.title.zh + ("*" if each.required else "") for each in DECLARED.fields
    ]  # fmt: skip
    assert data.max_row == 1
    formats = {cell.value: data.column_dimensions[cell.column_letter].number_format for cell in data[1]}
    assert formats["字段id*"] == formats["字段sex"] == "@"
    assert (formats["字段born*"], formats["字段age"]) == ("yyyy-mm-dd", "General")


def test_the_template_offers_codes() -> None:
    data, _, listed = sheets()
    offered = {str(rule.sqref): rule.formula1 for rule in data.data_validations.dataValidation}
    assert offered == {"H2:H1048576": '"是,否"', "O2:O1048576": "'代码'!$A$2:$A$3", "P2:P1048576": "'代码'!$C$2:$C$41"}
    assert [[cell.value for cell in row] for row in listed["A1:D3"]] == [
        ["代码表", None, "代码表", None], ["1", "代码1", "000", "代码000"], ["2", "代码2", "001", "代码001"],
    ]  # fmt: skip


def test_the_template_explains_each_field() -> None:
    notes = {row[1]: row for row in sheets()[1].iter_rows(min_row=6, max_col=8, values_only=True)}
    assert notes["age"] == ("字段age", "age", "整数", "否", "1", None, "不小于 0 year；不大于 150 year", None)
    assert notes["id"][4] == "990000199001010017"
    assert notes["born"] == ("字段born", "born", "日期", "是", "2026-01-31", None, "不早于 1900-01-01", None)
    assert notes["area"][5] == "共 40 个，见工作表「代码」"
    english = {row[1]: row for row in sheets("en")[1].iter_rows(min_row=6, max_col=8, values_only=True)}
    assert english["money"][2] == "number (12 digits, 2 after the point)"
    assert english["firm"][6] == "no two records alike; check character of GB 32100"


def test_the_examples_pass_the_checks() -> None:
    told = {each.name: template.example(each) for each in DECLARED.fields}
    row: dict[str, Any] = {name: text or None for name, text in told.items()}
    relations = {"school": "(SELECT 'E1' AS code)", "tried": "(SELECT NULL AS id, NULL AS firm)"}
    assert check(DECLARED, [row], relations=relations).named == []


def test_a_template_without_codes_has_no_sheet_for_them() -> None:
    assert [sheet.title for sheet in sheets("en", dataset(field("id", required=True)))] == ["Data", "Explanation"]
