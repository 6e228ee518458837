"""The language of cross-field checks: what it says, what it refuses, and what it does where something is absent."""

import re
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest

from cityloom.exchange.rules import explain
from cityloom.exchange.rules.expression import FUNCTIONS, UNITS, UnfitError, condition
from cityloom.exchange.spec import Check, Dataset, Field, Retention, Update
from exchange.gate_fixture import TODAY, dataset, field

FIELDS = {
    each.name: each
    for each in (
        field("name"), field("id"), field("sex"), field("count", "integer"), field("amount", "decimal", precision=12, scale=2),
        field("rate", "number"), field("active", "boolean"), field("born", "date"), field("moved", "date"), field("seen", "timestamp"),
    )
}  # fmt: skip
RULES = (
    "encoding", "shape", "type", "required", "length", "pattern", "gb11643", "gb32100", "codes", "range", "reference", "fresh",
    "expression:<name>", "key", "unique",
)  # fmt: skip
ROW: dict[str, Any] = {
    "name": "张三", "id": "11010519491231002X", "sex": "2", "count": 7, "amount": "10.50", "rate": 0.25, "active": True,
    "born": "2000-02-29", "moved": "2020-01-31", "seen": "2020-01-31 09:30:00",
}  # fmt: skip


def answer(text: str, **changes: Any) -> bool | None:
    found = condition(text, FIELDS, TODAY)
    values = {**ROW, **changes}
    columns = ", ".join(f'CAST(${name} AS {each.column_type}) AS "{name}"' for name, each in FIELDS.items())
    result = duckdb.execute(f"SELECT {found.sql} FROM (SELECT {columns})", values).fetchall()[0][0]
    assert result is None or isinstance(result, bool)
    return result


@pytest.mark.parametrize(
    "text",
    [
        "moved >= born", "moved > born AND NOT (born = moved)", "born < '2000-03-01'", "born = DATE '2000-02-29'",
        "moved BETWEEN '2020-01-01' AND '2020-12-31'", "seen >= moved", "count = 7", "count <> 8 OR count IS NULL",
        "count + 1 = 8", "count * amount = 73.5", "amount - 0.5 = 10", "amount / 2 = 5.25", "count % 2 = 1", "-count < 0",
        "rate < 1.5", "active", "active = true", "NOT active = false", "sex IN ('1', '2')", "sex NOT IN ('8', '9')",
        "name LIKE '张%'", "length(name) = 2", "left(name, 1) = '张'", "right(name, 1) = '三'",
        "substring(id, 7, 4) = '1949'", "starts_with(id, '1101')", "upper('x') = 'X'", "lower(id) = '11010519491231002x'",
        "coalesce(amount, 0) > 0", "abs(-count) = 7", "round(amount, 0) = 11 OR round(amount, 0) = 10",
        "year(born) = 2000 AND month(born) = 2 AND day(born) = 29", "born + INTERVAL 18 YEAR <= moved",
        "born + INTERVAL 1 YEAR = '2001-02-28'", "moved - INTERVAL 1 DAY = '2020-01-30'", "seen + INTERVAL 30 MINUTE > seen",
        "years_between(born, moved) = 19", "days_between(born, moved) > 7000", "delivery_date() = '2026-01-31'",
        "birth_date_of(id) = '1949-12-31'", "sex_of(id) = sex", "moved IS NOT NULL", "name = '张三' -- a remark",
    ],
)  # fmt: skip
def test_true_conditions(text: str) -> None:
    assert answer(text) is True
    assert answer(f"NOT ({text.partition(' --')[0]})") is False


@pytest.mark.parametrize(
    ("text", "changes"),
    [
        ("moved >= born", {"born": None}),
        ("moved >= born AND count = 7", {"born": None}),
        ("count / 0 = 1", {}),
        ("count % 0 = 1", {}),
        ("count * 9223372036854775807 > amount", {}),
        ("birth_date_of(id) = born", {"id": "110105199002300010"}),
        ("sex IN ('1', '2')", {"sex": None}),
        ("moved + INTERVAL 300000 YEAR > born", {}),
    ],
)
def test_what_cannot_be_told_is_unknown(text: str, changes: dict[str, Any]) -> None:
    assert answer(text, **changes) is None


def test_unknown_does_not_hide_what_is_false() -> None:
    assert answer("moved >= born AND count = 8", born=None) is False
    assert answer("moved >= born OR count = 7", born=None) is True


@pytest.mark.parametrize(
    ("text", "why", "token"),
    [
        ("", "syntax", ""),
        ("moved >=", "syntax", ""),
        ("moved >= born; DROP TABLE checked", "syntax", ""),
        ("moved = born born", "forbidden", "born AS born"),
        ("(" * 900 + "active" + ")" * 900, "syntax", ""),
        ("active AND " * 300 + "active", "long", ""),
        ("1-" * 900 + "1=1", "long", "1-1-"),
        ("1-" * 60 + "1=1", "long", "1-1-"),
        ("NOT " * 60 + "active", "long", "NOT NOT"),
        ("count IN (" + "1," * 600 + "1)", "long", "count IN"),
        ("(count IN (1, 2)) IN (true, false)", "forbidden", "count IN (1, 2)"),
        ("(count BETWEEN 1 AND 2) BETWEEN false AND true", "forbidden", "count BETWEEN"),
        ("(" + "1+" * 30 + "1) IN (1, 2)", "forbidden", "1 + 1"),
        ("gone >= born", "unknown", "gone"),
        ("Moved >= born", "unknown", "Moved"),
        ("other.moved >= born", "unknown", "other.moved"),
        ("count", "condition", "count"),
        ("count + 1", "condition", "count"),
        ("SELECT 1", "forbidden", "SELECT"),
        ("count = (SELECT 1)", "forbidden", "SELECT"),
        ("EXISTS (SELECT 1)", "forbidden", "exists"),
        ("count IN (SELECT 1)", "forbidden", "SELECT"),
        ("read_text('/etc/passwd') = ''", "forbidden", "read_text()"),
        ("getenv('HOME') = ''", "forbidden", "getenv()"),
        ("count(*) > 1", "forbidden", "count()"),
        ("row_number() OVER () > 1", "forbidden", "OVER"),
        ("name ~ 'x'", "forbidden", "regexp_like()"),
        ("name || 'x' = 'y'", "forbidden", "||"),
        ("count = ?", "forbidden", "?"),
        ("count = $at", "forbidden", "$"),
        ("name[1] = 'x'", "forbidden", "["),
        ("born::VARCHAR = 'x'", "forbidden", "CAST"),
        ("current_date > born", "forbidden", "current_date()"),
        ("CASE WHEN active THEN true END", "forbidden", "case()"),
        ("count = NULL", "forbidden", "NULL"),
        ("count = 1e400", "forbidden", "1"),
        ("born + INTERVAL '1 YEAR 2 DAY' > moved", "forbidden", "INTERVAL"),
        ("name > 1", "sorts", "name"),
        ("born > 5", "sorts", "born"),
        ("born > name", "sorts", "born"),
        ("born > 'yesterday'", "sorts", "yesterday"),
        ("born = '2000-02-30'", "sorts", "2000-02-30"),
        ("count AND active", "sorts", "count"),
        ("NOT count", "sorts", "count"),
        ("name + 1 = 2", "sorts", "name"),
        ("born + 1 > moved", "sorts", "born"),
        ("born * INTERVAL 1 DAY > moved", "sorts", "born"),
        ("length(count) > 1", "arguments", "LENGTH"),
        ("years_between(born) > 1", "arguments", "YEARS_BETWEEN"),
        ("delivery_date(born) > born", "arguments", "DELIVERY_DATE"),
    ],
)
def test_what_is_refused(text: str, why: str, token: str) -> None:
    with pytest.raises(UnfitError) as refused:
        condition(text, FIELDS, TODAY)
    assert refused.value.why == why
    assert token.lower() in refused.value.token.lower()


def test_a_long_chain_is_one_level_and_its_sql_stays_small() -> None:
    text = "active AND " * 150 + "active"
    assert answer(text) is True
    assert answer(text.replace("AND", "OR")) is True
    assert len(condition(text, FIELDS, TODAY).sql) < 3_000
    assert len(condition("(count + 1) IN (" + "1," * 300 + "1)", FIELDS, TODAY).sql) < 10_000


def test_texts_cannot_leave_their_quotes() -> None:
    assert answer("name = 'x'' OR true --'") is False
    assert answer("name LIKE '%''; DROP TABLE x; --'") is False


@pytest.mark.parametrize(
    "text",
    [
        "moved >= born",
        "count IN (1, 2) AND moved BETWEEN born AND '2020-01-01' AND count < 3",
        "length(name) > 1 AND sex_of(id) = sex",
        "coalesce(rate, amount) > 1 OR name = 'born' OR born = moved",
    ],
)
def test_the_words_for_a_fault_know_the_order_of_its_values(text: str) -> None:
    declared = dataset(*FIELDS.values(), checks=[("tried", text)])
    expected = condition(text, FIELDS, date(2026, 1, 1)).operands
    assert tuple(each.name for each in explain.operands(declared.checks[0], declared)) == expected


def test_the_reference_pages_tell_everything() -> None:
    pages = Path(__file__).parents[2] / "docs/reference"
    told = (pages / "dataset-file.md").read_text()
    missing = [name for name in FUNCTIONS if f"{name}(" not in told]
    missing += [unit for unit in UNITS if unit.lower() not in told]
    for struct in (Dataset, Field, Check, Update, Retention):
        missing += [
            key for key in struct.__struct_encode_fields__ if not re.search(f"`(update.|retention.)?{key}[`.]", told)
        ]
    assert missing == []
    rules = (pages / "checks.md").read_text()
    assert [rule for rule in RULES if f"| `{rule}` |" not in rules] == []
