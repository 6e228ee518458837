"""The three-class population count (人口统计) as Ibis expressions: tables in, tables out, no I/O.

Source: the published rule for counting a city's actual population (实有人口): registered (户籍人口), resident without
registration (非户籍常住人口), managed without permanent residence (非常住管理人口). Whatever the rule leaves open is a
field of `Parameters`. The same expressions run on DuckDB and on Spark.

How it is computed: every source becomes rows (person, bits, place, months paid); one group-by over all of them tells
everything about a person at once. All that is needed afterwards is arithmetic on one row a person.
"""

from collections.abc import Mapping
from datetime import date
from typing import Literal

import ibis
import ibis.expr.datatypes as dt
import msgspec
from ibis import _
from ibis.expr.types import BooleanValue, IntegerValue, StringValue, Table, Value

Source = Literal["household", "registered", "collected", "tenancy", "school", "permit"]
Payers = Literal["union", "intersection"]
ThirdClass = Literal["conjunction", "alternatives"]

IN_DWELLING = {"household", "collected", "tenancy"}
REGISTERED, SCHOOL, RENTAL, COLLECTED, LINKED, TRANSACTED, DEAD = (1 << bit for bit in range(7))
NUMBER = 1 << 40
"""Room for a place's number: a community has 12 digits, a dwelling 11."""
RANK = 57
"""Where the rank of a place's source begins: 40 bits of number and 17 of days between record and reference date."""
MONTHS = 1 << 10
"""Room for months paid without a gap."""


class Grid(msgspec.Struct, frozen=True):
    """Square cells on an equirectangular projection, true to size at `latitude`; degrees are CGCS2000."""

    metres: int = 500
    west: float = 73.0
    south: float = 3.0
    latitude: float = 22.6

    @property
    def across(self) -> float:
        """Cells to a degree of longitude."""
        return 111_320 * _cosine(self.latitude) / self.metres

    @property
    def up(self) -> float:
        """Cells to a degree of latitude."""
        return 110_574 / self.metres


class Parameters(msgspec.Struct, frozen=True):
    """What the rule says, and our reading (the default) of what it leaves open."""

    on: date
    """Reference date (open in the rule): nothing recorded later counts."""
    rental_months: int = 12
    """一年内: registered as a tenant within so many months before the reference date."""
    paid_months: int = 6
    """正常缴纳: paid without a gap for at least so many months (open; from the contrast with 不满6个月)."""
    lapse_months: int = 2
    """A payer's last month may lie so far back: funds hand in a month when it is over (open)."""
    payers: Payers = "union"
    """社保和公积金: payers of either fund, or only of both (open)."""
    collected_months: int = 6
    """半年内被采集过信息."""
    third_class: ThirdClass = "conjunction"
    """The commas of the third class: all three hold, or any one of them (open)."""
    agencies: int = 1
    """能与其他局委办业务关联: found in the business of so many other agencies."""
    transactions: int = 2
    """两次以上 includes two."""
    departments: int = 2
    """不同部门: the transactions were in so many departments."""
    enrolled: tuple[str, ...] = ("1",)
    """在校: states of enrolment that count; a pupil on leave (2) does not (open)."""
    kindergarten: bool = True
    """Children in kindergartens (grade 0) are in school too (open)."""
    places: tuple[Source, ...] = ("household", "registered", "collected", "tenancy", "school", "permit")
    """Where a person counts who is known in several places: the first of these that knows her; in it, the newest record;
    of one day, the lowest number (open in the rule). Who is known nowhere counts for the city, in no area."""
    grid: Grid = Grid()


class Sources(msgspec.Struct, frozen=True):
    """The tables, each as it was known on the reference date.

    `person` is whatever identifies a person in all of them: the identity number, or the id of the register of people.
    Codes of dwellings and households are a letter and digits, communities 12 digits (GB/T 10114), months YYYY-MM, as
    the datasets declare them.
    """

    registered: Table
    """person, household, community, registered_on"""
    household: Table
    """number, dwelling"""
    death: Table
    """person, died_on"""
    pupil: Table
    """person, school, status, grade, enrolled_on"""
    teacher: Table
    """person, school, hired_on"""
    school: Table
    """code, community"""
    social_insurance: Table
    """person, month, months_paid"""
    provident_fund: Table
    """person, month, months_paid"""
    tenancy: Table
    """person, dwelling, registered_on"""
    collected: Table
    """person, dwelling, collected_on"""
    permit: Table
    """person, community, issued_on"""
    dwelling: Table
    """code, community, longitude, latitude (degrees)"""
    business: Table
    """person, department, done_on, transaction: known to that agency on that day; true where a transaction (办理) was done"""


DATASETS = (
    "household_resident", "household", "death", "birth", "pupil", "teacher", "school", "social_insurance_payment",
    "provident_fund_payment", "tenancy", "residence_collected", "residence_permit", "dwelling",
)  # fmt: skip
"""What `from_datasets` reads."""


def from_datasets(tables: Mapping[str, Table]) -> Sources:
    """The sources from the current state of the datasets of these names, a person known by the identity number.

    Linked to another agency (能与其他局委办业务关联) are holders of a residence permit, by the police, and parents in a birth
    certificate, by the health department; both are transactions (办理). A city with more business joins its own.
    """
    permit = tables["residence_permit"].rename(person="id_number")
    birth = tables["birth"]
    business = [
        permit.select("person", department=ibis.literal("psb"), done_on="issued_on", transaction=ibis.literal(True)),
        *(
            birth.filter(birth[parent].notnull()).select(
                person=birth[parent],
                department=ibis.literal("health"),
                done_on="issued_on",
                transaction=ibis.literal(True),
            )
            for parent in ("mother_id", "father_id")
        ),
    ]
    return Sources(
        registered=tables["household_resident"].rename(person="id_number"),
        household=tables["household"],
        death=tables["death"].rename(person="id_number"),
        pupil=tables["pupil"].rename(person="id_number"),
        teacher=tables["teacher"].rename(person="id_number"),
        school=tables["school"],
        social_insurance=tables["social_insurance_payment"].rename(person="id_number"),
        provident_fund=tables["provident_fund_payment"].rename(person="id_number"),
        tenancy=tables["tenancy"].rename(person="tenant_id"),
        collected=tables["residence_collected"].rename(person="id_number"),
        permit=permit,
        dwelling=tables["dwelling"],
        business=ibis.union(*business),
    )


@ibis.udf.agg.builtin(name="bit_or")
def either(bits: dt.int32) -> dt.int32:  # type: ignore[empty-body]
    """The bits that are set in any row: DuckDB and Spark call it by one name, for which Ibis has no operation on Spark."""


def _cosine(degrees: float) -> float:
    from math import cos, radians

    return cos(radians(degrees))


def months_before(day: date, months: int) -> date:
    """The same day so many months earlier, or the month's last where it has no such day."""
    from calendar import monthrange

    year, month = divmod(day.year * 12 + day.month - 1 - months, 12)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))


def _digits(code: StringValue) -> IntegerValue:
    """The number of a code that is a letter and digits."""
    return code.substr(1).cast("int64")


def _place(source: Source, number: IntegerValue, seen: Value | None, parameters: Parameters) -> IntegerValue:
    """A place as one number that sorts by rank of the source, newness, and the place's own number."""
    if source not in parameters.places:
        return ibis.null("int64")
    rank = parameters.places.index(source) * 2 + (source in IN_DWELLING)
    age = 0 if seen is None else ibis.literal(parameters.on).delta(seen, unit="day").cast("int64")
    return (rank << RANK) + age * NUMBER + number


def _evidence(
    table: Table,
    bits: int | Value,
    place: Value | None = None,
    insured: Value | None = None,
    funded: Value | None = None,
) -> Table:
    """Rows of one source in the shape of all."""
    return table.select(
        person=table.person,
        bits=(ibis.literal(bits) if isinstance(bits, int) else bits).cast("int32"),
        place=(ibis.null("int64") if place is None else place).cast("int64"),
        insured=(ibis.null("int32") if insured is None else insured).cast("int32"),
        funded=(ibis.null("int32") if funded is None else funded).cast("int32"),
    )


def _paid(table: Table, parameters: Parameters) -> tuple[Table, IntegerValue]:
    """Payments that are not lapsed, with the last month and the months paid as one number that sorts by month."""
    first = f"{months_before(parameters.on, parameters.lapse_months):%Y-%m}"
    kept = table.filter(table.month >= first, table.month <= f"{parameters.on:%Y-%m}")
    month = kept.month.substr(0, 4).cast("int32") * 12 + kept.month.substr(5, 2).cast("int32")
    return kept, month * MONTHS + ibis.least(kept.months_paid.cast("int32"), MONTHS - 1)


def _schooled(sources: Sources, parameters: Parameters) -> list[Table]:
    pupil = sources.pupil.filter(_.status.isin(parameters.enrolled), _.enrolled_on <= parameters.on)
    if not parameters.kindergarten:
        pupil = pupil.filter(_.grade > 0)
    teacher = sources.teacher.filter(_.hired_on <= parameters.on)
    people = [
        pupil.select("person", "school", since="enrolled_on"),
        teacher.select("person", "school", since="hired_on"),
    ]
    school = sources.school.select(code="code", lies_in="community")
    placed = [each.left_join(school, each.school == school.code) for each in people]
    return [
        _evidence(each, SCHOOL, _place("school", each.lies_in.cast("int64"), each.since, parameters)) for each in placed
    ]


def _known(sources: Sources, parameters: Parameters) -> Table:
    """Who is linked to another agency's business, and who did transactions in different departments."""
    business = sources.business.filter(_.done_on <= parameters.on)
    done = business.filter(_.transaction).group_by("person", "department").agg(times=_.count())
    known = business.group_by("person", "department").agg(times=_.count())
    linked = known.group_by("person").agg(found=_.count()).filter(_.found >= parameters.agencies)
    enough = done.group_by("person").agg(found=_.count(), times=_.times.sum())
    enough = enough.filter(_.found >= parameters.departments, _.times >= parameters.transactions)
    return _evidence(linked, LINKED).union(_evidence(enough, TRANSACTED))


def evidence(sources: Sources, parameters: Parameters) -> Table:
    """Every record that says something about where and as what a person counts: person, bits, place, insured, funded."""
    on = parameters.on
    registered = sources.registered.filter(_.registered_on <= on)
    home = sources.household.select(house=_.number, lies_at=_digits(sources.household.dwelling))
    registered = registered.left_join(home, registered.household == home.house)
    at_home = _place("household", registered.lies_at, None, parameters)
    in_community = _place("registered", registered.community.cast("int64"), None, parameters)
    tenancy = sources.tenancy.filter(
        _.registered_on <= on, _.registered_on > months_before(on, parameters.rental_months)
    )
    collected = sources.collected.filter(_.collected_on <= on)
    lately = collected.collected_on > months_before(on, parameters.collected_months)
    permit = sources.permit.filter(_.issued_on <= on)
    insured, insured_months = _paid(sources.social_insurance, parameters)
    funded, funded_months = _paid(sources.provident_fund, parameters)
    rows = [
        _evidence(registered, REGISTERED, ibis.least(at_home, in_community)),
        _evidence(sources.death.filter(_.died_on <= on), DEAD),
        *_schooled(sources, parameters),
        _evidence(insured, 0, insured=insured_months),
        _evidence(funded, 0, funded=funded_months),
        _evidence(tenancy, RENTAL, _place("tenancy", _digits(tenancy.dwelling), tenancy.registered_on, parameters)),
        _evidence(
            collected,
            ibis.ifelse(lately, COLLECTED, 0),
            _place("collected", _digits(collected.dwelling), collected.collected_on, parameters),
        ),
        _evidence(permit, 0, _place("permit", permit.community.cast("int64"), permit.issued_on, parameters)),
        _known(sources, parameters),
    ]
    return ibis.union(*rows)


def persons(sources: Sources, parameters: Parameters) -> Table:
    """Everyone who counts, once: person, class (H, R or N), the rules that hold for her, and her place.

    Columns: person, `class`, school, payer, rental, short, collected, linked, transacted (booleans), place (packed).
    """
    known = evidence(sources, parameters).group_by("person").agg(
        bits=either(_.bits), place=_.place.min(), insured=_.insured.max(), funded=_.funded.max()
    )  # fmt: skip
    known = known.mutate(insured=_months(known.insured), funded=_months(known.funded))
    normal, paying = _payers(known, parameters)
    held = known.filter(~_has(known, DEAD)).mutate(
        registered=_has(known, REGISTERED), school=_has(known, SCHOOL), payer=normal, rental=_has(known, RENTAL),
        short=paying & ~normal, collected=_has(known, COLLECTED), linked=_has(known, LINKED),
        transacted=_has(known, TRANSACTED),
    )  # fmt: skip
    resident = held.school | held.payer | held.rental
    related = held.linked | held.transacted
    every, some = held.short & held.collected & related, held.short | held.collected | related
    managed = every if parameters.third_class == "conjunction" else some
    counted = ibis.cases((held.registered, "H"), (resident, "R"), (managed, "N"))
    rules = ("school", "payer", "rental", "short", "collected", "linked", "transacted")
    return held.mutate(**{"class": counted}).filter(_["class"].notnull()).select("person", "class", *rules, "place")


def _has(table: Table, bit: int) -> BooleanValue:
    return (table.bits & bit) != 0


def _months(packed: IntegerValue) -> IntegerValue:
    """Months paid without a gap as of the last payment; 0 of who does not pay."""
    return (packed % MONTHS).fill_null(0)


def _payers(known: Table, parameters: Parameters) -> tuple[BooleanValue, BooleanValue]:
    """Who pays normally, and who pays at least one fund that is still below the threshold."""
    enough = parameters.paid_months
    insured, funded = known.insured >= enough, known.funded >= enough
    normal = insured | funded if parameters.payers == "union" else insured & funded
    short = ((known.insured > 0) & ~insured) | ((known.funded > 0) & ~funded)
    return normal, short


def counts(persons: Table, dwelling: Table, grid: Grid) -> Table:
    """How many persons there are in each smallest piece of the city, by class and by the rules that hold for them.

    Columns: community (12 digits, empty where unknown), cell (grid cell, -1 where no dwelling is known), class, school,
    payer, rental, linked, transacted, persons. Communities and cells cut each other; the pieces are what both share.
    """
    found = located(persons, dwelling, grid)
    managed = found["class"] == "N"
    found = found.mutate(linked=managed & found.linked, transacted=managed & found.transacted)
    keys = ("community", "cell", "class", "school", "payer", "rental", "linked", "transacted")
    counted = found.group_by(*keys).agg(persons=_.count())
    named = ibis.ifelse(counted.community == 0, "", counted.community.cast("string").lpad(12, "0"))
    return counted.mutate(community=named)


def located(persons: Table, dwelling: Table, grid: Grid) -> Table:
    """The persons with community (a number of 12 digits, 0 where unknown) and cell (-1 where unknown) for their place."""
    home = dwelling.select(
        home=_digits(dwelling.code), lies_in=dwelling.community.cast("int64"), cell=cell(dwelling, grid)
    )
    number = persons.place & (NUMBER - 1)
    in_dwelling = ((persons.place >> RANK) & 1) == 1
    placed = persons.mutate(
        dwells=ibis.ifelse(in_dwelling, number, ibis.null("int64")), within=ibis.ifelse(in_dwelling, ibis.null("int64"), number)
    ).drop("place")  # fmt: skip
    joined = placed.left_join(home, placed.dwells == home.home)
    joined = joined.mutate(community=ibis.coalesce(joined.within, joined.lies_in, 0), cell=joined.cell.fill_null(-1))
    return joined.drop("dwells", "within", "home", "lies_in")


def members(located: Table, level: str, area: str, kind: str) -> Table:
    """Who a figure counts, by the level, area and class it was published under: person, class, and the rules that hold.

    `kind` "" is all classes; an area "" of a level other than the city is where nothing is known.
    """
    if level == "grid":
        here = located.cell == int(area)
    elif level == "city":
        here = ibis.literal(True)
    elif not area:
        here = located.community == 0
    else:
        here = (located.community // 10 ** (12 - len(area))) == int(area)
    found = located.filter(here)
    return (found.filter(found["class"] == kind) if kind else found).drop("community", "cell")


def cell(dwelling: Table, grid: Grid) -> IntegerValue:
    """The number of the grid cell, column × 1,000,000 + row."""
    column = ((dwelling.longitude.cast("float64") - grid.west) * grid.across).floor().cast("int64")
    row = ((dwelling.latitude.cast("float64") - grid.south) * grid.up).floor().cast("int64")
    return column * 1_000_000 + row


def middles(cells: Table, grid: Grid) -> Table:
    """The table with longitude and latitude (degrees) of the middle of each `cell` beside.

    Whole numbers are made fractions first: DuckDB would go on in decimals of few places.
    """
    column = (cells.cell / 1_000_000).floor().cast("float64")
    row = (cells.cell % 1_000_000).cast("float64")
    return cells.mutate(longitude=(column + 0.5) / grid.across + grid.west, latitude=(row + 0.5) / grid.up + grid.south)


def classes(counts: Table) -> Table:
    """Persons by community, cell and class: what is published, once protected."""
    return counts.group_by("community", "cell", "class").agg(persons=_.persons.sum().cast("int64"))


def contributions(counts: Table, digits: int = 6) -> Table:
    """Which rules hold for how many persons, alone and together, by area of so many digits (6: districts; 0: the city).

    Columns: area, class, school, payer, rental, linked, transacted, persons. In class H the rules are those that would
    have counted a person as R, had she not been registered: what the subtraction removed. Rows do not overlap.
    """
    area = counts.community.substr(0, digits) if digits else ibis.literal("")
    keys = ("class", "school", "payer", "rental", "linked", "transacted")
    return counts.mutate(area=area).group_by("area", *keys).agg(persons=_.persons.sum().cast("int64"))
