"""Deliveries as people look at them: the newest first, what came back corrected, what waits in the quarantine."""

from cityloom.exchange.contracts import HeldBack
from cityloom.exchange.store.ledger import COLUMNS, Delivery
from cityloom.kernel.db import Transaction

FEW = 100


def newest(tx: Transaction, dataset: str, after: str, limit: int) -> list[Delivery]:
    """Deliveries of a dataset by the moment they were begun, the last first; those that follow `after`, or all."""
    return tx.all(
        Delivery,
        f"""SELECT {COLUMNS} FROM exchange.delivery WHERE dataset = %(dataset)s AND (%(after)s = '' OR (claimed_at, id) <
              (SELECT claimed_at, id FROM exchange.delivery WHERE dataset = %(dataset)s AND id = %(after)s))
            ORDER BY claimed_at DESC, id DESC LIMIT %(limit)s""",
        {"dataset": dataset, "after": after, "limit": limit},
    )


def corrections(tx: Transaction, dataset: str, id: str) -> list[Delivery]:
    """The last deliveries that said to correct this one, the newest first."""
    return tx.all(
        Delivery,
        f"""SELECT {COLUMNS} FROM exchange.delivery WHERE dataset = %s AND corrects = %s
            ORDER BY claimed_at DESC, id DESC LIMIT %s""",
        [dataset, id, FEW],
    )


def held_back(tx: Transaction, keeper: str) -> list[HeldBack]:
    """Deliveries of a keeper with quarantined rows that no correction brought back and no later replacement made moot."""
    return tx.all(
        HeldBack,
        """SELECT dataset, delivery, rows, received_at FROM (
               SELECT d.dataset, d.id AS delivery, d.received_at, d.quarantined - coalesce((
                   SELECT sum(back.rows_in) FROM exchange.delivery back
                   WHERE back.dataset = d.dataset AND back.corrects = d.id AND back.state = 'accepted'), 0)::bigint AS rows
               FROM exchange.delivery d JOIN exchange.dataset known ON known.name = d.dataset AND known.active
               WHERE d.keeper = %(keeper)s AND d.state = 'accepted' AND d.quarantined > 0 AND NOT EXISTS (
                   SELECT FROM exchange.delivery later WHERE later.dataset = d.dataset AND later.state = 'accepted'
                     AND later.mode = 'replace' AND later.received_at > d.received_at)
           ) AS waiting WHERE rows > 0 ORDER BY received_at DESC LIMIT %(few)s""",
        {"keeper": keeper, "few": FEW},
    )
