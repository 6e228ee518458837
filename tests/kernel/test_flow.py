"""What the rules of the flow engine decide: moves, clocks, alarms, refusals, and whether a definition makes sense."""

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cityloom.kernel import words
from cityloom.kernel.calendar.rules import calendars
from cityloom.kernel.calendar.spec import CalendarSpec, Period
from cityloom.kernel.errors import Conflict, Invalid, Problem, Refused
from cityloom.kernel.flow import rules
from cityloom.kernel.flow.contracts import Act, Record
from cityloom.kernel.flow.spec import Definition

SHANGHAI = ZoneInfo("Asia/Shanghai")
CITY = calendars(CalendarSpec())
TEXT = (Path(__file__).parent / "vectors" / "flow.yaml").read_bytes()
ACCESS = msgspec.yaml.decode(TEXT, type=Definition)
EVERYBODY = frozenset({"officer", "head", "applicant"})
MONDAY = "2026-03-02T10:00"  # its fifth working day closes on Monday 9 March, 18:00


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=SHANGHAI)


def act(key: str, when: str = MONDAY, reason: str = "", *roles: str) -> Act:
    return Act("li", frozenset(roles) or EVERYBODY, at(when), key, reason)


def course(*records: Record) -> rules.Course:
    return rules.replay(ACCESS, records)


def played(*moves: tuple[str, str]) -> rules.Course:
    """The course after these moves (name, time) by somebody with every role."""
    records = [rules.begin(ACCESS, act("k1"))]
    for name, when in moves:
        now = course(*records)
        doing = act(f"k{now.version + 1}", when, "because")
        known = rules.due(CITY.city, now.clock)
        if name == "suspend":
            records.append(rules.suspend(ACCESS, now, now.version, known, doing))
        elif name == "resume":
            records.append(rules.resume(ACCESS, now, now.version, doing))
        elif name == "extend":
            records.append(rules.extend(ACCESS, now, now.version, Period(4, "working_days"), known, doing))
        else:
            records.append(rules.move(ACCESS, now, name, now.version, doing))
    return course(*records)


def due(now: rules.Course) -> datetime | None:
    return rules.due(CITY.city, now.clock)


def refusal(kind: type[Problem], do: Callable[[], object]) -> tuple[str, dict[str, str | int]]:
    with pytest.raises(kind) as problem:
        do()
    return problem.value.code, problem.value.params


# the clock


def test_a_state_with_a_deadline_sets_the_clock():
    assert due(played()) == at("2026-03-09T18:00")
    accepted = played(("accept", "2026-03-04T17:00"))
    assert (accepted.state, accepted.clock.version, due(accepted)) == ("granting", 2, at("2026-04-01T18:00"))


def test_a_move_that_stays_keeps_the_clock():
    handed = played(("hand_over", "2026-03-04T17:00"))
    assert (handed.state, handed.version, due(handed)) == ("asked", 2, at("2026-03-09T18:00"))


def test_a_move_suspends_and_another_resumes():
    waiting = played(("ask_more", "2026-03-04T11:00"))
    assert (waiting.state, due(waiting), waiting.clock.is_running) == ("waiting", None, False)
    # counted: Tuesday 3; then Wednesday 11, Thursday 12, Friday 13, Monday 16
    answered = played(("ask_more", "2026-03-04T11:00"), ("answer", "2026-03-11T09:30"))
    assert (answered.state, due(answered), answered.clock.version) == ("asked", at("2026-03-16T18:00"), 1)


def test_suspension_and_extension_without_a_move():
    assert due(played(("suspend", "2026-03-04T11:00"))) is None
    resumed = played(("suspend", "2026-03-04T11:00"), ("resume", "2026-03-11T09:30"), ("extend", "2026-03-12T09:30"))
    assert (resumed.state, due(resumed)) == ("asked", at("2026-03-20T18:00"))
    assert [pause.reason for pause in resumed.clock.term.pauses] == ["because"]


def test_a_move_extends_by_what_the_definition_says():
    extended = played(("accept", "2026-03-04T17:00"), ("lengthen", "2026-03-31T17:00"))
    assert due(extended) == at("2026-04-09T18:00")  # 2, 3, 7, 8, 9 April: Tomb-sweeping Day is 4 to 6


def test_a_final_state_stops_the_clock():
    refused = played(("ask_more", "2026-03-04T11:00"), ("withdraw", "2026-03-05T11:00"))
    assert (refused.state, due(refused), refused.clock.ended) == ("withdrawn", None, at("2026-03-05T11:00"))


def test_a_standing_clock_is_not_suspended_again_by_a_move():
    twice = played(("suspend", "2026-03-04T11:00"), ("ask_more", "2026-03-05T11:00"), ("answer", "2026-03-11T09:30"))
    assert len(twice.clock.term.pauses) == 1
    assert due(twice) == at("2026-03-16T18:00")


def test_time_never_goes_back_within_a_flow():
    assert played(("hand_over", "2026-03-04T17:00"), ("hand_over", "2026-03-04T16:59")).at == at("2026-03-04T17:00")


def test_alarms_come_in_order_of_time():
    now = played()
    alarms = rules.alarms(ACCESS, CITY.city, now.clock, due(now))
    assert [(alarm.kind, alarm.step, alarm.at, alarm.to) for alarm in alarms] == [
        ("warning", 0, at("2026-03-05T18:00"), ""),
        ("warning", 1, at("2026-03-09T12:00"), ""),  # four working hours are left from 12:00 to 14:00
        ("overdue", 0, at("2026-03-09T18:00"), ""),
        ("escalation", 0, at("2026-03-09T18:00"), "head"),
        ("escalation", 1, at("2026-03-12T18:00"), "supervision"),
    ]
    assert rules.alarms(ACCESS, CITY.city, played(("suspend", "2026-03-04T11:00")).clock, due(now)) == ()


def test_no_warning_lies_before_the_clock_was_set():
    short = changed("within: {amount: 5, unit: working_days}", "within: {amount: 1, unit: calendar_days}")
    started = rules.replay(short, [rules.begin(short, act("k1"))])
    alarms = rules.alarms(short, CITY.city, started.clock, due(started))
    assert [(alarm.kind, alarm.step) for alarm in alarms[:2]] == [("warning", 1), ("overdue", 0)]


# refusals


@pytest.mark.parametrize(
    ("moves", "name", "kind", "code", "params"),
    [
        ((), "grant", Conflict, "flow.move_illegal",
         {"move": "grant", "state": "asked", "allowed": "ask_more, hand_over, accept, refuse, withdraw"}),
        ((), "fly", Conflict, "flow.move_illegal",
         {"move": "fly", "state": "asked", "allowed": "ask_more, hand_over, accept, refuse, withdraw"}),
        ((("withdraw", MONDAY),), "grant", Conflict, "flow.ended", {"state": "withdrawn"}),
        ((), "refuse", Invalid, "flow.reason_missing", {"move": "refuse"}),
    ],
)  # fmt: skip
def test_wrong_moves(moves, name, kind, code, params):
    now = played(*moves)
    assert refusal(kind, lambda: rules.move(ACCESS, now, name, now.version, act("x", reason=" "))) == (code, params)


def test_a_move_needs_one_of_its_roles_and_the_version_that_was_seen():
    now = played()
    assert refusal(Refused, lambda: rules.move(ACCESS, now, "accept", 1, act("x", MONDAY, "", "officer"))) == (
        "flow.role_missing",
        {"move": "accept", "roles": "head"},
    )
    assert refusal(Conflict, lambda: rules.move(ACCESS, now, "accept", 2, act("x"))) == (
        "flow.stale",
        {"version": 2, "found": 1, "state": "asked"},
    )


def test_suspensions_that_are_refused():
    late = at("2026-03-09T18:00")
    asked, waiting, granting = played(), played(("ask_more", MONDAY)), played(("accept", MONDAY))
    stopped = played(("suspend", MONDAY))
    cases = {
        "flow.reason_missing": lambda: rules.suspend(ACCESS, asked, 1, late, act("x")),
        "flow.role_missing": lambda: rules.suspend(ACCESS, asked, 1, late, act("x", MONDAY, "why", "applicant")),
        "flow.deadline_passed": lambda: rules.suspend(ACCESS, asked, 1, late, act("x", "2026-03-09T18:01", "why")),
        "flow.suspended": lambda: rules.suspend(ACCESS, stopped, 2, None, act("x", MONDAY, "why")),
        "flow.not_suspendable": lambda: rules.suspend(ACCESS, granting, 2, late, act("x", MONDAY, "why")),
        "flow.no_clock": lambda: rules.suspend(NO_CLOCK, idle(), 1, None, act("x", MONDAY, "why")),
        "flow.not_suspended": lambda: rules.resume(ACCESS, asked, 1, act("x", MONDAY, "why")),
        "flow.suspended_by_move": lambda: rules.resume(ACCESS, waiting, 2, act("x", MONDAY, "why")),
        "flow.stale": lambda: rules.resume(ACCESS, stopped, 1, act("x", MONDAY, "why")),
    }
    assert [refusal(Problem, do)[0] for do in cases.values()] == list(cases)


def test_extensions_that_are_refused():
    late = at("2026-03-09T18:00")
    asked, granting, extended = played(), played(("accept", MONDAY)), played(("extend", MONDAY))

    def extend(now: rules.Course, amount: int, unit: str, when: str = MONDAY, reason: str = "why") -> Record:
        return rules.extend(ACCESS, now, now.version, Period(amount, unit), late, act("x", when, reason))

    assert extend(asked, 10, "working_days").by == Period(10, "working_days")
    assert refusal(Invalid, lambda: extend(asked, 11, "working_days")) == (
        "flow.extension_too_long",
        {"left": 10, "unit": "working_days"},
    )
    assert refusal(Invalid, lambda: extend(asked, 0, "working_days"))[0] == "flow.extension_too_long"
    assert refusal(Invalid, lambda: extend(asked, 1, "calendar_days"))[0] == "flow.extension_too_long"
    assert refusal(Conflict, lambda: extend(extended, 1, "working_days")) == ("flow.extension_spent", {"times": 1})
    assert refusal(Conflict, lambda: extend(granting, 1, "working_days"))[0] == "flow.not_extendable"
    assert refusal(Conflict, lambda: extend(asked, 1, "working_days", "2026-03-09T18:01"))[0] == "flow.deadline_passed"
    assert refusal(Invalid, lambda: extend(asked, 1, "working_days", reason=""))[0] == "flow.reason_missing"


NO_CLOCK = msgspec.structs.replace(
    ACCESS, states=tuple(msgspec.structs.replace(state, deadline=None) for state in ACCESS.states)
)


def idle() -> rules.Course:
    return rules.replay(NO_CLOCK, [rules.begin(NO_CLOCK, act("k1"))])


def test_clock_moves_without_a_clock():
    now = idle()
    assert now.clock is None
    assert rules.move(NO_CLOCK, now, "ask_more", 1, act("x", reason="why")).clock == "keep"
    accepted = rules.move(NO_CLOCK, now, "accept", 1, act("x"))
    granting = rules.replay(NO_CLOCK, [rules.begin(NO_CLOCK, act("k1")), accepted])
    assert refusal(Conflict, lambda: rules.move(NO_CLOCK, granting, "lengthen", 2, act("y"))) == (
        "flow.no_clock",
        {"state": "granting"},
    )


# definitions


def changed(old: str, new: str) -> Definition:
    assert old in TEXT.decode()
    return msgspec.yaml.decode(TEXT.decode().replace(old, new).encode(), type=Definition)


def test_the_definition_of_the_tests_is_right():
    rules.check(ACCESS)


def test_the_example_in_the_docs_is_right():
    page = Path(__file__).parents[2] / "docs" / "concepts" / "calendar-and-flows.md"
    example = page.read_text(encoding="utf-8").split("```yaml\n")[2].split("```")[0]
    rules.check(msgspec.yaml.decode(example, type=Definition))


@pytest.mark.parametrize(
    ("old", "new", "code", "name"),
    [
        ("initial: asked", "initial: nowhere", "flow.state_unknown", "nowhere"),
        ("to: granting", "to: nowhere", "flow.state_unknown", "nowhere"),
        ("name: granted,", "name: refused,", "flow.state_twice", "refused"),
        ("name: hand_over,", "name: accept,", "flow.move_twice", "accept"),
        ("name: hand_over,", "name: extend,", "flow.name_reserved", "extend"),
        ("to: granting", "to: refused", "flow.state_unreachable", "granting"),
        ("to: granted,", "", "flow.state_unreachable", "granted"),
        ("{en: Withdrawn, zh: 已撤回}, final: true", "{en: Withdrawn, zh: 已撤回}", "flow.state_endless", "withdrawn"),
        ("from: [asked, granting]", "from: [asked, granting, granted]", "flow.final_state_busy", "granted"),
        ("clock: extend, by: {amount: 5, unit: working_days}", "clock: extend", "flow.clock_wrong", "lengthen"),
        ("clock: extend, by", "by", "flow.clock_wrong", "lengthen"),
        ("clock: suspend", "clock: set", "flow.clock_wrong", "ask_more"),
        ("to: refused,", "to: refused, clock: suspend,", "flow.clock_wrong", "refuse"),
        ("warn: [{amount: 2, unit", "warn: [{amount: 5, unit", "flow.deadline_wrong", "asked"),
        ("warn: [{amount: 2, unit", "warn: [{amount: 0, unit", "flow.deadline_wrong", "asked"),
        ("within: {amount: 20, unit: working_days", "within: {amount: 0, unit: working_hours", "flow.deadline_wrong",
         "granting"),
        ("most: {amount: 10,", "most: {amount: 0,", "flow.deadline_wrong", "asked"),
        ("suspension: {roles: [officer]}", "suspension: {roles: []}", "flow.deadline_wrong", "asked"),
    ],
)  # fmt: skip
def test_wrong_definitions_are_refused(old: str, new: str, code: str, name: str):
    wrong = changed(old, new)
    found = refusal(Invalid, lambda: rules.check(wrong))
    assert (found[0], found[1]["kind"], found[1]["name"]) == (code, "data_access", name)


def test_unknown_keys_and_names_are_refused():
    for new in ("kind: Data", "kind: data_access\ncolour: red"):
        with pytest.raises(msgspec.ValidationError):
            changed("kind: data_access", new)
    with pytest.raises(msgspec.ValidationError):
        changed("to: granting, roles: [head]", "to: granting, roles: []")


def test_every_code_has_words_and_a_remedy_in_both_languages():
    said = words.load(["cityloom.kernel"])
    files = [path for path in Path(rules.__file__).parent.glob("*.py") if path.stem != "events"]  # topics, no codes
    source = "".join(path.read_text() for path in files)
    codes = {code for code in said.texts if code.startswith("flow.") and not code.endswith(".remedy")}
    raised = {part.split('"')[0] for part in source.split('"') if part.startswith("flow.") and part[5:].isidentifier()}
    assert raised == codes
    assert [code for code in codes if f"{code}.remedy" not in said.texts] == []


# properties


NAMES = [*(move.name for move in ACCESS.moves), "suspend", "resume", "extend"]


@given(st.lists(st.tuples(st.sampled_from(NAMES), st.integers(1, 4000)), max_size=14))
def test_whatever_is_tried_the_records_add_up(tries: list[tuple[str, int]]):
    records = [rules.begin(ACCESS, act("k1"))]
    moment = at(MONDAY)
    for number, (name, minutes) in enumerate(tries):
        moment += timedelta(minutes=minutes)
        now = course(*records)
        doing = Act("li", EVERYBODY, moment, f"t{number}", "why")
        known = due(now)
        with suppress(Conflict):  # everybody has every role and a reason, so nothing else may be refused
            if name == "suspend":
                records.append(rules.suspend(ACCESS, now, now.version, known, doing))
            elif name == "resume":
                records.append(rules.resume(ACCESS, now, now.version, doing))
            elif name == "extend":
                records.append(rules.extend(ACCESS, now, now.version, Period(1, "working_days"), known, doing))
            else:
                records.append(rules.move(ACCESS, now, name, now.version, doing))
    end = course(*records)
    assert [record.version for record in records] == list(range(1, len(records) + 1))
    assert all(before.target == after.source for before, after in pairwise(records))
    deadline = due(end)
    assert (deadline is None) == (end.clock.ended is not None or bool(end.clock.suspended_by and not late(end)))
    assert sum(pause.end is None for pause in end.clock.term.pauses) == bool(end.clock.suspended_by)


def late(now: rules.Course) -> bool:
    """Whether the deadline was reached before the clock was stopped."""
    return CITY.city.due(now.clock.term) is not None
