"""The people of the sample city: as many as the census says, in families that could be, and none of them real."""

import csv
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from city_judge import citizen_id_is_valid, credit_code_is_valid
from city_kit import AS_OF, CITIES, PEOPLE, ROOT, SEED
from hypothesis import given
from hypothesis import strategies as st

from cityloom.samplecity import api, spec
from cityloom.samplecity.rules import chance, families, layout, numbers, population
from cityloom.samplecity.rules.population import Population

DIVISIONS = ROOT.parent / "shared" / "data" / "division_codes"


@pytest.fixture(scope="module", params=CITIES)
def planned(request: pytest.FixtureRequest) -> api.Plan:
    """A city of 10,000."""
    return api.plan(ROOT / "packs" / request.param, PEOPLE, SEED, AS_OF)


@pytest.fixture(scope="module")
def people(planned: api.Plan) -> Population:
    """Its only block."""
    assert len(planned.blocks) == 1
    world = planned.world
    return population.build(
        planned.seed,
        0,
        planned.blocks[0],
        planned.census,
        world.communities.weight,
        world.city,
        world.names,
        world.periods,
    )


@pytest.mark.parametrize("city", CITIES)
@pytest.mark.parametrize("size", [10_000, 123_457, 20_000_000])
def test_districts_have_their_share_of_the_census_to_the_nearest_person(city: str, size: int) -> None:
    plan = api.plan(ROOT / "packs" / city, size, SEED, AS_OF)
    whole = sum(district.people for district in plan.census)
    found: Counter[int] = Counter()
    ages = {place: np.zeros(2 * len(spec.AGES), np.int64) for place in range(len(plan.census))}
    for part in (part for block in plan.blocks for part in block):
        assert part.ages.min() >= 0
        assert part.ages.sum() == part.people
        found[part.district] += part.people
        ages[part.district] += part.ages
    assert sum(found.values()) == size
    for place, district in enumerate(plan.census):
        assert abs(found[place] - district.people / whole * size) < 1
        exact = np.array(district.ages) / district.people * found[place]
        assert np.abs(ages[place] - exact).max() < 1


def test_the_census_is_the_published_one() -> None:
    totals = {}
    for city in CITIES:
        text = (ROOT / "packs" / city / "samplecity" / "census.csv").read_text()
        totals[city] = sum(district.people for district in spec.census(text))
    assert totals == {"shenzhen": 17_494_398, "yancheng": 6_709_629}


def test_nobody_is_real(people: Population) -> None:
    ids = people.id_number.to_pylist()
    assert len(set(ids)) == len(ids) >= PEOPLE
    assert all(citizen_id_is_valid(one) for one in ids)
    assert all(ids[one][16] in "13579" for one in np.flatnonzero(people.sex == 1)[:500])
    codes = people.firms.code.to_pylist()
    assert len(set(codes)) == len(codes)
    assert all(credit_code_is_valid(one) for one in codes)
    assert {one[:2] for one in ids} | {one[2:4] for one in codes} <= {str(code) for code in numbers.PROVINCES}


def test_their_divisions_were_never_given_out() -> None:
    if not DIVISIONS.is_dir():
        pytest.skip("the list of all divisions (shared/data/division_codes) is not here")
    with (DIVISIONS / "areas.csv").open(encoding="utf-8") as file:
        allocated = {row["code"][:2] for row in csv.DictReader(file)} | {"71", "81", "82", "83", "91"}
    assert len(allocated) > 30
    assert allocated.isdisjoint(str(code) for code in numbers.PROVINCES)
    last = numbers.MOST_BLOCKS * numbers.DIVISIONS_PER_BLOCK - 1
    found = numbers.divisions(np.array([0, 8999, 9000, last]))
    assert list(found) == [190101, 199100, 290101, 799100]


def test_families_could_be(planned: api.Plan, people: Population) -> None:
    children = np.flatnonzero(people.mother >= 0)
    older = (people.birth[children] - people.birth[people.mother[children]]) / 365.2425
    assert older.min() > 18
    assert older.max() < 45
    assert (people.sex[people.mother[children]] == 2).all()
    assert (people.household[children] == people.household[people.mother[children]]).all()
    married = np.flatnonzero(people.spouse >= 0)
    assert (people.spouse[people.spouse[married]] == married).all()
    assert (people.sex[married] != people.sex[people.spouse[married]]).all()
    young = (people.age(planned.world.today) < 18) & (people.arrived == 0)
    assert (people.mother[young] >= 0).mean() > 0.9


def test_there_are_as_many_households_and_registered_people_as_in_the_census(
    planned: api.Plan, people: Population
) -> None:
    wanted = sum(part.households for part in planned.blocks[0])
    assert abs((~people.collective).sum() - wanted) <= len(planned.census)
    share = sum(district.people * district.registered for district in planned.census) / sum(
        d.people for d in planned.census
    )
    assert abs(people.registered[: people.residents].mean() - share) < 0.01
    tenants = sum(district.households * district.renting for district in planned.census) / sum(
        d.households for d in planned.census
    )
    assert abs(people.rented[~people.collective].mean() - tenants) < 0.03


def test_people_work_learn_and_live_somewhere(planned: api.Plan, people: Population) -> None:
    age = people.age(planned.world.today)
    working = people.firm >= 0
    assert age[working].min() >= 18
    assert age[working].max() < 61
    assert people.firm.max() < people.firms.idle
    assert not (working & people.teacher).any()
    alive = people.household >= 0
    assert set(people.household[: people.residents]) == set(range(len(people.home)))
    assert (people.home >= 0).all()
    assert (people.died[~alive] < 0).all()
    heads = people.relation == families.HEAD
    in_families = np.bincount(people.household[alive & heads], minlength=len(people.home))[~people.collective]
    assert (in_families == 1).all()


def test_a_census_that_does_not_add_up_is_refused(tmp_path: Path) -> None:
    text = (ROOT / "packs" / "yancheng" / "samplecity" / "census.csv").read_text()
    with pytest.raises(ValueError, match="ages of 320902 sum up to"):
        spec.census(text.replace("320902,798003", "320902,798004"))
    with pytest.raises(ValueError, match="has not every column"):
        spec.census(text.replace("registered", "local"))


@given(st.integers(0, 10**7), st.lists(st.floats(0, 1e6), min_size=1, max_size=40))
def test_shares_add_up_and_are_within_one(total: int, weights: list[float]) -> None:
    found = chance.share(total, weights)
    if sum(weights) == 0:
        assert found.sum() == 0
        return
    assert found.sum() == total
    exact = np.array(weights) / np.sum(weights) * total
    assert (np.abs(found - exact) < 1 + 1e-6 * total).all()


@given(st.integers(0, 2**63 - 1), st.integers(0, 2**40))
def test_chance_has_no_state(key: int, index: int) -> None:
    one = chance.unit(key, "a", [index])[0]
    assert 0 <= one < 1
    assert one == chance.unit(key, "a", [index - 1, index])[1]
    assert one != chance.unit(key, "b", [index])[0]


def test_chance_is_even() -> None:
    drawn = chance.unit(5, "even", np.arange(200_000))
    assert abs(drawn.mean() - 0.5) < 0.003
    assert abs(np.histogram(drawn, 10)[0] / 20_000 - 1).max() < 0.03
    normal = chance.normal(5, "normal", np.arange(200_000))
    assert abs(normal.mean()) < 0.01
    assert abs(normal.std() - 1) < 0.01


@given(st.sets(st.tuples(st.integers(0, 49), st.integers(-20_000, 20_000), st.integers(1, 2)), min_size=1, max_size=30))
def test_identity_numbers_of_any_people_are_valid_and_different(people: set[tuple[int, int, int]]) -> None:
    rows = [person for person in people for _ in range(3)]  # three of a sex with one birthday
    division, birth, sex = (np.array(column) for column in zip(*rows, strict=True))
    found = numbers.citizen_ids(numbers.divisions(division), birth, sex).to_pylist()
    assert len(set(found)) == len(rows)
    assert all(citizen_id_is_valid(one) for one in found)


def test_parts_are_bounded_and_blocks_hold_whole_parts() -> None:
    plan = api.plan(ROOT / "packs" / "shenzhen", 20_000_000, SEED, AS_OF)
    sizes = [part.people for block in plan.blocks for part in block]
    assert max(sizes) < 2 * layout.PART
    assert len(plan.blocks) < numbers.MOST_BLOCKS
    communities = np.concatenate([part.communities for block in plan.blocks for part in block])
    assert sorted(communities) == list(range(788))
