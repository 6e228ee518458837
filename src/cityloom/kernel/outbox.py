"""The transactional outbox: an event is written with the act it tells of, and handed to listeners after the commit.

Each listener has its own cursor and gets every event of its topics at least once, in commit order.
"""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from cityloom.kernel.db import Transaction
from cityloom.kernel.events import Event


class Envelope(msgspec.Struct, frozen=True):
    """One event as it travels: its number, topic and JSON body."""

    id: int
    topic: str
    body: str
    recorded_at: datetime
    transaction_id: str


def write(tx: Transaction, event: Event, at: datetime) -> None:
    """Put the event into the outbox of this transaction."""
    tx.execute(
        "INSERT INTO kernel.outbox (topic, body, recorded_at) VALUES (%s, %s, %s)",
        [event.topic, msgspec.json.encode(event).decode(), at],
    )


def pending(tx: Transaction, listener: str, topics: list[str], limit: int = 200) -> list[Envelope]:
    """The next events for this listener; locks its cursor, so two runners never hand out the same batch at once."""
    tx.execute("INSERT INTO kernel.outbox_cursor VALUES (%s, '0', 0) ON CONFLICT (listener) DO NOTHING", [listener])
    tx.execute("SELECT 1 FROM kernel.outbox_cursor WHERE listener = %s FOR UPDATE", [listener])
    return tx.all(
        Envelope,
        """SELECT o.id, o.topic, o.body::text AS body, o.recorded_at, o.transaction_id::text AS transaction_id
           FROM kernel.outbox o, kernel.outbox_cursor c
           WHERE c.listener = %s AND o.topic = ANY(%s)
             AND (o.transaction_id, o.id) > (c.transaction_id, c.id)
             AND o.transaction_id < pg_snapshot_xmin(pg_current_snapshot())
           ORDER BY o.transaction_id, o.id LIMIT %s""",
        [listener, topics, limit],
    )


def advance(tx: Transaction, listener: str, last: Envelope) -> None:
    """Move the cursor of this listener behind `last`."""
    tx.execute(
        "UPDATE kernel.outbox_cursor SET transaction_id = %s::xid8, id = %s WHERE listener = %s",
        [last.transaction_id, last.id, listener],
    )


def forget(tx: Transaction, before: datetime) -> int:
    """Delete events older than `before` that every listener has had; the number deleted."""
    return tx.execute(
        """DELETE FROM kernel.outbox o WHERE recorded_at < %s AND NOT EXISTS (
             SELECT 1 FROM kernel.outbox_cursor c WHERE (c.transaction_id, c.id) < (o.transaction_id, o.id))""",
        [before],
    )


class Cursor(msgspec.Struct, frozen=True):
    """A place in the outbox, in commit order."""

    transaction_id: str
    id: int


def now(tx: Transaction) -> Cursor:
    """Before everything that is still to be committed."""
    return Cursor(tx.scalar(str, "SELECT pg_snapshot_xmin(pg_current_snapshot())::text"), 0)


def cursor(last: Envelope) -> Cursor:
    """Behind an event."""
    return Cursor(last.transaction_id, last.id)


def after(tx: Transaction, topics: Sequence[str], place: Cursor, limit: int) -> list[Envelope]:
    """The next events behind a place, in commit order, for whoever keeps the place itself and may miss what was forgotten."""
    return tx.all(
        Envelope,
        """SELECT o.id, o.topic, o.body::text AS body, o.recorded_at, o.transaction_id::text AS transaction_id
           FROM kernel.outbox o
           WHERE o.topic = ANY(%s) AND (o.transaction_id, o.id) > (%s::xid8, %s)
             AND o.transaction_id < pg_snapshot_xmin(pg_current_snapshot())
           ORDER BY o.transaction_id, o.id LIMIT %s""",
        [list(topics), place.transaction_id, place.id, limit],
    )
