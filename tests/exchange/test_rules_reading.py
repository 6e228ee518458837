"""What texts are read as, for every type: all spellings that clerks and programs use, and those that are refused."""

from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest

from exchange.gate_fixture import AT, check, codes, dataset, field, one

DAY = date(2020, 1, 31)
MOMENT = datetime(2026, 1, 5, 9, 30)  # noqa: DTZ001 - the lake keeps local time

GOOD: list[tuple[str, str, Any]] = [
    ("text", "张三", "张三"),
    ("text", " 张三\t", "张三"),
    ("text", "\u3000张三\u3000", "张三"),
    ("text", "\ufeff张\u200b三\u00a0", "张三"),
    ("text", "张\u00a0三", "张 三"),
    ("text", "张\u3000三", "张\u3000三"),
    ("text", "Ａ座１号", "Ａ座１号"),
    ("text", "𠮷野家", "𠮷野家"),
    ("text", "0", "0"),
    ("integer", "12", 12),
    ("integer", "-12", -12),
    ("integer", "+12", 12),
    ("integer", "007", 7),
    ("integer", "12.0", 12),
    ("integer", "12.", 12),
    ("integer", " １２ ", 12),
    ("integer", "9223372036854775807", 9223372036854775807),
    ("decimal", "12", Decimal("12.00")),
    ("decimal", "12.5", Decimal("12.50")),
    ("decimal", "-0.05", Decimal("-0.05")),
    ("decimal", ".5", Decimal("0.50")),
    ("decimal", "1.5000", Decimal("1.50")),
    ("decimal", "100", Decimal("100.00")),
    ("decimal", "＋１２．５", Decimal("12.50")),
    ("decimal", "9999999999.99", Decimal("9999999999.99")),
    ("number", "1.25", 1.25),
    ("number", "1e3", 1000.0),
    ("number", "-１.5E-2", -0.015),
    ("boolean", "是", True),
    ("boolean", "1", True),
    ("boolean", "TRUE", True),
    ("boolean", "y", True),
    ("boolean", "Ｙ", True),
    ("boolean", " 否 ", False),
    ("boolean", "0", False),
    ("boolean", "False", False),
    ("boolean", "n", False),
    ("date", "2020-01-31", DAY),
    ("date", "2020-1-31", DAY),
    ("date", "2020/1/31", DAY),
    ("date", "2020.01.31", DAY),
    ("date", "20200131", DAY),
    ("date", "2020年1月31日", DAY),
    ("date", "2020年01月31", DAY),
    ("date", " ２０２０年１月３１日 ", DAY),
    ("date", "２０２０－０１－３１", DAY),
    ("date", "2020-01-31 00:00:00", DAY),
    ("date", "2020-01-31T00:00:00.000", DAY),
    ("date", "2020/1/31 0:00", DAY),
    ("date", "2020-02-29", date(2020, 2, 29)),
    ("date", "9999-12-31", date(9999, 12, 31)),
    ("timestamp", "2026-01-05 09:30:00", MOMENT),
    ("timestamp", "2026-01-05T09:30:00", MOMENT),
    ("timestamp", "2026-01-05 09:30", MOMENT),
    ("timestamp", "2026/1/5 9:30", MOMENT),
    ("timestamp", "2026-01-05T01:30:00Z", MOMENT),
    ("timestamp", "2026-01-05T09:30:00+08:00", MOMENT),
    ("timestamp", "2026-01-05T10:30:00+0900", MOMENT),
    ("timestamp", "2026-01-04T20:30:00-05:00", MOMENT),
    ("timestamp", "20260105093000", MOMENT),
    ("timestamp", "20260105T093000", MOMENT),
    ("timestamp", "20260105 0930", MOMENT),
    ("timestamp", "2026年1月5日 9时30分", MOMENT),
    ("timestamp", "2026年1月5日9时30分00秒", MOMENT),
    ("timestamp", "2026-01-05 09:30:00.250", MOMENT.replace(microsecond=250000)),
    ("timestamp", "2026-01-05", MOMENT.replace(hour=0, minute=0)),
    ("timestamp", "20260105", MOMENT.replace(hour=0, minute=0)),
]

BAD: list[tuple[str, str]] = [
    ("integer", "1,234"),
    ("integer", "１，２３４"),
    ("integer", "1.5"),
    ("integer", "1e3"),
    ("integer", "0x10"),
    ("integer", "1_000"),
    ("integer", "12a"),
    ("integer", "9223372036854775808"),
    ("integer", "一"),
    ("decimal", "1.234"),
    ("decimal", "1,234.00"),
    ("decimal", "1e3"),
    ("decimal", "10000000000"),
    ("decimal", "."),
    ("decimal", "-"),
    ("number", "nan"),
    ("number", "inf"),
    ("number", "1e999"),
    ("number", "1,5"),
    ("boolean", "2"),
    ("boolean", "ja"),
    ("boolean", "有"),
    ("date", "2020-13-01"),
    ("date", "2021-02-29"),
    ("date", "20201301"),
    ("date", "2020-01-31x"),
    ("date", "2020-1-31x"),
    ("date", "2020-01-3x"),
    ("date", "2020-01-31 10:00:00"),
    ("date", "31/01/2020"),
    ("date", "20-01-31"),
    ("date", "0000-01-01"),
    ("date", "0987-01-01"),
    ("date", "12020-01-31"),
    ("date", "epoch"),
    ("date", "infinity"),
    ("date", "2020-01-31 (BC)"),
    ("date", "2020年"),
    ("date", "长期"),
    ("date", "43861"),
    ("timestamp", "2026-01-05 25:00:00"),
    ("timestamp", "2026-02-30 10:00:00"),
    ("timestamp", "2026-01-05 10:00:00x"),
    ("timestamp", "infinity"),
    ("timestamp", "now"),
    ("timestamp", "10:00"),
    ("timestamp", "2026-01-05 09:30:61"),
]

EMPTY = ["", " ", "\t", "\u3000", "\u00a0", "\u200b", "\ufeff \r\n"]


def typed(type: str, **properties: Any) -> Any:
    size = {"precision": 12, "scale": 2} if type == "decimal" else {}
    return field("tried", type, **size, **properties)


@pytest.mark.parametrize(("type", "text", "value"), GOOD)
def test_a_text_is_read_as_its_value(type: str, text: str, value: Any) -> None:
    assert one(typed(type, required=True), text) == (value, [])


@pytest.mark.parametrize(("type", "text"), BAD)
def test_a_text_that_is_not_of_the_type_is_a_fault_and_no_value(type: str, text: str) -> None:
    assert one(typed(type), text) == (None, ["type"])


@pytest.mark.parametrize("type", ["text", "integer", "decimal", "number", "boolean", "date", "timestamp"])
@pytest.mark.parametrize("text", [None, *EMPTY])
def test_empty_texts_are_no_value(type: str, text: str | None) -> None:
    assert one(typed(type), text) == (None, [])
    assert one(typed(type, required=True), text) == (None, ["required"])


@pytest.mark.parametrize(("text", "value"), [("1", "1"), (" 1", "1"), ("１", "1"), ("\ufeff1", "1")])
def test_codes_become_half_width(text: str, value: str) -> None:
    assert one(typed("text", codes=codes("sex", "1", "2")), text) == (value, [])


def test_a_text_takes_the_width_that_its_pattern_asks_for() -> None:
    phone = typed("text", pattern="[0-9]{11}")
    assert one(phone, "１３８００１３８０００") == ("13800138000", [])
    assert one(phone, "１３８") == ("１３８", ["pattern"])
    wide = typed("text", pattern="[Ａ-Ｚ]座")
    assert one(wide, "Ａ座") == ("Ａ座", [])
    loose = typed("text", pattern=".{2,5}")
    assert one(loose, "\u200bＡ座 ") == ("Ａ座", [])


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("11010519491231002X", "11010519491231002X"),
        ("11010519491231002x", "11010519491231002X"),
        ("１１０１０５１９４９１２３１００２Ｘ", "11010519491231002X"),
        ("'11010519491231002X", "11010519491231002X"),
        ("110105 19491231 002X", "11010519491231002X"),
        ("\u200b11010519491231002X\u3000", "11010519491231002X"),
        ("110105491231002", "11010519491231002X"),
        ("１１０１０５４９１２３１００２", "11010519491231002X"),
        ("110105981231999", "110105189812319995"),
    ],
)
def test_identity_numbers_become_18_half_width_characters(text: str, value: str) -> None:
    assert one(typed("text", format="gb11643"), text) == (value, [])


@pytest.mark.parametrize(
    "text", ["91310115MA1K3BTP2B", "91310115ma1k3btp2b", " ９１３１０１１５ＭＡ１Ｋ３ＢＴＰ２Ｂ", "'91310115MA1K3BTP2B"]
)
def test_credit_codes_become_18_half_width_characters(text: str) -> None:
    assert one(typed("text", format="gb32100"), text) == ("91310115MA1K3BTP2B", [])


def test_other_cities_are_in_other_zones() -> None:
    west = AT.astimezone(timezone(timedelta(hours=-3)))
    assert one(typed("timestamp"), "2026-01-05T01:30:00Z", at=west)[0] == datetime(2026, 1, 4, 22, 30)  # noqa: DTZ001
    assert one(typed("timestamp"), "2026-01-05T01:30:00", at=west)[0] == datetime(2026, 1, 5, 1, 30)  # noqa: DTZ001


def test_fields_may_be_named_like_anything() -> None:
    names = ["select", "number", "row", "plain", "value", "class", "order"]
    declared = dataset(
        *(field(name, "integer", required=True) for name in names), checks=[("sum", '"select" + number > 1')]
    )
    checked = check(declared, [dict.fromkeys(names, "1"), dict.fromkeys(names, "０")])
    assert [checked.values(name) for name in names] == [[1, 0]] * 7
    assert checked.named == [(2, "select", "expression:sum")]
