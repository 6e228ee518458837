"""All SQL of the flow engine (schema kernel, tables flow…)."""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec

from cityloom.kernel.calendar.spec import Period, Unit
from cityloom.kernel.db import Transaction
from cityloom.kernel.flow.contracts import Alarm, Line, Record
from cityloom.kernel.flow.spec import Definition, Effect


class Flow(msgspec.Struct, frozen=True):
    """What never changes about a flow."""

    id: int
    kind: str
    subject: str
    organisation: str
    definition: str


class Standing(msgspec.Struct, frozen=True):
    """The row that is locked and searched."""

    flow: int
    organisation: str
    kind: str
    version: int
    state: str
    suspended: bool
    due_at: datetime | None
    next_at: datetime | None
    calendar: str | None


class _MoveRow(msgspec.Struct, frozen=True):
    version: int
    move: str
    source: str
    target: str
    clock: Effect
    actor: str
    role: str
    reason: str
    at: datetime
    key: str
    by_amount: int | None
    by_unit: Unit | None
    due_at: datetime | None


class _OfFlow(_MoveRow, frozen=True, kw_only=True):
    flow: int


class _Body(msgspec.Struct, frozen=True):
    body: str


class _Id(msgspec.Struct, frozen=True):
    id: int


FLOW = "SELECT id, kind, subject, organisation, definition FROM kernel.flow"


def keep_definition(tx: Transaction, definition: Definition, at: datetime) -> str:
    """Keep the definition if it is new; its digest, with the name of the algorithm."""
    body = msgspec.json.encode(definition, order="deterministic")
    digest = "sha256:" + hashlib.sha256(body).hexdigest()
    tx.execute(
        "INSERT INTO kernel.flow_definition (digest, kind, body, recorded_at) VALUES (%s, %s, %s, %s)"
        " ON CONFLICT (digest) DO NOTHING",
        [digest, definition.kind, body.decode(), at],
    )
    return digest


def definition(tx: Transaction, digest: str) -> Definition:
    """A definition that some flow started with."""
    row = tx.one(_Body, "SELECT body FROM kernel.flow_definition WHERE digest = %s", [digest])
    return msgspec.json.decode(row.body, type=Definition)


def add(tx: Transaction, kind: str, subject: str, organisation: str, digest: str) -> int | None:
    """A new flow's id; None if there is one, waiting for whoever is just starting it."""
    row = tx.first(
        _Id,
        "INSERT INTO kernel.flow (kind, subject, organisation, definition) VALUES (%s, %s, %s, %s)"
        " ON CONFLICT (kind, subject, organisation) DO NOTHING RETURNING id",
        [kind, subject, organisation, digest],
    )
    return row.id if row else None


def read(tx: Transaction, flow: int) -> Flow | None:
    """The flow of that id."""
    return tx.first(Flow, f"{FLOW} WHERE id = %s", [flow])


def find(tx: Transaction, kind: str, subject: str, organisation: str) -> Flow | None:
    """The flow about a subject in an organisation."""
    return tx.first(
        Flow, f"{FLOW} WHERE kind = %s AND subject = %s AND organisation = %s", [kind, subject, organisation]
    )


def lock(tx: Transaction, flow: int) -> None:
    """Wait for whoever is moving this flow; it is ours until the transaction ends."""
    tx.execute("SELECT FROM kernel.flow_standing WHERE flow = %s FOR UPDATE", [flow])


def records(tx: Transaction, flow: int) -> list[Record]:
    """Every move, in order."""
    rows = tx.all(
        _MoveRow,
        "SELECT version, move, source, target, clock, actor, role, reason, at, key, by_amount, by_unit, due_at"
        " FROM kernel.flow_move WHERE flow = %s ORDER BY version",
        [flow],
    )
    return [_record(row) for row in rows]


def several(tx: Transaction, flows: Sequence[int]) -> dict[int, list[Record]]:
    """Every move of these flows, in order, by flow."""
    rows = tx.all(
        _OfFlow,
        "SELECT flow, version, move, source, target, clock, actor, role, reason, at, key, by_amount, by_unit, due_at"
        " FROM kernel.flow_move WHERE flow = ANY(%s) ORDER BY flow, version",
        [list(flows)],
    )
    found: dict[int, list[Record]] = {flow: [] for flow in flows}
    for row in rows:
        found[row.flow].append(_record(row))
    return found


def _record(row: _MoveRow) -> Record:
    return Record(
        version=row.version,
        move=row.move,
        source=row.source,
        target=row.target,
        clock=row.clock,
        actor=row.actor,
        role=row.role,
        reason=row.reason,
        at=row.at,
        key=row.key,
        by=Period(row.by_amount, row.by_unit) if row.by_amount is not None and row.by_unit is not None else None,
        due=row.due_at,
    )


def append(tx: Transaction, flow: int, organisation: str, record: Record) -> None:
    """Keep one move."""
    by = record.by
    tx.execute(
        "INSERT INTO kernel.flow_move (flow, organisation, version, move, source, target, clock, actor, role, reason,"
        " at, key, by_amount, by_unit, due_at) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
        [
            flow, organisation, record.version, record.move, record.source, record.target, record.clock, record.actor,
            record.role, record.reason, record.at, record.key, by and by.amount, by and by.unit, record.due,
        ],
    )  # fmt: skip


def put(tx: Transaction, row: Standing) -> None:
    """Where the flow stands now."""
    tx.execute(
        "INSERT INTO kernel.flow_standing"
        " (flow, organisation, kind, version, state, suspended, due_at, next_at, calendar)"
        " VALUES (%(flow)s, %(organisation)s, %(kind)s, %(version)s, %(state)s, %(suspended)s, %(due_at)s,"
        " %(next_at)s, %(calendar)s)"
        " ON CONFLICT (flow) DO UPDATE SET version = excluded.version, state = excluded.state,"
        " suspended = excluded.suspended, due_at = excluded.due_at, next_at = excluded.next_at,"
        " calendar = excluded.calendar",
        msgspec.structs.asdict(row),
    )


def ripe(tx: Transaction, now: datetime, limit: int) -> list[int]:
    """Flows with an alarm before `now`, locked; those that somebody is just moving are left for the next time."""
    return tx.values(
        int,
        "SELECT flow FROM kernel.flow_standing WHERE next_at < %s ORDER BY next_at, flow LIMIT %s"
        " FOR UPDATE SKIP LOCKED",
        [now, limit],
    )


def tell(tx: Transaction, flow: Flow, clock: int, due: datetime, alarm: Alarm, now: datetime) -> bool:
    """Keep that somebody has been told; False if it was kept before."""
    rows = tx.execute(
        "INSERT INTO kernel.flow_notice (flow, organisation, clock, due_at, kind, step, at, recorded_at)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
        [flow.id, flow.organisation, clock, due, alarm.kind, alarm.step, alarm.at, now],
    )
    return rows == 1


def wait(tx: Transaction, flow: int, next_at: datetime | None) -> None:
    """When this flow must be looked at next."""
    tx.execute("UPDATE kernel.flow_standing SET next_at = %s WHERE flow = %s", [next_at, flow])


def counted_otherwise(tx: Transaction, city: str, own: Mapping[str, str], limit: int) -> list[int]:
    """Flows whose clock runs on another calendar than their organisation has now (digests), locked."""
    return tx.values(
        int,
        "SELECT flow FROM kernel.flow_standing"
        " WHERE calendar <> coalesce(%s::jsonb ->> organisation, %s) ORDER BY flow LIMIT %s FOR UPDATE SKIP LOCKED",
        [msgspec.json.encode(own).decode(), city, limit],
    )


def lines(tx: Transaction, kind: str, state: str, after: int, limit: int) -> list[Line]:
    """Flows of a kind that stand in a state, by id."""
    return tx.all(
        Line,
        "SELECT s.flow, f.subject, s.organisation, s.version, s.state, s.suspended, s.due_at AS due"
        " FROM kernel.flow_standing AS s JOIN kernel.flow AS f ON f.id = s.flow"
        " WHERE s.kind = %s AND s.state = %s AND s.flow > %s ORDER BY s.flow LIMIT %s",
        [kind, state, after, limit],
    )
