"""The three-class count, worked by hand: a town of sixteen persons, and each open reading changed in turn."""

from datetime import date
from typing import Any

import msgspec
import pyarrow as pa
import pytest

from planning.run import model, rows, table

population = model("people", "population")
ON = date(2026, 6, 30)
A, B = "440306001001", "440306001002"
TEXT, DAY, WHOLE, FLAG, REAL = pa.string(), pa.date32(), pa.int64(), pa.bool_(), pa.float64()
SHAPES: dict[str, dict[str, pa.DataType]] = {
    "registered": {"person": TEXT, "household": TEXT, "community": TEXT, "registered_on": DAY},
    "household": {"number": TEXT, "dwelling": TEXT},
    "death": {"person": TEXT, "died_on": DAY},
    "pupil": {"person": TEXT, "school": TEXT, "status": TEXT, "grade": WHOLE, "enrolled_on": DAY},
    "teacher": {"person": TEXT, "school": TEXT, "hired_on": DAY},
    "school": {"code": TEXT, "community": TEXT},
    "social_insurance": {"person": TEXT, "month": TEXT, "months_paid": WHOLE},
    "provident_fund": {"person": TEXT, "month": TEXT, "months_paid": WHOLE},
    "tenancy": {"person": TEXT, "dwelling": TEXT, "registered_on": DAY},
    "collected": {"person": TEXT, "dwelling": TEXT, "collected_on": DAY},
    "permit": {"person": TEXT, "community": TEXT, "issued_on": DAY},
    "dwelling": {"code": TEXT, "community": TEXT, "longitude": REAL, "latitude": REAL},
    "business": {"person": TEXT, "department": TEXT, "done_on": DAY, "transaction": FLAG},
}
OLD = date(2010, 1, 1)
D1, D2, D3 = "D00000000001", "D00000000002", "D00000000003"
TOWN: dict[str, list[tuple[object, ...]]] = {
    # h1 registered, also pays; h2 registered, no dwelling; h3 died; h4 was registered after the day
    "registered": [
        ("h1", "H00000000001", B, OLD), ("h2", "H00000000002", B, OLD), ("h3", "H00000000001", A, OLD),
        ("h4", "H00000000001", A, date(2026, 7, 1)),
    ],
    "household": [("H00000000001", D1), ("H00000000002", None)],
    "death": [("h3", date(2026, 6, 30)), ("s1", date(2026, 7, 1))],  # s1 died after the day and counts
    # s1 in school; s2 on leave; s3 in kindergarten; t1 teaches
    "pupil": [
        ("s1", "E000000001", "1", 3, OLD), ("s2", "E000000001", "2", 3, OLD), ("s3", "E000000001", "1", 0, OLD),
    ],
    "teacher": [("t1", "E000000001", OLD)],
    "school": [("E000000001", B)],
    # p1 pays insurance for 6 months, p2 both funds for 20 and 3, p3 for 5 (short), p4 stopped in March, p5 short
    "social_insurance": [
        ("h1", "2026-06", 40), ("p1", "2026-06", 6), ("p2", "2026-05", 20), ("p3", "2026-06", 5), ("p3", "2026-05", 4),
        ("p4", "2026-03", 30), ("p5", "2026-06", 2), ("p6", "2026-06", 2),
    ],
    "provident_fund": [("p2", "2026-06", 3)],
    # r1 within the year, r2 a year ago to the day: outside; r3 is also a payer p1's neighbour who rents and studies
    "tenancy": [("r1", D2, date(2026, 1, 1)), ("r2", D2, date(2025, 6, 30)), ("s1", D3, date(2025, 7, 1))],
    # p3 and p6 lately, p5 long ago; r2 lately; c1 lately and in no other list
    "collected": [
        ("p3", D2, date(2026, 6, 1)), ("p6", D2, date(2026, 6, 1)), ("p5", D2, date(2025, 12, 30)),
        ("r2", D2, date(2026, 6, 1)), ("c1", D2, date(2026, 2, 1)),
    ],
    "permit": [("p1", A, OLD)],
    "dwelling": [(D1, A, 114.0, 22.60), (D2, B, 114.1, 22.65), (D3, A, 114.2, 22.70)],
    # p3 is known to one agency; p6 did two transactions in one department; b1 did one in each of two
    "business": [
        ("p3", "transport", OLD, False), ("p6", "health", OLD, True), ("p6", "health", date(2026, 1, 1), True),
        ("b1", "health", OLD, True), ("b1", "transport", OLD, True),
    ],
}  # fmt: skip


def town(**changed: list[tuple[object, ...]]) -> dict[str, pa.Table]:
    """The town as tables."""
    found = {}
    for name, columns in SHAPES.items():
        given = changed.get(name, TOWN[name])
        data = [pa.array([row[at] for row in given], kind) for at, kind in enumerate(columns.values())]
        found[name] = pa.table(dict(zip(columns, data, strict=True)))
    return found


def sources(data: dict[str, pa.Table]) -> Any:
    return population.Sources(**{name: table(name, each) for name, each in data.items()})


def classes(data: dict[str, pa.Table] | None = None, **parameters: object) -> dict[str, str]:
    """Who is in which class: one string of names a class."""
    data = data or town()
    found = rows(population.persons(sources(data), population.Parameters(**{"on": ON, **parameters})), data)
    assert len({row["person"] for row in found}) == len(found), "a person is counted twice"
    return {kind: " ".join(sorted(row["person"] for row in found if row["class"] == kind)) for kind in "HRN"}


def test_the_rule_as_read() -> None:
    """H: h1 h2 (h3 died on the day, h4 came later). R: s1 s3 t1 in school, p1 p2 normal payers (p2 by insurance), r1 rents.

    N: p3 is short, collected and known to another agency; p6 is short, collected and, by its business, known too. p5 was
    collected a day too early, p4 does not pay any more, r2's year is over and nothing else is known of it.
    """
    assert classes() == {"H": "h1 h2", "R": "p1 p2 r1 s1 s3 t1", "N": "p3 p6"}


@pytest.mark.parametrize(
    ("parameters", "change"),
    [
        (
            {"payers": "intersection"},
            {"R": "r1 s1 s3 t1"},
        ),  # p1 has no fund; p2's fund is short, but p2 is not collected
        ({"rental_months": 13}, {"R": "p1 p2 r1 r2 s1 s3 t1"}),  # r2's year becomes thirteen months
        ({"rental_months": 5}, {"R": "p1 p2 s1 s3 t1"}),  # r1's half-year is too long ago; s1 is in school anyway
        ({"paid_months": 5}, {"R": "p1 p2 p3 r1 s1 s3 t1", "N": "p6"}),
        ({"paid_months": 7}, {"R": "p2 r1 s1 s3 t1"}),  # p1 is short now, and was not collected
        ({"lapse_months": 3}, {"R": "p1 p2 p4 r1 s1 s3 t1"}),  # March is within three months of June
        ({"lapse_months": 0}, {}),  # p2's fund was paid in June only for 3 months; see the next test
        ({"enrolled": ("1", "2")}, {"R": "p1 p2 r1 s1 s2 s3 t1"}),
        ({"kindergarten": False}, {"R": "p1 p2 r1 s1 t1"}),
        ({"collected_months": 7}, {}),  # p5 is collected then, and still not known to an agency
        ({"agencies": 2}, {"N": ""}),  # p3 is known to one; p6 to one, and both transactions were there
        ({"agencies": 2, "departments": 1}, {"N": "p6"}),  # two transactions in one department
        ({"agencies": 2, "departments": 1, "transactions": 3}, {"N": ""}),
        ({"third_class": "alternatives"}, {"N": "b1 c1 p3 p5 p6 r2"}),  # short, or collected lately, or known to others
        ({"on": date(2026, 7, 1)}, {"H": "h1 h2 h4", "R": "p1 p2 r1 s3 t1"}),  # h4 is registered, s1 died
    ],
    ids=str,
)
def test_each_open_reading_changes_the_count_as_by_hand(parameters: dict[str, object], change: dict[str, str]) -> None:
    expected = {"H": "h1 h2", "R": "p1 p2 r1 s1 s3 t1", "N": "p3 p6"} | change
    if parameters == {"lapse_months": 0}:  # insurance of p2 was last paid in May: the fund's 3 months are left
        expected["R"] = "p1 r1 s1 s3 t1"
    assert classes(**parameters) == expected


def test_a_person_counts_where_the_first_source_knows_her() -> None:
    data = town()
    parameters = population.Parameters(on=ON)
    found = rows(
        population.counts(population.persons(sources(data), parameters), sources(data).dwelling, parameters.grid), data
    )
    by_place = {(row["community"], row["class"]): 0 for row in found}
    for row in found:
        by_place[row["community"], row["class"]] += row["persons"]
    # H: h1 lives in D1 (A) though registered in B, h2 has no dwelling: B. R: s1 rents D3 (A) and goes to school in B;
    # s3 t1 by their school (B); p1 by permit (A); p2 nowhere; r1 rents D2 (B). N: both in D2 (B).
    assert by_place == {(A, "H"): 1, (B, "H"): 1, (A, "R"): 2, (B, "R"): 3, ("", "R"): 1, (B, "N"): 2}
    assert sum(row["persons"] for row in found if row["cell"] == -1) == 5  # h2, s3, t1, p1, p2


def test_the_order_of_sources_is_a_parameter() -> None:
    data = town()
    parameters = population.Parameters(on=ON, places=("registered", "school", "permit"))
    found = rows(
        population.counts(population.persons(sources(data), parameters), sources(data).dwelling, parameters.grid), data
    )
    assert all(row["cell"] == -1 for row in found)
    # registered community of h1 is B now; s1 counts at its school; r1, p3 and p6 are known nowhere
    assert {(row["community"], row["class"]): row["persons"] for row in _summed(found)} == {
        (B, "H"): 2, (B, "R"): 3, (A, "R"): 1, ("", "R"): 2, ("", "N"): 2,
    }  # fmt: skip


def _summed(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    keys = sorted({(row["community"], row["class"]) for row in found})
    return [
        {"community": place, "class": kind, "persons": sum(
            row["persons"] for row in found if (row["community"], row["class"]) == (place, kind)
        )}
        for place, kind in keys
    ]  # fmt: skip


def test_each_rules_contribution_and_what_was_subtracted() -> None:
    data = town()
    parameters = population.Parameters(on=ON)
    counted = population.counts(population.persons(sources(data), parameters), sources(data).dwelling, parameters.grid)
    found = rows(population.contributions(counted, 0), data)
    told = {
        (row["class"], "+".join(rule for rule in ("school", "payer", "rental", "linked", "transacted") if row[rule])): row["persons"]
        for row in found
    }  # fmt: skip
    # h1 pays and is registered: removed from R. s1 is in school and rents. p6's business is in one department: linked only.
    assert told == {
        ("H", "payer"): 1, ("H", ""): 1, ("R", "school"): 2, ("R", "school+rental"): 1, ("R", "payer"): 2,
        ("R", "rental"): 1, ("N", "linked"): 2,
    }  # fmt: skip


def test_twice_the_same_record_is_one_person() -> None:
    once = town()
    twice = {
        name: pa.concat_tables([each, each])
        for name, each in once.items()
        if name not in ("dwelling", "household", "school", "business")
    }
    assert classes({**once, **twice}) == classes(once)


def test_parameters_can_be_read_from_text() -> None:
    read = msgspec.json.decode(b'{"on": "2026-06-30", "payers": "intersection"}', type=population.Parameters)
    assert read == population.Parameters(on=ON, payers="intersection")


def test_months_before_is_the_calendars() -> None:
    assert population.months_before(date(2026, 8, 31), 6) == date(2026, 2, 28)
    assert population.months_before(date(2024, 3, 31), 1) == date(2024, 2, 29)
    assert population.months_before(date(2026, 1, 15), 12) == date(2025, 1, 15)


def test_the_middle_of_a_cell_lies_in_it() -> None:
    cells = pa.table({"cell": [8440004324, 8500004353]})
    grid = population.Grid()
    found = rows(population.middles(table("cells", cells), grid).order_by("cell"), {"cells": cells})
    for row, (column, line) in zip(found, ((8440, 4324), (8500, 4353)), strict=True):
        assert row["longitude"] == pytest.approx(73 + (column + 0.5) / grid.across, abs=1e-12)
        assert row["latitude"] == pytest.approx(3 + (line + 0.5) / grid.up, abs=1e-12)
    data = {
        "middles": pa.table({"longitude": [r["longitude"] for r in found], "latitude": [r["latitude"] for r in found]})
    }
    middles = table("middles", data["middles"])
    assert [row["cell"] for row in rows(middles.select(cell=population.cell(middles, grid)), data)] == [
        8440004324,
        8500004353,
    ]
