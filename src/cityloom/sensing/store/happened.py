"""SQL of events: what happened, what was told of it in order, and where it is pushed."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from cityloom.kernel.db import Transaction
from cityloom.kernel.words import Text
from cityloom.sensing.contracts.events import (
    SEVERITIES,
    ChangeKind,
    CityEvent,
    EventChange,
    EventDeadLetter,
    EventWebhook,
)

TELLING = 7216052
"""The lock under which changes are numbered: until the commit, so numbers are in the order of the commits."""
COLUMNS = """id, rule, version, title::text AS title, severity, level, quiet, keeper, told, place, datastream_id, thing_id,
    thing, district, groups, longitude, latitude, unit, first, last, opened, peak, peak_at, count, evidence, parts, late, state,
    closed, closed_by, closed_who, closed_reason, acknowledged, acknowledged_who, acknowledged_reason"""


class EventRow(msgspec.Struct, frozen=True):
    """One row of sensing.events."""

    id: int
    rule: str
    version: str
    title: str
    severity: str
    level: int
    quiet: bool
    keeper: str
    told: list[str]
    place: str
    datastream_id: int | None
    thing_id: int | None
    thing: str
    district: str
    groups: list[str]
    longitude: float | None
    latitude: float | None
    unit: str
    first: datetime
    last: datetime
    opened: datetime
    peak: float | None
    peak_at: datetime
    count: int
    evidence: list[int]
    parts: list[int]
    late: bool
    state: str
    closed: datetime | None
    closed_by: str
    closed_who: str
    closed_reason: str
    acknowledged: datetime | None
    acknowledged_who: str
    acknowledged_reason: str

    def event(self) -> CityEvent:
        """As it is shown."""
        return CityEvent(
            id=self.id, rule=self.rule, version=self.version, title=msgspec.json.decode(self.title, type=Text),
            severity=self.severity, level=self.level, state=self.state, keeper=self.keeper, place=self.place,  # type: ignore[arg-type]
            datastream=self.datastream_id, thing=self.thing_id, thing_name=self.thing, district=self.district,
            longitude=self.longitude, latitude=self.latitude, first=self.first, last=self.last, opened=self.opened,
            peak=self.peak, peak_at=self.peak_at, unit=self.unit, count=self.count, evidence=tuple(self.evidence),
            parts=tuple(self.parts), late=self.late, closed=self.closed, closed_by=self.closed_by,  # type: ignore[arg-type]
            closed_who=self.closed_who, closed_reason=self.closed_reason, acknowledged=self.acknowledged,
            acknowledged_who=self.acknowledged_who, acknowledged_reason=self.acknowledged_reason,
        )  # fmt: skip


def new_ids(tx: Transaction, count: int) -> list[int]:
    """Ids of new events, ascending."""
    return tx.values(int, "SELECT nextval('sensing.events_id_seq') FROM generate_series(1, %s)", [count])


FIELDS = tuple(name for name in EventRow.__struct_fields__ if name not in ("id",))


def _values(row: EventRow) -> dict[str, Any]:
    return {**{name: getattr(row, name) for name in EventRow.__struct_fields__}, "rank": SEVERITIES.index(row.severity)}


def add(tx: Transaction, rows: Sequence[EventRow]) -> None:
    """Keep new events."""
    names = ("id", *FIELDS, "rank")
    marks = ", ".join(f"%({name})s" + ("::jsonb" if name == "title" else "") for name in names)
    tx.many(f"INSERT INTO sensing.events ({', '.join(names)}) VALUES ({marks})", [_values(row) for row in rows])


CHANGING = (
    "title",
    "severity", "rank", "level", "first", "last", "peak", "peak_at", "count", "evidence", "parts", "state", "closed", "closed_by",
    "closed_who", "closed_reason", "acknowledged", "acknowledged_who", "acknowledged_reason",
)  # fmt: skip


def change(tx: Transaction, rows: Sequence[EventRow]) -> None:
    """Keep what became of events."""
    pairs = ", ".join(f"{name} = %({name})s" + ("::jsonb" if name == "title" else "") for name in CHANGING)
    tx.many(f"UPDATE sensing.events SET {pairs} WHERE id = %(id)s", [_values(row) for row in rows])


def by_ids(tx: Transaction, ids: Sequence[int], lock: bool = False) -> list[EventRow]:
    """Those of the ids that the scope sees."""
    return tx.all(
        EventRow, f"SELECT {COLUMNS} FROM sensing.events WHERE id = ANY(%s) ORDER BY id {'FOR UPDATE' if lock else ''}", [list(ids)]
    )  # fmt: skip


def open_of(tx: Transaction, rules: Sequence[str]) -> list[EventRow]:
    """Open events of these rules."""
    return tx.all(
        EventRow, f"SELECT {COLUMNS} FROM sensing.events WHERE rule = ANY(%s) AND state = 'open' ORDER BY id", [list(rules)]
    )  # fmt: skip


def outdated(tx: Transaction, versions: dict[str, str]) -> list[EventRow]:
    """Open events that another version of their rule made."""
    return tx.all(
        EventRow,
        f"""SELECT {COLUMNS} FROM sensing.events e WHERE state = 'open' AND NOT EXISTS (
              SELECT FROM unnest(%s::text[], %s::text[]) n(rule, version) WHERE n.rule = e.rule AND n.version = e.version)
            ORDER BY id""",
        [list(versions), list(versions.values())],
    )


def orphans(tx: Transaction) -> list[EventRow]:
    """Open events about Datastreams or Things that are no longer there."""
    return tx.all(
        EventRow,
        f"""SELECT {COLUMNS} FROM sensing.events e WHERE state = 'open' AND (
              (datastream_id IS NOT NULL AND NOT EXISTS (SELECT FROM sensing.datastreams d WHERE d.id = e.datastream_id))
              OR (thing_id IS NOT NULL AND NOT EXISTS (SELECT FROM sensing.things t WHERE t.id = e.thing_id)))
            ORDER BY id""",
    )


def overlapping(tx: Transaction, rule: str, place: str, since: datetime, until: datetime) -> list[EventRow]:
    """Events of a rule at a place between two moments, the first one first."""
    return tx.all(
        EventRow,
        f"""SELECT {COLUMNS} FROM sensing.events WHERE rule = %s AND place = %s AND first <= %s AND (state = 'open' OR last >= %s)
            ORDER BY first, id""",
        [rule, place, until, since],
    )


def parts(tx: Transaction, rules: Sequence[str], key: str, since: datetime) -> list[EventRow]:
    """Events of these rules at a place (such as `district:440304`) that are open, or were since then."""
    kind, _, name = key.partition(":")
    where = {
        "thing": "thing_id = %(name)s::bigint", "district": "district = %(name)s", "group": "%(name)s = ANY(groups)",
    }.get(kind, "true")  # fmt: skip
    return tx.all(
        EventRow,
        f"""SELECT {COLUMNS} FROM sensing.events WHERE rule = ANY(%(rules)s) AND {where} AND (state = 'open' OR last >= %(since)s)
            ORDER BY first, id""",
        {"rules": list(rules), "name": name, "since": since},
    )


def lock(tx: Transaction) -> int:
    """Tell changes one after another; the number of the last one."""
    tx.execute("SELECT pg_advisory_xact_lock(%s)", [TELLING])
    return tx.scalar(int, "SELECT sensing.last_change()")


def last_change(tx: Transaction) -> int:
    """The number of the last change, whoever sees it."""
    return tx.scalar(int, "SELECT sensing.last_change()")


def tell(tx: Transaction, changes: Sequence[tuple[int, ChangeKind, datetime, EventRow]]) -> None:
    """Keep what is told: sequence, kind, when, and the event as it is then."""
    tx.many(
        """INSERT INTO sensing.event_changes (sequence, event_id, change, at, keeper, told, thing_id, body)
           VALUES (%s, %s, %s, %s, %s, %s, %s, %s)""",
        [
            [sequence, row.id, kind, at, row.keeper, row.told, row.thing_id, msgspec.json.encode(row.event())]
            for sequence, kind, at, row in changes
        ],
    )


class ChangeRow(msgspec.Struct, frozen=True):
    """One row of sensing.event_changes."""

    sequence: int
    change: ChangeKind
    at: datetime
    body: bytes

    def told(self) -> EventChange:
        """As it is told."""
        return EventChange(self.sequence, self.change, self.at, msgspec.json.decode(self.body, type=CityEvent))


def changes(
    tx: Transaction, since: int, limit: int, rules: Sequence[str] = (), least: int = 0, sees: str | None = None
) -> list[EventChange]:  # fmt: skip
    """What was told after a number, in order, as far as the scope sees it; only of these rules, from a severity on.

    `sees`: as one organisation would read it, for whoever reads in a wider scope.
    """
    rows = tx.all(
        ChangeRow,
        """SELECT c.sequence, c.change, c.at, c.body FROM sensing.event_changes c JOIN sensing.events e ON e.id = c.event_id
           WHERE c.sequence > %(since)s AND (%(all)s OR e.rule = ANY(%(rules)s)) AND (%(least)s = 0 OR e.rank >= %(least)s)
             AND (%(sees)s::text IS NULL OR c.keeper = %(sees)s OR %(sees)s = ANY (c.told)
               OR EXISTS (SELECT FROM sensing.things t WHERE t.id = c.thing_id AND t.public))
           ORDER BY c.sequence LIMIT %(limit)s""",
        {"since": since, "all": not rules, "rules": list(rules), "least": least, "sees": sees, "limit": limit},
    )
    return [row.told() for row in rows]


class Wanted(msgspec.Struct, frozen=True):
    """Which events are listed."""

    state: str = ""
    rule: str = ""
    least: int = 0
    district: str = ""
    thing: int = 0
    since: datetime | None = None
    until: datetime | None = None
    acknowledged: bool | None = None
    before: int = 0
    """Only with ids below this one; 0: from the newest on."""
    limit: int = 100


def listed(tx: Transaction, wanted: Wanted) -> list[EventRow]:
    """Events that are told, the newest first."""
    return tx.all(
        EventRow,
        f"""SELECT {COLUMNS} FROM sensing.events
            WHERE NOT quiet AND (%(state)s = '' OR state = %(state)s) AND (%(rule)s = '' OR rule = %(rule)s) AND rank >= %(least)s
              AND (%(district)s = '' OR district = %(district)s OR (%(district)s ~ '^[0-9]+$' AND starts_with(district, %(district)s)))
              AND (%(thing)s = 0 OR thing_id = %(thing)s) AND (%(before)s = 0 OR id < %(before)s)
              AND (%(until)s::timestamptz IS NULL OR first <= %(until)s) AND (%(since)s::timestamptz IS NULL OR last >= %(since)s)
              AND (%(acknowledged)s::bool IS NULL OR (acknowledged IS NOT NULL) = %(acknowledged)s)
            ORDER BY id DESC LIMIT %(limit)s""",
        {name: getattr(wanted, name) for name in Wanted.__struct_fields__},
    )


class RuleCount(msgspec.Struct, frozen=True):
    """How many events of a rule are open."""

    rule: str
    count: int


def open_counts(tx: Transaction) -> dict[str, int]:
    """Open events that the scope sees, by rule."""
    found = tx.all(
        RuleCount, "SELECT rule, count(*) AS count FROM sensing.events WHERE state = 'open' GROUP BY rule"
    )  # fmt: skip
    return {each.rule: each.count for each in found}


class WebhookRow(msgspec.Struct, frozen=True):
    """One row of sensing.event_webhooks."""

    id: str
    organisation: str
    account: str
    url: str
    rules: list[str]
    least: int
    state: str
    cursor: int
    failures: int
    next_at: datetime
    sent_at: datetime | None
    last_error: str

    def webhook(self, dead: Sequence[EventDeadLetter]) -> EventWebhook:
        """As its owner sees it."""
        return EventWebhook(
            self.id, self.url, tuple(self.rules), SEVERITIES[self.least], self.state, self.cursor, self.failures,  # type: ignore[arg-type]
            self.next_at, self.sent_at, self.last_error, tuple(dead),
        )  # fmt: skip


WEBHOOK = "id, organisation, account, url, rules, least, state, cursor, failures, next_at, sent_at, last_error"


def add_webhook(tx: Transaction, row: WebhookRow) -> None:
    """Keep a new one."""
    tx.execute(
        f"INSERT INTO sensing.event_webhooks ({WEBHOOK}) VALUES ({', '.join(['%s'] * 12)})",
        [getattr(row, name) for name in WebhookRow.__struct_fields__],
    )


def webhooks(tx: Transaction, organisation: str) -> list[WebhookRow]:
    """Those of an organisation; one adds to them at a time."""
    tx.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"sensing.event_webhooks:{organisation}"])
    return tx.all(
        WebhookRow, f"SELECT {WEBHOOK} FROM sensing.event_webhooks WHERE organisation = %s ORDER BY id", [organisation]
    )


def webhook(tx: Transaction, id: str) -> WebhookRow | None:
    """One that the scope sees."""
    return tx.first(WebhookRow, f"SELECT {WEBHOOK} FROM sensing.event_webhooks WHERE id = %s", [id])


def due(tx: Transaction, now: datetime, limit: int) -> list[WebhookRow]:
    """Active ones whose time has come."""
    return tx.all(
        WebhookRow,
        f"SELECT {WEBHOOK} FROM sensing.event_webhooks WHERE state = 'active' AND next_at <= %s ORDER BY next_at LIMIT %s",
        [now, limit],
    )


def taken(tx: Transaction, row: WebhookRow, upto: int, sent: bool, now: datetime, next_at: datetime) -> bool:
    """Everything up to here was taken (or there was nothing to send); False if it was changed meanwhile."""
    return (
        tx.execute(
            """UPDATE sensing.event_webhooks SET cursor = %s, failures = 0, last_error = '', next_at = %s,
             sent_at = CASE WHEN %s THEN %s ELSE sent_at END
           WHERE id = %s AND state = 'active' AND cursor = %s""",
            [upto, next_at, sent, now, row.id, row.cursor],
        )
        == 1
    )


def failed(tx: Transaction, row: WebhookRow, failures: int, error: str, next_at: datetime) -> bool:
    """It was not taken; when it is sent again. False if it was changed meanwhile."""
    return (
        tx.execute(
            """UPDATE sensing.event_webhooks SET failures = %s, last_error = %s, next_at = %s
           WHERE id = %s AND state = 'active' AND cursor = %s""",
            [failures, error, next_at, row.id, row.cursor],
        )
        == 1
    )


def set_state(tx: Transaction, id: str, state: str, error: str) -> None:
    """Hold or stop it."""
    tx.execute("UPDATE sensing.event_webhooks SET state = %s, last_error = %s WHERE id = %s", [state, error, id])


def bury(tx: Transaction, row: WebhookRow, tries: int, error: str, now: datetime) -> None:
    """Keep that the page after the cursor was given up."""
    tx.execute(
        "INSERT INTO sensing.event_dead_letters (webhook, organisation, since, tries, error, at) VALUES (%s, %s, %s, %s, %s, %s)",
        [row.id, row.organisation, row.cursor, tries, error, now],
    )


def replay(tx: Transaction, id: str, since: int, now: datetime) -> None:
    """Send everything after `since` again, at once."""
    tx.execute(
        """UPDATE sensing.event_webhooks SET state = 'active', cursor = %s, failures = 0, next_at = %s, last_error = ''
           WHERE id = %s""",
        [since, now, id],
    )


def dead_letters(tx: Transaction, id: str) -> list[EventDeadLetter]:
    """Pages that were given up, oldest first."""
    return tx.all(
        EventDeadLetter, "SELECT since, tries, error, at FROM sensing.event_dead_letters WHERE webhook = %s ORDER BY id", [id]
    )  # fmt: skip
