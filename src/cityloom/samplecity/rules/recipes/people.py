"""Household registration, dwellings, and people from elsewhere: where everybody lives."""

import numpy as np
import pyarrow as pa

from cityloom.samplecity.rules import chance, numbers, times
from cityloom.samplecity.rules.chance import Index
from cityloom.samplecity.rules.recipes import Recipe
from cityloom.samplecity.rules.world import (
    Columns,
    Roll,
    Scene,
    addresses,
    chosen,
    community_codes,
    dates,
    decimals,
    grown,
    moments,
    near,
    only_where,
    whole,
)  # fmt: skip

RELATIONS = {2: "02", 11: "11", 12: "12", 20: "20", 30: "30", 40: "40", 51: "51", 52: "52", 97: "97", 99: "99"}
CODES = np.zeros(100, np.int64)
CODES[list(RELATIONS)] = np.arange(len(RELATIONS))
JOINT = 0.45
"""Share of homes of couples that both own."""
LEVELS = ("10", "20", "30", "40", "60", "70", "80", "90")


def dwelling_codes(scene: Scene, dwelling: Index) -> pa.Array:
    """Codes of dwellings: those of the households first, then the vacant ones, then those still to be built."""
    return numbers.serials("D", scene.people.number, dwelling, 11)


def dwelling_roll(scene: Scene) -> Roll:
    homes, vacant = len(scene.people.home), len(scene.people.vacant)
    new = max(6, homes // 1000)
    later = [
        np.arange(homes + vacant + turn * new, homes + vacant + (turn + 1) * new) for turn in range(scene.world.turns)
    ]
    roll = grown(np.arange(homes + vacant), later, referenced=homes)
    # a few empty ones are pulled down each month
    leaves = np.full(roll.ends[-1], -1)
    for period in range(1, len(roll.ends)):
        leaves[homes + 2 * period : homes + 2 * period + 2] = period
    return Roll(roll.subject, roll.ends, roll.referenced, leaves)


def dwelling(scene: Scene, roll: Roll, entity: Index, version: Index) -> Columns:
    people, key = scene.people, scene.key
    one = roll.subject[entity]
    homes = len(people.home)
    empty = people.vacant[np.maximum(0, one - homes) % len(people.vacant)]
    community = np.where(one < homes, people.home[np.minimum(one, homes - 1)], empty)
    dormitory = (one < homes) & people.collective[np.minimum(one, homes - 1)]
    use = np.where(dormitory, 2, (chance.unit(key, "dwelling use", one) < 0.08).astype(np.int64))
    rooms = np.where(dormitory, 20, chance.whole(key, "rooms", one, 1, 5))
    area = rooms * 1800 + chance.whole(key, "area", one, 0, 2500) + 50 * version
    east, north = near(scene, community, "dwelling", one)
    return {
        "code": dwelling_codes(scene, one),
        "community": community_codes(scene.world, community),
        "address": addresses(scene, community, "dwelling", one, 0 * one),
        "use": chosen(("11", "12", "13"), use),
        "floor_area": decimals(area, 8, 2),
        "rooms": whole(rooms),
        "floor": whole(chance.whole(key, "dwelling floor", one, 1, 30)),
        "built_in": whole(chance.whole(key, "built", one, 1982, 2024)),
        "longitude": east,
        "latitude": north,
    }


def household_roll(scene: Scene) -> Roll:
    """Households with registered members; then those whose members are all gone, which nobody names (-1 and down)."""
    people = scene.people
    local = np.unique(people.household[: people.residents][people.registered[: people.residents]])
    gone = -1 - np.arange(len(people.absent))
    place = np.full(len(people.home), -1, np.int64)
    place[local] = np.arange(len(local))
    changed = []
    for period in range(1, scene.world.turns + 1):
        born = (people.arrived == period) & people.registered & (people.household >= 0)
        changed.append(np.unique(place[people.household[born]]))
    ends = (len(local) + len(gone),) * len(scene.world.periods)
    return Roll(np.concatenate([local, gone]), ends, len(local), changed=tuple(changed))


def household_numbers(scene: Scene, household: Index) -> pa.Array:
    """Household numbers; empty households (-1 and down) come after the others."""
    homes = len(scene.people.home)
    return numbers.serials("H", scene.people.number, np.where(household >= 0, household, homes - 1 - household), 11)


def household(scene: Scene, roll: Roll, entity: Index, version: Index) -> Columns:
    people, one = scene.people, roll.subject[entity]
    real = one >= 0
    home = np.maximum(one, 0)
    head = np.where(real, people.head[home], people.absent[np.maximum(-1 - one, 0)])
    members = np.bincount(
        people.household[: people.residents][people.registered[: people.residents]], minlength=len(people.home)
    )
    return {
        "number": household_numbers(scene, one),
        "kind": chosen(("1", "2"), people.collective[home] & real),
        "head_id": people.id_number.take(pa.array(head)),
        "dwelling": only_where(real, dwelling_codes(scene, home)),
        "community": community_codes(scene.world, np.where(real, people.home[home], people.community(head))),
        "members": whole(np.where(real, np.maximum(1, members[home]), 1) + version),
        "founded_on": dates(scene.world.today - chance.whole(scene.key, "household founded", one, 40, 9000)),
    }


def resident_roll(scene: Scene) -> Roll:
    people = scene.people
    later = [
        np.flatnonzero(people.registered & (people.arrived == period.number)) for period in scene.world.periods[1:]
    ]
    roll = grown(np.flatnonzero(people.registered & (people.arrived == 0)), later)
    moving = chance.unit(scene.key, "moves away", roll.subject)
    turns = scene.world.turns
    leaves = np.where(moving < 0.0004 * turns, 1 + (moving / 0.0004).astype(np.int64), people.died[roll.subject])
    leaves = np.where(people.arrived[roll.subject] == 0, leaves, -1)
    return Roll(roll.subject, roll.ends, 0, leaves)


def household_resident(scene: Scene, roll: Roll, entity: Index, version: Index) -> Columns:
    people, world = scene.people, scene.world
    one = roll.subject[entity]
    last = scene.world.lasts[np.maximum(0, people.arrived[one])]
    community = people.community(one)
    return {
        **_plain(scene, one),
        "household": household_numbers(scene, people.household[one]),
        "relation": chosen(tuple(RELATIONS.values()), CODES[people.relation[one]]),
        "marital_status": _marital(scene, one),
        "education": _education(scene, one),
        "community": community_codes(world, community),
        "address": addresses(scene, community, "dwelling", people.household[one], version),
        "registered_on": dates(_between(scene, "registered", one, people.birth[one], last)),
    }


def _plain(scene: Scene, one: Index) -> Columns:
    people = scene.people
    return {
        "id_number": people.id_number.take(pa.array(one)),
        "name": people.name.take(pa.array(one)),
        "sex": chosen(("1", "2"), people.sex[one] - 1),
        "birth_date": dates(people.birth[one]),
        "ethnic_group": _ethnic(scene, one),
    }


def _between(scene: Scene, what: str, one: Index, low: Index, high: Index) -> Index:
    return low + np.floor(chance.unit(scene.key, what, one) * (high - low + 1)).astype(np.int64)


def _ethnic(scene: Scene, one: Index) -> pa.Array:
    minority = chance.unit(scene.key, "minority", one) < 0.05
    group = np.where(minority, 2 + (chance.unit(scene.key, "ethnic group", one) ** 2 * 54).astype(np.int64), 1)
    return chosen(tuple(f"{code:02d}" for code in range(57)), group)


def _marital(scene: Scene, one: Index) -> pa.Array:
    people = scene.people
    age = people.age(scene.world.today)[one]
    drawn = chance.unit(scene.key, "marital", one)
    alone = np.select([age < 24, age >= 62, age >= 35], [0, 2, np.where(drawn < 0.3, 3, 0)], 0)
    return chosen(("10", "20", "30", "40"), np.where(people.spouse[one] >= 0, 1, alone))


def _education(scene: Scene, one: Index) -> pa.Array:
    age = scene.people.age(scene.world.today)[one]
    grown = chance.pick(scene.key, "education", one, (4, 18, 18, 10, 17, 28, 4, 1))
    old = chance.pick(scene.key, "education of the old", one, (0, 2, 4, 5, 13, 40, 30, 6))
    level = np.where(age >= 55, old, grown)
    return chosen(LEVELS, np.select([age < 7, age < 13, age < 16, age < 19], [7, 6, 5, 4], level))


def collected_roll(scene: Scene) -> Roll:
    people = scene.people
    known = (
        ~people.registered
        & (chance.unit(scene.key, "collected", np.arange(len(people.sex))) < 0.92)
        & (people.household >= 0)
    )
    turns = range(1, scene.world.turns + 1)
    roll = grown(
        np.flatnonzero(known & (people.arrived == 0)),
        [np.flatnonzero(known & (people.arrived == turn)) for turn in turns],
    )
    moving = chance.unit(scene.key, "goes home", roll.subject)
    leaves = np.where(moving < 0.004 * len(turns), 1 + (moving / 0.004).astype(np.int64), people.died[roll.subject])
    return Roll(roll.subject, roll.ends, 0, np.where(people.arrived[roll.subject] == 0, leaves, -1))


def residence_collected(scene: Scene, roll: Roll, entity: Index, version: Index) -> Columns:
    people, world, key = scene.people, scene.world, scene.key
    one = roll.subject[entity]
    arrived = people.arrived[one]
    firsts, lasts = scene.world.firsts, scene.world.lasts
    stay = (chance.unit(key, "stay", one) ** 2 * 5400).astype(np.int64)
    moved_in = np.where(
        arrived > 0, _between(scene, "moved in", one, firsts[arrived], firsts[arrived] + 14), world.today - stay
    )
    moved_in = np.maximum(moved_in, people.birth[one])
    drawn = chance.unit(key, "collected on", one)
    ago = np.where(drawn < 0.75, drawn * 240, 180 + (drawn - 0.75) * 2000).astype(np.int64)
    newly = np.minimum(arrived + version, len(lasts) - 1)
    seen = np.where(newly > 0, lasts[newly] - chance.whole(key, "seen again", one, 0, 10), world.today - ago)
    age = people.age(world.today)[one]
    reason = np.select([age < 16, people.firm[one] >= 0], [1, 0], chance.pick(key, "reason", one, (2, 4, 1, 2, 1)))
    return {
        **_plain(scene, one),
        "community": community_codes(world, people.community(one)),
        "dwelling": dwelling_codes(scene, people.household[one]),
        "reason": chosen(("1", "2", "3", "4", "9"), reason),
        "moved_in": dates(moved_in),
        "collected_on": dates(np.maximum(seen, moved_in)),
        "reported_at": moments(times.moments(lasts[newly], key, "collected at", one) + version),
    }


def permit_roll(scene: Scene) -> Roll:
    people = scene.people
    drawn = chance.unit(scene.key, "permit", np.arange(len(people.sex)))
    may = ~people.registered & (people.arrived == 0) & (people.age(scene.world.today) >= 16)
    later = [
        np.flatnonzero(may & (drawn >= 0.6 + 0.004 * turn) & (drawn < 0.604 + 0.004 * turn))
        for turn in range(scene.world.turns)
    ]
    return grown(np.flatnonzero(may & (drawn < 0.6)), later)


def residence_permit(scene: Scene, roll: Roll, entity: Index, version: Index) -> Columns:
    people, one, period = scene.people, roll.subject[entity], roll.period(entity)
    lasts = scene.world.lasts
    ago = np.where(period > 0, 20, 360) * chance.unit(scene.key, "permit issued", one)
    issued = lasts[period] - ago.astype(np.int64)
    return {
        "number": numbers.serials("R", people.number, entity, 11),
        "id_number": people.id_number.take(pa.array(one)),
        "name": people.name.take(pa.array(one)),
        "community": community_codes(scene.world, people.community(one)),
        "issued_on": dates(issued),
        "valid_until": dates(issued + 365 * (1 + version)),
    }


def tenancy_roll(scene: Scene) -> Roll:
    rented = np.flatnonzero(scene.people.rented)
    later = [
        chance.sample(scene.key, f"let again {turn}", rented, max(6, len(rented) // 60))
        for turn in range(scene.world.turns)
    ]
    return grown(rented, later)


def tenancy(scene: Scene, roll: Roll, entity: Index, version: Index) -> Columns:
    people, key, period = scene.people, scene.key, roll.period(entity)
    home = roll.subject[entity]
    tenant = people.head[home]
    lasts = scene.world.lasts
    ago = np.where(period > 0, 25, 30 + chance.unit(key, "let for", entity) * 520)
    start = lasts[period] - (ago * (0.1 + 0.9 * chance.unit(key, "let on", entity))).astype(np.int64)
    registered = np.minimum(start + chance.whole(key, "let registered", entity, 0, 20), lasts[period])
    rent = 60_000 + 5_000 * chance.whole(key, "rent", entity, 0, 160) + 5_000 * version
    return {
        "number": numbers.serials("T", people.number, entity, 11),
        "dwelling": dwelling_codes(scene, home),
        "tenant_id": people.id_number.take(pa.array(tenant)),
        "tenant_name": people.name.take(pa.array(tenant)),
        "starts_on": dates(start),
        "ends_on": dates(start + 365 * chance.whole(key, "let years", entity, 1, 4)),
        "monthly_rent": decimals(rent, 10, 2),
        "registered_on": dates(registered),
        "reported_at": moments(times.moments(lasts[period], key, "let reported", entity) + version),
    }


def ownership_roll(scene: Scene) -> Roll:
    """Family homes that are not let belong to their head, many of them to the couple; each month some tenants buy theirs.

    `other` is the owner.
    """
    people = scene.people
    bought, turns = np.flatnonzero(people.rented), scene.world.turns
    monthly = min(max(6, len(bought) // 300), len(bought) // max(1, turns))
    bought = chance.sample(scene.key, "bought", bought, monthly * turns)
    own = np.flatnonzero(~people.rented & ~people.collective)
    groups = [_owners(scene, own), *(_owners(scene, bought[turn * monthly :][:monthly]) for turn in range(turns))]
    roll = grown(groups[0][0], [homes for homes, _ in groups[1:]])
    return Roll(roll.subject, roll.ends, other=np.concatenate([owners for _, owners in groups]))


def _owners(scene: Scene, homes: Index) -> tuple[Index, Index]:
    """One row for each owner of each home: the homes, and the owners."""
    people = scene.people
    spouse = people.spouse[people.head[homes]]
    joint = (spouse >= 0) & (chance.unit(scene.key, "owned jointly", homes) < JOINT)
    return np.concatenate([homes, homes[joint]]), np.concatenate([people.head[homes], spouse[joint]])


def ownership(scene: Scene, roll: Roll, entity: Index, version: Index) -> Columns:
    people, key, home = scene.people, scene.key, roll.subject[entity]
    owner = np.zeros(0, np.int64) if roll.other is None else roll.other[entity]
    joint = (people.spouse[people.head[home]] >= 0) & (chance.unit(key, "owned jointly", home) < JOINT)
    lasts = scene.world.lasts
    ago = np.where(roll.period(entity) > 0, 25, 60 + chance.whole(key, "owned for", home, 0, 7000))
    return {
        "number": numbers.serials("F", people.number, home, 11),
        "dwelling": dwelling_codes(scene, home),
        "owner_id": people.id_number.take(pa.array(owner)),
        "owner_name": people.name.take(pa.array(owner)),
        "share": decimals(np.where(joint, 5_000, 10_000), 5, 2),
        "registered_on": dates(lasts[roll.period(entity)] - ago + version),
    }


def vehicle_roll(scene: Scene) -> Roll:
    people = scene.people
    count = max(30, round(len(people.home) * scene.world.city.vehicles_per_household))
    new = max(6, count // 200)
    turns = scene.world.turns
    ends = tuple(count + turn * new for turn in range(turns + 1))
    one = np.arange(ends[-1])
    scrapped = chance.unit(scene.key, "scrapped", one)
    leaves = np.where((scrapped < 0.003 * turns) & (one < count), 1 + (scrapped / 0.003).astype(np.int64), -1)
    return Roll(chance.whole(scene.key, "vehicle of", one, 0, len(people.home)), ends, 0, leaves)


def vehicle(scene: Scene, roll: Roll, entity: Index, version: Index) -> Columns:
    people, key, period = scene.people, scene.key, roll.period(entity)
    owner = people.head[(roll.subject[entity] + version) % len(people.home)]
    kind = chance.pick(key, "vehicle kind", entity, (88, 1, 6, 4, 1))
    energy = np.where(kind == 2, 1, chance.pick(key, "energy", entity, (70, 1, 20, 8, 1)))
    seats = np.select([kind == 0, kind == 1, kind == 2], [5, 30, 2], 2)
    lasts = scene.world.lasts
    ago = np.where(period > 0, 25, 4500) * chance.unit(key, "vehicle registered", entity)
    return {
        "plate": numbers.plates("织", people.number * (1 << 22) + entity),
        "kind": chosen(("1", "2", "3", "4", "9"), kind),
        "energy": chosen(("A", "B", "C", "D", "Z"), energy),
        "owner_id": people.id_number.take(pa.array(owner)),
        "seats": whole(seats),
        "registered_on": dates(lasts[period] - ago.astype(np.int64)),
    }


RECIPES = (
    Recipe("dwelling", "block", dwelling_roll, dwelling),
    Recipe("household", "block", household_roll, household),
    Recipe("household_resident", "block", resident_roll, household_resident),
    Recipe("residence_collected", "block", collected_roll, residence_collected),
    Recipe("residence_permit", "block", permit_roll, residence_permit),
    Recipe("tenancy", "block", tenancy_roll, tenancy),
    Recipe("ownership", "block", ownership_roll, ownership),
    Recipe("vehicle", "block", vehicle_roll, vehicle),
)
