"""What is published of a count is attacked: by linear programming over all areas, by dates, by averaging.

Each attack is first tried on the way that is usual (hide what is small, tell the rest exactly), where it must succeed.
"""

import random
from collections import defaultdict
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from scipy.optimize import linprog

from planning.run import model

disclosure = model("people", "disclosure")
KEY = b"a key that only the city knows, of 32"
PLAIN = disclosure.Parameters()
LEVELS = (*disclosure.LEVELS, "grid")


def pieces(seed: int, size: int = 2) -> pa.Table:
    """A small city: districts × streets × communities, cut by grid cells that lie across communities; mostly few persons."""
    draw = random.Random(seed)  # noqa: S311 - a test's dice
    found = []
    for number in range(size**3):
        community = f"44030{number // size**2}{number // size % size:03d}{number % size:03d}"
        for cell in draw.sample(range(number, number + 4), draw.randint(1, 3)):
            found += [(community, cell, kind, draw.choice([0, 1, 2, 3, 5, 8, 12, 40, 200])) for kind in "HRN"]
    found = [row for row in found if row[3]]
    columns = [pa.array(column) for column in zip(*found, strict=True)]
    return pa.table(columns, ["community", "cell", "class", "persons"])


def published(table: pa.Table, parameters: Any = PLAIN, key: bytes = KEY) -> dict[tuple[str, str, str], int | None]:
    """Every figure that is told: level, area, class."""
    protected = disclosure.protect(table, ("community", "cell", "class"), key, parameters)
    return {
        (level, row["area"], row["class"]): row["persons"]
        for level in LEVELS
        for row in disclosure.figures(protected, level, parameters).to_pylist()
    }


def truth(table: pa.Table) -> dict[tuple[str, str, str], int]:
    """The same figures, exactly."""
    found: dict[tuple[str, str, str], int] = defaultdict(int)
    for row in table.to_pylist():
        for level in LEVELS:
            for kind in (row["class"], ""):
                found[level, area(row, level), kind] += row["persons"]
    return found


def area(row: dict[str, Any], level: str) -> str:
    return str(row["cell"]) if level == "grid" else row["community"][: disclosure.LEVELS[level]]


def bounds(table: pa.Table, told: dict[tuple[str, str, str], tuple[float, float]], target: int) -> tuple[float, float]:
    """What an attacker can prove of the persons in one piece from intervals of sums: least and most, by linear programming."""
    rows, least, most = table.to_pylist(), [], []
    matrix = []
    for (level, name, kind), (low, high) in told.items():
        matrix.append([float(area(row, level) == name and kind in ("", row["class"])) for row in rows])
        least.append(low)
        most.append(high)
    a = np.array(matrix)
    sides, limits = np.vstack([a, -a]), np.concatenate([most, np.negative(least)])
    found = []
    for sign in (1, -1):
        cost = np.zeros(len(rows))
        cost[target] = sign
        solved = linprog(cost, A_ub=sides, b_ub=limits, bounds=(0, 10_000), method="highs")
        assert solved.status == 0, solved.message
        found.append(sign * solved.fun)
    return found[0], found[1]


@pytest.mark.parametrize("seed", range(6))
def test_what_is_hidden_stays_open_whatever_is_subtracted(seed: int) -> None:
    table = pieces(seed)
    rows = table.to_pylist()
    told = published(table)
    base = PLAIN.base
    # the attacker is given more than is published: the rounded count of every piece, hidden or not
    rounded = disclosure.protect(table, ("community", "cell", "class"), KEY, PLAIN)["persons"].to_pylist()
    for at, row in enumerate(rows):
        if row["persons"] < PLAIN.smallest:
            least = max(0, rounded[at] - base + 1)
            most = rounded[at] + base - 1
            assert least <= row["persons"] <= most
            assert most - least + 1 >= base
    # and what is published follows from these alone, so it can tell no more: another city with the same rounded counts
    other = rounded_twin(table, rounded)
    assert published_from(other) == told


def rounded_twin(table: pa.Table, rounded: list[int]) -> list[tuple[dict[str, Any], int]]:
    return [(row, value) for row, value in zip(table.to_pylist(), rounded, strict=True)]


def published_from(twin: list[tuple[dict[str, Any], int]]) -> dict[tuple[str, str, str], int | None]:
    """The publication worked out anew from rounded counts only, by its written rule."""
    sums: dict[tuple[str, str, str], list[int]] = defaultdict(lambda: [0, 0])
    for row, value in twin:
        for level in LEVELS:
            for kind in (row["class"], ""):
                both = sums[level, area(row, level), kind]
                both[0] += value
                both[1] += max(0, value - PLAIN.base + 1)
    return {key: total if proven >= PLAIN.smallest else None for key, (total, proven) in sums.items()}


@pytest.mark.parametrize("seed", range(3))
def test_linear_programming_recovers_hidden_cells_from_exact_totals_and_none_from_ours(seed: int) -> None:
    table = pieces(seed)
    rows = table.to_pylist()
    small = [at for at, row in enumerate(rows) if row["persons"] < PLAIN.smallest]
    exact = {key: (value, value) for key, value in truth(table).items() if value >= PLAIN.smallest}
    usual = [bounds(table, exact, at) for at in small]
    recovered = sum(high - low < 0.5 for low, high in usual)
    assert recovered > 0, "the attack must succeed on the usual way, or it proves nothing"
    inhabited = truth(table)
    ours = {}
    for key, value in published(table).items():
        pieces_of = sum(area(row, key[0]) == key[1] and key[2] in ("", row["class"]) for row in rows)
        if value is not None:
            ours[key] = (max(0, value - 9 * pieces_of), value + 9 * pieces_of)
            assert ours[key][0] <= inhabited[key] <= ours[key][1]
    for at in small:
        low, high = bounds(table, ours, at)
        assert low <= rows[at]["persons"] <= high
        assert high - low >= PLAIN.base - 1


def test_no_figure_under_the_threshold_is_shown() -> None:
    for seed in range(30):
        table = pieces(seed, 3)
        told, exact = published(table), truth(table)
        assert told.keys() == exact.keys()
        assert all(exact[key] >= PLAIN.smallest for key, value in told.items() if value is not None)
        assert any(value is None for value in told.values())
        assert any(value is not None for value in told.values())


def test_figures_of_all_levels_add_up() -> None:
    told = published(pieces(4, 3))
    city = told["city", "", ""]
    assert city == sum(told["city", "", kind] or 0 for kind in "HRN")
    assert city == sum(value or 0 for (level, _, kind), value in told.items() if level == "district" and kind == "")


def test_averaging_over_dates_gains_nothing() -> None:
    """A piece with 4 persons beside one that changes daily, both in one community, for 2,000 days.

    With noise that is drawn anew each day the mean of the differences is the count; with ours it is the rounded count.
    """
    draw = random.Random(1)  # noqa: S311 - a test's dice
    days = [(4, draw.randint(50, 500)) for _ in range(2000)]
    fresh, kept = [], []
    for day, counts in enumerate(days):
        table = pa.table({"community": ["440301001001"] * 2, "cell": [1, 2], "class": ["H", "H"], "persons": counts})
        for found, key in ((fresh, f"key of day {day}".encode()), (kept, KEY)):
            told = published(table, key=key)
            beside, both = told["grid", "2", "H"], told["community", "440301001001", "H"]
            assert beside is not None
            assert both is not None
            found.append(both - beside)
    assert abs(np.mean(fresh) - 4) < 0.5, "the attack must succeed on fresh noise, or it proves nothing"
    assert len(set(kept)) == 1
    assert kept[0] in (0, PLAIN.base)


@pytest.mark.parametrize("history", [(3, 4, 3, 5, 9, 3), (0, 1, 0, 2), (14, 15, 16, 15), (7, 7, 8, 7)])
def test_a_history_is_told_by_other_histories_too(history: tuple[int, ...]) -> None:
    """For each date at least `base` counts are possible, over all offsets and all histories with the same publication."""
    base = PLAIN.base
    secret = disclosure.offset(repr(("", "440301001001", 1, "H")), KEY, base)
    told = [(count + secret) // base * base for count in history]
    for value in told:
        possible = {count for offset in range(base) for count in range(300) if (count + offset) // base * base == value}
        assert len(possible) >= base
    shifted = {
        tuple(count + secret - offset for count in history)
        for offset in range(base)
        if min(history) + secret - offset >= 0
    }
    for other in shifted:
        offset = secret - (other[0] - history[0])
        assert [(count + offset) // base * base for count in other] == told
    assert len(shifted) >= min(base, min(history) + secret + 1)


def test_rounding_is_unbiased_and_the_price_is_as_stated() -> None:
    keys = [f"key {number}".encode() for number in range(400)]
    found = np.array([(37 + disclosure.offset("a cell", key, 10)) // 10 * 10 for key in keys])
    assert set(found) == {30, 40}
    assert abs(found.mean() - 37) < 3 * found.std() / 20
    table = pieces(7, 4)
    exact = truth(table)["city", "", ""]
    errors = [(published(table, key=key)["city", "", ""] or 0) - exact for key in keys[:100]]
    assert np.std(errors) <= PLAIN.base / 2 * len(table) ** 0.5


def test_a_cell_given_twice_is_refused() -> None:
    table = pieces(0)
    with pytest.raises(ValueError, match="one cell"):
        disclosure.protect(pa.concat_tables([table, table]), ("community", "cell", "class"), KEY, PLAIN)


def test_contributions_are_protected_by_offsets_of_their_own() -> None:
    table = pa.table(
        {"area": ["440301"] * 3, "school": [True, False, True], "rental": [True, True, False], "persons": [4, 40, 400]}
    )
    protected = disclosure.protect(table, ("area", "school", "rental"), KEY, PLAIN, "contributions")
    told = disclosure.shown(protected, ("area", "school", "rental"), PLAIN).to_pylist()
    hidden = [row for row in told if row["persons"] is None]
    assert [(row["school"], row["rental"]) for row in hidden] == [(True, True)]
    one = [disclosure.offset(repr(("contributions", number)), KEY, 10) for number in range(40)]
    assert one != [disclosure.offset(repr(("", number)), KEY, 10) for number in range(40)]


def test_one_count_told_in_two_ways_stays_open() -> None:
    """The worst case: a district that is one piece, told by area and by rule, with two independent offsets."""
    base = PLAIN.base
    least = 1000
    for count in range(60):
        for one in range(base):
            for other in range(base):
                low = max((count + each) // base * base for each in (one, other)) - base + 1
                high = min((count + each) // base * base for each in (one, other)) + base - 1
                least = min(least, high - max(0, low) + 1)
    assert least == base - 1
