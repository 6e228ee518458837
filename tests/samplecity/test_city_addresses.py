"""The address library of the sample city and how people write it: whole, the same each time, and with the truth."""

from collections import Counter
from itertools import islice

from city_kit import AS_OF, PEOPLE, ROOT, SEED

from cityloom.samplecity import api
from cityloom.samplecity.rules.addressbook import CHANGED, road_name

COUNT = 8_000


def _plan(seed: int = SEED) -> api.Plan:
    return api.plan(ROOT / "packs" / "shenzhen", PEOPLE, seed, AS_OF, months=0)


def test_a_library_holds_together() -> None:
    made = list(api.addresses(_plan(), COUNT))
    by_code = {each.code: each for each in made}
    assert len(made) >= COUNT
    assert len(by_code) == len(made)
    seen: set[str] = set()
    for each in made:
        assert each.parent == "" or each.parent in seen, "parents come first"
        seen.add(each.code)
        assert each.text.endswith(each.name)
        assert (each.parent == "") == (each.level == "road")
        assert not each.replaced_by or each.until == CHANGED
        assert all(by_code[heir].since == CHANGED for heir in each.replaced_by)


def test_what_became_of_addresses_is_there() -> None:
    made = list(api.addresses(_plan(), COUNT))
    gates = [each for each in made if each.level == "number"]
    ended = [each for each in gates if each.until]
    assert Counter(len(each.replaced_by) for each in ended).keys() == {0, 1, 2}
    assert any(each.former_division and each.former_division != each.division for each in gates)
    assert 0.02 < len(ended) / len(gates) < 0.2


def test_names_of_roads_are_given_once() -> None:
    names = _plan().world.names
    assert len({road_name(names, number) for number in range(10_000)}) == 10_000


def test_it_is_the_same_each_time_and_another_for_another_seed() -> None:
    first, again, other = (list(islice(api.addresses(_plan(seed), COUNT), 300)) for seed in (SEED, SEED, SEED + 1))
    assert first == again
    assert first != other
    spelled = [list(api.misspellings(_plan(), COUNT, 10)) for _ in range(2)]
    assert spelled[0] == spelled[1]


def test_the_truth_of_spellings_is_in_the_library_and_holds() -> None:
    made = {each.code: each for each in api.addresses(_plan(), COUNT)}
    spelled = list(api.misspellings(_plan(), COUNT, 10))
    ways = Counter(way for each in spelled for way in each.way.split("+"))
    assert len(ways) > 25
    assert all(made[each.code].until is None or not made[each.code].replaced_by for each in spelled if each.code)
    assert 0.03 < sum(not each.code for each in spelled) / len(spelled) < 0.25
    assert all(each.code == "" for each in spelled if each.way in ("absent", "near"))
