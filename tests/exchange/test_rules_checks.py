"""Each rule with texts that keep it and texts that break it, through a real DuckDB."""

from datetime import date
from typing import Any

import duckdb
import pytest

from cityloom.exchange.contracts import Mode
from cityloom.exchange.rules.compile import INTAKE_RULES
from cityloom.exchange.spec import Reference, Span
from exchange.gate_fixture import AT, check, codes, dataset, field, load, one, run

GOOD_ID, GOOD_USCC = "11010519491231002X", "91310115MA1K3BTP2B"


def faults(properties: dict[str, Any], text: str | None) -> list[str]:
    kind = properties.pop("type", "text")
    return one(field("tried", kind, **properties), text)[1]


@pytest.mark.parametrize(
    ("properties", "good", "bad"),
    [
        ({"min_length": 2, "max_length": 4}, ["张三", "欧阳娜娜", "ab", "𠮷野"], ["张", "张三李四王", "abcde"]),
        ({"max_length": 3}, ["张", "欧阳娜", "abc", "𠮷𠮷𠮷", None], ["欧阳娜娜", "abcd"]),
        ({"min_length": 3}, ["张三丰", "abc"], ["张三", "ab", "𠮷"]),
        ({"pattern": "H[0-9]{3}"}, ["H123", "Ｈ１２３"], ["H12", "H1234", "xH123", "H123\nH456", "h123"]),
        ({"pattern": "[0-9]{3}|[a-z]{2}"}, ["123", "ab"], ["123ab", "1234", "abc"]),
        ({"pattern": "a.b"}, ["axb"], ["a\nb", "ab"]),
        ({"codes": codes("sex", "1", "2", withdrawn=["3"])}, ["1", "２"], ["3", "4", "01", "男"]),
        ({"codes": codes("named", "甲", "乙")}, ["甲"], ["丙", "甲乙"]),
        ({"type": "integer", "min": 0, "max": 120}, ["0", "120"], ["-1", "121"]),
        ({"type": "decimal", "precision": 8, "scale": 2, "min": 0.5}, ["0.5", "0.50", "1"], ["0.49", "-1"]),
        ({"type": "number", "max": 1.5}, ["1.5", "-3"], ["1.5000001"]),
        ({"type": "date", "min": date(1949, 10, 1), "max": date(2026, 1, 1)}, ["1949-10-01", "2026年1月1日"], ["1949-09-30", "2026-01-02"]),
        (
            {"type": "timestamp", "min": date(2020, 1, 1), "max": date(2020, 1, 31)},
            ["2020-01-01", "2020-01-31 23:59:59"],
            ["2019-12-31 23:59:59", "2020-02-01"],
        ),
        (
            {"type": "timestamp", "fresh_within": Span(days=40)},
            ["2026-01-31 12:00:00", "2025-12-22 12:00:00"],
            ["2026-01-31 12:00:01", "2025-12-22 11:59:59"],
        ),
        ({"type": "date", "fresh_within": Span(months=1)}, ["2026-01-31", "2025-12-31"], ["2026-02-01", "2025-12-30"]),
        ({"format": "gb11643"}, [GOOD_ID, "990000199001010017"], ["110105194912310021", "11010519491231002", "110105491231003X"]),
        ({"format": "gb32100"}, [GOOD_USCC], ["91310115MA1K3BTP2C", "91310115MA1K3BTP2", "91310115MAIK3BTP2B", "9131O115MA1K3BTP2B"]),
    ],
)  # fmt: skip
def test_rule(properties: dict[str, Any], good: list[str | None], bad: list[str]) -> None:
    rule = {"min_length": "length", "max_length": "length", "min": "range", "max": "range", "fresh_within": "fresh"}
    first = next(key for key in properties if key != "type" and key not in ("precision", "scale"))
    expected = properties["format"] if first == "format" else rule.get(first, first)
    for text in good:
        assert faults(dict(properties), text) == [], text
    for text in bad:
        assert faults(dict(properties), text) == [expected], text


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("110105202602010018", "born after the delivery"),
        ("110105184912310014", "born before 1850"),
        ("110105199002300010", "no such day"),
        ("110105199013010010", "no such month"),
        ("110105199001010002", "sequence 000"),
        ("010105199001010010", "a division that begins with 0"),
        ("4403001990010100e6", "a number to DuckDB only"),
        ("0x16345785D8A0001C", "a number to DuckDB only"),
    ],
)
def test_identity_numbers_are_plausible(text: str, why: str) -> None:
    assert faults({"format": "gb11643"}, text) == ["gb11643"], why


def test_one_cause_is_one_fault() -> None:
    strict = {"required": True, "min_length": 18, "max_length": 18, "pattern": "[0-9X]+", "format": "gb11643"}
    assert faults(dict(strict), "") == ["required"]
    assert faults(dict(strict), "123") == ["length"]
    assert faults(dict(strict), "11010519491231002Y") == ["pattern"]
    assert faults(dict(strict), "110105194912310021") == ["gb11643"]
    assert faults(dict(strict), GOOD_ID) == []


def test_long_code_lists_are_bound() -> None:
    many = codes("many", *(f"{number:06d}" for number in range(3000)))
    declared = dataset(field("code", codes=many, required=True), field("other", codes=many))
    rows = [
        {"code": "000000", "other": "002999"},
        {"code": "００００01", "other": None},
        {"code": "003000", "other": "x"},
    ]
    checked = check(declared, rows)
    assert checked.named == [(3, "code", "codes"), (3, "other", "codes")]
    assert checked.values("code") == ["000000", "000001", "003000"]


def test_codes_and_pattern_together() -> None:
    both = {"codes": codes("sex", "10", "2"), "pattern": "[0-9]{2}"}
    assert faults(dict(both), "10") == []
    assert faults(dict(both), "2") == ["pattern"]
    assert faults(dict(both), "99") == ["codes"]


SCHOOL = "(VALUES ('E1', 1), ('E2', 2), (NULL, 3)) school(code, places)"


@pytest.mark.parametrize("few", [False, True])
def test_references_look_into_the_other_dataset(few: bool) -> None:
    declared = dataset(field("number", required=True), field("school", reference=Reference("school", "code")))
    rows = [
        {"number": "1", "school": "E1"},
        {"number": "2", "school": "E3"},
        {"number": "3", "school": " E2"},
        {"number": "4"},
    ]
    checked = check(declared, rows, relations={"school": SCHOOL}, few=few)
    assert checked.faults == [(2, "school", "reference", "E3")]


def test_references_of_other_types() -> None:
    declared = dataset(
        field("number", required=True), field("places", "integer", reference=Reference("school", "places"))
    )
    rows = [{"number": "1", "places": "3"}, {"number": "2", "places": "4"}, {"number": "3", "places": "x"}]
    assert check(declared, rows, relations={"school": SCHOOL}).named == [
        (2, "places", "reference"),
        (3, "places", "type"),
    ]


def test_a_reference_to_an_empty_dataset_fails_and_absent_values_do_not() -> None:
    declared = dataset(field("number", required=True), field("school", reference=Reference("school", "code")))
    empty = "(SELECT 'E1' AS code WHERE false)"
    assert check(declared, [{"number": "1", "school": "E1"}, {"number": "2"}], relations={"school": empty}).named == [
        (1, "school", "reference")
    ]


@pytest.mark.parametrize("few", [False, True])
def test_references_to_the_own_dataset_may_be_met_by_the_delivery(few: bool) -> None:
    declared = dataset(field("code", required=True), field("parent", reference=Reference("tried", "code")))
    rows = [{"code": "B", "parent": "A"}, {"code": "A", "parent": "0"}, {"code": "C", "parent": "X"}]
    assert check(declared, rows, relations={"tried": "(SELECT '0' AS code, NULL AS parent)"}, few=few).named == [
        (3, "parent", "reference")
    ]


def test_a_missing_relation_is_a_mistake_of_the_caller() -> None:
    declared = dataset(field("number", required=True), field("school", reference=Reference("school", "code")))
    with pytest.raises(KeyError, match="school"):
        check(declared, [{"number": "1"}])


CROSSING = dataset(
    field("number", required=True),
    field("born", "date", min=date(1900, 1, 1)),
    field("moved", "date"),
    checks=[("moved_after_birth", "moved >= born")],
)


def test_cross_field_checks_fault_only_what_is_false() -> None:
    rows = [
        {"number": "1", "born": "2000-01-01", "moved": "2000-01-01"},
        {"number": "2", "born": "2000-01-02", "moved": "2000-01-01"},
        {"number": "3", "born": None, "moved": "2000-01-01"},
        {"number": "4", "born": "2000-13-01", "moved": "2000-01-01"},
        {"number": "5", "born": "1800-01-01", "moved": "1700-01-01"},
        {"number": "6", "born": "2000年2月1日", "moved": "20000131"},
    ]
    assert check(CROSSING, rows).faults == [
        (2, "moved", "expression:moved_after_birth", "2000-01-01 / 2000-01-02"),
        (4, "born", "type", "2000-13-01"),
        (5, "born", "range", "1800-01-01"),
        (6, "moved", "expression:moved_after_birth", "20000131 / 2000年2月1日"),
    ]


def test_a_row_tells_all_its_faults_and_keeps_its_texts() -> None:
    declared = dataset(
        field("number", required=True), field("age", "integer", max=150), field("sex", codes=codes("sex", "1"))
    )
    checked = check(declared, [{"number": " ", "age": "二百", "sex": "9 "}, {"number": "2", "age": "２", "sex": "1"}])
    assert checked.faults == [(1, "age", "type", "二百"), (1, "number", "required", " "), (1, "sex", "codes", "9 ")]
    bad, good = checked.rows[1], checked.rows[2]
    assert (bad["_raw"], bad["_good"], bad["_repeat"]) == ([" ", "二百", "9 "], False, False)
    assert (good["_raw"], good["_faults"], good["_good"], good["_repeat"], good["age"]) == (None, None, True, False, 2)


def test_rows_that_the_intake_could_not_read_have_that_one_fault() -> None:
    declared = dataset(field("number", required=True), field("age", "integer"))
    rows = [
        {"number": "1", "age": "x", "_intake": "encoding"},
        {"number": None, "_intake": "shape"},
        {"number": "1", "age": "2"},
        {"number": "1", "age": "2"},
    ]
    checked = check(declared, rows, intake=True)
    assert INTAKE_RULES == ("encoding", "shape")
    assert checked.named == [(1, "", "encoding"), (2, "", "shape")]
    assert [row["_good"] for row in checked.rows.values()] == [False, False, True, False]
    assert [row["_repeat"] for row in checked.rows.values()] == [False, False, False, True]


def test_a_delete_needs_the_key_only() -> None:
    declared = dataset(
        field("number", required=True, pattern="[0-9]"), field("name", required=True, unique=True),
        field("school", reference=Reference("school", "code")), checks=[("never", "name = 'x'")],
    )  # fmt: skip
    checked = check(declared, [{"number": "1"}, {"number": "１", "name": "other"}, {"number": "x"}], mode=Mode.delete)
    assert checked.faults == [(3, "number", "pattern", "x")]
    assert [row["_repeat"] for row in checked.rows.values()] == [False, True, False]
    assert checked.values("name") == [None, None, None]


def test_an_empty_delivery_makes_an_empty_table() -> None:
    checked = check(CROSSING, [])
    assert (checked.rows, checked.faults) == ({}, [])


def test_columns_have_the_types_of_their_fields() -> None:
    declared = dataset(
        field("t", required=True), field("i", "integer"), field("d", "decimal", precision=12, scale=3), field("n", "number"),
        field("b", "boolean"), field("day", "date"), field("at", "timestamp"),
    )  # fmt: skip
    con = duckdb.connect()
    check(declared, [], con=con)
    types = dict(
        con.execute("SELECT column_name, data_type FROM duckdb_columns() WHERE table_name = 'checked'").fetchall()
    )
    assert types == {field.name: field.column_type for field in declared.fields} | {
        "_row": "BIGINT", "_faults": "USMALLINT[]", "_raw": "VARCHAR[]", "_repeat": "BOOLEAN", "_good": "BOOLEAN",
    }  # fmt: skip


def test_a_source_that_can_be_read_once_gives_the_same() -> None:
    rows = [{"number": "1", "born": "2000-01-01"}, {"number": "1", "born": "2000-01-02"}, {"number": "2", "moved": "x"}]
    assert check(CROSSING, rows, rescan=False).faults == check(CROSSING, rows).faults


def test_a_statement_may_run_again() -> None:
    con = duckdb.connect()
    from cityloom.exchange.rules.compile import compile_delivery

    compiled = compile_delivery(CROSSING, load(con, CROSSING, [{"number": "1", "born": "x"}]), AT, {})
    assert run(con, compiled).faults == run(con, compiled).faults == [(1, "born", "type", "x")]


@pytest.mark.parametrize(
    ("format", "good", "unknown", "bad"),
    [
        ("gb32100", "91310115MA1K3BTP2B", "91310115MA1K3BTP2C", "91310115MA1K3BTP2X"),
        ("gb11643", GOOD_ID, "990000199001010017", "110105194912310021"),
    ],
)
@pytest.mark.parametrize("few", [False, True])
def test_a_value_that_is_known_elsewhere_was_checked_there(
    format: str, good: str, unknown: str, bad: str, few: bool
) -> None:
    there = Reference("there", "code", vouched=True)
    declared = dataset(field("number", required=True), field("code", format=format, reference=there))
    unknown = unknown if format == "gb11643" else "91991000MA0000000L"
    texts = [good, good.lower(), f"'{good}", unknown, bad, None, "", "x"]
    rows = [{"number": str(number), "code": text} for number, text in enumerate(texts)]
    checked = check(declared, rows, relations={"there": f"(SELECT '{good}' AS code)"}, few=few)
    assert checked.named == [(4, "code", "reference"), (5, "code", format), (8, "code", format)]
    assert checked.values("code")[:3] == [good] * 3
    trusted = check(declared, [{"number": "1", "code": bad}], relations={"there": f"(SELECT '{bad}' AS code)"})
    assert trusted.named == []


def test_references_of_the_same_format_are_vouched_for() -> None:
    from exchange.test_spec import shipped

    payment = shipped()["social_insurance_payment"]
    assert payment.field("employer").reference == Reference("firm", "uscc", vouched=True)
    assert payment.references == ("firm",)
