"""SQL of pushed subscriptions."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

import msgspec

from cityloom.kernel.db import Transaction
from cityloom.sharing.contracts import DeadLetter

State = Literal["active", "held", "stopped"]
COLUMNS = """id, granted, organisation, keeper, account, url, case_reference, state, cursor, failures, next_at, sent_at,
    last_error"""


class WebhookRow(msgspec.Struct, frozen=True):
    """One row of sharing.webhook."""

    id: str
    granted: str
    organisation: str
    keeper: str
    account: str
    url: str
    case_reference: str
    state: State
    cursor: int
    failures: int
    next_at: datetime
    sent_at: datetime | None
    last_error: str


def add(tx: Transaction, row: WebhookRow) -> None:
    """Keep a new one."""
    tx.execute(
        """INSERT INTO sharing.webhook (id, granted, organisation, keeper, account, url, case_reference, state, cursor, next_at)
           VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)""",
        [
            row.id, row.granted, row.organisation, row.keeper, row.account, row.url, row.case_reference, row.state,
            row.cursor, row.next_at,
        ],
    )  # fmt: skip


def lock(tx: Transaction, grant: str) -> None:
    """Add to those of a grant one at a time."""
    tx.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"sharing.webhook:{grant}"])


def of_grant(tx: Transaction, grant: str) -> list[WebhookRow]:
    """Those of a grant, if the scope may see them."""
    return tx.all(WebhookRow, f"SELECT {COLUMNS} FROM sharing.webhook WHERE granted = %s ORDER BY id", [grant])


def find(tx: Transaction, grant: str, id: str, lock: bool = False) -> WebhookRow | None:
    """One of a grant."""
    return tx.first(
        WebhookRow,
        f"SELECT {COLUMNS} FROM sharing.webhook WHERE granted = %s AND id = %s {'FOR UPDATE' if lock else ''}",
        [grant, id],
    )


def due(tx: Transaction, now: datetime, limit: int) -> list[WebhookRow]:
    """Active ones whose time has come."""
    return tx.all(
        WebhookRow,
        f"SELECT {COLUMNS} FROM sharing.webhook WHERE state = 'active' AND next_at <= %s ORDER BY next_at LIMIT %s",
        [now, limit],
    )


def held(tx: Transaction) -> int:
    """How many are held by a page that was never taken."""
    return tx.scalar(int, "SELECT count(*) FROM sharing.webhook WHERE state = 'held'")


def taken(tx: Transaction, row: WebhookRow, upto: int, sent: bool, now: datetime, next_at: datetime) -> bool:
    """Everything up to here was taken (or there was nothing to send); False if it was changed meanwhile."""
    changed = tx.execute(
        """UPDATE sharing.webhook SET cursor = %s, failures = 0, last_error = '', next_at = %s,
             sent_at = CASE WHEN %s THEN %s ELSE sent_at END
           WHERE id = %s AND state = 'active' AND cursor = %s""",
        [upto, next_at, sent, now, row.id, row.cursor],
    )
    return changed == 1


def failed(tx: Transaction, row: WebhookRow, failures: int, error: str, next_at: datetime) -> bool:
    """It was not taken; when it is sent again. False if it was changed meanwhile."""
    changed = tx.execute(
        """UPDATE sharing.webhook SET failures = %s, last_error = %s, next_at = %s
           WHERE id = %s AND state = 'active' AND cursor = %s""",
        [failures, error, next_at, row.id, row.cursor],
    )
    return changed == 1


def set_state(tx: Transaction, id: str, state: State, error: str) -> None:
    """Hold or stop it."""
    tx.execute("UPDATE sharing.webhook SET state = %s, last_error = %s WHERE id = %s", [state, error, id])


def bury(tx: Transaction, row: WebhookRow, tries: int, error: str, now: datetime) -> None:
    """Keep that the page after the cursor was given up."""
    tx.execute(
        """INSERT INTO sharing.dead_letter (webhook, organisation, keeper, since, tries, error, at)
           VALUES (%s, %s, %s, %s, %s, %s, %s)""",
        [row.id, row.organisation, row.keeper, row.cursor, tries, error, now],
    )


def replay(tx: Transaction, id: str, since: int, now: datetime) -> None:
    """Send everything after `since` again, at once."""
    tx.execute(
        """UPDATE sharing.webhook SET state = 'active', cursor = %s, failures = 0, next_at = %s, last_error = ''
           WHERE id = %s""",
        [since, now, id],
    )


def dead_letters(tx: Transaction, id: str) -> Sequence[DeadLetter]:
    """Pages that were given up, oldest first."""
    return tx.all(
        DeadLetter, "SELECT since, tries, error, at FROM sharing.dead_letter WHERE webhook = %s ORDER BY id", [id]
    )
