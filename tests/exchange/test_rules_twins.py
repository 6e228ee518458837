"""Repeats, keys with several contents, and values that must be unique: within a delivery and against the current state."""

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cityloom.exchange.contracts import Mode
from exchange.gate_fixture import Row, check, dataset, field

PUPIL = dataset(field("number", required=True), field("id", unique=True), field("age", "integer"))


def marks(rows: list[Row], **options: object) -> tuple[list[tuple[int, str, str]], list[int]]:
    checked = check(PUPIL, rows, **options)  # type: ignore[arg-type]
    return checked.named, [number for number, row in checked.rows.items() if row["_repeat"]]


def test_the_first_of_identical_rows_is_kept() -> None:
    row = {"number": "1", "id": "A", "age": "7"}
    assert marks([row, row, {"number": "2", "id": "B"}, row]) == ([], [2, 4])


def test_identical_means_the_same_values_however_written() -> None:
    rows = [{"number": "1", "age": "7"}, {"number": " 1", "age": "０7"}, {"number": "1\u200b", "age": "7.0"}]
    assert marks(rows) == ([], [2, 3])


def test_one_key_with_several_contents_is_wrong_in_all_its_rows() -> None:
    rows = [
        {"number": "1", "age": "7"},
        {"number": "1", "age": "8"},
        {"number": "1", "age": "7"},
        {"number": "2", "age": "8"},
    ]
    assert marks(rows) == ([(1, "number", "key"), (2, "number", "key"), (3, "number", "key")], [])


def test_absent_and_unreadable_are_different_contents() -> None:
    rows = [{"number": "1", "age": "x"}, {"number": "1", "age": None}]
    assert marks(rows) == ([(1, "age", "type"), (1, "number", "key"), (2, "number", "key")], [])


def test_repeats_of_a_faulty_row_are_faulty_not_repeats() -> None:
    rows = [{"number": "1", "age": "x"}, {"number": "1", "age": "x "}]
    assert marks(rows) == ([(1, "age", "type"), (2, "age", "type")], [])


def test_rows_without_a_key_clash_with_nothing() -> None:
    rows = [{"number": "", "age": "1"}, {"number": None, "age": "2"}]
    assert marks(rows) == ([(1, "number", "required"), (2, "number", "required")], [])


def test_a_value_that_must_be_unique_belongs_to_one_key() -> None:
    rows = [
        {"number": "1", "id": "A"},
        {"number": "2", "id": "A"},
        {"number": "3", "id": "B"},
        {"number": "4"},
        {"number": "5"},
    ]
    assert marks(rows) == ([(1, "id", "unique"), (2, "id", "unique")], [])


def test_repeats_share_a_unique_value_rightly() -> None:
    row = {"number": "1", "id": "A"}
    assert marks([row, row]) == ([], [2])


CURRENT = "(VALUES ('1', 'A', 7), ('2', 'B', 8), ('3', NULL, 9)) tried(number, id, age)"


@pytest.mark.parametrize("mode", [Mode.append, Mode.upsert])
def test_a_unique_value_may_not_be_that_of_another_key_before(mode: Mode) -> None:
    rows = [{"number": "9", "id": "A"}, {"number": "2", "id": "B"}, {"number": "3", "id": "C"}]
    assert marks(rows, mode=mode, relations={"tried": CURRENT}) == ([(1, "id", "unique")], [])


def test_a_replacement_is_unique_within_itself_only() -> None:
    assert marks([{"number": "9", "id": "A"}], mode=Mode.replace, relations={"tried": CURRENT}) == ([], [])


def test_keys_of_several_fields() -> None:
    declared = dataset(
        field("school", required=True),
        field("year", "integer", required=True),
        field("plan", "integer"),
        key="school year",
    )
    rows = [
        {"school": "E1", "year": "2025", "plan": "1"},
        {"school": "E1", "year": "2026", "plan": "1"},
        {"school": "E1", "year": "２０２５", "plan": "2"},
        {"school": "E2", "year": "2026", "plan": "1"},
        {"school": "E2", "year": "2026", "plan": "1"},
    ]
    checked = check(declared, rows)
    assert checked.faults == [(1, "school", "key", "E1 / 2025"), (3, "school", "key", "E1 / ２０２５")]
    assert [row["_repeat"] for row in checked.rows.values()] == [False, False, False, False, True]


def test_identity_numbers_of_both_kinds_are_one_key() -> None:
    declared = dataset(field("id", format="gb11643", required=True), field("name"))
    rows = [
        {"id": "11010519491231002X", "name": "A"},
        {"id": "110105491231002", "name": "A"},
        {"id": "11010519491231002x", "name": "B"},
    ]
    assert check(declared, rows).named == [(1, "id", "key"), (2, "id", "key"), (3, "id", "key")]
    assert [row["_repeat"] for row in check(declared, rows[:2]).rows.values()] == [False, True]


def test_a_key_that_is_faulty_does_not_clash_as_well() -> None:
    declared = dataset(field("id", format="gb11643", required=True), field("name"))
    rows = [{"id": "110105194912310021", "name": "A"}, {"id": "110105194912310021", "name": "B"}]
    assert check(declared, rows).named == [(1, "id", "gb11643"), (2, "id", "gb11643")]


ROWS = st.lists(
    st.fixed_dictionaries({
        "number": st.sampled_from(["1", "2", "3", None, " 1"]),
        "id": st.sampled_from(["A", "B", None, "Ａ"]),
        "age": st.sampled_from(["7", "8", "07", None, "x"]),
    }),
    max_size=7,
)  # fmt: skip


def _judge(rows: list[Row]) -> tuple[set[tuple[int, str, str]], list[int]]:
    """The same rules in plain Python."""
    read = [(row["number"] and row["number"].strip(), row["id"], row["age"]) for row in rows]
    content = [(key, id, age if age == "x" else age and str(int(age))) for key, id, age in read]
    faults: set[tuple[int, str, str]] = set()
    repeats: list[int] = []
    for place, (key, id, age) in enumerate(content):
        number = place + 1
        if key is None:
            faults.add((number, "number", "required"))
        elif any(other[0] == key and other != content[place] for other in content):
            faults.add((number, "number", "key"))
        if age == "x":
            faults.add((number, "age", "type"))
        if id is not None and any(other[1] == id and other[0] != key for other in content):
            faults.add((number, "id", "unique"))
        if key is not None and content[place] in content[:place] and not any(fault[0] == number for fault in faults):
            repeats.append(number)
    return faults, repeats


CONNECTION = duckdb.connect()


@settings(max_examples=60, deadline=None)
@given(ROWS)
def test_agrees_with_the_same_rules_in_python(rows: list[Row]) -> None:
    checked = check(PUPIL, rows, con=CONNECTION)
    assert (set(checked.named), [number for number, row in checked.rows.items() if row["_repeat"]]) == _judge(rows)
    assert [row["_good"] for row in checked.rows.values()] == [
        row["_faults"] is None and not row["_repeat"] for row in checked.rows.values()
    ]
