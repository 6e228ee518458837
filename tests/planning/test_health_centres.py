"""Health centres: shortfall by hand, the best of a small case against every choice there is, a bound that holds."""

from datetime import date
from itertools import combinations

import numpy as np
import pyarrow as pa
import pytest

from planning.run import model, rows, table

centres = model("facilities", "health_centres")
PEOPLE = pa.table({"community": ["A", "B", "C", "D", "E"], "persons": [43_000, 20_000, 20_001, 0, 9_999]})
THERE = pa.table(
    {
        "code": ["1", "2", "3", "4", "5"],
        "community": ["A", "B", "C", "C", "E"],
        "kind": ["B100", "B100", "B100", "B200", "D200"],
        "opened_on": pa.array(
            [date(2010, 1, 1), None, date(2026, 1, 1), date(2010, 1, 1), date(2010, 1, 1)], pa.date32()
        ),
    }
)


def missing(**parameters: object) -> dict[str, tuple[int, int, int]]:
    data = {"people": PEOPLE, "clinic": THERE}
    found = rows(
        centres.shortfall(table("people", PEOPLE), table("clinic", THERE), centres.Parameters(**parameters)), data
    )
    return {row["community"]: (row["low"], row["high"], row["shade"]) for row in found}


def test_both_ends_of_the_range_as_by_hand() -> None:
    """A: ⌈43,000/20,000⌉ = 3 less 1, ⌈43,000/10,000⌉ = 5 less 1: a gap of 4 as of the community Shuitian, the darkest.
    B: 1 less 1, 2 less 1. C: 2 less 1, 3 less 1. D: nobody. E: 1 and 1, and a clinic that is no centre."""
    assert missing() == {"A": (2, 4, 4), "B": (0, 1, 1), "C": (1, 2, 2), "D": (0, 0, 0), "E": (1, 1, 1)}


@pytest.mark.parametrize(
    ("parameters", "change"),
    [
        ({"rounding": "down"}, {"A": (1, 3, 3), "C": (0, 1, 1), "E": (0, 0, 0)}),
        ({"rounding": "nearest"}, {"A": (1, 3, 3), "C": (0, 1, 1), "E": (0, 1, 1)}),
        ({"kinds": ("B100", "B200")}, {"C": (0, 1, 1)}),
        ({"on": date(2025, 12, 31)}, {"C": (2, 3, 3)}),
        ({"people_high": 5_000}, {"A": (2, 8, 4), "B": (0, 3, 3), "C": (1, 4, 4), "E": (1, 2, 2)}),
        ({"shaded_by": "low"}, {"A": (2, 4, 2), "B": (0, 1, 0), "C": (1, 2, 1)}),
    ],
    ids=str,
)
def test_other_readings_as_by_hand(parameters: dict[str, object], change: dict[str, tuple[int, int, int]]) -> None:
    assert missing(**parameters) == missing() | change


def small(seed: int, cells: int = 40, sites: int = 12) -> tuple[pa.Table, pa.Table]:
    draw = np.random.default_rng(seed)
    demand = pa.table(
        {
            "cell": np.arange(cells),
            "persons": draw.integers(1, 500, cells),
            "x": draw.uniform(0, 4000, cells),
            "y": draw.uniform(0, 4000, cells),
        }
    )
    return demand, pa.table(
        {
            "site": [f"s{number:02d}" for number in range(sites)],
            "x": draw.uniform(0, 4000, sites),
            "y": draw.uniform(0, 4000, sites),
        }
    )


def reached(demand: pa.Table, sites: pa.Table) -> pa.Table:
    data = {"demand": demand, "sites": sites}
    return pa.Table.from_pylist(
        rows(centres.reach(table("demand", demand), table("sites", sites), centres.Parameters()), data)
    )


def test_reach_is_every_pair_within_the_way() -> None:
    demand, sites = small(1)
    found = {(row["cell"], row["site"]): row["metres"] for row in reached(demand, sites).to_pylist()}
    expected = {}
    for cell in demand.to_pylist():
        for site in sites.to_pylist():
            metres = 1.3 * np.hypot(cell["x"] - site["x"], cell["y"] - site["y"])
            if metres <= 1000:
                expected[cell["cell"], site["site"]] = pytest.approx(metres)
    assert found == expected
    assert 0 < len(found) < 40 * 12


def test_ranking_and_what_is_left_uncovered() -> None:
    demand = pa.table(
        {"cell": [1, 2, 3, 4], "persons": [100, 50, 100, 70], "x": [0.0, 100.0, 3000.0, 9000.0], "y": [0.0] * 4}
    )
    there = pa.table({"site": ["old"], "x": [9100.0], "y": [0.0]})
    wanted = pa.table({"site": ["b", "a", "c"], "x": [3000.0, 0.0, 3100.0], "y": [0.0] * 3})
    data = {"demand": demand, "there": there, "wanted": wanted}
    parameters = centres.Parameters()
    left = centres.uncovered(table("demand", demand), table("there", there), parameters)
    found = rows(centres.ranking(centres.reach(left, table("wanted", wanted), parameters)), data)
    # a reaches 100 at 0 m and 50 at 130 m; b and c both reach 100, b on the spot, c from 130 m; nobody is left at 9,000 m
    assert [(row["site"], row["newly_covered"], round(row["metres"], 2)) for row in found] == [
        ("a", 150, 43.33), ("b", 100, 0.0), ("c", 100, 130.0),
    ]  # fmt: skip


@pytest.mark.parametrize("seed", range(8))
def test_the_small_case_is_the_best_of_all_choices(seed: int) -> None:
    pairs = reached(*small(seed))
    people: dict[int, int] = {}
    near: dict[str, dict[int, float]] = {}
    for row in pairs.to_pylist():
        people[row["cell"]] = row["persons"]
        near.setdefault(row["site"], {})[row["cell"]] = row["metres"]

    def worth(sites: tuple[str, ...]) -> tuple[int, float]:
        way = {
            cell: min(near[site][cell] for site in sites if cell in near[site]) for site in sites for cell in near[site]
        }
        return sum(people[cell] for cell in way), -sum(people[cell] * metres for cell, metres in way.items())

    best = max(worth(sites) for sites in combinations(sorted(near), 3))
    exact = centres.choose_exactly(pairs, 3)
    assert (exact.covered, exact.metres) == (best[0], pytest.approx(-best[1]))
    assert exact.gap == 0
    assert sum(site.newly_covered for site in exact.sites) == exact.covered
    near_best = centres.choose(pairs, 3)
    assert near_best.covered <= best[0] <= near_best.bound + 1e-6
    assert near_best.covered >= 0.97 * best[0]
    assert worth(tuple(site.site for site in near_best.sites))[0] == near_best.covered


def test_greedy_alone_is_not_enough() -> None:
    """The best single site overlaps both others: greedy takes it, an exchange mends that."""
    pairs = pa.table(
        {
            "cell": [1, 2, 3, 4, 2, 3],
            "site": ["left", "left", "right", "right", "middle", "middle"],
            "persons": [10, 12, 12, 10, 12, 12],
            "metres": [0.0] * 6,
        }
    )
    chosen = centres.choose(pairs, 2)
    assert sorted(site.site for site in chosen.sites) == ["left", "right"]
    assert chosen.covered == 44 == round(chosen.bound)


def test_more_sites_than_there_are_and_none() -> None:
    pairs = reached(*small(3))
    everything = centres.choose(pairs, 100)
    assert everything.covered == sum({row["cell"]: row["persons"] for row in pairs.to_pylist()}.values())
    assert everything.gap == 0
    assert centres.choose(pairs.slice(0, 0), 5).covered == 0
