"""Primary-school pressure (学位压力) by catchment for three years, as Ibis expressions: tables in, tables out, no I/O.

Source: the city's rule: gap = children of age in the catchment (学区) - planned intake; forecast by the area's growth, under
points-based admission (积分入学) and for the whole actual population (实有人口). The growth model and the points are open
in the rule; ours are below, and whatever is open is a field of `Parameters`.

Two models stand side by side. **trend** takes the children who entered the school in past years (see `entrants`), else those
who came of age, a random walk with drift of their logarithm; its interval has the drift's and the walk's uncertainty
(Student's t). **cohort** takes the children who are there already, younger by one to three years, times what past cohorts
kept from one year to the next (pooled over the city), its variance in proportion to the children (quasi-Poisson, dispersion
measured). Where the history is too short for an interval, it is null: none is made up. The gap's interval is of the children
only; the plan is taken as given.
"""

from collections.abc import Mapping
from datetime import date
from typing import Literal

import ibis
import msgspec
from ibis import _
from ibis.expr.types import BooleanValue, FloatingValue, IntegerValue, NumericValue, Table, Value
from scipy.stats import t as student

Scenario = Literal["points", "all"]
Condition = Literal["permit", "insured", "lodging"]
MONTHS = 12
LONGEST = 30
"""Years of history that are looked at."""
GRADES = 6
"""Years of primary school."""


class Parameters(msgspec.Struct, frozen=True):
    """What the rule says, and our reading (the default) of what it leaves open."""

    year: int
    """The year of the base; forecasts are for the three years after it."""
    age: int = 6
    """Years of age at entry (义务教育法 article 11)."""
    until_month: int = 8
    """Whoever has the age at the end of this month enters in that year (August 31)."""
    ahead: int = 3
    """Years forecast."""
    conditions: tuple[Condition, ...] = ("permit", "insured", "lodging")
    """What a child without registration is asked for under the 1+5 policy, of one parent (open: the points are not given)."""
    needed: int = 3
    """How many of them must hold."""
    permit_months: int = 12
    insured_months: int = 12
    lodging_months: int = 12
    parent_gap: int = 16
    """In the collected data, adults of the child's dwelling who are older by so many years are taken for parents (open)."""
    missing_plan: Literal["latest", "none"] = "latest"
    """A year without a plan has that of the latest year with one, or no gap."""
    confidence: float = 0.9
    """How often the interval should hold the truth."""


def months_held(since: Value, on: date) -> IntegerValue:
    """Full months from a day to the date."""
    months = (on.year - since.year()) * MONTHS + on.month - since.month()
    return (months - (since.day() > on.day).cast("int32")).cast("int32")


class Families(msgspec.Struct, frozen=True):
    """What the children and their parents are taken from, as known on the date."""

    registered: Table
    """person, born_on, community"""
    collected: Table
    """person, born_on, community, dwelling"""
    permit: Table
    """person, issued_on, valid_until"""
    insured: Table
    """person, month (YYYY-MM), months_paid"""
    tenancy: Table
    """person, starts_on, ends_on"""


def from_datasets(tables: Mapping[str, Table]) -> Families:
    """The families from the current state of the datasets of these names, a person known by the identity number."""
    collected = tables["residence_collected"]
    return Families(
        registered=tables["household_resident"].select("community", person="id_number", born_on="birth_date"),
        collected=collected.select("community", "dwelling", person="id_number", born_on="birth_date"),
        permit=tables["residence_permit"].rename(person="id_number"),
        insured=tables["social_insurance_payment"].rename(person="id_number"),
        tenancy=tables["tenancy"].rename(person="tenant_id"),
    )


def children(families: Families, on: date, parameters: Parameters) -> Table:
    """Everyone who may come of age within the forecast: person, born_on, community, registered, and what the parents have.

    The last are permit, insured and lodging, the most months of a parent. One row a person; registration goes first.
    """
    oldest = date(parameters.year - parameters.age - 2, 1, 1)
    own = families.registered.filter(_.born_on >= oldest).group_by("person").agg(
        born_on=_.born_on.min(), community=_.community.min()
    )  # fmt: skip
    nothing = ibis.literal(0).cast("int32")
    own = own.mutate(registered=ibis.literal(True), permit=nothing, insured=nothing, lodging=nothing)
    found = families.collected.filter(_.born_on >= oldest).anti_join(own, "person").group_by("person").agg(
        born_on=_.born_on.min(), community=_.community.min(), dwelling=_.dwelling.min()
    )  # fmt: skip
    adults = _proofs(families, on)
    pairs = found.left_join(adults, found.dwelling == adults.home)
    older = pairs.born_on.year() - pairs.adult_born >= parameters.parent_gap
    best = {
        name: ibis.ifelse(older, pairs[name], 0).fill_null(0).max().cast("int32") for name in parameters_of_parents()
    }
    others = pairs.group_by("person").agg(born_on=pairs.born_on.min(), community=pairs.community.min(), **best)
    others = others.mutate(registered=ibis.literal(False))
    columns = ("person", "born_on", "community", "registered", *parameters_of_parents())
    return own.select(*columns).union(others.select(*columns))


def parameters_of_parents() -> tuple[str, ...]:
    """The columns with months that a parent has."""
    return ("permit", "insured", "lodging")


def _proofs(families: Families, on: date) -> Table:
    """Collected persons with the months of permit, insurance and lodging: home, adult_born, permit, insured, lodging."""
    permit = families.permit.filter(_.issued_on <= on, _.valid_until >= on)
    permit = permit.group_by("person").agg(permit=months_held(permit.issued_on, on).max())
    year, month = divmod(on.year * MONTHS + on.month - 1 - 2, MONTHS)
    paying = families.insured.filter(_.month >= f"{year:04d}-{month + 1:02d}", _.month <= f"{on:%Y-%m}")
    paying = paying.group_by("person").agg(insured=paying.months_paid.max())
    rented = families.tenancy.filter(_.starts_on <= on, _.ends_on >= on)
    rented = rented.group_by("person").agg(lodging=months_held(rented.starts_on, on).max())
    adults = families.collected.select("person", home="dwelling", adult_born=_.born_on.year())
    for proof in (permit, paying, rented):
        adults = adults.left_join(proof, "person").drop("person_right")
    return adults.select("home", "adult_born", *parameters_of_parents())


def entry_year(born_on: Value, parameters: Parameters) -> IntegerValue:
    """The year in which a child comes of age."""
    late = (born_on.month() > parameters.until_month).cast("int32")
    return (born_on.year() + parameters.age + late).cast("int32")


def admitted(children: Table, parameters: Parameters) -> BooleanValue:
    """Who is admitted by points: the registered, and whose parents meet enough of the conditions."""
    asked = {
        "permit": children.permit >= parameters.permit_months,
        "insured": children.insured >= parameters.insured_months,
        "lodging": children.lodging >= parameters.lodging_months,
    }
    met = ibis.literal(0)
    for condition in parameters.conditions:
        met = met + asked[condition].cast("int32")
    return children.registered | (met >= parameters.needed)


def cohorts(children: Table, observed: int, parameters: Parameters) -> Table:
    """Children by the year in which they enter, as they were there in the year `observed`.

    Columns: community, scenario, observed, entry, children. Unite those of several years for a history.
    """
    every = children.mutate(entry=entry_year(children.born_on, parameters), points=admitted(children, parameters))
    keys = ("community", "entry")
    whole = every.group_by(*keys).agg(children=_.count()).mutate(scenario=ibis.literal("all"))
    points = every.filter(_.points).group_by(*keys).agg(children=_.count()).mutate(scenario=ibis.literal("points"))
    columns = ("community", "scenario", "observed", "entry", "children")
    both = whole.union(points).mutate(observed=ibis.literal(observed).cast("int32"))
    return both.select(*columns)


def shares(catchment: Table, plan: Table, parameters: Parameters) -> Table:
    """Which part of a community's children goes to which school: by planned intake, where several serve it.

    Takes catchment (school, community, since) and plan (school, year, planned_intake); gives school, community, share.
    """
    planned = _planned(plan, parameters).filter(_.year == parameters.year)
    serving = catchment.filter(_.since <= parameters.year).select("school", "community").distinct()
    serving = serving.left_join(planned, "school").select(
        "school", "community", size=_.planned.fill_null(0).cast("float64")
    )
    whole = serving.group_by("community").agg(whole=_.size.sum(), schools=_.count())
    joined = serving.inner_join(whole, "community")
    share = ibis.ifelse(joined.whole > 0, joined.size / joined.whole.nullif(0), 1 / joined.schools)
    return joined.select("school", "community", share=share)


def _planned(plan: Table, parameters: Parameters) -> Table:
    """The planned intake of the base year and those forecast: school, year, planned."""
    years = ibis.array(list(range(parameters.year, parameters.year + parameters.ahead + 1))).unnest()
    wanted = plan.select("school").distinct().mutate(year=years)
    given = plan.select("school", of="year", planned="planned_intake")
    joined = wanted.inner_join(given, "school")
    if parameters.missing_plan == "none":
        kept = joined.filter(joined.of == joined.year)
        return kept.select("school", "year", "planned")
    known = joined.filter(joined.of <= joined.year)
    return known.group_by("school", "year").agg(planned=known.planned.argmax(known.of))


def entrants(pupil: Table, parameters: Parameters) -> Table:
    """Who entered a primary school in which year, by the pupils who are still there: the years that one delivery holds.

    Takes pupil (school, grade, enrolled_on); gives school, entry, children, of the six years up to the base.
    """
    there = pupil.filter(pupil.grade >= 1, pupil.grade <= GRADES)
    every = there.select("school", entry=there.enrolled_on.year().cast("int32"))
    known = every.filter(every.entry <= parameters.year, every.entry > parameters.year - GRADES)
    return known.group_by("school", "entry").agg(children=_.count())


def pressure(
    cohorts: Table, catchment: Table, plan: Table, parameters: Parameters, history: Table | None = None
) -> Table:
    """The gap of each school's catchment in the base year and the three after it, by both models and scenarios.

    Takes what `cohorts` gives of this year and, as far as they are known, of earlier ones; `history` (see `entrants`) tells
    the trend where those are not. Columns: school, scenario, model
    (cohort or trend), year, children, low, high, planned, gap, gap_low, gap_high. In the base year both models are the count.
    """
    share = shares(catchment, plan, parameters)
    joined = cohorts.inner_join(share, "community")
    there = joined.group_by("school", "scenario", "observed", "entry").agg(
        children=(joined.children * joined.share).sum()
    )  # fmt: skip
    forecast = by_cohort(there, parameters).union(by_trend(there, parameters, history))
    planned = _planned(plan, parameters)
    found = forecast.left_join(planned, ["school", "year"])
    return found.select(
        "school", "scenario", "model", "year", "children", "low", "high", "planned", gap=found.children - found.planned,
        gap_low=found.low - found.planned, gap_high=found.high - found.planned,
    )  # fmt: skip


def by_cohort(there: Table, parameters: Parameters) -> Table:
    """Children already there, carried forward. Takes and gives areas in the column school.

    What a cohort keeps in a year, r, is the ratio of sums over all areas and cohorts seen in two successive years, and the
    dispersion φ the mean of (n' - rn)²/n. In k years n becomes nrᵏ with variance φk·nrᵏ + (k·nrᵏ)²φ/(r²Σn).
    """
    pairs = _successive(there, parameters).filter(_.before > 0)
    kept = pairs.group_by("scenario").agg(rate=_.after.sum() / _.before.sum(), base=_.before.sum(), pairs=_.count())
    off = pairs.inner_join(kept, "scenario")
    error = off.after - off.rate * off.before
    spread = off.group_by("scenario").agg(phi=(error * error / off.before).sum() / (off.pairs.max() - 1).nullif(0))
    measured = kept.inner_join(spread, "scenario").select("scenario", "rate", "base", "phi", "pairs")
    now = there.filter(_.observed == parameters.year)
    now = now.filter(_.entry >= parameters.year, _.entry <= parameters.year + parameters.ahead)
    every = now.left_join(measured, "scenario").select(
        "school", "scenario", "entry", number=now.children, rate=measured.rate.fill_null(1.0), base=measured.base,
        phi=measured.phi, pairs=measured.pairs,
    )  # fmt: skip
    k = every.entry - parameters.year
    expected = every.number * every.rate.pow(k)
    drift = (k * expected).pow(2) * every.phi / (every.rate * every.rate * every.base)
    width = _quantile(every.pairs - 1, parameters) * (every.phi * k * expected + drift).sqrt()
    return _between(every, "cohort", every.entry, k, expected, width)


def _successive(there: Table, parameters: Parameters) -> Table:
    """Each cohort in two successive years up to the base: school, scenario, before, after."""
    past = there.filter(_.observed <= parameters.year, _.observed > parameters.year - LONGEST)
    later = past.select("school", "scenario", "entry", observed=past.observed - 1, after=past.children)
    keys = ("school", "scenario", "entry", "observed")
    both = past.inner_join(later, [past[key] == later[key] for key in keys])
    young = both.filter(both.entry > both.observed, both.entry - both.observed <= parameters.ahead)
    return young.select("school", "scenario", before=young.children, after=young.after)


def by_trend(there: Table, parameters: Parameters, history: Table | None = None) -> Table:
    """The area's growth carried forward. Takes and gives areas in the column school.

    The growth is that of `history`, for both scenarios alike, else of the children who came of age in past years.

    Of m yearly growths of the logarithm with mean g and variance s², h years ahead: c·exp(hg), and in logarithms a standard
    error of s√(h + h²/m) with m - 1 degrees of freedom. Half a child is added to every count, so that none is zero.
    """
    of_age = there.filter(_.observed == _.entry, _.entry <= parameters.year, _.entry > parameters.year - LONGEST)
    level = _levels(of_age, history)
    earlier = level.select(school_="school", scenario_="scenario", entry_=level.entry + 1, log_="log")
    steps = level.inner_join(
        earlier, [level.school == earlier.school_, level.scenario == earlier.scenario_, level.entry == earlier.entry_]
    )
    growth = steps.log - steps.log_
    measured = steps.group_by("school", "scenario").agg(g=growth.mean(), s=growth.std(how="sample"), m=_.count())
    now = of_age.filter(_.entry == parameters.year).left_join(measured, ["school", "scenario"])
    now = now.select("school", "scenario", "children", g=now.g, s=now.s, m=now.m)
    ahead = ibis.array(list(range(parameters.ahead + 1))).unnest()
    every = now.mutate(h=ahead)
    h = every.h.cast("float64")
    expected = ibis.ifelse(
        every.h == 0, every.children.cast("float64"), (every.children + 0.5) * (h * every.g).exp() - 0.5
    )
    error = _quantile(every.m - 1, parameters) * every.s * (h + h * h / every.m).sqrt()
    shaped = every.mutate(expected=expected, error=error, year=(every.h + parameters.year).cast("int32"))
    settled = shaped.h == 0
    low = ibis.ifelse(settled, shaped.expected, (shaped.expected + 0.5) * (-shaped.error).exp() - 0.5)
    high = ibis.ifelse(settled, shaped.expected, (shaped.expected + 0.5) * shaped.error.exp() - 0.5)
    return shaped.select(
        "school", "scenario", model=ibis.literal("trend"), year=shaped.year, children=shaped.expected,
        low=_at_least_none(low), high=high,
    )  # fmt: skip


def _levels(of_age: Table, history: Table | None) -> Table:
    """The logarithms of which the trend takes the steps: school, scenario, entry, log."""
    if history is None:
        return of_age.select("school", "scenario", "entry", log=(of_age.children + 0.5).ln())
    told = [
        history.select("school", "entry", scenario=ibis.literal(each), log=(history.children + 0.5).ln())
        for each in ("all", "points")
    ]
    return told[0].union(told[1]).select("school", "scenario", "entry", "log")


def _between(
    table: Table, model: str, year: IntegerValue, ahead: IntegerValue, expected: NumericValue, width: NumericValue
) -> Table:
    settled = ahead == 0
    return table.select(
        "school", "scenario", model=ibis.literal(model), year=year.cast("int32"), children=expected.cast("float64"),
        low=_at_least_none(ibis.ifelse(settled, expected, expected - width)),
        high=ibis.ifelse(settled, expected, expected + width),
    )  # fmt: skip


def _at_least_none(value: NumericValue) -> FloatingValue:
    """No fewer than no children; null stays null, which the engines' `greatest` would drop."""
    return ibis.ifelse(value < 0, 0.0, value)


def _quantile(freedom: IntegerValue, parameters: Parameters) -> FloatingValue:
    """Student's t at the wanted confidence, for a column of degrees of freedom; null below one."""
    at = (1 + parameters.confidence) / 2
    cases = [(freedom == number, float(student.ppf(at, number))) for number in range(1, LONGEST)]
    return ibis.cases(*cases, (freedom >= LONGEST, float(student.ppf(at, LONGEST))), else_=ibis.null("float64"))
