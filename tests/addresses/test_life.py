"""Codes, and what becomes of addresses and divisions."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cityloom.addresses.rules import codes, life
from cityloom.addresses.rules.gazetteer import Division, Gazetteer
from cityloom.addresses.rules.levels import Level
from cityloom.addresses.rules.life import (
    Change,
    ChangeKind,
    DivisionChange,
    Divisions,
    DivisionSpan,
    Entry,
    Fault,
)
from cityloom.addresses.rules.parsing import parse
from cityloom.kernel.errors import Invalid

COMMUNITY = "190101001001"
START, FIRST, SECOND, THIRD = date(2012, 3, 1), date(2020, 1, 1), date(2022, 1, 1), date(2025, 6, 1)


def _entry(code: str, name: str = "1号", parent: str = "", **more: object) -> Entry:
    return Entry(code, parent, Level.number, name, COMMUNITY, more.pop("since", START), **more)  # type: ignore[arg-type]


@given(st.integers(1, 99_999_999), st.sampled_from(["190101", "190101001", COMMUNITY]))
def test_a_code_has_its_division_and_a_check_digit(sequence: int, division: str) -> None:
    code = codes.make(division, sequence)
    assert codes.is_valid(code)
    assert codes.born_in(code) == f"{division:0<12}"


@given(st.integers(1, 99_999_999), st.integers(0, 20), st.integers(1, 9))
def test_every_wrong_digit_is_found(sequence: int, place: int, off: int) -> None:
    code = codes.make(COMMUNITY, sequence)
    wrong = code[:place] + str((int(code[place]) + off) % 10) + code[place + 1 :]
    assert not codes.is_valid(wrong)


def test_the_check_digit_of_the_standard() -> None:
    """ISO/IEC 7064 gives 5 for the string 0794 under MOD 11,10."""
    assert codes._check_digit("0794") == 5


@pytest.mark.parametrize(("division", "sequence"), [("1901", 1), (COMMUNITY, 0), (COMMUNITY, 10**8), ("19010a", 1)])
def test_codes_that_cannot_be_made(division: str, sequence: int) -> None:
    with pytest.raises(Invalid) as refused:
        codes.make(division, sequence)
    assert refused.value.code == "addresses.code_wrong"


@pytest.mark.parametrize(
    "code", ["", "1", "19010100100100000001", "x" * 21, "１９０１０１００１００１０００００００１８"]
)
def test_what_is_no_code(code: str) -> None:
    assert not codes.is_valid(code)


ENTRIES = {
    each.code: each
    for each in (
        _entry("a", until=FIRST, replaced_by=("b",)), _entry("b", since=FIRST, until=SECOND, replaced_by=("c", "d")),
        _entry("c", since=SECOND), _entry("d", since=SECOND, until=THIRD), _entry("e", until=FIRST, replaced_by=("g",)),
        _entry("f", until=FIRST, replaced_by=("g",)), _entry("g", since=FIRST), _entry("h", since=SECOND),
    )
}  # fmt: skip


def test_the_chain_of_changes_is_followed_to_the_day() -> None:
    def on(code: str, day: date) -> list[tuple[str, date]]:
        return [(heir.code, heir.on) for heir in life.heirs(ENTRIES, code, day)]

    assert on("a", date(2019, 1, 1)) == [("a", START)]
    assert on("a", FIRST) == [("b", FIRST)]
    assert on("a", SECOND) == [("c", SECOND), ("d", SECOND)]
    assert on("a", THIRD) == [("c", SECOND)]
    assert on("d", THIRD) == []
    assert on("nobody", THIRD) == []


def test_what_happened_is_told_apart() -> None:
    assert life.changes(ENTRIES.values(), FIRST, THIRD) == [
        Change(FIRST, ChangeKind.changed, ("a",), ("b",)),
        Change(FIRST, ChangeKind.merged, ("e", "f"), ("g",)),
        Change(SECOND, ChangeKind.new, (), ("h",)),
        Change(SECOND, ChangeKind.split, ("b",), ("c", "d")),
        Change(THIRD, ChangeKind.abolished, ("d",), ()),
    ]
    assert life.changes(ENTRIES.values(), date(2020, 1, 2), date(2021, 12, 31)) == []


def test_what_cannot_be_is_named() -> None:
    assert life.faults(ENTRIES.values()) == []
    broken = [
        _entry("a", until=FIRST, replaced_by=("b",)), _entry("b", until=SECOND, replaced_by=("a",)), _entry("c", replaced_by=("z",)),
        _entry("d", parent="y"), _entry("e", parent="a"), _entry("f", until=date(2000, 1, 1)),
    ]  # fmt: skip
    assert life.faults(broken) == [
        Fault("a", "circle", "b"), Fault("b", "circle", "a"), Fault("c", "heir_without_end", "z"), Fault("c", "heir_unknown", "z"),
        Fault("d", "parent_unknown", "y"), Fault("e", "parent_ended", "a"), Fault("f", "ends_early"),
    ]  # fmt: skip
    assert life.heirs({each.code: each for each in broken}, "a", THIRD) == ()


def test_in_which_community_an_address_lay_on_a_day() -> None:
    divisions = Divisions(
        [DivisionSpan("a", "new", THIRD), DivisionSpan("a", "old", START, SECOND), DivisionSpan("b", "x", START)]
    )
    assert [divisions.at("a", day) for day in (date(2011, 1, 1), START, FIRST, SECOND, THIRD)] == [
        "",
        "old",
        "old",
        "",
        "new",
    ]
    assert divisions.ever("a") == ("old", "new")
    assert divisions.at("nobody", THIRD) == ""


def test_former_names_lead_through_later_changes() -> None:
    history = [
        DivisionChange(date(1993, 1, 1), "190122", "旧县", "190101", "甲区"),
        DivisionChange(date(1993, 1, 1), "190122", "旧县", "190102", "乙区"),
        DivisionChange(date(2016, 1, 1), "190102", "乙区", "190103", "丙区"),
        DivisionChange(date(2018, 9, 19), "190104", "丁新区", "190104", "丁区"),
        DivisionChange(date(2020, 1, 1), "190101", "甲区", "190101", "甲区"),
    ]
    found = {each.name: each for each in life.former_names(history)}
    assert found["旧县"].codes == ("190101", "190103")
    assert found["乙区"].codes == ("190103",)
    assert found["丁新区"].codes == ("190104",)
    assert "甲区" not in found
    present = [Division("190101", "甲区"), Division("190103", "丙区"), Division("190104", "丁区")]
    district = parse("旧县中山路3号", Gazetteer(present, found.values())).parts[0]
    assert (district.level, district.former, district.codes) == (Level.district, True, ("190101", "190103"))
