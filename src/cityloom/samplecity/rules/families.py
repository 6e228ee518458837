"""Puts people into households: couples, their children, old parents, flats shared by strangers, dormitories.

People come with sex and birthday from the census; families are found for them, so that every child has a mother of
20 to 45 at its birth, and the number of households is that of the census.
"""

import msgspec
import numpy as np

from cityloom.samplecity.rules import chance
from cityloom.samplecity.rules.chance import Flags, Index

HEAD, HUSBAND, WIFE, SON, DAUGHTER, FATHER, MOTHER, STRANGER = 2, 11, 12, 20, 30, 51, 52, 99
"""Relations to the head of the household (GB/T 4761-2008)."""
FAMILY, COLLECTIVE = 1, 2
DORMITORY = 30
_OLDEST = 130


class Families(msgspec.Struct, frozen=True):
    """For every person: household and relation, and the places of spouse, mother and father or -1."""

    household: Index
    relation: Index
    spouse: Index
    mother: Index
    father: Index
    kinds: Index
    """FAMILY or COLLECTIVE for every household."""


def form(key: int, sex: Index, birth: Index, today: int, households: int, living: int) -> Families:
    """Families for these people. `households` family households are wanted, with `living` people in them."""
    draft = _Draft(key, sex, birth, ((today - birth) / 365.2425).astype(np.int64))
    draft.dormitories(living)
    draft.couples()
    draft.children()
    draft.old_parents()
    singles = draft.shared_flats(households)
    return draft.finish(singles)


class _Draft:
    """Families while they are found; `home` is -1 for those without a household."""

    def __init__(self, key: int, sex: Index, birth: Index, age: Index) -> None:
        self.key, self.sex, self.birth, self.age = key, sex, birth, age
        self.everyone = np.arange(len(sex))
        self.home = np.full(len(sex), -1, np.int64)
        self.relation = np.full(len(sex), STRANGER, np.int64)
        self.spouse, self.mother, self.father = (np.full(len(sex), -1, np.int64) for _ in range(3))
        self.dormitory = np.zeros(len(sex), np.bool_)
        self.husbands = self.wives = np.zeros(0, np.int64)

    def free(self) -> Flags:
        return np.asarray((self.home < 0) & ~self.dormitory, np.bool_)

    def dormitories(self, living: int) -> None:
        """Those who do not live in family households are young workers and students, more men than women."""
        wanted = len(self.sex) - living
        if wanted <= 0:
            return
        likely = chance.unit(self.key, "dormitory", self.everyone) + 0.1 * (self.sex == 2)
        likely += np.where((self.age < 17) | (self.age > 50), 1.0, 0.0) + np.where(self.age < 14, 1.0, 0.0)
        self.dormitory[np.argpartition(likely, wanted - 1)[:wanted]] = True

    def couples(self) -> None:
        ages, shares = [18, 20, 23, 26, 30, 35, 60, 70, 80, 95], [0.0, 0.03, 0.15, 0.5, 0.82, 0.92, 0.9, 0.75, 0.5, 0.1]
        drawn = chance.unit(self.key, "married", self.everyone)
        men = self.everyone[self.free() & (self.sex == 1) & (drawn < np.interp(self.age - 2, ages, shares))]
        women = self.everyone[self.free() & (self.sex == 2) & (drawn < np.interp(self.age, ages, shares))]
        count = min(len(men), len(women))
        self.husbands, self.wives = self._by_age(men, count), self._by_age(women, count)
        number = np.arange(count)
        self.home[self.husbands] = self.home[self.wives] = number
        self.spouse[self.husbands], self.spouse[self.wives] = self.wives, self.husbands
        his = chance.unit(self.key, "head", self.wives) < 0.75
        self.relation[self.husbands] = np.where(his, HEAD, HUSBAND)
        self.relation[self.wives] = np.where(his, WIFE, HEAD)

    def _by_age(self, people: Index, count: int) -> Index:
        kept = chance.sample(self.key, "couple", people, count)
        return kept[np.argsort(self.birth[kept] + 700 * chance.normal(self.key, "match", kept), kind="stable")]

    def children(self) -> None:
        young = self.everyone[self.free() & (self.age < 18)]
        older = np.clip(np.rint(28.5 + 4 * chance.normal(self.key, "mother's age", young)), 21, 42).astype(np.int64)
        self._attach(young, self.age[young] + older, most=3, own=True)
        # children whose parents are not here live with their grandparents, or whoever has a home
        left = self.everyone[self.free() & (self.age < 18)]
        self._attach(left, self.age[left] + 54, most=2, own=False)
        left = self.everyone[self.free() & (self.age < 18)]
        if len(self.wives):
            self.home[left] = chance.whole(self.key, "foster", left, 0, len(self.wives))
            self.relation[left] = 97

    def old_parents(self) -> None:
        alone = self.everyone[self.free() & (self.age >= 60)]
        alone = alone[chance.unit(self.key, "old parent", alone) < 0.55]
        placed = self._attach(alone, self.age[alone] - 28, most=2, own=False)
        self.relation[placed] = np.where(self.sex[placed] == 1, FATHER, MOTHER)

    def shared_flats(self, households: int) -> Index:
        """Places the rest; returns those who live in households without a couple."""
        rest = self.everyone[self.free()]
        wanted = max(1, households - len(self.wives))
        grown = rest[(self.age[rest] >= 18) & (self.age[rest] < 29)]
        staying = chance.sample(self.key, "grown child", grown, int(0.6 * max(0, len(rest) - wanted)))
        self._attach(staying, self.age[staying] + 27, most=1, own=True)
        rest = self.everyone[self.free()]
        order = rest[np.argsort(chance.bits(self.key, "flat", rest), kind="stable")]
        flats = max(1, min(wanted, len(order)))
        self.home[order] = len(self.wives) + np.arange(len(order)) % flats
        self.relation[order[:flats]] = HEAD
        return order

    def _attach(self, people: Index, wife_age: Index, most: int, own: bool) -> Index:
        """Give people a home with couples whose wife has about that age, at most `most` each; returns who found one."""
        if not len(self.wives) or not len(people):
            return people[:0]
        ages = np.minimum(self.age[self.wives], _OLDEST)
        order = np.argsort(
            ages * (1 << 20) + (chance.bits(self.key, "turn", self.wives) >> np.uint64(45)).astype(np.int64)
        )
        start = np.searchsorted(ages[order], np.arange(_OLDEST + 2))
        count = np.diff(start)
        wife_age = _nearest(count)[np.clip(wife_age, 0, _OLDEST)]
        near = (
            np.abs(wife_age - np.clip(self.age[people] + 30, 0, _OLDEST)) < 16
            if own
            else np.ones(len(people), np.bool_)
        )
        line = np.lexsort((self.birth[people], wife_age))
        asked = wife_age[line]
        rank = np.arange(len(line)) - np.searchsorted(asked, asked)
        couple = order[start[asked] + rank % count[asked]]
        taken = (rank // count[asked] < most) & near[line]
        placed, couple = people[line][taken], couple[taken]
        self.home[placed] = couple
        self.relation[placed] = np.where(self.sex[placed] == 1, SON, DAUGHTER) if own else 40
        if own:
            self.mother[placed], self.father[placed] = self.wives[couple], self.husbands[couple]
        return placed

    def finish(self, singles: Index) -> Families:
        families = len(self.wives) + (int(self.home[singles].max()) - len(self.wives) + 1 if len(singles) else 0)
        people = self.everyone[self.dormitory]
        houses = max(1, len(people) // DORMITORY)
        self.home[people] = families + chance.whole(self.key, "dormitory of", people, 0, houses)
        used, home = np.unique(self.home, return_inverse=True)
        kinds = np.where(used < families, FAMILY, COLLECTIVE).astype(np.int64)
        return Families(home.astype(np.int64), self.relation, self.spouse, self.mother, self.father, kinds)


def _nearest(count: Index) -> Index:
    """For each age the nearest one at which there is somebody."""
    some = np.flatnonzero(count)
    ages = np.arange(len(count))
    after = np.clip(np.searchsorted(some, ages), 0, len(some) - 1)
    before = np.clip(after - 1, 0, len(some) - 1)
    closer = np.abs(some[before] - ages) <= np.abs(some[after] - ages)
    return np.where(closer, some[before], some[after]).astype(np.int64)
