"""Missing health centres and school places, against the same worked out record by record."""

from collections import Counter, defaultdict
from datetime import date

from litestar.testing import TestClient

from cityloom.indicators.contracts import CountWish
from cityloom.kernel.context import Context, Parts
from cityloom.kernel.jobs import platform_context
from indicators.indicators_kit import exact, headers, rows

ROOT = "/api/indicators"


def expected_children(ctx: Context, year: int) -> tuple[dict[str, float], dict[str, int]]:
    """Children who come of age in a year and the planned intake, by school; shared among schools by their plans."""
    first, last = date(year - 7, 9, 1), date(year - 6, 8, 31)
    known = {each["id_number"]: each for each in rows(ctx, "residence_collected")}
    known |= {each["id_number"]: each for each in rows(ctx, "household_resident")}
    of_age = Counter(each["community"] for each in known.values() if first <= each["birth_date"] <= last)
    schools: dict[str, set[str]] = defaultdict(set)
    for each in rows(ctx, "school_catchment"):
        if int(each["since"]) <= year:
            schools[each["community"]].add(each["school"])
    plans: dict[str, int] = {}
    for each in sorted(rows(ctx, "school_plan"), key=lambda each: int(each["year"])):
        if int(each["year"]) <= year:
            plans[each["school"]] = each["planned_intake"]
    children: dict[str, float] = defaultdict(float)
    for community, number in of_age.items():
        whole = sum(plans.get(school, 0) for school in schools[community])
        for school in schools[community]:
            children[school] += number * (plans.get(school, 0) / whole if whole else 1 / len(schools[community]))
    return children, plans


def test_centres_and_places_that_are_missing_are_those_worked_out_by_hand(
    town: Parts, http: "TestClient[object]"
) -> None:
    ctx, today = platform_context(town, "test"), town.clock.now().date()
    office = headers(town, "planning", "indicators.compute", "indicators.read")
    reader = headers(town, "psb", "indicators.compute", "indicators.read")
    body = {"on": today.isoformat(), "parameters": {"centres": {"people_low": 40, "people_high": 20}, "sites": 3}}
    # whoever may see a figure may have it computed as the pack reads the rule, and not with readings of its own
    assert http.put(f"{ROOT}/health_centres/h1", json=body, headers=reader).status_code == 403
    assert http.get(f"{ROOT}/health_centres", headers=reader).json() == []
    plain = {"on": today.isoformat()}
    assert http.put(f"{ROOT}/health_centres/p1", json=plain, headers=reader).status_code == 200
    stranger = headers(town, "psb", "indicators.read")
    assert http.put(f"{ROOT}/health_centres/p2", json=plain, headers=stranger).status_code == 403
    assert [each["id"] for each in http.get(f"{ROOT}/health_centres", headers=stranger).json()] == ["p1"]
    made = http.put(f"{ROOT}/health_centres/h1", json=body, headers=office)
    assert made.status_code == 200, made.text

    # the shortfall: people of each community, and the centres that are there
    people: Counter[str] = Counter()
    for piece in exact(ctx, CountWish(today)):
        people[piece["community"]] += piece["persons"]
    centres = Counter(each["community"] for each in rows(ctx, "clinic") if each["kind"] == "B100")
    told: dict[str, dict[str, int]] = defaultdict(dict)
    page = http.get(f"{ROOT}/health_centres/h1/figures", params={"level": "community", "limit": 10_000}, headers=reader)
    for figure in page.json():
        told[figure["area"]][figure["kind"]] = figure["value"]
    del people[""]
    assert set(told) == set(people)
    for community, number in people.items():
        there = centres[community]
        expected = {
            "centres": there, "low": max(0, -(-number // 40) - there), "high": max(0, -(-number // 20) - there),
        }  # fmt: skip
        expected["shade"] = min(4, expected["high"])
        assert told[community] == expected
    city = {
        each["kind"]: each["value"]
        for each in http.get(f"{ROOT}/health_centres/h1/figures", params={"level": "city"}, headers=reader).json()
    }
    assert city["high"] == sum(each["high"] for each in told.values()) > 0
    sites = http.get(f"{ROOT}/health_centres/h1/figures", params={"level": "site"}, headers=reader).json()
    assert sorted(each["value"] for each in sites if each["kind"] == "rank") == [1, 2, 3]
    covered = [each["value"] for each in sites if each["kind"] == "newly_covered"]
    assert all(each % 10 == 0 for each in covered if each is not None)
    assert city["newly_covered"] % 10 == 0
    assert city["gap_to_optimum_per_10000"] >= 0
    places(ctx, http, office, reader, today)

    # what is wrong is named
    refused = http.get(f"{ROOT}/school_pressure/s1/figures", params={"level": "grid"}, headers=reader).json()
    assert refused["code"] == "indicators.level_unknown"
    assert http.get(f"{ROOT}/happiness", headers=reader).json()["code"] == "indicators.indicator_unknown"
    wrong = {"on": today.isoformat(), "parameters": {"centres": {"people_low": "many"}}}
    assert (
        http.put(f"{ROOT}/health_centres/h2", json=wrong, headers=office).json()["code"]
        == "indicators.parameters_wrong"
    )


def places(ctx: Context, http: "TestClient[object]", office: dict[str, str], reader: dict[str, str], on: date) -> None:
    """School places: children who come of age this year, by communities of the catchment, less the plan."""
    made = http.put(f"{ROOT}/school_pressure/s1", json={"on": on.isoformat()}, headers=office)
    assert made.status_code == 200, made.text
    found = http.get(f"{ROOT}/school_pressure/s1/figures", params={"level": "school", "limit": 10_000}, headers=reader)
    gaps = {(each["area"], each["kind"]): each["value"] for each in found.json()}
    children, plans = expected_children(ctx, on.year)
    kind, tried = f"all:cohort:{on.year}:gap", 0
    for school, number in children.items():
        value = gaps.get((school, kind))
        assert value is None or number >= 10
        if value is not None:
            assert abs(value - (number - plans[school])) <= 0.5 + 1e-6
            tried += 1
    assert tried
    # beside it the trend of those who entered in the last six years, with what may be of it
    ahead = f"all:trend:{on.year + 1}"
    spans = [
        (gaps[school, f"{ahead}:gap_low"], gap, gaps[school, f"{ahead}:gap_high"])
        for (school, kind), gap in gaps.items()
        if kind == f"{ahead}:gap" and gap is not None
    ]
    assert spans
    assert all(low is not None and high is not None and low <= gap <= high for low, gap, high in spans)
    assert any(low < gap < high for low, gap, high in spans)
    assert {kind.split(":")[0] for _, kind in gaps} == {"all", "points"}
    assert {int(kind.split(":")[2]) for _, kind in gaps} == {on.year + ahead for ahead in range(4)}
