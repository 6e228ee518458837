"""Schools, clinics and stops of the city: few, known everywhere, and delivered whole."""

import msgspec
import numpy as np

from cityloom.samplecity.rules import chance
from cityloom.samplecity.rules.chance import Index
from cityloom.samplecity.rules.layout import Communities, Part
from cityloom.samplecity.spec import City

KINDERGARTEN, PRIMARY, JUNIOR, NINE_YEAR, SENIOR = 111, 211, 311, 312, 342
"""Kinds of school (JY/T 1001-2012)."""
HOSPITAL, CENTRE, STATION, OUTPATIENT, CLINIC = range(5)
CLINIC_KINDS = ("A100", "B100", "B200", "D100", "D200")
STAGES = ((KINDERGARTEN, 3, 6, 240.0), (PRIMARY, 6, 12, 850.0), (JUNIOR, 12, 15, 700.0), (SENIOR, 15, 18, 1000.0))
"""Kind, ages, and how many pupils one school of it has."""


class Schools(msgspec.Struct, frozen=True):
    """All schools by part; those from `planned` on have no pupils yet."""

    part: Index
    kind: Index
    community: Index
    intake: Index
    places: Index
    number: Index
    """Counted through the city within a kind, for the name."""
    planned: int
    served_by: dict[int, Index]
    """For kindergartens and primary schools: the school of each community, or -1."""

    def of(self, part: int, kind: int) -> Index:
        """The schools of a part that pupils of that stage go to; nine-year schools are primary and junior ones."""
        kinds = (kind, NINE_YEAR) if kind in (PRIMARY, JUNIOR) else (kind,)
        working = np.arange(len(self.part)) < self.planned
        return np.flatnonzero((self.part == part) & np.isin(self.kind, kinds) & working)


class Clinics(msgspec.Struct, frozen=True):
    """All health institutions; only hospitals, which come first, are named by other datasets."""

    kind: Index
    community: Index
    part: Index
    beds: Index
    doctors: Index
    hospitals: int


def schools(seed: int, parts: list[Part], communities: Communities) -> Schools:
    """Schools for the children of each part, each serving communities that lie together, and a few that are planned."""
    part: list[int] = []
    kind: list[int] = []
    community: list[int] = []
    intake: list[int] = []
    served = {stage: np.full(len(communities.code), -1, np.int64) for stage in (KINDERGARTEN, PRIMARY)}
    for one in parts:
        for stage, low, high, size in STAGES:
            pupils = one.between(low, high) * 0.9
            count = max(1, round(pupils / size))
            spread = _spread(one, communities, count)
            for number in range(count):
                school = len(part)
                mine = one.communities[spread == number]
                if stage in served:
                    served[stage][mine] = school
                nine = stage == PRIMARY and chance.unit(seed, "nine", [school])[0] < 0.15
                part.append(one.number)
                kind.append(NINE_YEAR if nine else stage)
                community.append(int(mine[0] if len(mine) else one.communities[number % len(one.communities)]))
                yearly = (
                    pupils / (high - low) / count * float(np.exp(0.25 * chance.normal(seed, "intake", [school])[0]))
                )
                intake.append(max(10, round(yearly / 5) * 5))
    planned = len(part)
    for extra in range(10 + planned // 30):
        home = parts[extra % len(parts)]
        part.append(home.number)
        kind.append((KINDERGARTEN, PRIMARY, JUNIOR, SENIOR)[extra % 4])
        community.append(int(home.communities[(7 * extra) % len(home.communities)]))
        intake.append(45 * (1 + extra % 4))
    kinds = np.array(kind, np.int64)
    years = np.select([kinds == PRIMARY, kinds == NINE_YEAR], [6, 9], 3)
    counted = np.array([kind[:place].count(one) + 1 for place, one in enumerate(kind)], np.int64)
    yearly_intake = np.array(intake, np.int64)
    return Schools(
        np.array(part, np.int64), kinds, np.array(community, np.int64), yearly_intake, yearly_intake * years, counted,
        planned, served,
    )  # fmt: skip


def _spread(part: Part, communities: Communities, count: int) -> Index:
    """Which of `count` schools each community of the part belongs to: neighbours in the list, shares of like weight."""
    middle = np.cumsum(communities.weight[part.communities])
    middle = middle - communities.weight[part.communities] / 2
    spread = middle / communities.weight[part.communities].sum() * count
    return np.asarray(np.minimum(spread.astype(np.int64), count - 1), np.int64)


def clinics(seed: int, city: City, parts: list[Part], communities: Communities) -> Clinics:
    """A hospital or more for each part; community health centres as many as the real city has, whatever the size."""
    number = np.arange(len(communities.code))
    home = np.zeros(len(number), np.int64)
    for one in parts:
        home[one.communities] = one.number
    hospitals = [(one.communities[0], one.number) for one in parts for _ in range(max(1, round(one.people / 60_000)))]
    drawn = chance.unit(seed, "health centre", number)
    centre = number[drawn < city.health_centres_per_community]
    station = number[(drawn > 0.9) & (drawn >= city.health_centres_per_community)]
    practice = number[chance.unit(seed, "practice", number) < 0.3]
    outpatient = number[chance.unit(seed, "outpatient", number) < 0.12]
    sites = np.concatenate([np.array([site for site, _ in hospitals], np.int64), centre, station, outpatient, practice])
    sizes = [len(hospitals), len(centre), len(station), len(outpatient), len(practice)]
    kind = np.repeat(np.arange(5), sizes)
    place = np.arange(len(kind))
    beds = np.where(kind == HOSPITAL, chance.whole(seed, "beds", place, 100, 1200), np.where(kind == CENTRE, 10, 0))
    doctors = np.select([kind == HOSPITAL, kind == CENTRE], [beds // 2, chance.whole(seed, "doctors", place, 5, 30)], 3)
    return Clinics(kind, sites, home[sites], beds, doctors, len(hospitals))
