"""SQL of disputes about who answers for an item."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from cityloom.catalogue.contracts import DisputeWish
from cityloom.kernel.db import Transaction
from cityloom.kernel.flow.contracts import Standing

COLUMNS = """id, organisation, holder, reviewer, resource, held_by, subject, item, qualifier, concepts, law, reason,
    answer_law, answer, ruling_law, ruling, account, answered_by, flow, state, version, due_at, made_at, decided_at"""


class DisputeRow(msgspec.Struct, frozen=True):
    """One row of catalogue.dispute."""

    id: str
    organisation: str
    holder: str
    reviewer: str
    resource: str
    held_by: str
    subject: str
    item: str
    qualifier: str
    concepts: list[str]
    law: str
    reason: str
    answer_law: str
    answer: str
    ruling_law: str
    ruling: str
    account: str
    answered_by: str
    flow: int
    state: str
    version: int
    due_at: datetime | None
    made_at: datetime
    decided_at: datetime | None

    @property
    def said(self) -> DisputeWish:
        """What the claimant wrote."""
        return DisputeWish(self.resource, self.item, self.law, self.reason, self.qualifier)


class Parties(msgspec.Struct, frozen=True):
    """Who is party to a dispute, and about what."""

    organisation: str
    holder: str
    reviewer: str
    held_by: str
    subject: str
    concepts: list[str]
    account: str


class WonRow(msgspec.Struct, frozen=True):
    """To which resource a ruling moved the source of an item."""

    concept: str
    resource: str


def hold(tx: Transaction, id: str) -> None:
    """Whoever else uses this id waits until the transaction ends."""
    tx.execute("SELECT pg_advisory_xact_lock(hashtextextended('catalogue dispute ' || %s, 0))", [id])


def add(tx: Transaction, id: str, wish: DisputeWish, parties: Parties, flow: Standing) -> None:
    """Keep a new dispute."""
    tx.execute(
        """INSERT INTO catalogue.dispute (id, organisation, holder, reviewer, resource, held_by, subject, item,
             qualifier, concepts, law, reason, account, flow, state, version, due_at, made_at)
           VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)""",
        [
            id, parties.organisation, parties.holder, parties.reviewer, wish.resource, parties.held_by,
            parties.subject, wish.item, wish.qualifier, parties.concepts, wish.law, wish.reason, parties.account,
            flow.flow, flow.state, flow.version, flow.due, flow.at,
        ],
    )  # fmt: skip


def find(tx: Transaction, id: str) -> DisputeRow | None:
    """The dispute, if the scope may see it."""
    return tx.first(DisputeRow, f"SELECT {COLUMNS} FROM catalogue.dispute WHERE id = %s", [id])


def open_about(tx: Transaction, resource: str, item: str, qualifier: str) -> DisputeRow | None:
    """The dispute about an item of a resource that is not decided."""
    return tx.first(
        DisputeRow,
        f"""SELECT {COLUMNS} FROM catalogue.dispute
            WHERE resource = %s AND item = %s AND qualifier = %s AND state IN ('stated', 'answered')""",
        [resource, item, qualifier],
    )


def listed(tx: Transaction, state: str, after: str, limit: int) -> list[DisputeRow]:
    """Disputes that the scope may see, by id behind `after`; in one state, or all."""
    return tx.all(
        DisputeRow,
        f"SELECT {COLUMNS} FROM catalogue.dispute WHERE id > %s AND %s IN ('', state) ORDER BY id LIMIT %s",
        [after, state, limit],
    )


def stand(tx: Transaction, id: str, flow: Standing) -> None:
    """Where its flow stands now."""
    tx.execute(
        """UPDATE catalogue.dispute SET state = %s, version = %s, due_at = %s,
             decided_at = CASE WHEN %s THEN %s ELSE decided_at END WHERE id = %s""",
        [flow.state, flow.version, flow.due, flow.is_final, flow.at, id],
    )


def answer(tx: Transaction, id: str, law: str, reason: str, account: str) -> None:
    """What the holder says."""
    tx.execute(
        "UPDATE catalogue.dispute SET answer_law = %s, answer = %s, answered_by = %s WHERE id = %s",
        [law, reason, account, id],
    )


def rule(tx: Transaction, id: str, law: str, reason: str) -> None:
    """What was ruled."""
    tx.execute("UPDATE catalogue.dispute SET ruling_law = %s, ruling = %s WHERE id = %s", [law, reason, id])


def won(tx: Transaction, subject: str) -> dict[str, str]:
    """To which resource in force the source of each item of a subject was last moved, by concept."""
    rows = tx.all(
        WonRow,
        """SELECT DISTINCT ON (concept) concept, d.resource
           FROM catalogue.dispute d CROSS JOIN unnest(d.concepts) AS concept
           JOIN catalogue.resource r ON r.id = d.resource AND r.retired_at IS NULL
           WHERE d.state = 'moved' AND d.subject = %s ORDER BY concept, d.decided_at DESC""",
        [subject],
    )
    return {row.concept: row.resource for row in rows}


def due(tx: Transaction, ids: Sequence[str], dues: Sequence[datetime | None]) -> None:
    """Deadlines that were counted anew."""
    tx.execute(
        """UPDATE catalogue.dispute d SET due_at = t.due
           FROM unnest(%s::text[], %s::timestamptz[]) AS t (id, due) WHERE d.id = t.id""",
        [list(ids), list(dues)],
    )
