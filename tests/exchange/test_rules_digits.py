"""Check digits: known numbers, and the SQL against the Python it must agree with."""

from datetime import date
from pathlib import Path

import duckdb
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cityloom.exchange.rules import digits

TODAY = date(2026, 1, 31)
CONNECTION = duckdb.connect()
REAL_CODES = Path(__file__).parents[3] / "shared/data/org_names_uscc/uscc_valid_a.txt"


def sql_identity(text: str) -> bool:
    valid = digits.gb11643_valid_sql("number", "said", TODAY)
    query = f"SELECT {valid} FROM (SELECT said, {digits.gb11643_number_sql('said')} AS number FROM (SELECT ?::VARCHAR AS said))"
    return bool(CONNECTION.execute(query, [text]).fetchall()[0][0])


def sql_expanded(old: str) -> str:
    query = f"SELECT {digits.gb11643_text_sql('number')} FROM (SELECT {digits.gb11643_old_number_sql('?::VARCHAR')} AS number)"
    return str(CONNECTION.execute(query, [old] * query.count("?")).fetchall()[0][0])


def sql_credit(text: str) -> bool:
    query = f"SELECT {digits.gb32100_valid_sql('said')} FROM (SELECT ?::VARCHAR AS said)"
    return bool(CONNECTION.execute(query, [text]).fetchall()[0][0])


@pytest.mark.parametrize(
    ("body", "check"), [("11010519491231002", "X"), ("44052418800101001", "4"), ("34052419800101001", "X")]
)
def test_the_examples_of_gb_11643(body: str, check: str) -> None:
    assert digits.gb11643_check(body) == check
    assert digits.gb11643_valid(body + check, TODAY)
    assert sql_identity(body + check)


def test_every_other_check_character_is_wrong() -> None:
    for check in "0123456789":
        assert not digits.gb11643_valid("11010519491231002" + check, TODAY)
        assert not sql_identity("11010519491231002" + check)


@pytest.mark.parametrize(
    ("old", "body"),
    [
        ("110105491231002", "11010519491231002"),
        ("110105991231996", "11010518991231996"),
        ("110105991231999", "11010518991231999"),
        ("110105991231995", "11010519991231995"),
    ],
)
def test_old_numbers_get_their_century_and_check_character(old: str, body: str) -> None:
    weights = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)  # as printed in GB 11643-1999
    total = sum(weight * int(digit) for weight, digit in zip(weights, body, strict=True))
    assert digits.gb11643_expand(old) == body + "10X98765432"[total % 11]
    assert sql_expanded(old) == digits.gb11643_expand(old)


@settings(max_examples=300, deadline=None)
@given(st.text("0123456789", min_size=15, max_size=15).filter(lambda text: text[0] != "0"))
def test_expanding_agrees(old: str) -> None:
    assert sql_expanded(old) == digits.gb11643_expand(old)


BODIES = st.builds(
    lambda division, day, sequence: f"{division:06d}{day:%Y%m%d}{sequence:03d}",
    st.integers(100000, 999999),
    st.dates(date(1840, 1, 1), date(2030, 1, 1)),
    st.integers(0, 999),
)
WHOLE = BODIES.map(lambda body: body + digits.gb11643_check(body))
DAMAGED = st.builds(
    lambda text, place, letter: text[:place] + letter + text[place + 1 :],
    WHOLE,
    st.integers(0, 17),
    st.sampled_from("0123456789XxeE+-._ ０，"),
)


@settings(max_examples=500, deadline=None)
@given(st.one_of(WHOLE, DAMAGED, st.text("0123456789Xxe+-. ", max_size=19)))
@example("")
@example("0x16345785D8A0001C")
@example("4403001990010100e6")
@example("99999999999999999X")
@example("1e17              ")
def test_identity_numbers_agree(text: str) -> None:
    assert sql_identity(text) == digits.gb11643_valid(text, TODAY)


def test_every_day_of_the_calendar_and_no_other_is_a_birth_date() -> None:
    bodies = [
        f"110105{year}{month:02d}{day:02d}001"
        for year in (1900, 1999, 2000, 2004)
        for month in range(14)
        for day in range(33)
    ]
    numbers = [body + digits.gb11643_check(body) for body in bodies]
    expected = [number for number in numbers if digits.gb11643_valid(number, TODAY)]
    assert len(expected) == 365 + 365 + 366 + 366
    rows = f"(SELECT said, {digits.gb11643_number_sql('said')} AS number FROM (SELECT unnest($numbers) AS said))"
    query = f"SELECT said FROM {rows} WHERE {digits.gb11643_valid_sql('number', 'said', TODAY)} ORDER BY said"
    assert [row[0] for row in CONNECTION.execute(query, {"numbers": numbers}).fetchall()] == sorted(expected)


def test_real_credit_codes() -> None:
    if not REAL_CODES.exists():
        pytest.skip("the real credit codes are not on this machine")
    known = REAL_CODES.read_text().split()
    assert len(known) > 90
    for code in known:
        assert digits.gb32100_valid(code), code
        assert sql_credit(code), code


CODES = st.builds(
    lambda head, division, tail: f"{head}{division:06d}{tail}",
    st.text(digits.CREDIT_ALPHABET, min_size=2, max_size=2),
    st.integers(0, 999999),
    st.text(digits.CREDIT_ALPHABET, min_size=9, max_size=9),
).map(lambda body: body + digits.gb32100_check(body))
DAMAGED_CODES = st.builds(
    lambda text, place, letter: text[:place] + letter + text[place + 1 :],
    CODES,
    st.integers(0, 17),
    st.sampled_from(digits.CREDIT_ALPHABET + "IOSVZamx -Ａ"),
)


@settings(max_examples=400, deadline=None)
@given(st.one_of(CODES, DAMAGED_CODES, st.text(digits.CREDIT_ALPHABET, max_size=19)))
@example("")
@example("000000000000000000")
def test_credit_codes_agree(text: str) -> None:
    assert sql_credit(text) == digits.gb32100_valid(text)


@settings(max_examples=200, deadline=None)
@given(CODES, st.integers(0, 17), st.sampled_from(digits.CREDIT_ALPHABET))
def test_one_wrong_character_is_always_found(code: str, place: int, letter: str) -> None:
    damaged = code[:place] + letter + code[place + 1 :]
    assert digits.gb32100_valid(damaged) == (damaged == code)
