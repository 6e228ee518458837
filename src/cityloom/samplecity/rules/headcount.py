"""How many people of a block count as what (R05), by what was made up of them: the truth beside what is computed.

It reads the made-up facts person by person and knows nothing of deliveries, of what was spoiled in them, or of the pack's
model. The open readings of the rule are those that the pack has as its defaults.
"""

from collections.abc import Mapping
from datetime import date

import numpy as np
import pyarrow as pa

from cityloom.samplecity.rules.chance import Flags, Index
from cityloom.samplecity.rules.recipes import book
from cityloom.samplecity.rules.times import EPOCH
from cityloom.samplecity.rules.world import Columns, Scene

RENTAL, COLLECTED, PAID, LAPSE = 12, 6, 6, 2
"""Months within which a tenancy was registered and somebody was collected, paid at least, and without a payment at most."""


def classes(scene: Scene, on: date) -> Mapping[str, int]:
    """Persons who are registered (H), resident without (R), and managed without (N), on a day."""
    held = _Facts(scene, on)
    alive = ~held.who("death", "died_on", None)
    registered = held.who("household_resident", "registered_on", None) & alive
    school = held.who("pupil", "enrolled_on", None, status="1") | held.who("teacher", "hired_on", None)
    normal, short = held.payers()
    resident = school | normal | held.tenants()
    known = held.who("residence_permit", "issued_on", None) | held.parents()
    managed = short & ~normal & held.who("residence_collected", "collected_on", COLLECTED) & known
    return {
        "H": int(registered.sum()),
        "R": int((alive & ~registered & resident).sum()),
        "N": int((alive & ~registered & ~resident & managed).sum()),
    }


def standing(scene: Scene, dataset: str) -> tuple[Index, Columns]:
    """The made-up records of a dataset that stand after the last period, in their first version, and what each is about."""
    (recipe,) = (each for each in book.BLOCK if each.dataset == dataset)
    roll = recipe.roll(scene)
    stays = np.ones(roll.ends[-1], np.bool_) if roll.leaves is None else roll.leaves[: roll.ends[-1]] < 0
    entity = np.flatnonzero(stays)
    return roll.subject[entity], recipe.frame(scene, roll, entity, 0 * entity)


class _Facts:
    """What those records say of each person."""

    def __init__(self, scene: Scene, on: date) -> None:
        self._scene, self._on = scene, on
        self._none = np.zeros(len(scene.people.sex), np.bool_)

    def _flags(self, one: Index) -> Flags:
        found = self._none.copy()
        found[one] = True
        return found

    def _since(self, days: pa.Array, months: int | None) -> Flags:
        """Whether days lie before the reference date, and not so many months before it or more."""
        number = np.asarray(days.cast(pa.int32()))
        last = (self._on - EPOCH).days
        return (number <= last) & (months is None or number > (_before(self._on, months or 0) - EPOCH).days)

    def who(self, dataset: str, day: str, months: int | None, **only: str) -> Flags:
        """The persons that a dataset is about, by the day of the record."""
        one, columns = standing(self._scene, dataset)
        kept = self._since(columns[day], months)
        for name, value in only.items():
            kept &= np.asarray(columns[name].to_numpy(zero_copy_only=False) == value)
        return self._flags(one[kept])

    def tenants(self) -> Flags:
        """Who rents a home."""
        home, columns = standing(self._scene, "tenancy")
        return self._flags(self._scene.people.head[home[self._since(columns["registered_on"], RENTAL)]])

    def parents(self) -> Flags:
        """Who is named in a certificate of birth."""
        child, columns = standing(self._scene, "birth")
        child = child[self._since(columns["issued_on"], None)]
        both = np.concatenate([self._scene.people.mother[child], self._scene.people.father[child]])
        return self._flags(both[both >= 0])

    def payers(self) -> tuple[Flags, Flags]:
        """Who has paid long enough, and who pays and has not, by the last payment to each fund."""
        normal, short = self._none.copy(), self._none.copy()
        first = f"{_before(self._on, LAPSE):%Y-%m}"
        for dataset in ("social_insurance_payment", "provident_fund_payment"):
            one, columns = standing(self._scene, dataset)
            months = np.zeros(len(normal), np.int64)
            paid = np.asarray(columns["months_paid"])
            label = columns["month"].to_numpy(zero_copy_only=False).astype(str)
            order = np.argsort(label, kind="stable")
            order = order[label[order] >= first]
            months[one[order]] = paid[order]  # the last of each person stays
            normal |= months >= PAID
            short |= (months > 0) & (months < PAID)
        return normal, short


def _before(day: date, months: int) -> date:
    """The same day of an earlier month, or its last."""
    year, month = divmod(day.year * 12 + day.month - 1 - months, 12)
    after = date(year + (month + 1) // 12, (month + 1) % 12 + 1, 1)
    return date(year, month + 1, min(day.day, (after - date(year, month + 1, 1)).days))
