"""The six-year-olds of a block with their parents, the school that serves their home, and what is true of them."""

from datetime import date

import numpy as np
import pyarrow as pa

from cityloom.samplecity.contracts import PlannedApplication
from cityloom.samplecity.rules import times
from cityloom.samplecity.rules.chance import Flags, Index
from cityloom.samplecity.rules.facilities import PRIMARY
from cityloom.samplecity.rules.headcount import standing
from cityloom.samplecity.rules.recipes import learning
from cityloom.samplecity.rules.recipes import people as recipes
from cityloom.samplecity.rules.times import EPOCH
from cityloom.samplecity.rules.world import Scene

AGE = 6
"""Completed years on the day before the school year."""


MONTHS, LAG = 12, 2
"""For how long a guardian must have had permit, tenancy and insurance, and how late payments may be told of."""


def applications(scene: Scene, on: date) -> list[PlannedApplication]:
    """On a day, of children whose mother lives here and whose community a primary school serves, in the order of the block."""
    people, served = scene.people, scene.world.schools.served_by[PRIMARY]
    age = times.school_age(people.birth, times.school_year(scene.world.today))
    here = (age == AGE) & (people.arrived == 0) & (people.mother >= 0) & (people.household >= 0) & (people.died < 0)
    children = np.flatnonzero(here)
    children = children[served[people.community(children)] >= 0]
    schools = served[people.community(children)]
    codes = learning.school_codes(schools).to_pylist()
    owned, held = _owned(scene), _Held(scene, on)
    found = []
    for child, school, code in zip(children.tolist(), schools.tolist(), codes, strict=True):
        parents = [int(each) for each in (people.mother[child], people.father[child]) if each >= 0]
        numbers = people.id_number.take(pa.array([child, *parents])).to_pylist()
        truth = {
            "guardianship": True,
            "household": bool(people.registered[child])
            and any(people.registered[each] and people.household[each] == people.household[child] for each in parents),
            "dwelling_owned": any(served[community] == school for each in parents for community in owned.get(each, ())),
            "residence_permit": any(each in held.permits for each in parents),
            "tenancy": any(served[community] == school for each in parents for community in held.rented.get(each, ())),
            "insurance": any(each in held.insured for each in parents),
            "immunisation": int(child) in held.immunised,
        }
        found.append(PlannedApplication(child=numbers[0], guardians=tuple(numbers[1:]), school=code, truth=truth))
    return found


class _Held:
    """What people hold on a day, by their place in the block."""

    def __init__(self, scene: Scene, on: date) -> None:
        one, permit = standing(scene, "residence_permit")
        long = _long_ago(permit["issued_on"], on) & (_days(permit["valid_until"]) >= (on - EPOCH).days)
        self.permits = set(one[long].tolist())
        home, deed = standing(scene, "tenancy")
        day = (on - EPOCH).days
        runs = (
            (_days(deed["starts_on"]) <= day) & (_days(deed["ends_on"]) >= day) & _long_ago(deed["registered_on"], on)
        )
        self.rented: dict[int, list[int]] = {}
        for each in home[runs].tolist():
            self.rented.setdefault(int(scene.people.head[each]), []).append(int(scene.people.home[each]))
        self.insured = _insured(scene, on)
        child, jabs = standing(scene, "immunisation")
        self.immunised = set(child[np.asarray(jabs["doses_missing"]) == 0].tolist())


def _insured(scene: Scene, on: date) -> set[int]:
    """Who paid for long enough up to a month that may be the last one told of."""
    one, paid = standing(scene, "social_insurance_payment")
    months: dict[int, tuple[int, int]] = {}
    for person, label, number in zip(
        one.tolist(), paid["month"].to_pylist(), paid["months_paid"].to_pylist(), strict=True
    ):
        year, month = label.split("-")
        months[person] = max(months.get(person, (0, 0)), (int(year) * 12 + int(month), number))
    now = on.year * 12 + on.month
    return {person for person, (last, number) in months.items() if now - last <= LAG and number >= MONTHS}


def _days(column: pa.Array) -> Index:
    return np.asarray(column.cast(pa.int32())).astype(np.int64)


def _long_ago(column: pa.Array, on: date) -> Flags:
    """Whether so many whole months have passed."""
    passed = [(on.year - day.year) * 12 + on.month - day.month - (on.day < day.day) for day in column.to_pylist()]
    return np.array(passed, np.int64) >= MONTHS


def _owned(scene: Scene) -> dict[int, list[int]]:
    """Communities of the dwellings that everybody owns."""
    roll = recipes.ownership_roll(scene)
    owners = np.zeros(0, np.int64) if roll.other is None else roll.other
    found: dict[int, list[int]] = {}
    for home, owner in zip(roll.subject.tolist(), owners.tolist(), strict=True):
        found.setdefault(owner, []).append(int(scene.people.home[home]))
    return found
