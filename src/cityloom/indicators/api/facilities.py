"""Where facilities are missing: community health centres (R34) with sites for new ones, and primary-school places (R35).

Both rest on the exact count of people, which is shown to nobody: a shortfall tells how many people there are to the next ten
thousand. Numbers of children below the city's smallest group are not told, nor what would tell them.
"""

from collections.abc import Iterator
from datetime import date
from typing import Any

import msgspec
import pyarrow as pa

from cityloom.indicators.api import population, running
from cityloom.indicators.api.running import Outcome
from cityloom.indicators.contracts import CountWish, Figure
from cityloom.kernel.context import Context

PACK = "facilities"
CENTRES, SCHOOLS = ("city", "community", "site"), ("city", "school")
STEP = 10
"""Figures of persons are told in steps of this, and below it not at all."""
FAMILIES = (
    "household_resident", "residence_collected", "residence_permit", "social_insurance_payment", "tenancy",
    "school_catchment", "school_plan", "pupil",
)  # fmt: skip


class CentresWish(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Readings of the shortfall, those of the count that it rests on, and how many new sites to choose."""

    centres: dict[str, Any] = {}
    population: dict[str, Any] = {}
    sites: int = 0


class CentresParameters(msgspec.Struct, frozen=True):
    """All that a shortfall was computed by."""

    on: date
    centres: Any
    population: Any
    sites: int


def health_centres(ctx: Context, wish: CountWish) -> Outcome:
    """Centres missing in each community at both ends of the range, and the best sites for new ones."""
    model, people = running.model(ctx, PACK, "health_centres"), running.model(ctx, population.PACK, "population")
    asked = running.parameters(CentresWish, wish.parameters)
    readings = CentresParameters(
        wish.on,
        running.parameters(model.Parameters, asked.centres, on=wish.on),
        running.parameters(people.Parameters, asked.population, on=wish.on),
        asked.sites,
    )
    found = running.states(running.everybodys(ctx), (*people.DATASETS, "clinic"))
    with ctx.lake.session() as cursor:
        given = running.sources(cursor, found)
        counted = population.pieces(cursor, people, given, readings.population)
        figures = list(_shortfall(cursor, model, given["clinic"], counted, readings))
        if readings.sites:
            figures += _sites(cursor, model, people, given["clinic"], counted, readings)
    return Outcome(readings, found, figures)


def _shortfall(
    cursor: Any, model: Any, clinics: Any, counted: pa.Table, readings: CentresParameters
) -> Iterator[Figure]:
    people = running.table("indicators_people", counted).filter(lambda t: t.community != "")
    persons = people.group_by("community").agg(persons=people.persons.sum().cast("int64"))
    expression = model.shortfall(persons, clinics, readings.centres)
    rows = running.run(cursor, expression, {"indicators_people": counted}).to_pylist()
    kinds = ("centres", "low", "high")
    for row in rows:
        for kind in (*kinds, "shade"):
            yield Figure("community", row["community"], kind, int(row[kind]))
    for kind in kinds:
        yield Figure("city", "", kind, sum(int(row[kind]) for row in rows))


def _sites(
    cursor: Any, model: Any, people: Any, clinics: Any, counted: pa.Table, readings: CentresParameters
) -> Iterator[Figure]:  # fmt: skip
    """Cells of the grid, the most useful first: their place in the order, whom they newly cover, and how far those go."""
    table = running.table("indicators_people", counted).filter(lambda t: t.cell >= 0)
    cells = table.group_by("cell").agg(persons=table.persons.sum().cast("int64"))
    demand = model.in_metres(people.middles(cells, readings.population.grid), readings.centres)
    there = clinics.filter(clinics.kind.isin(readings.centres.kinds), clinics.longitude.notnull())
    there = there.filter(there.opened_on.isnull() | (there.opened_on <= readings.on))
    centres = model.in_metres(there.select("longitude", "latitude", site="code"), readings.centres)
    lacking = model.uncovered(demand, centres, readings.centres)
    every = demand.select("x", "y", site=demand.cell.cast("string"))
    reached = running.run(cursor, model.reach(lacking, every, readings.centres), {"indicators_people": counted})
    chosen = model.choose(reached, readings.sites)
    for place, site in enumerate(chosen.sites, 1):
        yield Figure("site", str(site.site), "rank", place)
        yield Figure("site", str(site.site), "newly_covered", _told(site.newly_covered))
        yield Figure("site", str(site.site), "metres", round(site.metres))
    yield Figure("city", "", "newly_covered", _told(chosen.covered))
    yield Figure("city", "", "gap_to_optimum_per_10000", round(10_000 * chosen.gap))


def school_pressure(ctx: Context, wish: CountWish) -> Outcome:
    """The gap of each school's catchment for the year of the date and the three after it, under both scenarios."""
    model = running.model(ctx, PACK, "school_pressure")
    parameters = running.parameters(model.Parameters, wish.parameters, year=wish.on.year)
    found = running.states(running.everybodys(ctx), FAMILIES)
    with ctx.lake.session() as cursor:
        given = running.sources(cursor, found)
        families = model.from_datasets(given)
        cohorts = model.cohorts(model.children(families, wish.on, parameters), parameters.year, parameters)
        history = model.entrants(given["pupil"], parameters)
        pressed = model.pressure(cohorts, given["school_catchment"], given["school_plan"], parameters, history)
        rows = running.run(cursor, pressed).to_pylist()
    return Outcome(parameters, found, list(_pressure(rows)))


def _pressure(rows: list[dict[str, Any]]) -> Iterator[Figure]:
    """By school, and for the city; kinds are scenario, model, year, and what: gap, its low and high end, planned."""
    whole: dict[str, int] = {}
    for row in rows:
        kind = f"{row['scenario']}:{row['model']}:{row['year']}"
        hidden = (row["children"] or 0) < STEP
        for name in ("gap", "gap_low", "gap_high", "planned"):
            value = None if row[name] is None or (hidden and name != "planned") else round(row[name])
            yield Figure("school", row["school"], f"{kind}:{name}", value)
        if row["gap"] is not None:
            whole[f"{kind}:short"] = whole.get(f"{kind}:short", 0) + max(0, round(row["gap"]))
            whole[f"{kind}:gap"] = whole.get(f"{kind}:gap", 0) + round(row["gap"])
    for kind, value in whole.items():
        yield Figure("city", "", kind, value)


def _told(persons: int) -> int | None:
    return persons // STEP * STEP or None
