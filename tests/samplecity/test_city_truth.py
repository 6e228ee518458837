"""What the sample city says of its files is what an independent reading of their bytes finds."""

from collections import Counter
from datetime import UTC
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from city_judge import Judge
from city_kit import AS_OF, Delivered

from cityloom.kernel.errors import Invalid
from cityloom.samplecity import api
from cityloom.samplecity.rules import drafts
from cityloom.samplecity.rules.world import Roll

RULES = {
    "type", "required", "unique", "key", "range", "length", "pattern", "codes", "reference", "expression", "gb11643",
    "gb32100", "fresh", "encoding", "shape",
}  # fmt: skip


def test_every_row_of_every_file_is_judged_as_said(delivered: Delivered) -> None:
    now = AS_OF.astimezone(ZoneInfo(delivered.plan.world.city.time_zone)).replace(tzinfo=None)
    judge = Judge(delivered.packs, now)
    for planned in delivered.files:
        found = judge.judge(planned)
        said = frozenset((fault.row, fault.field, fault.rule) for fault in planned.truth)
        assert said == found.faults, (planned.delivery_id, sorted(said ^ found.faults)[:5])
        expected = (planned.rows, planned.accepted, planned.quarantined, planned.duplicates, planned.deletes)
        assert expected == (found.rows, found.accepted, found.quarantined, found.duplicates, found.deletes), (
            planned.delivery_id
        )


def test_every_rule_is_broken_by_somebody(delivered: Delivered) -> None:
    rules = Counter(fault.rule.partition(":")[0] for planned in delivered.files for fault in planned.truth)
    assert set(rules) == RULES
    checks = {
        fault.rule for planned in delivered.files for fault in planned.truth if fault.rule.startswith("expression:")
    }
    assert {"expression:registered_after_birth", "expression:two_persons", "expression:amount_within_base"} <= checks


def test_a_row_has_one_fault_only(delivered: Delivered) -> None:
    for planned in delivered.files:
        rows = [fault.row for fault in planned.truth]
        assert len(rows) == len(set(rows)) == planned.quarantined
        assert planned.rows == planned.accepted + planned.quarantined + planned.duplicates
        assert list(planned.truth) == sorted(planned.truth)


def test_all_modes_and_kinds_of_change_occur(delivered: Delivered) -> None:
    assert {planned.mode for planned in delivered.files} == {"append", "upsert", "replace", "delete"}
    later = [planned for planned in delivered.files if planned.period != "2026-08"]
    assert {planned.period for planned in later} == {"2026-09", "2026-10"}
    assert any(planned.mode == "replace" and planned.deletes for planned in later)
    assert any(planned.mode == "delete" and planned.duplicates for planned in later)
    assert sum(planned.duplicates for planned in delivered.files) > 100


def test_what_was_at_fault_comes_mended_and_nothing_comes_twice() -> None:
    roll = Roll(np.arange(120), (100, 120))
    first = drafts.first(roll)
    assert list(first.entity) == list(range(100))
    state = drafts.settle(drafts.start(roll), first, np.arange(0, 100, 2), "upsert")
    assert (state[:100] > 0).sum() == 50
    assert (state[100:] == drafts.ABSENT).all()
    later = drafts.later(1, roll, state, 1, "upsert", varies=True)
    mended = later.entity[later.fresh & (later.entity < 100)]
    assert len(mended) == 30  # of the 50
    assert (mended % 2 == 0).all()
    assert set(range(100, 120)) == set(later.entity[later.entity >= 100])
    assert len(set(later.entity)) == len(later.entity)
    known = later.entity[~later.fresh]
    assert (known % 2 == 1).all()
    assert (later.version[~later.fresh & later.news] == 1).all()
    after = drafts.settle(state, later, np.zeros(0, np.int64), "upsert")
    assert (after > 0).sum() == 50 + 30 + 20


def test_a_replacement_holds_all_that_stays_and_leaves_out_what_leaves() -> None:
    leaves = np.full(50, -1)
    leaves[[3, 4]] = 1
    roll = Roll(np.arange(50), (50, 50), leaves=leaves)
    state = drafts.settle(drafts.start(roll), drafts.first(roll), np.array([7]), "replace")
    later = drafts.later(1, roll, state, 1, "replace", varies=False)
    assert list(later.leaving) == [3, 4]
    assert set(range(50)) - {3, 4} - set(later.entity) <= {7}
    after = drafts.settle(state, later, np.zeros(0, np.int64), "replace")
    assert list(np.flatnonzero(after == drafts.GONE)) == [3, 4]
    assert not len(drafts.removal(1, Roll(np.arange(50), (50, 50)), after, 1).leaving)


def test_people_out_of_range_are_refused(delivered: Delivered) -> None:
    folder = delivered.packs[-1]
    for people in (9_999, 20_000_001):
        with pytest.raises(Invalid) as problem:
            api.plan(folder, people, 1, AS_OF.astimezone(UTC))
        assert problem.value.code == "samplecity.people_out_of_range"
    with pytest.raises(Invalid) as problem:
        api.plan(folder, 10_000, 1, AS_OF, months=5)
    assert problem.value.code == "samplecity.months_out_of_range"
