"""Headers are matched to fields however a clerk spells them, and what does not fit is named."""

import duckdb
import pytest

from cityloom.exchange.intake.columns import Wanted, match
from cityloom.kernel.errors import Invalid

FIELDS = (
    Wanted("id_number", ("Identity number", "公民身份号码"), required=True),
    Wanted("name", ("Name", "姓名"), required=True),
    Wanted("sex", ("Sex", "性别（代码）")),
)


@pytest.mark.parametrize(
    "header",
    [
        ("id_number", "name", "sex"),
        ("公民身份号码", "姓名", "性别（代码）"),
        ("公民身份号码*", " 姓 名 ", "性别(代码)"),
        ("ID_NUMBER", "ＮＡＭＥ", "Sex"),
        ("Identity Number", "Name", "sex"),
        ("idNumber", "na me", "SEX"),
    ],
)
def test_spellings_are_found(header: tuple[str, ...]) -> None:
    assert match(header, FIELDS).pairs == tuple(zip(("id_number", "name", "sex"), header, strict=True))


def test_what_is_missing_is_null_and_what_begins_with_an_underscore_is_left() -> None:
    matched = match(("姓名", "_problem", "id_number"), FIELDS)
    assert matched.pairs == (("id_number", "id_number"), ("name", "姓名"), ("sex", None))
    table = "(SELECT 7 AS _row, NULL AS _faults, '张三' AS \"姓名\", '44' AS id_number)"
    relation = duckdb.sql(matched.select(table))
    assert relation.columns == ["_row", "_faults", "id_number", "name", "sex"]
    assert relation.fetchall() == [(7, None, "44", "张三", None)]


def test_unknown_columns_are_listed_with_what_is_expected() -> None:
    with pytest.raises(Invalid) as refused:
        match(("id_number", "name", "phone", "地址"), FIELDS)
    assert refused.value.code == "exchange.columns_unknown"
    assert refused.value.params == {
        "columns": "phone, 地址",
        "expected": "id_number (公民身份号码), name (姓名), sex (性别（代码）)",
    }


def test_missing_required_columns_are_listed() -> None:
    with pytest.raises(Invalid) as refused:
        match(("sex",), FIELDS)
    assert refused.value.code == "exchange.columns_missing"
    assert refused.value.params == {"columns": "id_number (公民身份号码), name (姓名)", "found": "sex"}


def test_two_columns_for_one_field_are_refused() -> None:
    with pytest.raises(Invalid) as refused:
        match(("id_number", "name", "姓名"), FIELDS)
    assert refused.value.code == "exchange.columns_doubled"
    assert refused.value.params == {"field": "name", "first": "name", "second": "姓名"}


def test_a_long_list_is_cut() -> None:
    with pytest.raises(Invalid) as refused:
        match([f"x{number}" for number in range(1000)], FIELDS)
    assert str(refused.value.params["columns"]).endswith("x49 … (+950)")
