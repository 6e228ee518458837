"""The six-year-olds of a block with their parents, the school that serves their home, and what is true of them."""

import numpy as np
import pyarrow as pa

from cityloom.samplecity.contracts import PlannedApplication
from cityloom.samplecity.rules import times
from cityloom.samplecity.rules.facilities import PRIMARY
from cityloom.samplecity.rules.recipes import learning
from cityloom.samplecity.rules.recipes import people as recipes
from cityloom.samplecity.rules.world import Scene

AGE = 6
"""Completed years on the day before the school year."""


def applications(scene: Scene) -> list[PlannedApplication]:
    """Of children whose mother lives here and whose community a primary school serves, in the order of the block."""
    people, served = scene.people, scene.world.schools.served_by[PRIMARY]
    age = times.school_age(people.birth, times.school_year(scene.world.today))
    here = (age == AGE) & (people.arrived == 0) & (people.mother >= 0) & (people.household >= 0) & (people.died < 0)
    children = np.flatnonzero(here)
    children = children[served[people.community(children)] >= 0]
    schools = served[people.community(children)]
    codes = learning.school_codes(schools).to_pylist()
    owned = _owned(scene)
    found = []
    for child, school, code in zip(children.tolist(), schools.tolist(), codes, strict=True):
        parents = [int(each) for each in (people.mother[child], people.father[child]) if each >= 0]
        numbers = people.id_number.take(pa.array([child, *parents])).to_pylist()
        truth = {
            "guardianship": True,
            "household": bool(people.registered[child])
            and any(people.registered[each] and people.household[each] == people.household[child] for each in parents),
            "dwelling_owned": any(served[community] == school for each in parents for community in owned.get(each, ())),
        }
        found.append(PlannedApplication(child=numbers[0], guardians=tuple(numbers[1:]), school=code, truth=truth))
    return found


def _owned(scene: Scene) -> dict[int, list[int]]:
    """Communities of the dwellings that everybody owns."""
    roll = recipes.ownership_roll(scene)
    owners = np.zeros(0, np.int64) if roll.other is None else roll.other
    found: dict[int, list[int]] = {}
    for home, owner in zip(roll.subject.tolist(), owners.tolist(), strict=True):
        found.setdefault(owner, []).append(int(scene.people.home[home]))
    return found
