"""Deadlines that are told of, grants that end by themselves, offers that lapse, years that were not announced."""

from datetime import UTC, date, datetime

import msgspec
import pytest

from cityloom import app
from cityloom.kernel.calendar.rules import calendars
from cityloom.kernel.calendar.spec import CalendarSpec, Day
from cityloom.kernel.jobs import Timers
from cityloom.kernel.words import Text
from cityloom.sharing.api import upkeep
from sharing.sharing_kit import ROWS, Town


def tick(town: Town) -> None:
    """What the worker does by itself."""
    app.tell_deadlines(town.platform)
    app.recount_deadlines(town.platform)
    listeners = [listener for module in app.MODULES for listener in module.listeners]
    timers = Timers(town.parts, {}, listeners)
    for listener in listeners:
        timers.hand_out(listener)
    upkeep.close(town.platform)


def told(town: Town) -> list[tuple[str, str, str]]:
    return [(each["subject"], each["kind"], each["to"]) for each in town.civil.get("notices").json()]


def test_both_parties_are_told_once_and_a_third_is_not(town: Town) -> None:
    town.housing.ask()
    tick(town)
    assert told(town) == []
    expected = [("request:r1", "warning", "keeper"), ("request:r1", "warning", "keeper"), ("request:r1", "overdue", "keeper"),
                ("request:r1", "escalation", "keeper"), ("request:r1", "escalation", "platform")]  # fmt: skip
    for days, number in ((10, 1), (3, 2), (2, 3), (1, 4), (7, 5)):
        town.clock.turn(days=days)
        tick(town)
        tick(town)
        assert told(town) == expected[:number]
    assert town.housing.get("notices").json() == town.civil.get("notices").json()
    assert town.other.get("notices").json() == []
    assert town.civil.move("r1", "approve").json()["state"] == "approved"  # late, and still possible


def test_an_offer_that_nobody_answers_lapses(town: Town) -> None:
    town.housing.ask()
    town.civil.move("r1", "offer", reason="less", terms={"fields": ["id"]})
    town.clock.turn(days=14)
    tick(town)
    assert town.housing.get("requests/r1").json()["state"] == "offered"
    town.clock.turn(days=2)
    tick(town)
    seen = town.housing.get("requests/r1").json()
    assert (seen["state"], seen["grant"], seen["steps"][-1]["role"]) == ("lapsed", "", "platform")


def test_a_grant_ends_by_itself(town: Town) -> None:
    town.grant("r1", terms={"days": 10})
    town.clock.turn(days=10)
    tick(town)
    ended = town.housing.get("grants/r1").json()
    assert (ended["state"], ended["ended_why"]) == ("expired", "expire")
    tick(town)
    assert [entry["facts"]["move"] for entry in town.entries("sharing.grant_moved")] == ["give", "expire"]
    assert [event["state"] for event in town.events("sharing.grant_changed")] == ["active", "expired"]


@pytest.mark.parametrize("town", [{"sharing/limits.yaml": "unused_days: 30"}], indirect=True)
def test_a_grant_that_nobody_uses_is_closed(town: Town) -> None:
    town.civil.deliver("d1", ROWS)
    town.grant("r1")
    town.grant("r2")
    town.clock.turn(days=20)
    town.housing.lines("grants/r1/records", case="c")
    town.clock.turn(days=11)
    tick(town)
    assert {each["id"]: each["state"] for each in town.civil.get("grants").json()} == {"r1": "active", "r2": "unused"}


def test_certification_is_asked_for_again_and_again(town: Town) -> None:
    town.grant("r1")
    assert town.civil.get("grants/r1").json()["certify_by"] == "2026-08-31T10:00:00Z"  # 180 days, moved off a weekend
    town.clock.turn(days=60)
    town.civil.move("r1", "certify", kind="grants")
    assert town.civil.get("grants/r1").json()["certify_by"] == "2026-10-28T10:00:00Z"


def test_a_deadline_in_a_year_that_is_not_announced_is_counted_later(town: Town) -> None:
    town.clock.moment = datetime(2026, 12, 28, 1, tzinfo=UTC)
    town.housing.sign_in()  # its token is over by then
    assert town.housing.ask().json()["due_at"] is None
    spec = CalendarSpec(announced_to=2027, days=(Day(date(2027, 1, 1), "rest", Text("New Year", "元旦")),))
    later = msgspec.structs.replace(town, parts=msgspec.structs.replace(town.parts, calendars=calendars(spec)))
    tick(later)
    due = town.housing.get("requests/r1").json()["due_at"]
    assert due is not None
    assert date.fromisoformat(due[:10]) > date(2027, 1, 8)
