"""The flow engine on a real PostgreSQL: what is kept, what happens at once, and that everybody is told once."""

from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime, timedelta
from pathlib import Path
from threading import Barrier
from zoneinfo import ZoneInfo

import msgspec
import psycopg
import pytest

from cityloom.kernel import words
from cityloom.kernel.calendar.rules import Calendars, calendars
from cityloom.kernel.calendar.spec import CalendarSpec, Day, Hours, OrganisationHours, Period
from cityloom.kernel.db import PLATFORM, Database, Scope
from cityloom.kernel.errors import Conflict, Invalid, NotFound, Refused
from cityloom.kernel.flow import api
from cityloom.kernel.flow.contracts import Act, Notice, Standing
from cityloom.kernel.flow.spec import Definition
from cityloom.kernel.words import Text

SHANGHAI = ZoneInfo("Asia/Shanghai")
CITY = calendars(CalendarSpec())
ACCESS = msgspec.yaml.decode((Path(__file__).parent / "vectors" / "flow.yaml").read_bytes(), type=Definition)
EVERYBODY = frozenset({"officer", "head", "applicant"})
MONDAY = "2026-03-02T10:00"  # its fifth working day closes on Monday 9 March, 18:00
FLOOD = Text("Flood", "汛情")


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=SHANGHAI)


def act(key: str, when: str = MONDAY, reason: str = "", *roles: str) -> Act:
    return Act("li", frozenset(roles) or EVERYBODY, at(when), key, reason)


class Desk:
    """Calls the engine, one transaction a call, on one flow."""

    def __init__(self, db: Database, known: Calendars = CITY) -> None:
        self.db = db
        self.known = known
        self.now: Standing | None = None

    def start(self, subject: str = "r1", organisation: str = "psb", when: str = MONDAY, key: str = "s") -> Standing:
        with self.db.begin(PLATFORM) as tx:
            self.now = api.start(tx, self.known, ACCESS, subject, organisation, act(key, when))
        return self.now

    def move(self, name: str, when: str = MONDAY, key: str = "", version: int | None = None) -> Standing:
        version = self.now.version if version is None else version
        with self.db.begin(PLATFORM) as tx:
            doing = act(key or f"{name}{version}", when)
            self.now = api.move(tx, self.known, self.now.flow, name, version, doing)
        return self.now

    def suspend(self, when: str) -> Standing:
        with self.db.begin(PLATFORM) as tx:
            self.now = api.suspend(tx, self.known, self.now.flow, self.now.version, act(f"p{when}", when, "hearing"))
        return self.now

    def resume(self, when: str) -> Standing:
        with self.db.begin(PLATFORM) as tx:
            self.now = api.resume(tx, self.known, self.now.flow, self.now.version, act(f"r{when}", when, "heard"))
        return self.now

    def extend(self, amount: int, when: str, key: str = "x", version: int | None = None) -> Standing:
        with self.db.begin(PLATFORM) as tx:
            by, version = Period(amount, "working_days"), version or self.now.version
            self.now = api.extend(tx, self.known, self.now.flow, by, version, act(key, when, "difficult"))
        return self.now

    def due(self, when: str, limit: int = 500) -> list[Notice]:
        with self.db.begin(PLATFORM) as tx:
            return api.due(tx, self.known, at(when), limit)

    def told(self, when: str) -> list[tuple[str, int]]:
        return [(notice.alarm.kind, notice.alarm.step) for notice in self.due(when)]

    def recount(self) -> int:
        with self.db.begin(PLATFORM) as tx:
            return api.recount(tx, self.known)

    def moves(self) -> list[str]:
        with self.db.begin(PLATFORM) as tx:
            return [record.move for record in api.history(tx, self.now.flow)]


@pytest.fixture
def desk(database: Database) -> Desk:
    return Desk(database)


def test_a_flow_from_start_to_end(desk: Desk):
    started = desk.start()
    assert (started.kind, started.subject, started.organisation) == ("data_access", "r1", "psb")
    assert (started.version, started.state, started.due) == (1, "asked", at("2026-03-09T18:00"))
    assert started.allowed == ("ask_more", "hand_over", "accept", "refuse", "withdraw")
    assert desk.move("accept", "2026-03-04T17:00").due == at("2026-04-01T18:00")
    ended = desk.move("grant", "2026-03-10T09:00")
    assert (ended.state, ended.is_final, ended.due, ended.allowed) == ("granted", True, None, ())
    with desk.db.begin(PLATFORM) as tx:
        kept = api.history(tx, ended.flow)
        assert api.standing(tx, CITY, ended.flow) == ended
        assert api.find(tx, CITY, "data_access", "r1", "psb") == ended
        assert api.find(tx, CITY, "data_access", "r1", "hrb") is None
        assert api.definition(tx, ended.flow) == ACCESS
    assert [(r.version, r.move, r.source, r.target, r.clock, r.actor, r.role, r.at, r.due) for r in kept] == [
        (1, "start", "", "asked", "set", "li", "", at(MONDAY), at("2026-03-09T18:00")),
        (2, "accept", "asked", "granting", "set", "li", "head", at("2026-03-04T17:00"), at("2026-04-01T18:00")),
        (3, "grant", "granting", "granted", "stop", "li", "officer", at("2026-03-10T09:00"), None),
    ]


def test_the_same_key_does_nothing_twice(desk: Desk):
    started = desk.start()
    assert desk.start() == msgspec.structs.replace(started, repeated=True)
    accepted = desk.move("accept", "2026-03-04T17:00", key="a")
    desk.move("hand_over", "2026-03-05T17:00")
    again = desk.move("accept", "2026-03-06T17:00", key="a", version=1)
    assert again == msgspec.structs.replace(accepted, repeated=True)
    assert desk.moves() == ["start", "accept", "hand_over"]


def test_a_key_is_not_used_for_something_else(desk: Desk):
    desk.start()
    extended = desk.extend(3, "2026-03-04T17:00", "x")
    assert desk.extend(3, "2026-03-04T17:00", "x", 1) == msgspec.structs.replace(extended, repeated=True)
    for wrong in (lambda: desk.extend(4, "2026-03-04T17:00", "x", 1), lambda: desk.move("accept", key="x")):
        with pytest.raises(Conflict) as problem:
            wrong()
        assert (problem.value.code, problem.value.params) == ("flow.key_reused", {"key": "x", "move": "extend"})
    with pytest.raises(Conflict) as other:
        desk.start(key="other")
    assert other.value.code == "flow.started"
    with pytest.raises(Invalid) as empty, desk.db.begin(PLATFORM) as tx:
        api.move(tx, CITY, extended.flow, "accept", 2, act(""))
    assert empty.value.code == "flow.key_missing"
    assert desk.moves() == ["start", "extend"]


def test_a_refused_move_changes_nothing(desk: Desk):
    before = desk.start()
    with pytest.raises(Conflict) as illegal:
        desk.move("grant")
    assert illegal.value.params["allowed"] == "ask_more, hand_over, accept, refuse, withdraw"
    with pytest.raises(Conflict) as stale:
        desk.move("accept", version=7)
    assert stale.value.code == "flow.stale"
    with pytest.raises(Refused), desk.db.begin(PLATFORM) as tx:
        api.move(tx, CITY, before.flow, "accept", 1, act("x", MONDAY, "", "applicant"))
    with desk.db.begin(PLATFORM) as tx:
        assert api.standing(tx, CITY, before.flow) == before
    assert desk.moves() == ["start"]


def test_what_is_not_there(desk: Desk):
    with desk.db.begin(PLATFORM) as tx:
        for ask in (
            lambda: api.standing(tx, CITY, 99),
            lambda: api.history(tx, 99),
            lambda: api.definition(tx, 99),
            lambda: api.explain(tx, CITY, 99),
            lambda: api.move(tx, CITY, 99, "accept", 1, act("x")),
        ):
            with pytest.raises(NotFound) as problem:
                ask()
            assert (problem.value.code, problem.value.params) == ("flow.not_found", {"flow": 99})


def test_another_organisation_sees_no_flow_and_starts_none_for_others(desk: Desk):
    flow = desk.start(organisation="psb").flow
    with desk.db.begin(Scope("psb", "li")) as tx:
        assert api.move(tx, CITY, flow, "hand_over", 1, act("h")).version == 2
    with desk.db.begin(Scope("civil", "wang")) as tx:
        assert api.find(tx, CITY, "data_access", "r1", "psb") is None
        assert api.listed(tx, "data_access", "asked") == []
        assert api.due(tx, CITY, at("2026-12-01T00:00")) == []
        for ask in (lambda: api.standing(tx, CITY, flow), lambda: api.history(tx, flow)):
            with pytest.raises(NotFound):
                ask()
        with pytest.raises(NotFound):
            api.move(tx, CITY, flow, "accept", 2, act("a"))
    with pytest.raises(psycopg.errors.InsufficientPrivilege), desk.db.begin(Scope("civil", "wang")) as tx:
        api.start(tx, CITY, ACCESS, "r2", "psb", act("s"))
    assert desk.moves() == ["start", "hand_over"]


def test_at_once_one_move_wins(desk: Desk):
    flow = desk.start().flow
    ready = Barrier(8)

    def race(number: int) -> str:
        try:
            with desk.db.begin(PLATFORM) as tx:
                ready.wait()
                api.move(tx, CITY, flow, "accept", 1, act(f"k{number}"))
        except Conflict as problem:
            return problem.code
        return "moved"

    with ThreadPoolExecutor(8) as pool:
        outcomes = sorted(pool.map(race, range(8)))
    assert outcomes == ["flow.stale"] * 7 + ["moved"]
    assert desk.moves() == ["start", "accept"]


def test_at_once_the_same_start_and_the_same_move_happen_once(desk: Desk):
    ready = Barrier(6)

    def race(_: int) -> tuple[bool, bool]:
        with desk.db.begin(PLATFORM) as tx:
            ready.wait()
            started = api.start(tx, CITY, ACCESS, "r1", "psb", act("s"))
        with desk.db.begin(PLATFORM) as tx:
            ready.wait()
            moved = api.move(tx, CITY, started.flow, "accept", 1, act("m"))
        return started.repeated, moved.repeated

    with ThreadPoolExecutor(6) as pool:
        outcomes = list(pool.map(race, range(6)))
    assert sorted(started for started, _ in outcomes) == [False] + [True] * 5
    assert sorted(moved for _, moved in outcomes) == [False] + [True] * 5
    desk.start()
    assert desk.moves() == ["start", "accept"]


def test_everybody_is_told_once(desk: Desk):
    desk.start()
    assert desk.told("2026-03-05T18:00") == []
    assert desk.told("2026-03-05T18:01") == [("warning", 0)]
    assert desk.told("2026-03-05T18:01") == []
    assert desk.told("2026-03-09T18:00") == [("warning", 1)]
    [overdue, escalation] = desk.due("2026-03-09T18:01")
    assert (overdue.alarm.kind, overdue.due, overdue.subject, overdue.state) == (
        "overdue",
        at("2026-03-09T18:00"),
        "r1",
        "asked",
    )
    assert (escalation.alarm.kind, escalation.alarm.to) == ("escalation", "head")
    assert desk.told("2026-03-20T18:00") == [("escalation", 1)]
    assert desk.told("2026-12-20T18:00") == []


def test_after_a_long_sleep_all_of_it_comes_in_order(desk: Desk):
    desk.start("r1")
    desk.start("r2", when="2026-03-03T10:00")
    notices = desk.due("2026-04-01T00:00")
    assert [(n.subject, n.alarm.kind, n.alarm.step) for n in notices] == [
        ("r1", "warning", 0), ("r2", "warning", 0),
        ("r1", "warning", 1), ("r1", "overdue", 0), ("r1", "escalation", 0),
        ("r2", "warning", 1), ("r2", "overdue", 0), ("r2", "escalation", 0),
        ("r1", "escalation", 1), ("r2", "escalation", 1),
    ]  # fmt: skip
    assert desk.due("2026-04-01T00:00") == []


def test_what_is_rolled_back_was_not_told(desk: Desk):
    desk.start()

    def fail_after_telling() -> None:
        with desk.db.begin(PLATFORM) as tx:
            assert len(api.due(tx, CITY, at("2026-03-06T00:00"))) == 1
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_after_telling()
    assert desk.told("2026-03-06T00:00") == [("warning", 0)]


def test_two_at_once_tell_everybody_once(desk: Desk):
    for number in range(40):
        desk.start(f"r{number}")
    ready = Barrier(4)

    def sweep(_: int) -> list[str]:
        ready.wait()
        told = []
        while notices := desk.due("2026-03-06T00:00", 7):
            told += [notice.subject for notice in notices]
        return told

    with ThreadPoolExecutor(4) as pool:
        told = sorted(subject for subjects in pool.map(sweep, range(4)) for subject in subjects)
    assert told == sorted(f"r{number}" for number in range(40))


def test_a_flow_that_somebody_is_moving_is_left_for_the_next_time(desk: Desk):
    flow = desk.start().flow
    with desk.db.begin(PLATFORM) as tx, desk.db.begin(PLATFORM) as other:
        api.move(tx, CITY, flow, "hand_over", 1, act("h"))
        other.execute("SET LOCAL lock_timeout = '5s'")
        assert api.due(other, CITY, at("2026-03-06T00:00")) == []
    assert desk.told("2026-03-06T00:00") == [("warning", 0)]


def test_nobody_is_told_about_a_clock_that_stands_or_has_ended(desk: Desk):
    desk.start("r1")
    desk.suspend("2026-03-04T11:00")
    desk.start("r2")
    desk.move("withdraw", "2026-03-04T11:00")
    assert desk.told("2026-12-01T00:00") == []


def test_a_new_deadline_warns_anew_and_an_old_one_does_not(desk: Desk):
    desk.start()
    assert desk.told("2026-03-06T00:00") == [("warning", 0)]
    assert desk.extend(2, "2026-03-06T10:00").due == at("2026-03-11T18:00")
    assert desk.told("2026-03-09T23:00") == [("warning", 0)]
    desk.move("hand_over", "2026-03-10T09:00")
    assert desk.told("2026-03-10T10:00") == []
    desk.suspend("2026-03-10T10:00")
    assert desk.resume("2026-03-10T11:00").due == at("2026-03-11T18:00")
    assert desk.told("2026-03-10T12:00") == []
    assert desk.told("2026-03-11T23:00") == [("warning", 1), ("overdue", 0), ("escalation", 0)]


def test_an_explanation_now_and_then(desk: Desk):
    flow = desk.start().flow
    desk.suspend("2026-03-04T11:00")
    desk.resume("2026-03-11T09:30")
    desk.extend(2, "2026-03-12T10:00")
    said = words.load(["cityloom.kernel"])
    with desk.db.begin(PLATFORM) as tx:
        assert api.explain(tx, CITY, flow).lines(said, "zh") == [
            "期限5个工作日，自 2026-03-02 10:00 起算，开始当日不计入。",
            "延长2个工作日：difficult",
            "2026-03-03：计入 1个工作日，累计 1个工作日",
            "2026-03-04 – 2026-03-06：中止期间，3个工作日不计入：hearing",
            "2026-03-07 – 2026-03-08：不计入，周末",
            "2026-03-09 – 2026-03-10：中止期间，2个工作日不计入：hearing",
            "2026-03-11 – 2026-03-13：计入 3个工作日，累计 4个工作日",
            "2026-03-14 – 2026-03-15：不计入，周末",
            "2026-03-16 – 2026-03-18：计入 3个工作日，累计 7个工作日",
            "期限至 2026-03-18 18:00 届满。",
        ]
        assert api.explain(tx, CITY, flow, 1).due == at("2026-03-09T18:00")
        assert api.explain(tx, CITY, flow, 2).due is None
        with pytest.raises(NotFound):
            api.explain(tx, CITY, flow, 0)


def test_a_deadline_beyond_the_announced_years_is_found_when_they_are_announced(desk: Desk):
    flow = desk.start(when="2026-12-28T10:00").flow
    assert (desk.now.due, desk.now.clock.is_running) == (None, True)
    with pytest.raises(Invalid) as unknown, desk.db.begin(PLATFORM) as tx:
        api.explain(tx, CITY, flow)
    assert unknown.value.code == "calendar.not_announced"
    assert (desk.told("2026-12-31T00:00"), desk.recount()) == ([], 0)
    new_year = Day(date(2027, 1, 1), "rest", Text("New Year's Day", "元旦"))
    desk.known = calendars(CalendarSpec(announced_to=2027, days=(new_year,)))
    assert (desk.recount(), desk.recount()) == (1, 0)
    with desk.db.begin(PLATFORM) as tx:
        [line] = api.listed(tx, "data_access", "asked")
        assert (line.due, line.flow) == (at("2027-01-05T18:00"), flow)
        assert [record.due for record in api.history(tx, flow)] == [None]
    assert desk.told("2027-01-06T00:00") == [("warning", 0), ("warning", 1), ("overdue", 0), ("escalation", 0)]


def test_a_holiday_that_is_decided_later_moves_deadlines(desk: Desk):
    desk.start("r1")
    desk.start("r2", "hotline")
    desk.start("r3")
    desk.move("withdraw")
    desk.start("r4")
    desk.suspend("2026-03-03T10:00")
    assert desk.told("2026-03-05T18:01") == [("warning", 0), ("warning", 0)]
    hotline = OrganisationHours("hotline", Hours(("00:00-24:00",)))
    desk.known = calendars(CalendarSpec(days=(Day(date(2026, 3, 9), "rest", FLOOD),), organisations=(hotline,)))
    assert (desk.recount(), desk.recount()) == (2, 0)
    with desk.db.begin(PLATFORM) as tx:
        dues = [(line.subject, line.due, line.suspended) for line in api.listed(tx, "data_access", "asked")]
    assert dues == [
        ("r1", at("2026-03-10T18:00"), False),
        ("r2", at("2026-03-11T00:00"), False),
        ("r4", None, True),
    ]
    assert [notice.subject for notice in desk.due("2026-03-05T23:59")] == ["r1"]
    assert [notice.subject for notice in desk.due("2026-03-06T00:01")] == ["r2"]


def test_lists_by_state_go_on_after_the_last(desk: Desk):
    flows = [desk.start(f"r{number}").flow for number in range(5)]
    desk.move("withdraw")
    with desk.db.begin(PLATFORM) as tx:
        first = api.listed(tx, "data_access", "asked", limit=3)
        rest = api.listed(tx, "data_access", "asked", after=first[-1].flow, limit=3)
        assert [line.flow for line in (*first, *rest)] == flows[:4]
        assert [line.subject for line in api.listed(tx, "data_access", "withdrawn")] == ["r4"]
        assert api.listed(tx, "correction", "asked") == []


def test_a_running_flow_keeps_the_definition_it_started_with(desk: Desk):
    flow = desk.start().flow
    shorter = msgspec.structs.replace(ACCESS, moves=tuple(move for move in ACCESS.moves if move.name != "hand_over"))
    with desk.db.begin(PLATFORM) as tx:
        other = api.start(tx, CITY, shorter, "r2", "psb", act("s"))
        assert "hand_over" not in other.allowed
        assert "hand_over" in api.standing(tx, CITY, flow).allowed
    assert desk.move("withdraw").state == "withdrawn"


def test_the_application_can_neither_change_nor_remove_what_was_done(desk: Desk):
    desk.start()
    for table in ("flow_definition", "flow", "flow_move", "flow_notice"):
        for wrong in (f"DELETE FROM kernel.{table}", f"UPDATE kernel.{table} SET {COLUMN[table]} = 'x'"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege), desk.db.begin(PLATFORM) as tx:
                tx.execute(wrong)
    with pytest.raises(psycopg.errors.InsufficientPrivilege), desk.db.begin(PLATFORM) as tx:
        tx.execute("DELETE FROM kernel.flow_standing")
    assert desk.moves() == ["start"]


COLUMN = {"flow_definition": "body", "flow": "subject", "flow_move": "reason", "flow_notice": "kind"}


def test_an_act_without_a_zone_is_a_mistake_of_the_caller():
    with pytest.raises(ValueError, match="zone"):
        Act("li", EVERYBODY, datetime(2026, 3, 2), "k")  # noqa: DTZ001


def test_a_wrong_definition_is_not_started(desk: Desk):
    endless = msgspec.structs.replace(ACCESS, moves=ACCESS.moves[:1])
    with pytest.raises(Invalid), desk.db.begin(PLATFORM) as tx:
        api.start(tx, CITY, endless, "r1", "psb", act("s"))
    assert desk.due("2026-12-01T00:00") == []


def test_moving_back_and_forth_sets_a_new_clock_each_time(desk: Desk):
    again = msgspec.structs.replace(ACCESS.moves[3], name="again", sources=("granting",), to="asked")
    back = msgspec.structs.replace(ACCESS, kind="back", moves=(*ACCESS.moves, again))
    with desk.db.begin(PLATFORM) as tx:
        flow = api.start(tx, CITY, back, "r1", "psb", act("s")).flow
        assert [n.alarm.kind for n in api.due(tx, CITY, at("2026-03-06T00:00"))] == ["warning"]
        api.move(tx, CITY, flow, "accept", 1, act("a", "2026-03-06T09:00"))
        now = api.move(tx, CITY, flow, "again", 2, act("b", "2026-03-02T17:00"))
        assert (now.clock.version, now.at, now.due) == (3, at("2026-03-06T09:00"), at("2026-03-13T18:00"))
        assert [n.alarm.kind for n in api.due(tx, CITY, at("2026-03-12T00:00"))] == ["warning"]
        assert api.due(tx, CITY, at("2026-03-12T00:00") + timedelta(hours=1)) == []
