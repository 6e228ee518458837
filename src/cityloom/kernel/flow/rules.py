"""Every decision about a flow: whether a definition makes sense, what a move does, when somebody must be told."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from cityloom.kernel.calendar.rules import Calendar
from cityloom.kernel.calendar.spec import Extension, Pause, Period, Term
from cityloom.kernel.errors import Conflict, Invalid, Refused
from cityloom.kernel.flow.contracts import Act, Alarm, Clock, Record
from cityloom.kernel.flow.spec import Deadline, Definition, Effect, Move, State

START, SUSPEND, RESUME, EXTEND = "start", "suspend", "resume", "extend"
RESERVED = (START, SUSPEND, RESUME, EXTEND)


class Course(msgspec.Struct, frozen=True):
    """What a flow's records add up to."""

    version: int
    state: str
    at: datetime
    clock: Clock | None = None


def check(definition: Definition) -> None:
    """Raises Invalid `flow.…` naming the first fault of a definition."""
    kind = definition.kind
    names = [state.name for state in definition.states]
    _once(names, "flow.state_twice", kind)
    _once([move.name for move in definition.moves], "flow.move_twice", kind)
    named = [name for move in definition.moves for name in (*move.sources, *([move.to] if move.to else []))]
    for name in (definition.initial, *named):
        if name not in names:
            raise Invalid("flow.state_unknown", kind=kind, name=name, known=", ".join(names))
    for state in definition.states:
        if state.final and (state.deadline or definition.moves_from(state.name)):
            raise Invalid("flow.final_state_busy", kind=kind, name=state.name)
        if state.deadline:
            _check_deadline(kind, state.name, state.deadline)
    for move in definition.moves:
        _check_move(definition, move)
    _check_ways(definition)


def _once(names: Sequence[str], code: str, kind: str) -> None:
    for name in names:
        if names.count(name) > 1:
            raise Invalid(code, kind=kind, name=name)


def _check_deadline(kind: str, state: str, deadline: Deadline) -> None:
    within = deadline.within
    if within.amount == 0 and within.unit == "working_hours":
        raise Invalid("flow.deadline_wrong", kind=kind, name=state)
    if any(warn.amount == 0 or (warn.unit == within.unit and warn.amount >= within.amount) for warn in deadline.warn):
        raise Invalid("flow.deadline_wrong", kind=kind, name=state)
    if deadline.extension and (deadline.extension.most.amount == 0 or not deadline.extension.roles):
        raise Invalid("flow.deadline_wrong", kind=kind, name=state)
    if deadline.suspension and not deadline.suspension.roles:
        raise Invalid("flow.deadline_wrong", kind=kind, name=state)


def _check_move(definition: Definition, move: Move) -> None:
    if move.name in RESERVED:
        raise Invalid("flow.name_reserved", kind=definition.kind, name=move.name, reserved=", ".join(RESERVED))
    entered = definition.state(move.to) if move.to else None
    extends = move.clock == "extend"
    wrong = (
        (extends and (move.by is None or move.by.amount == 0))
        or (not extends and move.by is not None)
        or (move.clock == "set" and any(_deadline(definition, move, source) is None for source in move.sources))
        or (entered is not None and entered.final and move.clock not in (None, "stop"))
    )
    if wrong:
        raise Invalid("flow.clock_wrong", kind=definition.kind, name=move.name)


def _deadline(definition: Definition, move: Move, source: str) -> Deadline | None:
    return definition.state(move.to or source).deadline


def _check_ways(definition: Definition) -> None:
    """Every state is reached from the initial one and leads to a final one."""
    ways = [(source, move.to or source) for move in definition.moves for source in move.sources]
    reached = _closure({definition.initial}, ways)
    ending = _closure({state.name for state in definition.states if state.final}, [(to, source) for source, to in ways])
    for state in definition.states:
        if state.name not in reached:
            raise Invalid("flow.state_unreachable", kind=definition.kind, name=state.name)
        if state.name not in ending:
            raise Invalid("flow.state_endless", kind=definition.kind, name=state.name)


def _closure(found: set[str], ways: Sequence[tuple[str, str]]) -> set[str]:
    while True:
        more = {to for source, to in ways if source in found} - found
        if not more:
            return found
        found = found | more


def begin(definition: Definition, act: Act) -> Record:
    """The first record of a flow."""
    effect: Effect = "set" if definition.state(definition.initial).deadline else "stop"
    return Record(1, START, "", definition.initial, effect, act.actor, "", act.reason, act.at, act.key)


def replay(definition: Definition, records: Sequence[Record]) -> Course:
    """Where these records lead. The first must be the start."""
    course = Course(0, "", records[0].at)
    for record in records:
        course = Course(record.version, record.target, record.at, _tick(definition, course.clock, record))
    return course


def _tick(definition: Definition, clock: Clock | None, record: Record) -> Clock | None:
    """The clock after a record."""
    if record.clock == "set":
        deadline = definition.state(record.target).deadline
        if deadline is None:
            raise LookupError(f"state {record.target} has no deadline")
        return Clock(record.target, record.version, Term(record.at, deadline.within))
    if clock is None or record.clock == "keep":
        return clock
    change: dict[str, Any]
    if record.clock == "suspend":
        pauses = (*clock.term.pauses, Pause(record.at, None, record.reason))
        change = {"term": msgspec.structs.replace(clock.term, pauses=pauses), "suspended_by": record.move}
    elif record.clock == "resume":
        open_pause = msgspec.structs.replace(clock.term.pauses[-1], end=record.at)
        pauses = (*clock.term.pauses[:-1], open_pause)
        change = {"term": msgspec.structs.replace(clock.term, pauses=pauses), "suspended_by": ""}
    elif record.clock == "extend" and record.by is not None:
        extensions = (*clock.term.extensions, Extension(record.by, record.reason))
        change = {"term": msgspec.structs.replace(clock.term, extensions=extensions)}
    else:
        change = {"ended": clock.ended or record.at}
    return msgspec.structs.replace(clock, **change)


def move(definition: Definition, course: Course, name: str, version: int, act: Act) -> Record:
    """The record of a move that is allowed.

    Raises Conflict `flow.stale`, `flow.ended`, `flow.move_illegal` (naming the allowed ones), `flow.no_clock`;
    Refused `flow.role_missing`; Invalid `flow.reason_missing`.
    """
    state = _open_state(definition, course, version)
    moves = definition.moves_from(state.name)
    chosen = next((move for move in moves if move.name == name), None)
    if chosen is None:
        allowed = ", ".join(move.name for move in moves)
        raise Conflict("flow.move_illegal", move=name, state=state.name, allowed=allowed)
    role = _role(name, chosen.roles, act)
    _reason(name, act, needed=chosen.needs_reason)
    effect = _effect(definition, course, chosen)
    return _record(course, name, chosen.to or state.name, effect, role, act, chosen.by if effect == "extend" else None)


def _effect(definition: Definition, course: Course, move: Move) -> Effect:
    """What a move does to the clock. To suspend a standing clock, or resume a running one, changes nothing."""
    clock = course.clock if course.clock and course.clock.ended is None else None
    effect = move.clock or _usual(definition, move)
    if effect == "extend" and clock is None:
        raise Conflict("flow.no_clock", state=course.state)
    if clock is None and effect in ("suspend", "resume"):
        return "keep"
    if clock and ((effect == "suspend" and clock.suspended_by) or (effect == "resume" and not clock.suspended_by)):
        return "keep"
    return effect


def _usual(definition: Definition, move: Move) -> Effect:
    if move.to is None:
        return "keep"
    return "set" if definition.state(move.to).deadline else "stop"


def suspend(definition: Definition, course: Course, version: int, due: datetime | None, act: Act) -> Record:
    """The record of stopping the clock without a move.

    Raises Conflict `flow.stale`, `flow.ended`, `flow.no_clock`, `flow.not_suspendable`, `flow.suspended`,
    `flow.deadline_passed`; Refused `flow.role_missing`; Invalid `flow.reason_missing`.
    """
    clock, deadline = _ticking(definition, course, version)
    if deadline.suspension is None:
        raise Conflict("flow.not_suspendable", state=clock.state)
    role = _role(SUSPEND, deadline.suspension.roles, act)
    _reason(SUSPEND, act, needed=True)
    if clock.suspended_by:
        raise Conflict("flow.suspended", since=clock.term.pauses[-1].begin.isoformat())
    _in_time(due, act)
    return _record(course, SUSPEND, course.state, "suspend", role, act)


def resume(definition: Definition, course: Course, version: int, act: Act) -> Record:
    """The record of letting run the clock that `suspend` stopped.

    Raises Conflict `flow.stale`, `flow.ended`, `flow.no_clock`, `flow.not_suspended`, `flow.suspended_by_move` (a clock
    that a move stopped is set going by a move); Refused `flow.role_missing`; Invalid `flow.reason_missing`.
    """
    clock, deadline = _ticking(definition, course, version)
    if not clock.suspended_by:
        raise Conflict("flow.not_suspended", state=course.state)
    if clock.suspended_by != SUSPEND or deadline.suspension is None:
        raise Conflict("flow.suspended_by_move", move=clock.suspended_by)
    role = _role(RESUME, deadline.suspension.roles, act)
    _reason(RESUME, act, needed=True)
    return _record(course, RESUME, course.state, "resume", role, act)


def extend(definition: Definition, course: Course, version: int, by: Period, due: datetime | None, act: Act) -> Record:
    """The record of lengthening the deadline without a move.

    Raises Conflict `flow.stale`, `flow.ended`, `flow.no_clock`, `flow.not_extendable`, `flow.extension_spent`,
    `flow.deadline_passed`; Refused `flow.role_missing`; Invalid `flow.reason_missing`, `flow.extension_too_long`.
    """
    clock, deadline = _ticking(definition, course, version)
    rule = deadline.extension
    if rule is None:
        raise Conflict("flow.not_extendable", state=clock.state)
    role = _role(EXTEND, rule.roles, act)
    _reason(EXTEND, act, needed=True)
    used = clock.term.extensions
    if len(used) >= rule.times:
        raise Conflict("flow.extension_spent", times=rule.times)
    given = sum(extension.by.amount for extension in used if extension.by.unit == rule.most.unit)
    if by.unit != rule.most.unit or not 0 < by.amount <= rule.most.amount - given:
        raise Invalid("flow.extension_too_long", left=rule.most.amount - given, unit=rule.most.unit)
    _in_time(due, act)
    return _record(course, EXTEND, course.state, "extend", role, act, by)


def _open_state(definition: Definition, course: Course, version: int) -> State:
    if version != course.version:
        raise Conflict("flow.stale", version=version, found=course.version, state=course.state)
    state = definition.state(course.state)
    if state.final:
        raise Conflict("flow.ended", state=state.name)
    return state


def _ticking(definition: Definition, course: Course, version: int) -> tuple[Clock, Deadline]:
    _open_state(definition, course, version)
    clock = course.clock
    deadline = definition.state(clock.state).deadline if clock else None
    if clock is None or deadline is None or clock.ended is not None:
        raise Conflict("flow.no_clock", state=course.state)
    return clock, deadline


def _role(name: str, roles: tuple[str, ...], act: Act) -> str:
    for role in roles:
        if role in act.roles:
            return role
    raise Refused("flow.role_missing", move=name, roles=", ".join(roles))


def _reason(name: str, act: Act, *, needed: bool) -> None:
    if needed and not act.reason.strip():
        raise Invalid("flow.reason_missing", move=name)


def _in_time(due: datetime | None, act: Act) -> None:
    # what is late stays late: a deadline that passed is not moved afterwards
    if due is not None and act.at > due:
        raise Conflict("flow.deadline_passed", due=due.isoformat())


def _record(
    course: Course, name: str, target: str, effect: Effect, role: str, act: Act, by: Period | None = None
) -> Record:
    # clocks of two servers may differ a little; within one flow time never goes back
    at = max(act.at, course.at)
    return Record(course.version + 1, name, course.state, target, effect, act.actor, role, act.reason, at, act.key, by)


def is_repetition(record: Record, name: str, by: Period | None, act: Act) -> bool:
    """Whether an act whose key is known asks for what was done then."""
    return (record.move, record.actor, record.reason) == (name, act.actor, act.reason) and by in (None, record.by)


def due(calendar: Calendar, clock: Clock | None) -> datetime | None:
    """The deadline; None without a clock, while it stands still, and beyond the years the state has announced."""
    if clock is None or clock.ended is not None:
        return None
    try:
        return calendar.due(clock.term)
    except Invalid as problem:
        if problem.code == "calendar.not_announced":
            return None
        raise


def alarms(definition: Definition, calendar: Calendar, clock: Clock | None, due: datetime | None) -> tuple[Alarm, ...]:
    """Everybody to tell about a running clock, in order of time, without warnings from before the clock was set."""
    if clock is None or due is None or not clock.is_running:
        return ()
    deadline = definition.state(clock.state).deadline
    if deadline is None:
        return ()
    found = [Alarm("overdue", 0, due)]
    for step, before in enumerate(deadline.warn):
        at = calendar.earlier(due, before)
        if at > clock.term.start:
            found.append(Alarm("warning", step, at))
    for step, escalation in enumerate(deadline.escalate):
        try:
            found.append(Alarm("escalation", step, calendar.later(due, escalation.after), escalation.to))
        except Invalid as problem:
            if problem.code != "calendar.not_announced":
                raise
    return tuple(sorted(found, key=lambda alarm: (alarm.at, alarm.kind != "overdue", alarm.step)))
