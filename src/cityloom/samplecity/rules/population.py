"""The people of a block and what belongs to them: households, dwellings, firms, jobs, and who comes and goes."""

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import ArrayLike

from cityloom.samplecity.rules import chance, families, layout, numbers
from cityloom.samplecity.rules.chance import Flags, Index
from cityloom.samplecity.rules.layout import Part
from cityloom.samplecity.rules.times import Period
from cityloom.samplecity.spec import City, District, Names

YEAR = 365.2425
VACANT = 0.05
NEWCOMERS = 0.003
"""People who move to the city in a month, as a share of those who live there."""


class Firms(msgspec.Struct, frozen=True):
    """The firms of a block; those from `idle` on employ nobody."""

    community: Index
    self_employed: Flags
    owner: Index
    """A person."""
    founded: Index
    idle: int
    code: pa.Array


class Population(msgspec.Struct, frozen=True):
    """Everybody in a block: residents first, then the newborn and the newcomers of each month, the dead of last year,
    and heads of households that nobody lives in any more. Days are counted from 1970-01-01."""

    number: int
    key: int
    residents: int
    part: Index
    sex: Index
    birth: Index
    household: Index
    """-1 for the dead and the absent heads."""
    relation: Index
    spouse: Index
    mother: Index
    father: Index
    registered: Flags
    arrived: Index
    """The period in which a person is first known: 0 for residents, -1 for the dead and the absent heads."""
    died: Index
    """The period in which a resident dies, or -1."""
    firm: Index
    """Employer, or -1."""
    teacher: Flags
    id_number: pa.Array
    name: pa.Array
    home: Index
    """Community of each household; its dwelling has the household's number."""
    collective: Flags
    rented: Flags
    head: Index
    vacant: Index
    """Community of each dwelling that stands empty; they are numbered after the households."""
    dead: Index
    absent: Index
    firms: Firms

    def age(self, today: int) -> Index:
        """Completed years of everybody."""
        return np.floor((today - self.birth) / YEAR).astype(np.int64)

    def community(self, person: Index) -> Index:
        """Where people live; the dead and the absent are put down where a household of the same number is."""
        return self.home[np.where(self.household[person] >= 0, self.household[person], person % len(self.home))]


def build(
    seed: int, block: int, parts: list[Part], census: tuple[District, ...], weight: chance.Units, city: City,
    names: Names, periods: tuple[Period, ...],
) -> Population:  # fmt: skip
    """The people of these parts at the end of the first period, and who comes later."""
    key = chance.key(seed, "block", block)
    pieces = [_piece(seed, part, census[part.district], weight, periods[0].last) for part in parts]
    base = _joined(pieces)
    people = _with_others(key, base, periods)
    return _finished(key, block, people, base, city, names, periods)


class _Piece(msgspec.Struct, frozen=True):
    """The people of a part and their households, numbered within it; or those of several parts, numbered through."""

    part: Index
    sex: Index
    birth: Index
    families: families.Families
    registered: Flags
    home: Index
    rented: Flags


def _piece(seed: int, part: Part, district: District, weight: chance.Units, today: int) -> _Piece:
    key = chance.key(seed, "part", part.number)
    sex, birth = layout.births(part, key, today)
    found = families.form(key, sex, birth, today, part.households, part.household_people)
    birth = _spaced(birth, found.mother)
    household = np.arange(len(found.kinds))
    home = part.communities[chance.pick(key, "community", household, weight[part.communities])]
    registered = _registered(key, found, round(district.registered * part.people))
    local = np.zeros(len(household), np.bool_)
    local[found.household[registered]] = True
    outside = max(0.01, 1 - float(local.mean()))
    most = min(0.97, district.renting / outside)
    rest = max(0.0, (district.renting - most * outside) / max(0.01, 1 - outside))
    rented = (chance.unit(key, "rented", household) < np.where(local, rest, most)) & (found.kinds == families.FAMILY)
    return _Piece(np.full(len(sex), part.number), sex, birth, found, registered, home, rented)


def _spaced(birth: Index, mother: Index) -> Index:
    """Siblings whose birthdays are too near become twins."""
    children = np.flatnonzero(mother >= 0)
    order = children[np.lexsort((birth[children], mother[children]))]
    spaced = birth.copy()
    for _ in range(3):
        near = (np.diff(mother[order]) == 0) & (np.diff(spaced[order]) < 280)
        spaced[order[1:][near]] = spaced[order[:-1][near]]
    return spaced


def _registered(key: int, found: families.Families, wanted: int) -> Flags:
    """Who is registered in the city: whole families until the number is reached, and few of those in dormitories."""
    collective = found.kinds[found.household] == families.COLLECTIVE
    person = np.arange(len(found.household))
    flags = collective & (chance.unit(key, "registered", person) < 0.15 * wanted / max(1, len(person)))
    sizes = np.bincount(found.household[~collective], minlength=len(found.kinds))
    order = np.argsort(chance.bits(key, "registered", np.arange(len(sizes))), kind="stable")
    order = order[sizes[order] > 0]
    chosen = order[np.cumsum(sizes[order]) <= wanted - int(flags.sum())]
    local = np.zeros(len(sizes), np.bool_)
    local[chosen] = True
    return np.asarray(flags | (local[found.household] & ~collective), np.bool_)


def _joined(pieces: list[_Piece]) -> _Piece:
    people = np.cumsum([0, *(len(piece.sex) for piece in pieces)])
    homes = np.cumsum([0, *(len(piece.home) for piece in pieces)])

    def moved(name: str) -> Index:
        arrays = [getattr(piece.families, name) for piece in pieces]
        return np.concatenate([np.where(one < 0, -1, one + start) for one, start in zip(arrays, people, strict=False)])

    found = families.Families(
        np.concatenate([piece.families.household + start for piece, start in zip(pieces, homes, strict=False)]),
        np.concatenate([piece.families.relation for piece in pieces]),
        moved("spouse"), moved("mother"), moved("father"),
        np.concatenate([piece.families.kinds for piece in pieces]),
    )  # fmt: skip
    return _Piece(
        np.concatenate([piece.part for piece in pieces]), np.concatenate([piece.sex for piece in pieces]),
        np.concatenate([piece.birth for piece in pieces]), found,
        np.concatenate([piece.registered for piece in pieces]),
        np.concatenate([piece.home for piece in pieces]), np.concatenate([piece.rented for piece in pieces]),
    )  # fmt: skip


class _People(msgspec.Struct):
    """Columns of everybody while the groups are put one after the other."""

    part: Index
    sex: Index
    birth: Index
    household: Index
    relation: Index
    mother: Index
    father: Index
    registered: Flags
    arrived: Index

    def add(self, **more: ArrayLike) -> Index:
        start = len(self.sex)
        for name in self.__struct_fields__:
            column = getattr(self, name)
            setattr(self, name, np.concatenate([column, np.asarray(more[name]).astype(column.dtype)]))
        return np.arange(start, len(self.sex))


def _with_others(key: int, base: _Piece, periods: tuple[Period, ...]) -> _People:
    found = base.families
    people = _People(
        base.part, base.sex, base.birth, found.household, found.relation, found.mother, found.father, base.registered,
        np.zeros(len(base.sex), np.int64),
    )  # fmt: skip
    age = (periods[0].last - base.birth) / YEAR
    mothers = np.flatnonzero((base.sex == 2) & (found.spouse >= 0) & (age > 22) & (age < 41))
    yearly = int((age < 1).sum())
    monthly = max(3, yearly // 12) if len(mothers) >= 3 * len(periods) else 0
    expecting = mothers[np.argsort(chance.bits(key, "expecting", mothers), kind="stable")]
    houses = np.flatnonzero(found.kinds == families.FAMILY)
    for period in periods[1:]:
        hers = expecting[(period.number - 1) * monthly : period.number * monthly]
        _newborn(key, people, base, period, hers)
        _newcomers(key, people, base, period, houses, max(5, round(NEWCOMERS * len(base.sex))))
    return people


def _newborn(key: int, people: _People, base: _Piece, period: Period, mothers: Index) -> None:
    name = f"newborn {period.number}"
    girl = chance.unit(key, name, mothers) < 0.475
    people.add(
        part=base.part[mothers], sex=np.where(girl, 2, 1),
        birth=chance.whole(key, name + " on", mothers, period.first, period.last - 1),
        household=base.families.household[mothers], relation=np.where(girl, families.DAUGHTER, families.SON),
        mother=mothers, father=base.families.spouse[mothers], registered=base.registered[mothers],
        arrived=np.full(len(mothers), period.number),
    )  # fmt: skip


def _newcomers(key: int, people: _People, base: _Piece, period: Period, houses: Index, count: int) -> None:
    name, one = f"newcomer {period.number}", np.arange(count)
    home = houses[chance.whole(key, name + " home", one, 0, len(houses))]
    none = np.full(count, -1)
    first = np.zeros(len(base.home), np.int64)
    first[base.families.household[::-1]] = np.arange(len(base.sex))[::-1]
    age = 18 + 27 * chance.unit(key, name + " age", one)
    people.add(
        part=base.part[first[home]], sex=np.where(chance.unit(key, name, one) < 0.46, 2, 1),
        birth=(period.first - age * YEAR).astype(np.int64), household=home,
        relation=np.full(count, families.STRANGER), mother=none, father=none, registered=np.zeros(count),
        arrived=np.full(count, period.number),
    )  # fmt: skip


def _gone(key: int, people: _People, name: str, count: int, today: int) -> Index:
    """People who are in a record and not in the city: the dead of last year, absent heads."""
    one, none = np.arange(count), np.full(count, -1)
    age = (
        62 + 33 * chance.unit(key, name + " age", one)
        if name == "dead"
        else 25 + 50 * chance.unit(key, name + " age", one)
    )
    return people.add(
        part=people.part[one % len(people.part)], sex=np.where(chance.unit(key, name, one) < 0.5, 2, 1),
        birth=(today - age * YEAR).astype(np.int64), household=none, relation=np.full(count, families.HEAD),
        mother=none, father=none, registered=np.ones(count), arrived=none,
    )  # fmt: skip


def _finished(
    key: int, block: int, people: _People, base: _Piece, city: City, names: Names, periods: tuple[Period, ...]
) -> Population:
    today = periods[0].last
    old = int(((today - base.birth) / YEAR >= 60).sum())
    homes = len(base.home)
    dead = _gone(key, people, "dead", max(24, round(old * 0.035)), today)
    absent = _gone(key, people, "absent", max(60, homes // 100), today)
    everyone = np.arange(len(people.sex))
    age = (today - people.birth) / YEAR
    dying = chance.unit(key, "dying", everyone)
    died = np.where(
        (people.arrived == 0) & (age >= 65) & (dying < 0.0035 * len(periods[1:])),
        1 + (dying / 0.0035).astype(np.int64),
        -1,
    )
    spouse = np.full(len(people.sex), -1, np.int64)
    spouse[: len(base.sex)] = base.families.spouse
    vacant = base.home[chance.whole(key, "vacant", np.arange(max(60, round(homes * VACANT))), 0, homes)]
    head = np.zeros(homes, np.int64)
    heads = np.flatnonzero((people.household >= 0) & (people.arrived == 0))[::-1]
    head[people.household[heads]] = heads
    chiefs = heads[people.relation[heads] == families.HEAD]
    head[people.household[chiefs]] = chiefs
    firms = _firms(key, block, people, base, city, today)
    firm, teacher = _jobs(key, people, city, firms, age)
    division = numbers.divisions(
        block * numbers.DIVISIONS_PER_BLOCK + chance.whole(key, "division", everyone, 0, numbers.DIVISIONS_PER_BLOCK)
    )
    return Population(
        block, key, len(base.sex), people.part, people.sex, people.birth, people.household, people.relation, spouse,
        people.mother, people.father, people.registered, people.arrived, died, firm, teacher,
        numbers.citizen_ids(division, people.birth, people.sex), person_names(key, people.sex, people.father, names),
        base.home, base.families.kinds == families.COLLECTIVE, base.rented, head, vacant, dead, absent, firms,
    )  # fmt: skip


def _firms(key: int, block: int, people: _People, base: _Piece, city: City, today: int) -> Firms:
    used = max(20, round(len(base.sex) * city.firms_per_person))
    count = used + max(40, used // 50) + max(8, used // 200) * 4
    one = np.arange(count)
    adults = np.flatnonzero(((today - people.birth) / YEAR >= 20) & (people.arrived == 0))
    division = numbers.divisions(
        block * numbers.DIVISIONS_PER_BLOCK + chance.whole(key, "registry", one, 0, numbers.DIVISIONS_PER_BLOCK)
    )
    shop = chance.unit(key, "shop", one) < 0.55
    founded = today - 30 - (chance.unit(key, "founded", one) ** 2 * 9000).astype(np.int64)
    return Firms(
        base.home[chance.whole(key, "firm at", one, 0, len(base.home))], np.asarray(shop, np.bool_),
        adults[chance.whole(key, "owner", one, 0, len(adults))], founded, used,
        numbers.credit_codes(division, 10_000_000 + one, shop),
    )  # fmt: skip


def _jobs(key: int, people: _People, city: City, firms: Firms, age: chance.Units) -> tuple[Index, Flags]:
    everyone = np.arange(len(people.sex))
    working = (age >= 18) & (age < np.where(people.sex == 1, 60, 55)) & (people.household >= 0) & (people.arrived == 0)
    working &= chance.unit(key, "employed", everyone) < city.employed
    young = (age >= 3) & (age < 18) & (people.arrived == 0)
    wanted = round(float(young.sum()) * 0.9 / 14)
    graduates = everyone[working & (age >= 23)]
    teacher = np.zeros(len(everyone), np.bool_)
    teacher[chance.sample(key, "teacher", graduates, wanted)] = True
    # few firms are large: weights fall off as a power law
    size = (0.02 + chance.unit(key, "firm size", np.arange(firms.idle))) ** -1.1 * np.where(
        firms.self_employed[: firms.idle], 0.2, 1.0
    )
    firm = np.where(working & ~teacher, chance.pick(key, "employer", everyone, size), -1)
    return firm.astype(np.int64), teacher


def person_names(key: int, sex: Index, father: Index, names: Names) -> pa.Array:
    """Chinese names; children have their father's surname where he is known."""
    everyone = np.arange(len(sex))
    surname = chance.pick(key, "surname", everyone, list(names.surnames.values()))
    surname = np.where(father >= 0, surname[father], surname)
    men, women, rare = list(names.male), list(names.female), list(names.rare)
    letters = pa.array([*men, *women, *rare])

    def given(which: str) -> Index:
        mine = np.where(
            sex == 1,
            chance.whole(key, which, everyone, 0, len(men)),
            len(men) + chance.whole(key, which, everyone, 0, len(women)),
        )
        odd = chance.unit(key, which + " rare", everyone) < 0.002
        return np.where(odd, len(men) + len(women) + chance.whole(key, which + " odd", everyone, 0, len(rare)), mine)

    short = chance.unit(key, "short name", everyone) < 0.15
    second = pc.if_else(pa.array(short), pa.scalar(""), letters.take(pa.array(given("second"))))
    first = pa.array(list(names.surnames)).take(pa.array(surname))
    return pc.binary_join_element_wise(first, letters.take(pa.array(given("first"))), second, "")
