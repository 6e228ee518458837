"""Start a flow, move it, stop and lengthen its clock, ask where it stands and why, and find out who must be told.

Every function works in the caller's transaction. What a caller may see of other organisations is the business of
row-level security; who may start a flow, that of the caller.
"""

from collections.abc import Callable, Sequence
from datetime import datetime

import msgspec

from cityloom.kernel.calendar import reasons
from cityloom.kernel.calendar.reasons import Explanation
from cityloom.kernel.calendar.rules import Calendar, Calendars
from cityloom.kernel.calendar.spec import Period
from cityloom.kernel.db import Transaction
from cityloom.kernel.errors import Conflict, Invalid, NotFound
from cityloom.kernel.flow import rules, store
from cityloom.kernel.flow.contracts import Act, Line, Notice, Record, Standing, Step
from cityloom.kernel.flow.rules import Course
from cityloom.kernel.flow.spec import Definition

Decision = Callable[[Definition, Course, datetime | None], Record]


class _Held(msgspec.Struct, frozen=True):
    """A flow as it was read, with the calendar of its organisation."""

    flow: store.Flow
    definition: Definition
    records: list[Record]
    calendar: Calendar


def start(
    tx: Transaction, calendars: Calendars, definition: Definition, subject: str, organisation: str, act: Act
) -> Standing:
    """Start the flow of this kind about `subject` in `organisation`; there is at most one.

    Raises Conflict `flow.started` if it was started with another key; Invalid `flow.…` for a wrong definition.
    """
    _key(act)
    rules.check(definition)
    digest = store.keep_definition(tx, definition, act.at)
    flow = store.add(tx, definition.kind, subject, organisation, digest)
    if flow is None:
        return _started(tx, calendars, definition.kind, subject, organisation, act)
    row = store.Flow(flow, definition.kind, subject, organisation, digest)
    held = _Held(row, definition, [], calendars.of(organisation))
    return _append(tx, held, rules.begin(definition, act))


def _started(tx: Transaction, calendars: Calendars, kind: str, subject: str, organisation: str, act: Act) -> Standing:
    held = _hold(tx, calendars, store.find(tx, kind, subject, organisation), subject)
    first = held.records[0]
    if first.key != act.key:
        raise Conflict("flow.started", kind=kind, subject=subject, organisation=organisation)
    return _repeated(held, first, rules.START, None, act)


def move(tx: Transaction, calendars: Calendars, flow: int, name: str, version: int, act: Act) -> Standing:
    """Make a move from the version that the caller saw.

    Raises NotFound `flow.not_found`; Conflict `flow.stale`, `flow.ended`, `flow.move_illegal` (naming the allowed
    ones), `flow.no_clock`, `flow.key_reused`; Refused `flow.role_missing`; Invalid `flow.reason_missing`,
    `flow.key_missing`.
    """
    return _act(tx, calendars, flow, name, act, lambda d, course, _: rules.move(d, course, name, version, act))


def suspend(tx: Transaction, calendars: Calendars, flow: int, version: int, act: Act) -> Standing:
    """Stop the clock, with a reason, where the state's deadline allows it. Raises what `rules.suspend` raises."""
    return _act(
        tx, calendars, flow, rules.SUSPEND, act, lambda d, course, due: rules.suspend(d, course, version, due, act)
    )


def resume(tx: Transaction, calendars: Calendars, flow: int, version: int, act: Act) -> Standing:
    """Let the clock run on that `suspend` stopped, with a reason. Raises what `rules.resume` raises."""
    return _act(tx, calendars, flow, rules.RESUME, act, lambda d, course, _: rules.resume(d, course, version, act))


def extend(tx: Transaction, calendars: Calendars, flow: int, by: Period, version: int, act: Act) -> Standing:
    """Lengthen the deadline, with a reason, where the state's deadline allows it. Raises what `rules.extend` raises."""
    return _act(
        tx,
        calendars,
        flow,
        rules.EXTEND,
        act,
        lambda d, course, due: rules.extend(d, course, version, by, due, act),
        by,
    )


def standing(tx: Transaction, calendars: Calendars, flow: int) -> Standing:
    """Where a flow stands. Raises NotFound `flow.not_found`."""
    return _stand(_hold(tx, calendars, store.read(tx, flow), flow))


def find(tx: Transaction, calendars: Calendars, kind: str, subject: str, organisation: str) -> Standing | None:
    """Where the flow about a subject stands, if there is one."""
    row = store.find(tx, kind, subject, organisation)
    return _stand(_hold(tx, calendars, row, subject)) if row else None


def listed(tx: Transaction, kind: str, state: str, after: int = 0, limit: int = 100) -> list[Line]:
    """Flows of a kind in a state, by id, those after `after`; a page is full while there may be more."""
    return store.lines(tx, kind, state, after, limit)


def history(tx: Transaction, flow: int) -> list[Record]:
    """Every move with actor, reason and time. Raises NotFound `flow.not_found`."""
    found = store.records(tx, flow)
    if not found:
        raise NotFound("flow.not_found", flow=flow)
    return found


def steps(tx: Transaction, flow: int) -> tuple[Step, ...]:
    """Every move for those who may see the flow. Raises NotFound `flow.not_found`."""
    return tuple(
        Step(each.version, each.move, each.target, each.actor, each.role, each.reason, each.at, each.due)
        for each in history(tx, flow)
    )


def histories(tx: Transaction, flows: Sequence[int]) -> dict[int, list[Record]]:
    """Every move of several flows, by flow; empty for one that the scope does not see."""
    return store.several(tx, flows)


def definition(tx: Transaction, flow: int) -> Definition:
    """The definition with which the flow started (titles of its states and moves). Raises NotFound `flow.not_found`."""
    row = store.read(tx, flow)
    if row is None:
        raise NotFound("flow.not_found", flow=flow)
    return store.definition(tx, row.definition)


def explain(tx: Transaction, calendars: Calendars, flow: int, version: int | None = None) -> Explanation | None:
    """Why the deadline is where it is, now or after the move `version`; None where there was no clock.

    Counted on today's calendar. Raises NotFound `flow.not_found`; Invalid `calendar.not_announced`.
    """
    held = _hold(tx, calendars, store.read(tx, flow), flow)
    upto = [record for record in held.records if version is None or record.version <= version]
    if not upto:
        raise NotFound("flow.not_found", flow=flow)
    clock = rules.replay(held.definition, upto).clock
    return reasons.explain(held.calendar, clock.term) if clock else None


def due(tx: Transaction, calendars: Calendars, now: datetime, limit: int = 500) -> list[Notice]:
    """What has come due before `now` and was never returned before, in order of time: emit it in this transaction.

    At most `limit` flows are looked at; call again until nothing comes. Safe to run twice, and by several at once.
    """
    notices: list[Notice] = []
    for flow in store.ripe(tx, now, limit):
        held = _hold(tx, calendars, store.read(tx, flow), flow)
        course = rules.replay(held.definition, held.records)
        deadline = rules.due(held.calendar, course.clock)
        alarms = rules.alarms(held.definition, held.calendar, course.clock, deadline)
        if course.clock and deadline:
            for alarm in alarms:
                if alarm.at < now and store.tell(tx, held.flow, course.clock.version, deadline, alarm, now):
                    row = held.flow
                    notices.append(Notice(flow, row.kind, row.subject, row.organisation, course.state, deadline, alarm))
        store.wait(tx, flow, next((alarm.at for alarm in alarms if alarm.at >= now), None))
    return sorted(notices, key=lambda notice: (notice.alarm.at, notice.flow))


def recount(tx: Transaction, calendars: Calendars, limit: int = 500) -> int:
    """Count deadlines anew whose calendar has changed (a new year announced, a holiday moved); how many were counted.

    Call at start-up and after a change of the calendar, until it answers 0. The records keep the former deadlines.
    """
    own = {organisation: calendar.digest for organisation, calendar in calendars.own.items()}
    flows = store.counted_otherwise(tx, calendars.city.digest, own, limit)
    for flow in flows:
        held = _hold(tx, calendars, store.read(tx, flow), flow)
        _put(tx, held, rules.replay(held.definition, held.records))
    return len(flows)


def _key(act: Act) -> None:
    if not act.key:
        raise Invalid("flow.key_missing")


def _hold(tx: Transaction, calendars: Calendars, row: store.Flow | None, name: int | str) -> _Held:
    if row is None:
        raise NotFound("flow.not_found", flow=name)
    definition = store.definition(tx, row.definition)
    return _Held(row, definition, store.records(tx, row.id), calendars.of(row.organisation))


def _act(
    tx: Transaction,
    calendars: Calendars,
    flow: int,
    name: str,
    act: Act,
    decide: Decision,
    by: Period | None = None,
) -> Standing:
    _key(act)
    store.lock(tx, flow)
    held = _hold(tx, calendars, store.read(tx, flow), flow)
    for record in held.records:
        if record.key == act.key:
            return _repeated(held, record, name, by, act)
    course = rules.replay(held.definition, held.records)
    return _append(tx, held, decide(held.definition, course, rules.due(held.calendar, course.clock)))


def _repeated(held: _Held, record: Record, name: str, by: Period | None, act: Act) -> Standing:
    """The standing right after the move that was made with this key, as it was answered then."""
    if not rules.is_repetition(record, name, by, act):
        raise Conflict("flow.key_reused", key=act.key, move=record.move)
    before = msgspec.structs.replace(held, records=held.records[: record.version])
    return msgspec.structs.replace(_stand(before), due=record.due, repeated=True)


def _append(tx: Transaction, held: _Held, record: Record) -> Standing:
    held = msgspec.structs.replace(held, records=[*held.records, record])
    course = rules.replay(held.definition, held.records)
    record = msgspec.structs.replace(record, due=rules.due(held.calendar, course.clock))
    store.append(tx, held.flow.id, held.flow.organisation, record)
    _put(tx, held, course)
    return _stand(held)


def _put(tx: Transaction, held: _Held, course: Course) -> None:
    deadline = rules.due(held.calendar, course.clock)
    alarms = rules.alarms(held.definition, held.calendar, course.clock, deadline)
    clock = course.clock
    row = store.Standing(
        flow=held.flow.id,
        organisation=held.flow.organisation,
        kind=held.flow.kind,
        version=course.version,
        state=course.state,
        suspended=bool(clock and clock.suspended_by and clock.ended is None),
        due_at=deadline,
        # the first alarm, told or not: `due` skips what it has told
        next_at=alarms[0].at if alarms else None,
        calendar=held.calendar.digest if clock and clock.is_running else None,
    )
    store.put(tx, row)


def _stand(held: _Held) -> Standing:
    course = rules.replay(held.definition, held.records)
    return Standing(
        flow=held.flow.id,
        kind=held.flow.kind,
        subject=held.flow.subject,
        organisation=held.flow.organisation,
        version=course.version,
        state=course.state,
        is_final=held.definition.state(course.state).final,
        at=course.at,
        allowed=tuple(move.name for move in held.definition.moves_from(course.state)),
        clock=course.clock,
        due=rules.due(held.calendar, course.clock),
    )
