"""Row filters mean the same in DuckDB and in Python: made-up filters over made-up records, compared."""

from collections.abc import Iterator
from datetime import date, datetime, time
from decimal import Decimal
from time import perf_counter
from typing import Any

import duckdb
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cityloom.exchange.rules import expression, pointwise
from cityloom.exchange.rules.expression import UnfitError
from cityloom.exchange.spec import ResolvedField
from cityloom.kernel import sql
from cityloom.kernel.words import Text

TYPES: dict[str, str] = {
    "code": "text", "name": "text", "day": "date", "moment": "timestamp", "many": "integer", "money": "decimal",
    "rate": "number", "fine": "boolean",
}  # fmt: skip
FIELDS = {
    name: ResolvedField(name, Text(name, name), kind, precision=12, scale=2)  # type: ignore[arg-type]
    for name, kind in TYPES.items()
}
SHORT = st.text(alphabet="aB%_*1区é", max_size=4)
DAYS = st.dates(date(1899, 12, 30), date(2101, 1, 2))
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "code": st.one_of(SHORT, st.just("44030520000229123X"), st.from_regex(r"[0-9]{17}[0-9X]", fullmatch=True)),
    "name": SHORT,
    "day": DAYS,
    "moment": st.builds(datetime.combine, DAYS, st.sampled_from([time(0), time(9, 30, 1), time(23, 59, 59)])),
    "many": st.integers(-12, 12),
    "money": st.integers(-250, 250).map(lambda cents: Decimal(cents) / 100),
    "rate": st.sampled_from([-1.5, 0.0, 0.1, 2.0, 2.25]),
    "fine": st.booleans(),
}
RECORDS = st.fixed_dictionaries({name: st.none() | values for name, values in VALUES.items()})
NUMBERS = st.sampled_from(["0", "1", "2", "2.25", "0.1", "11"])
SIGNS = st.sampled_from(["=", "<>", "<", "<=", ">", ">="])
TEXT = SHORT.map(sql.literal)
DAY = DAYS.map(lambda day: f"DATE '{day.isoformat()}'")


def joined(*parts: Any) -> st.SearchStrategy[str]:
    return st.tuples(*(part if isinstance(part, st.SearchStrategy) else st.just(part) for part in parts)).map("".join)


TEXTS = st.one_of(
    st.sampled_from(["code", "name"]), TEXT, joined("left(code, ", st.sampled_from("0126"), ")"),
    joined("right(code, ", st.sampled_from("0126"), ")"),
)  # fmt: skip
COUNTS = st.one_of(
    st.sampled_from(["many", "money", "rate", "length(name)", "year(day)", "month(moment)", "day(day)"]), NUMBERS
)
MOMENTS = st.one_of(st.sampled_from(["day", "moment"]), DAY)
TESTS = st.one_of(
    joined(TEXTS, " ", SIGNS, " ", TEXTS),
    joined(COUNTS, " ", SIGNS, " ", COUNTS),
    joined(MOMENTS, " ", SIGNS, " ", MOMENTS),
    joined("day ", SIGNS, " ", DAYS.map(lambda day: f"'{day.isoformat()}'")),
    joined("day BETWEEN ", DAY, " AND ", DAY),
    joined("many BETWEEN ", NUMBERS, " AND ", NUMBERS),
    joined("name IN (", TEXT, ", ", TEXT, ")"),
    joined("many IN (", NUMBERS, ", ", NUMBERS, ")"),
    joined("name LIKE ", TEXT),
    joined("starts_with(code, ", TEXT, ")"),
    joined(st.sampled_from(list(TYPES)), " IS NULL"),
    joined(st.sampled_from(list(TYPES)), " IS NOT NULL"),
    st.sampled_from(["fine", "NOT fine", "fine = true", "true", "false"]),
)
WHOLE = TESTS | st.sampled_from(["birth_date_of(code) < DATE '2000-03-01'", "birth_date_of(code) IS NULL"])
FILTERS = st.recursive(
    WHOLE, lambda inner: joined("(", inner, st.sampled_from([" AND ", " OR "]), inner, ")") | joined("NOT (", inner, ")"),
    max_leaves=5,
)  # fmt: skip


@pytest.fixture(scope="module")
def engine() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        yield connection


def in_duckdb(engine: duckdb.DuckDBPyConnection, text: str, record: dict[str, Any]) -> bool:
    kinds = {name: field.column_type for name, field in FIELDS.items()}
    row = ", ".join(f"?::{kinds[name]} AS {sql.name(name)}" for name in record)
    condition = expression.condition(text, FIELDS, pointwise.NEVER).sql
    found = engine.execute(f"SELECT coalesce({condition}, false) FROM (SELECT {row})", list(record.values())).fetchone()
    assert found is not None
    return bool(found[0])


@settings(max_examples=600, deadline=None)
@given(text=FILTERS, record=RECORDS)
def test_both_let_the_same_records_through(
    engine: duckdb.DuckDBPyConnection, text: str, record: dict[str, Any]
) -> None:
    as_json = msgspec.json.decode(msgspec.json.encode(record))
    assert pointwise.compile_filter(text, FIELDS)(as_json) == in_duckdb(engine, text, record)


@settings(max_examples=400, deadline=None)
@given(text=st.text(alphabet="ab区\n", max_size=8), pattern=st.text(alphabet="ab区%_", max_size=7))
def test_like_is_that_of_duckdb(engine: duckdb.DuckDBPyConnection, text: str, pattern: str) -> None:
    found = engine.execute(f"SELECT ? LIKE {sql.literal(pattern)}", [text]).fetchone()
    assert found is not None
    assert pointwise.compile_filter(f"name LIKE {sql.literal(pattern)}", FIELDS)({"name": text}) is found[0]


@pytest.mark.parametrize("pattern", ["%a%a%a%a%a%a%a%b", "%_a%_a%_a%a_%a%b%a%"])
def test_like_never_searches_twice(pattern: str) -> None:
    matches = pointwise.compile_filter(f"name LIKE '{pattern}'", FIELDS)
    before = perf_counter()
    assert matches({"name": "a" * 20_000}) is False
    assert perf_counter() - before < 2


@pytest.mark.parametrize(
    "text",
    ["many + 1 > 2", "upper(name) = 'A'", "day > delivery_date()", "name LIKE code", "round(money, 1) = 1",
     "days_between(day, moment) > 3", "coalesce(many, 1) = 1"],
)  # fmt: skip
def test_what_could_differ_is_refused(text: str) -> None:
    expression.condition(text, FIELDS, pointwise.NEVER)
    with pytest.raises(UnfitError) as refused:
        pointwise.compile_filter(text, FIELDS)
    assert refused.value.why == "forbidden"


@pytest.mark.parametrize("text", ["", "nothing = 1", "many", "(SELECT true)", "many = 1; DROP TABLE x", "many = 'x'"])
def test_what_is_no_filter_is_refused(text: str) -> None:
    with pytest.raises(UnfitError):
        pointwise.compile_filter(text, FIELDS)
