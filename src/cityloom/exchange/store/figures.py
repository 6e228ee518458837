"""What was handed in, for those who count over a period."""

from datetime import datetime

from cityloom.exchange.contracts import Handed
from cityloom.kernel.db import Transaction

STOOD = "(state IN ('accepted', 'withdrawing') OR state = 'withdrawn' AND withdrawn_at >= %(end)s)"
"""That a delivery was accepted and not yet taken back at a moment."""


def handed(tx: Transaction, keeper: str, start: datetime, end: datetime) -> list[Handed]:
    """Decided deliveries of a keeper's datasets that arrived in this time, as they stood at its end, by dataset and time."""
    return tx.all(
        Handed,
        f"""SELECT dataset, id, CASE WHEN {STOOD} THEN 'accepted' ELSE state END AS state, received_at
            FROM exchange.delivery
            WHERE keeper = %(keeper)s AND received_at >= %(start)s AND received_at < %(end)s
              AND state IN ('accepted', 'refused', 'withdrawing', 'withdrawn')
            ORDER BY dataset, received_at, id""",
        {"keeper": keeper, "start": start, "end": end},
    )


def last_handed(tx: Transaction, until: datetime) -> list[Handed]:
    """The last delivery of each dataset that stood at a moment, as far as the scope sees."""
    return tx.all(
        Handed,
        f"""SELECT DISTINCT ON (dataset) dataset, id, 'accepted' AS state, received_at FROM exchange.delivery
            WHERE {STOOD} AND received_at < %(end)s ORDER BY dataset, received_at DESC, id""",
        {"end": until},
    )
