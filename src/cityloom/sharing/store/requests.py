"""SQL of requests, and of the notices about deadlines."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from cityloom.kernel.db import Transaction
from cityloom.kernel.flow.contracts import Standing
from cityloom.sharing.contracts import Wish

COLUMNS = """id, organisation, keeper, dataset, account, purpose, legal_basis, reason, wish::text AS wish,
    offer::text AS offer, flow, state, version, due_at, answer, law, renews, granted, asked_at, decided_at"""


class RequestRow(msgspec.Struct, frozen=True):
    """One row of sharing.request."""

    id: str
    organisation: str
    keeper: str
    dataset: str
    account: str
    purpose: str
    legal_basis: str
    reason: str
    wish: str
    offer: str | None
    flow: int
    state: str
    version: int
    due_at: datetime | None
    answer: str
    law: str
    renews: str
    granted: str
    asked_at: datetime
    decided_at: datetime | None


def taken(tx: Transaction, id: str) -> bool:
    """Whether somebody used this id before (in the platform's scope: whoever it was). Holds it until the end."""
    tx.execute("SELECT pg_advisory_xact_lock(hashtextextended('sharing ' || %s, 0))", [id])
    return tx.scalar(bool, "SELECT EXISTS (SELECT FROM sharing.request WHERE id = %s)", [id])


def add(
    tx: Transaction, id: str, wish: Wish, organisation: str, keeper: str, account: str, flow: Standing, now: datetime
) -> None:
    """Keep a request."""
    tx.execute(
        """INSERT INTO sharing.request (id, organisation, keeper, dataset, account, purpose, legal_basis, reason, wish,
             flow, state, version, due_at, renews, asked_at)
           VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s::jsonb, %s, %s, %s, %s, %s, %s)""",
        [
            id, organisation, keeper, wish.dataset, account, wish.purpose, wish.legal_basis, wish.reason,
            msgspec.json.encode(wish.terms).decode(), flow.flow, flow.state, flow.version, flow.due, wish.renews, now,
        ],
    )  # fmt: skip


def stand(tx: Transaction, id: str, flow: Standing) -> None:
    """Where its flow stands now."""
    tx.execute(
        """UPDATE sharing.request SET state = %s, version = %s, due_at = %s,
             decided_at = CASE WHEN %s THEN %s ELSE decided_at END WHERE id = %s""",
        [flow.state, flow.version, flow.due, flow.is_final, flow.at, id],
    )


def answer(tx: Transaction, id: str, reason: str, law: str, offer: str | None) -> None:
    """What the keeper answered."""
    tx.execute(
        "UPDATE sharing.request SET answer = %s, law = %s, offer = coalesce(%s::jsonb, offer) WHERE id = %s",
        [reason, law, offer, id],
    )


def gave(tx: Transaction, id: str, grant: str) -> None:
    """The grant that came of it."""
    tx.execute("UPDATE sharing.request SET granted = %s WHERE id = %s", [grant, id])


def find(tx: Transaction, id: str) -> RequestRow | None:
    """The request, if the scope may see it."""
    return tx.first(RequestRow, f"SELECT {COLUMNS} FROM sharing.request WHERE id = %s", [id])


def listed(tx: Transaction, state: str, dataset: str, after: str, limit: int) -> list[RequestRow]:
    """Requests that the scope may see, by id behind `after`; of a state and a dataset, or of any."""
    return tx.all(
        RequestRow,
        f"""SELECT {COLUMNS} FROM sharing.request
            WHERE id > %s AND %s IN ('', state) AND %s IN ('', dataset) ORDER BY id LIMIT %s""",
        [after, state, dataset, limit],
    )


def late_offers(tx: Transaction, now: datetime, limit: int) -> list[RequestRow]:
    """Requests whose asker has not answered an offer in time."""
    return tx.all(
        RequestRow,
        f"SELECT {COLUMNS} FROM sharing.request WHERE state = 'offered' AND due_at < %s ORDER BY due_at LIMIT %s",
        [now, limit],
    )


class NoticeRow(msgspec.Struct, frozen=True):
    """One row of sharing.notice, with what it is about."""

    id: int
    kind: str
    subject: str
    state: str
    addressee: str
    due_at: datetime
    at: datetime
    organisation: str
    keeper: str
    dataset: str
    purpose: str


def note(
    tx: Transaction, parties: tuple[str, str], kind: str, subject: str, state: str, to: str, step: int,
    due: datetime, at: datetime,
) -> None:  # fmt: skip
    """Keep a notice for both parties (who asks, who keeps), once."""
    tx.execute(
        """INSERT INTO sharing.notice (organisation, keeper, kind, subject, state, addressee, step, due_at, at)
           VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING""",
        [*parties, kind, subject, state, to, step, due, at],
    )


def notices(tx: Transaction, after: int, limit: int) -> list[NoticeRow]:
    """Notices that the scope may see, behind a number."""
    return tx.all(
        NoticeRow,
        """SELECT n.id, n.kind, n.subject, n.state, n.addressee, n.due_at, n.at, n.organisation, n.keeper,
             coalesce(r.dataset, g.dataset, '') AS dataset, coalesce(r.purpose, g.purpose, '') AS purpose
           FROM sharing.notice n
             LEFT JOIN sharing.request r ON n.subject = 'request:' || r.id
             LEFT JOIN sharing.granted g ON n.subject = 'grant:' || g.id
           WHERE n.id > %s ORDER BY n.id LIMIT %s""",
        [after, limit],
    )


def due(tx: Transaction, ids: Sequence[str], dues: Sequence[datetime | None]) -> None:
    """Deadlines that were counted anew."""
    tx.execute(
        """UPDATE sharing.request r SET due_at = t.due
           FROM unnest(%s::text[], %s::timestamptz[]) AS t (id, due) WHERE r.id = t.id""",
        [list(ids), list(dues)],
    )
