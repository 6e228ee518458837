"""The language of conditions, spans of time, and what is said of a list that does not fit."""

from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from cityloom.facts.api import lists
from cityloom.facts.rules import judging, spans
from cityloom.facts.rules.expressions import Scene, Scope, UnfitError, compile
from cityloom.kernel import packs
from cityloom.kernel.errors import Invalid

SCOPE = Scope(frozenset({"on", "age", "guardians"}), {"one": frozenset({"born", "share", "name", "month", "paid"})})
RECORD: dict[str, Any] = {
    "born": date(2020, 3, 31),
    "share": Decimal("50.00"),
    "name": "Amy ",
    "month": "2026-02",
    "paid": None,
}


def value(text: str, **changed: Any) -> Any:
    constants = {"on": date(2026, 3, 30), "age": 6, "guardians": ("A1", "A2")}
    record = {**RECORD, **changed}
    return compile(text, SCOPE).get(Scene(constants, {"one": record}, {"one": [record, {**record, "paid": 3}]}))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("years_between(one.born, on) >= age", False),  # a day short of six years
        ("one.share >= 50 and one.name == 'Amy'", True),
        ("one.name in guardians", False),
        ("one.name in ('Amy', 'Bo')", True),
        ("not one.share > 50", True),
        ("one.paid == 3", None),
        ("one.paid == 3 or one.share == 50", True),
        ("one.paid == 3 and one.share == 51", False),
        ("not one.paid == 3", None),
        ("one.name >= 3", None),  # of no common kind
        ("count(one.paid)", 1),
        ("latest(one.month) == '2026-02'", True),
        ("paid_months(one.month, one.paid, 0, 2, on)", 3),
        ("days_between(one.born, on) > 2000", True),
    ],
)
def test_conditions(text: str, found: Any) -> None:
    assert value(text) is found or value(text) == found


@pytest.mark.parametrize(
    "text",
    [
        "one.other == 1", "two.born == on", "unknown == 1", "one.born", "__import__('os')", "one.born.year == 2020",
        "(lambda: 1)() == 1", "one['born'] == on", "1 < age < 3", "age + 1 == 7", "one.born is None", "[1] == 1", "f'{age}' == 1",
        "paid_months(one.month, age, 0, 2, on) > 1", "count(one.born, one.share) > 1", "days_between(on) > 1", "age =", "",
    ],
)  # fmt: skip
def test_whatever_is_not_of_the_language_is_refused(text: str) -> None:
    if text == "one.born":
        assert compile(text, SCOPE).one == {"one"}
        return
    with pytest.raises(UnfitError):
        compile(text, SCOPE)


def test_complete_months() -> None:
    assert spans.months(date(2025, 1, 31), date(2025, 2, 28)) == 0
    assert spans.months(date(2025, 1, 31), date(2025, 3, 31)) == 2
    assert spans.months(datetime(2025, 3, 2, 12), date(2026, 3, 1)) == 11  # noqa: DTZ001 - the city's own time
    assert spans.years(date(2020, 2, 29), date(2021, 2, 28)) == 0
    assert spans.days(date(2026, 3, 2), date(2026, 3, 1)) == -1
    assert spans.last_months(date(2026, 2, 1), 3) == ["2026-02", "2026-01", "2025-12"]


@pytest.mark.parametrize(
    ("paid", "gap", "lag", "months"),
    [
        ([("2026-03", 12)], 0, 0, 12),
        ([("2026-02", 12)], 0, 0, 0),
        ([("2026-02", 12)], 0, 1, 12),
        ([("2026-04", 2)], 0, 0, 1),  # April is not over on a day of March
        ([("2026-03", 2), ("2025-12", 3)], 0, 0, 2),
        ([("2026-03", 2), ("2025-12", 3)], 1, 0, 5),
        ([("2026-03", 2), ("2026-02", 1), ("2025-12", None)], 1, 0, 3),
        ([], 0, 9, 0),
    ],
)
def test_months_paid_in_the_run_that_reaches_the_day(
    paid: list[tuple[str, int | None]], gap: int, lag: int, months: int
) -> None:
    named, without_gap = [each[0] for each in paid], [each[1] for each in paid]
    assert spans.paid_months(named, without_gap, gap, lag, date(2026, 3, 15)) == months


def test_how_short_something_is() -> None:
    assert judging.short(">=", 11, 12) == 1
    assert judging.short("<=", date(2026, 3, 4), date(2026, 3, 1)) == 3
    assert judging.short(">=", Decimal("12.5"), 12) == 0
    assert judging.short("==", 1, 2) is None


SHIPPED = packs.shipped() / "school_admission/facts/school_admission.yaml"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("consent: guardians", "consent: teacher"),
        ("of: child, fields: [household, relation]", "of: teacher, fields: [household, relation]"),
        ("kid.household == adult.household", "kid.house == adult.household"),
        ("key: [deed.dwelling]", "key: [deed.number]"),
        ("key: [deed.dwelling]", "key: [deed.dwelling, child]"),
        ("dataset: immunisation, key", "dataset: inoculation, key"),
        ("fields: [doses_missing]", "fields: [doses_missing, weight]"),
        ("links: [mother, father]", "links: [aunt]"),
        ("months(insurance_window)", "months(school)"),
        ("- name: household\n", "- name: tenancy\n"),
        ("{name: permit_months,", "{name: school,"),
    ],
)
def test_a_list_that_does_not_fit_is_refused_by_name(tmp_path: Path, old: str, new: str) -> None:
    text = SHIPPED.read_text(encoding="utf-8")
    assert old in text
    folder = tmp_path / "school_admission"
    (folder / "facts").mkdir(parents=True)
    (folder / "pack.yaml").write_bytes((SHIPPED.parents[1] / "pack.yaml").read_bytes())
    (folder / "facts/school_admission.yaml").write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(Invalid) as refused:
        lists.check(packs.choose([packs.shipped(), tmp_path], "yancheng"))
    assert refused.value.code == "facts.list_wrong"


@pytest.mark.parametrize("values", ["{nothing: 1}", "{tenancy_months: '6'}"])
def test_a_city_sets_parameters_that_there_are_and_of_their_kind(tmp_path: Path, values: str) -> None:
    folder = tmp_path / "small"
    (folder / "facts/parameters").mkdir(parents=True)
    (folder / "pack.yaml").write_text(
        "{name: small, title: {en: S, zh: 小}, version: '1', keeper: education, needs: [yancheng]}"
    )
    (folder / "facts/parameters/school_admission.yaml").write_text(f"values: {values}")
    with pytest.raises(Invalid, match=r"facts\.list_wrong"):
        lists.planned(packs.choose([packs.shipped(), tmp_path], "small"))


def test_the_shipped_cities_have_a_list_that_fits() -> None:
    for city in ("shenzhen", "yancheng"):
        chosen = packs.choose([packs.shipped()], city)
        lists.check(chosen)
        declared = lists.planned(chosen)["school_admission"].declared
        assert lists.digest(declared) == lists.digest(msgspec.structs.replace(declared))
        for fact in declared.facts:
            assert fact.paper.zh
            assert fact.law.zh
