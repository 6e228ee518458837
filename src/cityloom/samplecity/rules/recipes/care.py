"""Births and deaths, clinics, marriages, cards of older people and of people with a disability."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cityloom.samplecity.rules import chance, facilities, numbers, times
from cityloom.samplecity.rules.chance import Index
from cityloom.samplecity.rules.population import YEAR
from cityloom.samplecity.rules.recipes import Recipe
from cityloom.samplecity.rules.times import day
from cityloom.samplecity.rules.world import (
    Columns,
    Roll,
    Scene,
    addresses,
    chosen,
    community_codes,
    dates,
    grown,
    moments,
    near,
    whole,
)  # fmt: skip

SUFFIXES = ("医院", "社区健康服务中心", "社区健康服务站", "门诊部", "诊所")
FIRST_CARD = day(1996, 10, 1)
"""The law on the rights of older people came into force."""


def clinic_roll(scene: Scene) -> Roll:
    """Two practices open and two close each month; the new ones have places of their own at the end of the list."""
    kind = scene.world.clinics.kind
    turns = scene.world.turns
    later = [len(kind) + 2 * turn + np.arange(2) for turn in range(turns)]
    roll = grown(np.arange(len(kind)), later, referenced=scene.world.clinics.hospitals)
    leaves = np.full(roll.ends[-1], -1)
    for period in range(1, turns + 1):
        leaves[len(kind) - 2 * period : len(kind) - 2 * period + 2] = period
    return Roll(roll.subject, roll.ends, roll.referenced, leaves)


def clinic_codes(clinic: Index) -> pa.Array:
    """Codes of health institutions."""
    return numbers.serials("Y", 1, clinic, 8)


def clinic(scene: Scene, roll: Roll, entity: Index, version: Index) -> Columns:
    known, world, one = scene.world.clinics, scene.world, roll.subject[entity]
    old = np.minimum(one, len(known.kind) - 1)
    opened = one >= len(known.kind)
    kind = np.where(opened, facilities.CLINIC, known.kind[old])
    community = np.where(opened, known.community[(one * 7) % len(known.kind)], known.community[old])
    place = chosen(tuple(place.zh for place in world.districts), world.communities.district[community])
    number = pc.binary_join_element_wise("第", whole(one + 1).cast(pa.string()), "")
    east, north = near(scene, community, "clinic", one)
    lasts = scene.world.lasts
    since = np.where(
        opened, chance.whole(scene.key, "new clinic", one, 0, 20), chance.whole(scene.key, "clinic", one, 60, 12_000)
    )
    return {
        "code": clinic_codes(one),
        "name": pc.binary_join_element_wise(place, number, chosen(SUFFIXES, kind), ""),
        "kind": chosen(facilities.CLINIC_KINDS, kind),
        "community": community_codes(world, community),
        "address": addresses(scene, community, "clinic", one, 0 * one),
        "longitude": east,
        "latitude": north,
        "beds": whole(np.where(opened, 0, known.beds[old])),
        "doctors": whole(np.where(opened, 2, known.doctors[old]) + version),
        "opened_on": dates(lasts[roll.period(entity)] - since),
    }


def birth_roll(scene: Scene) -> Roll:
    people = scene.people
    infants = (people.mother >= 0) & (people.arrived == 0) & (scene.world.today - people.birth < 365)
    return grown(
        np.flatnonzero(infants),
        [np.flatnonzero((people.arrived == turn) & (people.mother >= 0)) for turn in range(1, scene.world.turns + 1)],
    )


def birth(scene: Scene, roll: Roll, entity: Index, version: Index) -> Columns:
    people, key = scene.people, scene.key
    one = roll.subject[entity]
    last = scene.world.lasts[people.arrived[one]]
    father = people.father[one]
    return {
        "certificate_number": numbers.serials("Q", people.number, entity, 9),
        "name": people.name.take(pa.array(one)),
        "sex": chosen(("1", "2"), people.sex[one] - 1),
        "born_on": dates(people.birth[one]),
        "weight": whole(np.clip(np.rint(3250 + 430 * chance.normal(key, "weight", one)), 900, 5600) + 5 * version),
        "mother_id": people.id_number.take(pa.array(people.mother[one])),
        "father_id": people.id_number.take(pa.array(father, mask=father < 0)),
        "institution": _hospital(scene, one),
        "issued_on": dates(np.minimum(people.birth[one] + chance.whole(key, "certified", one, 1, 10), last)),
        "reported_at": moments(times.moments(last, key, "birth reported", one)),
    }


def immunisation_roll(scene: Scene) -> Roll:
    """Children under eight whose mother lives here, and the newborn of each month."""
    people = scene.people
    small = (people.mother >= 0) & (people.arrived == 0) & (scene.world.today - people.birth < 8 * YEAR)
    return grown(
        np.flatnonzero(small),
        [np.flatnonzero((people.arrived == turn) & (people.mother >= 0)) for turn in range(1, scene.world.turns + 1)],
    )


def immunisation(scene: Scene, roll: Roll, entity: Index, version: Index) -> Columns:
    people, key, one = scene.people, scene.key, roll.subject[entity]
    last = scene.world.lasts[np.maximum(0, people.arrived[one])]
    father = people.father[one]
    missing = np.where(chance.unit(key, "missed", one) < 0.04, chance.whole(key, "doses missed", one, 1, 5), 0)
    checked = np.maximum(people.birth[one], last - chance.whole(key, "immunised on", one, 40, 300))
    return {
        "id_number": people.id_number.take(pa.array(one)),
        "name": people.name.take(pa.array(one)),
        "birth_date": dates(people.birth[one]),
        "mother_id": people.id_number.take(pa.array(people.mother[one])),
        "father_id": people.id_number.take(pa.array(father, mask=father < 0)),
        "doses_missing": whole(missing),
        "institution": _hospital(scene, one),
        "checked_on": dates(checked + version),
    }


def _hospital(scene: Scene, one: Index) -> pa.Array:
    """Where somebody was born, and is immunised: a hospital of the part."""
    clinics, part = scene.world.clinics, scene.people.part[one]
    count = np.bincount(clinics.part[np.arange(clinics.hospitals)], minlength=int(clinics.part.max()) + 1)
    start = np.concatenate([[0], np.cumsum(count)[:-1]])
    return clinic_codes(start[part] + (chance.unit(scene.key, "born at", one) * count[part]).astype(np.int64))


def death_roll(scene: Scene) -> Roll:
    people = scene.people
    return grown(people.dead, [np.flatnonzero(people.died == turn) for turn in range(1, scene.world.turns + 1)])


def death(scene: Scene, roll: Roll, entity: Index, version: Index) -> Columns:
    people, world, period = scene.people, scene.world, roll.period(entity)
    one = roll.subject[entity]
    firsts, lasts = scene.world.firsts, scene.world.lasts
    began = np.where(period > 0, firsts[period], world.today - 360)
    died = began + (chance.unit(scene.key, "died on", one) * (lasts[period] - 2 - began)).astype(np.int64)
    return {
        "certificate_number": numbers.serials("X", people.number, entity, 9),
        "id_number": people.id_number.take(pa.array(one)),
        "name": people.name.take(pa.array(one)),
        "sex": chosen(("1", "2"), people.sex[one] - 1),
        "died_on": dates(died),
        "registered_on": dates(
            np.minimum(died + chance.whole(scene.key, "death registered", one, 0, 5), lasts[period]) + version
        ),
    }


def marriage_roll(scene: Scene) -> Roll:
    """Couples that married here in the last ten years, some that parted (their woman is given as -1 and down), and the
    new couples of each month; `other` is the man."""
    people, key = scene.people, scene.key
    wives = np.flatnonzero((people.sex == 2) & (people.spouse >= 0))
    here = (_wedding(scene, wives) > scene.world.today - 3650) & (chance.unit(key, "married here", wives) < 0.6)
    age = people.age(scene.world.today)
    single = (people.spouse < 0) & (people.arrived == 0) & (age >= 22) & (age < 50)
    men, women = (np.flatnonzero(single & (people.sex == sex)) for sex in (1, 2))
    men, women = (some[np.argsort(chance.bits(key, "meets", some), kind="stable")] for some in (men, women))
    monthly = max(6, len(wives) // 1500)
    turns = scene.world.turns
    monthly = min(monthly, len(men) // (turns + 1), len(women) // (turns + 1))
    parted = monthly // 2
    later = [women[turn * monthly : (turn + 1) * monthly] for turn in range(turns)]
    roll = grown(np.concatenate([wives[here], -1 - women[turns * monthly : turns * monthly + parted]]), later)
    husbands = [people.spouse[wives[here]], men[turns * monthly : turns * monthly + parted], men[: turns * monthly]]
    return Roll(roll.subject, roll.ends, other=np.concatenate(husbands))


def _wedding(scene: Scene, wife: Index) -> Index:
    age = np.clip(26 + 3.5 * chance.normal(scene.key, "wedding", wife), 20, 45)
    return np.minimum((scene.people.birth[wife] + age * YEAR).astype(np.int64), scene.world.today - 3)


def marriage(scene: Scene, roll: Roll, entity: Index, version: Index) -> Columns:
    people, world, period = scene.people, scene.world, roll.period(entity)
    parted = roll.subject[entity] < 0
    woman = np.where(parted, -1 - roll.subject[entity], roll.subject[entity])
    man = np.zeros(0, np.int64) if roll.other is None else roll.other[entity]
    firsts = scene.world.firsts
    new = firsts[period] + chance.whole(scene.key, "wedding day", woman, 0, 27)
    ended = world.today - chance.whole(scene.key, "parted", woman, 1, 900)
    on = np.where(period > 0, new, np.where(parted, ended, _wedding(scene, woman)))
    return {
        "certificate_number": numbers.serials("J", people.number, entity, 10),
        "kind": chosen(("1", "2"), parted.astype(np.int64)),
        "man_id": people.id_number.take(pa.array(man)),
        "man_name": people.name.take(pa.array(man)),
        "woman_id": people.id_number.take(pa.array(woman)),
        "woman_name": people.name.take(pa.array(woman)),
        "registered_on": dates(on + version),
    }


def senior_roll(scene: Scene) -> Roll:
    people = scene.people
    asked = (chance.unit(scene.key, "senior card", np.arange(len(people.sex))) < 0.8) & (people.arrived == 0)
    sixty = np.ceil(people.birth + 60 * YEAR).astype(np.int64)
    later = [
        np.flatnonzero(asked & (sixty >= period.first) & (sixty <= period.last)) for period in scene.world.periods[1:]
    ]
    roll = grown(np.flatnonzero(asked & (sixty <= scene.world.today)), later)
    return Roll(
        roll.subject,
        roll.ends,
        0,
        np.where(roll.period(np.arange(len(roll.subject))) == 0, people.died[roll.subject], -1),
    )


def senior_card(scene: Scene, roll: Roll, entity: Index, version: Index) -> Columns:
    people, one = scene.people, roll.subject[entity]
    lasts = scene.world.lasts
    age = people.age(scene.world.today)[one]
    sixty = np.ceil(people.birth[one] + 60 * YEAR).astype(np.int64)
    issued = np.clip(
        sixty + chance.whole(scene.key, "senior card on", one, 0, 200), FIRST_CARD, lasts[roll.period(entity)]
    )
    return {
        "number": numbers.serials("L", people.number, entity, 10),
        "id_number": people.id_number.take(pa.array(one)),
        "name": people.name.take(pa.array(one)),
        "kind": chosen(("1", "2", "3"), (age >= 65).astype(np.int64) + (age >= 80)),
        "community": community_codes(scene.world, people.community(one)),
        "issued_on": dates(issued + version),
    }


def disability_roll(scene: Scene) -> Roll:
    people = scene.people
    drawn = np.where(people.arrived == 0, chance.unit(scene.key, "disability", np.arange(len(people.sex))), 1.0)
    bounds = [0.016 + 0.0001 * turn for turn in range(len(scene.world.periods))]
    later = [np.flatnonzero((drawn >= low) & (drawn < low + 0.0001)) for low in bounds[:-1]]
    return grown(np.flatnonzero(drawn < 0.016), later)


def disability_card(scene: Scene, roll: Roll, entity: Index, version: Index) -> Columns:
    people, key, period = scene.people, scene.key, roll.period(entity)
    one = roll.subject[entity]
    lasts = scene.world.lasts
    ago = np.where(period > 0, 20, 3200) * chance.unit(key, "disability card", one)
    issued = np.maximum(lasts[period] - ago.astype(np.int64), people.birth[one])
    return {
        "number": numbers.serials("C", people.number, entity, 10),
        "id_number": people.id_number.take(pa.array(one)),
        "name": people.name.take(pa.array(one)),
        "category": chosen(
            ("1", "2", "3", "4", "5", "6", "7"), chance.pick(key, "disability of", one, (12, 10, 2, 50, 9, 12, 5))
        ),
        "level": whole(1 + chance.pick(key, "disability level", one, (15, 25, 30, 30))),
        "community": community_codes(scene.world, people.community(one)),
        "issued_on": dates(issued),
        "valid_until": dates(issued + 3650 + 365 * version),
    }


RECIPES = (
    Recipe("clinic", "city", clinic_roll, clinic),
    Recipe("birth", "block", birth_roll, birth),
    Recipe("immunisation", "block", immunisation_roll, immunisation),
    Recipe("death", "block", death_roll, death),
    Recipe("marriage", "block", marriage_roll, marriage),
    Recipe("senior_card", "block", senior_roll, senior_card),
    Recipe("disability_card", "block", disability_roll, disability_card),
)
