"""SQL of counts over requests, grants and uses."""

from datetime import datetime

from cityloom.kernel.db import Transaction
from cityloom.sharing.contracts import Asked, HeldGrant
from cityloom.sharing.store.requests import COLUMNS, RequestRow


def of_keeper(tx: Transaction, keeper: str, start: datetime, end: datetime) -> list[RequestRow]:
    """Requests to a keeper that were open at some time of the period, by id."""
    return tx.all(
        RequestRow,
        f"""SELECT {COLUMNS} FROM sharing.request
            WHERE keeper = %s AND asked_at < %s AND (decided_at IS NULL OR decided_at >= %s) ORDER BY id""",
        [keeper, end, start],
    )


def asked(tx: Transaction, organisation: str, start: datetime, end: datetime) -> list[Asked]:
    """Requests that an organisation made in the period, by id."""
    return tx.all(
        Asked,
        """SELECT id, dataset FROM sharing.request
           WHERE organisation = %s AND asked_at >= %s AND asked_at < %s ORDER BY id""",
        [organisation, start, end],
    )


def held(tx: Transaction, organisation: str, start: datetime, end: datetime) -> list[HeldGrant]:
    """Grants that an organisation held at some time of the period, with their uses in it, by id."""
    return tx.all(
        HeldGrant,
        """SELECT g.id, g.dataset, g.keeper, g.valid_from, least(g.valid_until, g.ended_at) AS ended_at, count(u.id) AS uses
           FROM sharing.granted g
             LEFT JOIN sharing.use u ON u.granted = g.id AND u.at >= %(start)s AND u.at < %(end)s
           WHERE g.organisation = %(organisation)s AND g.valid_from < %(end)s
             AND least(g.valid_until, g.ended_at) > %(start)s
           GROUP BY g.id ORDER BY g.id""",
        {"organisation": organisation, "start": start, "end": end},
    )
