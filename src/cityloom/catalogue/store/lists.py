"""The list of demands (需求清单)."""

from datetime import datetime

import msgspec

from cityloom.catalogue.contracts import Demand
from cityloom.kernel.db import Transaction

COLUMNS = "id, organisation, title, purpose, legal_basis, items, resource, state, answer, made_at, changed_at"


class NewDemand(msgspec.Struct, frozen=True):
    """A demand as it is written first."""

    id: str
    organisation: str
    title: str
    purpose: str
    legal_basis: str
    items: list[str]
    resource: str | None
    at: datetime


def add(tx: Transaction, new: NewDemand) -> bool:
    """Keep a demand; False when there is one of that id."""
    return bool(
        tx.execute(
            """INSERT INTO catalogue.demand
                 (id, organisation, title, purpose, legal_basis, items, resource, state, made_at, changed_at)
               VALUES (%s, %s, %s, %s, %s, %s, %s, 'open', %s, %s) ON CONFLICT (id) DO NOTHING""",
            [
                new.id, new.organisation, new.title, new.purpose, new.legal_basis, new.items, new.resource, new.at,
                new.at,
            ],
        )
    )  # fmt: skip


def demand(tx: Transaction, id: str) -> Demand | None:
    """One demand."""
    return tx.first(Demand, f"SELECT {COLUMNS} FROM catalogue.demand WHERE id = %s", [id])


def demands(tx: Transaction, organisation: str, state: str, after: str, limit: int) -> list[Demand]:
    """Demands by id; of one organisation, in one state, or all."""
    return tx.all(
        Demand,
        f"""SELECT {COLUMNS} FROM catalogue.demand
            WHERE id > %(after)s AND (%(organisation)s = '' OR organisation = %(organisation)s)
              AND (%(state)s = '' OR state = %(state)s) ORDER BY id LIMIT %(limit)s""",
        {"after": after, "organisation": organisation, "state": state, "limit": limit},
    )


def answer(tx: Transaction, id: str, state: str, answer: str, at: datetime) -> int:
    """Bring an open demand to its end; 0 when it was not open."""
    return tx.execute(
        "UPDATE catalogue.demand SET state = %s, answer = %s, changed_at = %s WHERE id = %s AND state = 'open'",
        [state, answer, at, id],
    )
