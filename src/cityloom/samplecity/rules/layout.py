"""Where how many people live: the census brought down to the wanted size, cut into parts and packed into blocks.

A part is some communities of one district; a block is what is made and delivered at once, and holds all that belongs
together: a child's mother, school and clinic are in its block.
"""

import msgspec
import numpy as np

from cityloom.samplecity.rules import chance
from cityloom.samplecity.rules.chance import Index
from cityloom.samplecity.spec import AGES, District, Place

PART = 400_000
BLOCK = 400_000
"""People in a part and a block at most (but for a single community that is larger)."""
HALF = len(AGES)


class Communities(msgspec.Struct, frozen=True):
    """All communities of the city, in the order of their codes."""

    code: tuple[str, ...]
    place: tuple[str, ...]
    """City, district, street and community in Chinese: the beginning of an address."""
    steps: tuple[tuple[str, str, str, str], ...]
    """The same four, one by one."""
    district: Index
    """Position of the district in the census."""
    weight: chance.Units
    longitude: chance.Units
    """Made-up centre within the real district, in degrees (CGCS2000)."""
    latitude: chance.Units


class Part(msgspec.Struct, frozen=True):
    """Some communities of a district and the people there."""

    number: int
    district: int
    people: int
    households: int
    """Family households."""
    household_people: int
    ages: Index
    """Men by age band, then women."""
    communities: Index

    def between(self, low: int, high: int) -> float:
        """About how many people are from `low` to below `high` years old."""
        total = 0.0
        for band, (start, end) in enumerate(AGES):
            inside = max(0, min(high, end) - max(low, start)) / (end - start)
            total += inside * float(self.ages[band] + self.ages[HALF + band])
        return total


def weights(seed: int, communities: tuple[Place, ...]) -> chance.Units:
    """How large a community is next to others of its district: log-normal, as villages and estates are."""
    codes = np.array([int(place.code) for place in communities], np.int64)
    return np.asarray(np.exp(0.6 * chance.normal(seed, "community weight", codes)), np.float64)


def parts(people: int, census: tuple[District, ...], communities: Communities) -> list[Part]:
    """The census at the size of `people`: the districts' totals are exact to the nearest person, and so are ages."""
    totals = chance.share(people, [district.people for district in census])
    found: list[Part] = []
    for place, district in enumerate(census):
        mine = np.flatnonzero(communities.district == place).astype(np.int64)
        ages = chance.share(int(totals[place]), district.ages)
        pieces = max(1, min(len(mine), -(-int(totals[place]) // PART)))
        edges = np.cumsum(communities.weight[mine])
        bounds = np.searchsorted(edges, edges[-1] * np.arange(1, pieces) / pieces)
        groups = [group for group in np.split(mine, np.unique(bounds)) if len(group)]
        heavy = np.cumsum([communities.weight[group].sum() for group in groups]) / edges[-1]
        before = np.zeros(len(ages), np.int64)
        for group, upto in zip(groups, heavy, strict=True):
            sofar = np.rint(ages * upto).astype(np.int64)
            found.append(_part(len(found), place, district, sofar - before, group))
            before = sofar
    return found


def _part(number: int, place: int, district: District, ages: Index, communities: Index) -> Part:
    people = int(ages.sum())
    scale = people / district.people
    living = min(people, round(district.household_people * scale))
    return Part(number, place, people, max(1, round(district.households * scale)), living, ages, communities)


def blocks(parts: list[Part]) -> list[list[Part]]:
    """The parts in their order, packed into blocks of up to BLOCK people."""
    found: list[list[Part]] = []
    size = 0
    for part in parts:
        if not found or size + part.people > BLOCK:
            found.append([])
            size = 0
        found[-1].append(part)
        size += part.people
    return found


def births(part: Part, key: int, today: int) -> tuple[Index, Index]:
    """Sex (1, 2) and birthday (days from 1970) of everybody in the part; `today` is the day of the census."""
    band = np.repeat(np.arange(2 * HALF), part.ages)
    person = np.arange(len(band))
    low = np.array([start for start, _ in AGES], np.int64)[band % HALF]
    high = np.array([end for _, end in AGES], np.int64)[band % HALF]
    # few of those over 85 are much older
    drawn = chance.unit(key, "age", person)
    drawn = np.where(low == 85, drawn**3, drawn)
    age = (low + drawn * (high - low)) * 365.2425
    sex = np.where(band < HALF, 1, 2).astype(np.int64)
    return sex, today - np.floor(age).astype(np.int64)
