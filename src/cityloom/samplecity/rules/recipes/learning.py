"""Schools, what they plan, whom they serve, who learns and who teaches there; and the stops of buses and trains."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cityloom.samplecity.rules import chance, numbers, times
from cityloom.samplecity.rules.chance import Index
from cityloom.samplecity.rules.facilities import JUNIOR, KINDERGARTEN, NINE_YEAR, PRIMARY, SENIOR
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
    degrees,
    grown,
    near,
    whole,
)  # fmt: skip
from cityloom.samplecity.spec import Point

KINDS = {KINDERGARTEN: "幼儿园", PRIMARY: "小学", JUNIOR: "初级中学", NINE_YEAR: "学校", SENIOR: "高级中学"}


def school_codes(school: Index) -> pa.Array:
    """Codes of schools."""
    return numbers.serials("E", 1, school, 9)


def school_roll(scene: Scene) -> Roll:
    schools = scene.world.schools
    return Roll(np.arange(len(schools.kind)), (len(schools.kind),) * len(scene.world.periods), schools.planned)


def school(scene: Scene, roll: Roll, entity: Index, version: Index) -> Columns:
    known, world, one = scene.world.schools, scene.world, roll.subject[entity]
    place = chosen(tuple(place.zh for place in world.districts), world.communities.district[known.community[one]])
    kind = np.searchsorted(np.array(sorted(KINDS)), known.kind[one])
    number = whole(known.number[one]).cast(pa.string())
    east, north = near(scene, known.community[one], "school", one)
    founded = chance.whole(scene.key, "school founded", one, day(1985, 1, 1), day(2024, 9, 1))
    return {
        "code": school_codes(one),
        "name": pc.binary_join_element_wise(
            place, "第", number, chosen([KINDS[one] for one in sorted(KINDS)], kind), ""
        ),
        "kind": chosen([str(one) for one in sorted(KINDS)], kind),
        "community": community_codes(world, known.community[one]),
        "address": addresses(scene, known.community[one], "school", one, 0 * one),
        "longitude": east,
        "latitude": north,
        "places": whole(known.places[one] + 45 * version),
        "founded_on": dates(founded),
    }


def plan_roll(scene: Scene) -> Roll:
    """Two years of each school that has pupils."""
    schools = scene.world.schools.planned
    return Roll(
        np.repeat(np.arange(schools), 2), (2 * schools,) * len(scene.world.periods), other=np.tile([0, 1], schools)
    )


def school_plan(scene: Scene, roll: Roll, entity: Index, version: Index) -> Columns:
    known, one = scene.world.schools, roll.subject[entity]
    later = np.zeros(len(one), np.int64) if roll.other is None else roll.other[entity]
    intake = known.intake[one] + 5 * (later * chance.whole(scene.key, "more places", one, 0, 3) + version)
    return {
        "school": school_codes(one),
        "year": whole(times.school_year(scene.world.today) + later),
        "planned_intake": whole(intake),
        "classes": whole(-(-intake // 45)),
    }


def catchment_roll(scene: Scene) -> Roll:
    """The communities that a primary school serves; `other` is the school."""
    served = scene.world.schools.served_by[PRIMARY]
    subject = np.flatnonzero(served >= 0)
    return Roll(subject, (len(subject),) * len(scene.world.periods), other=served[subject])


def school_catchment(scene: Scene, roll: Roll, entity: Index, version: Index) -> Columns:
    school = np.zeros(0, np.int64) if roll.other is None else roll.other[entity]
    return {
        "school": school_codes(school),
        "community": community_codes(scene.world, roll.subject[entity]),
        "since": whole(
            times.school_year(scene.world.today)
            - chance.whole(scene.key, "served since", roll.subject[entity], 1, 8)
            + version
        ),
    }


def _stage(scene: Scene) -> Index:
    """Completed years of everybody who may go to school, on the day before the school year; -1 for others."""
    people = scene.people
    age = times.school_age(people.birth, times.school_year(scene.world.today))
    return np.where((people.arrived == 0) & (age >= 3) & (age < 18), age, -1)


def pupil_roll(scene: Scene) -> Roll:
    age = _stage(scene)
    drawn = chance.unit(scene.key, "at school", np.arange(len(age)))
    enrolled = np.select([age < 0, age < 6, age < 15], [0.0, 0.85, 0.96], 0.88)
    turns = scene.world.turns
    later = [
        np.flatnonzero((drawn >= enrolled + 0.004 * turn) & (drawn < enrolled + 0.004 * (turn + 1)) & (age >= 0))
        for turn in range(turns)
    ]
    roll = grown(np.flatnonzero(drawn < enrolled), later)
    moving = chance.unit(scene.key, "leaves school", roll.subject)
    leaves = np.where(moving < 0.002 * turns, 1 + (moving / 0.002).astype(np.int64), -1)
    return Roll(roll.subject, roll.ends, 0, np.where(roll.period(np.arange(len(roll.subject))) == 0, leaves, -1))


def _school_of(scene: Scene, one: Index, age: Index) -> Index:
    """The school of the catchment for small children, one of the part's for older ones."""
    schools, people = scene.world.schools, scene.people
    home = people.community(one)
    found = np.where(age < 6, schools.served_by[KINDERGARTEN][home], schools.served_by[PRIMARY][home])
    for stage, low, high in ((JUNIOR, 12, 15), (SENIOR, 15, 18)):
        for part in np.unique(people.part[one]):
            here = np.flatnonzero((age >= low) & (age < high) & (people.part[one] == part))
            choice = schools.of(int(part), stage)
            found[here] = choice[chance.whole(scene.key, f"school {stage}", one[here], 0, len(choice))]
    # a community that no kindergarten or school serves sends its children to the first one of the part
    for low, high, stage in ((3, 6, KINDERGARTEN), (6, 12, PRIMARY)):
        lost = np.flatnonzero((found < 0) & (age >= low) & (age < high))
        for part in np.unique(people.part[one[lost]]):
            found[lost[people.part[one[lost]] == part]] = schools.of(int(part), stage)[0]
    return found


def pupil(scene: Scene, roll: Roll, entity: Index, version: Index) -> Columns:
    people, key, one = scene.people, scene.key, roll.subject[entity]
    age = _stage(scene)[one]
    began = times.school_year(scene.world.today) - np.select(
        [age < 6, age < 12, age < 15], [age - 3, age - 6, age - 12], age - 15
    )
    starts = np.array(
        [day(year, 9, 1) for year in range(int(began.min(initial=2000)), int(began.max(initial=2000)) + 1)]
    )
    return {
        "student_number": numbers.serials("S", people.number, entity, 11),
        "id_number": people.id_number.take(pa.array(one)),
        "name": people.name.take(pa.array(one)),
        "school": school_codes(_school_of(scene, one, age)),
        "grade": whole(np.maximum(0, age - 5)),
        "class": whole(1 + (chance.whole(key, "class", one, 0, 12) + version) % 12),
        "status": chosen(("1", "2"), chance.unit(key, "on leave", one) < 0.01),
        "enrolled_on": dates(starts[began - int(began.min(initial=2000))]),
    }


def teacher_roll(scene: Scene) -> Roll:
    people = scene.people
    new = chance.unit(scene.key, "new teacher", np.arange(len(people.sex)))
    turns = scene.world.turns
    later = [np.flatnonzero(people.teacher & (new >= 0.01 * turn) & (new < 0.01 * (turn + 1))) for turn in range(turns)]
    return grown(np.flatnonzero(people.teacher & (new >= 0.01 * turns)), later)


def teacher(scene: Scene, roll: Roll, entity: Index, version: Index) -> Columns:
    people, key, one = scene.people, scene.key, roll.subject[entity]
    schools = scene.world.schools
    at = np.zeros(len(one), np.int64)
    for part in np.unique(people.part[one]):
        choice = np.flatnonzero((schools.part == part) & (np.arange(len(schools.part)) < schools.planned))
        here = people.part[one] == part
        at[here] = choice[chance.pick(key, "teaches at", one[here], schools.places[choice])]
    career = chance.unit(key, "hired", one) * (scene.world.today - people.birth[one] - 22 * 366)
    return {
        "number": numbers.serials("K", people.number, entity, 10),
        "id_number": people.id_number.take(pa.array(one)),
        "name": people.name.take(pa.array(one)),
        "school": school_codes(at),
        "post": chosen(("1", "2", "3"), (chance.pick(key, "post", one, (85, 7, 8)) + version) % 3),
        "hired_on": dates(scene.world.today - np.maximum(20, career).astype(np.int64)),
    }


def _stop_roll(dataset: str, scene: Scene, leaving: int) -> Roll:
    one = np.arange(len(scene.world.stops.get(dataset, [])))
    ends = (len(one),) * len(scene.world.periods)
    drawn = chance.unit(scene.key, dataset + " closes", one) * len(one)
    turns = scene.world.turns
    leaves = np.where(drawn < leaving * turns, 1 + (drawn / max(1, leaving)).astype(np.int64), -1) if leaving else None
    return Roll(one, ends, 0, leaves)


def _stops(dataset: str, scene: Scene, entity: Index) -> dict[str, list[str | int | float | list[str] | None]]:
    found = [scene.world.stops[dataset][place] for place in entity]
    names = found[0].properties if found else {}
    return {name: [feature.properties.get(name) for feature in found] for name in names}


def _points(dataset: str, scene: Scene, entity: Index) -> tuple[pa.Array, pa.Array]:
    shapes = [scene.world.stops[dataset][place].geometry for place in entity]
    points = np.array([shape.coordinates for shape in shapes if isinstance(shape, Point)], np.float64).reshape(-1, 2)
    return degrees(points[:, 0]), degrees(points[:, 1])


def metro_stop_roll(scene: Scene) -> Roll:
    return _stop_roll("metro_stop", scene, 0)


def metro_stop(scene: Scene, roll: Roll, entity: Index, version: Index) -> Columns:  # noqa: ARG001
    said = _stops("metro_stop", scene, entity)
    east, north = _points("metro_stop", scene, entity)
    texts = {name: pa.array(said[name], pa.string()) for name in ("code", "name", "name_en", "line")}
    return {**texts, "position": pa.array(said["position"], pa.int64()), "longitude": east, "latitude": north}


def bus_stop_roll(scene: Scene) -> Roll:
    return _stop_roll("bus_stop", scene, 6)


def bus_stop(scene: Scene, roll: Roll, entity: Index, version: Index) -> Columns:
    said = _stops("bus_stop", scene, roll.subject[entity])
    east, north = _points("bus_stop", scene, entity)
    return {
        "code": pa.array(said["code"], pa.string()),
        "name": pa.array(said["name"], pa.string()),
        "lines": pc.add(pa.array(said["lines"], pa.int64()), whole(version)),
        "longitude": east,
        "latitude": north,
    }


CITY_RECIPES = (
    Recipe("school", "city", school_roll, school),
    Recipe("school_plan", "city", plan_roll, school_plan),
    Recipe("school_catchment", "city", catchment_roll, school_catchment),
    Recipe("metro_stop", "city", metro_stop_roll, metro_stop, varies=False),
    Recipe("bus_stop", "city", bus_stop_roll, bus_stop),
)
RECIPES = (
    Recipe("pupil", "block", pupil_roll, pupil),
    Recipe("teacher", "block", teacher_roll, teacher),
)
