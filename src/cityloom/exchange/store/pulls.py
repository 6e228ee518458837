"""The table of scheduled pulls: what is due, and where each one stopped."""

from datetime import datetime

import msgspec

from cityloom.kernel.db import Transaction

COLUMNS = "name, dataset, organisation, spec::text AS spec, state, delivered, next_at, last_at, last_outcome, failures"


class PullRow(msgspec.Struct, frozen=True):
    """One scheduled pull."""

    name: str
    dataset: str
    organisation: str
    spec: str
    state: bytes | None
    delivered: int
    next_at: datetime
    last_at: datetime | None
    last_outcome: str
    failures: int


def put(tx: Transaction, name: str, dataset: str, organisation: str, spec: str, now: datetime) -> int:
    """Make a pull known, or bring its declaration up to date; one that was off begins anew."""
    return tx.execute(
        """INSERT INTO exchange.pull (name, dataset, organisation, spec, next_at) VALUES (%s, %s, %s, %s::jsonb, %s)
           ON CONFLICT (name) DO UPDATE SET dataset = excluded.dataset, organisation = excluded.organisation,
             spec = excluded.spec, active = true, next_at = excluded.next_at
           WHERE (pull.spec, pull.active, pull.organisation) IS DISTINCT FROM (excluded.spec, true, excluded.organisation)""",
        [name, dataset, organisation, spec, now],
    )


def retire(tx: Transaction, active: list[str]) -> int:
    """Switch off the pulls that no pack declares any more."""
    return tx.execute("UPDATE exchange.pull SET active = false WHERE active AND NOT name = ANY(%s)", [active])


def due(tx: Transaction, now: datetime) -> list[PullRow]:
    """The pulls whose time has come."""
    return tx.all(
        PullRow, f"SELECT {COLUMNS} FROM exchange.pull WHERE active AND next_at <= %s ORDER BY next_at", [now]
    )


def listed(tx: Transaction) -> list[PullRow]:
    """Every active pull that the scope may see."""
    return tx.all(PullRow, f"SELECT {COLUMNS} FROM exchange.pull WHERE active ORDER BY name")


def hasten(tx: Transaction, name: str, now: datetime) -> int:
    """Let a pull be due now."""
    return tx.execute("UPDATE exchange.pull SET next_at = %s WHERE name = %s AND active", [now, name])


def ended(
    tx: Transaction, name: str, outcome: str, state: bytes | None, delivered: int, now: datetime, next_at: datetime
) -> int:
    """A pull ended well: keep its state, forget earlier failures."""
    return tx.execute(
        """UPDATE exchange.pull SET state = %s, delivered = %s, last_outcome = %s, last_at = %s, next_at = %s, failures = 0
           WHERE name = %s""",
        [state, delivered, outcome, now, next_at, name],
    )


def failed(tx: Transaction, name: str, outcome: str, now: datetime, next_at: datetime) -> int:
    """A pull failed; its state stays, so that the next one fetches the same again."""
    return tx.execute(
        "UPDATE exchange.pull SET last_outcome = %s, last_at = %s, next_at = %s, failures = failures + 1 WHERE name = %s",
        [outcome, now, next_at, name],
    )
