"""SQL of drafts."""

from collections.abc import Sequence
from datetime import date, datetime

import msgspec

from cityloom.catalogue.contracts import DraftState, DraftWish, ResourceWish
from cityloom.kernel.db import Transaction
from cityloom.kernel.flow.contracts import Standing

COLUMNS = """id, organisation, reviewer, resource, record::text AS record, based_on, effective_on, reason, account, flow,
    state, version, due_at, made_at, changed_at"""


class DraftRow(msgspec.Struct, frozen=True):
    """One row of catalogue.draft."""

    id: str
    organisation: str
    reviewer: str
    resource: str
    record: str | None
    based_on: str
    effective_on: date | None
    reason: str
    account: str
    flow: int
    state: DraftState
    version: int
    due_at: datetime | None
    made_at: datetime
    changed_at: datetime

    @property
    def wish(self) -> ResourceWish | None:
        """The description; None where the resource is to be retired."""
        return msgspec.json.decode(self.record, type=ResourceWish) if self.record else None

    @property
    def said(self) -> DraftWish:
        """What its keeper wrote."""
        return DraftWish(self.resource, self.wish, self.effective_on, self.reason)


class Writing(msgspec.Struct, frozen=True):
    """What is written of a draft while it is edited."""

    id: str
    organisation: str
    said: DraftWish
    based_on: str
    account: str
    at: datetime

    @property
    def record(self) -> str | None:
        """Its description as JSON."""
        return msgspec.json.encode(self.said.record).decode() if self.said.record else None


def hold(tx: Transaction, id: str) -> None:
    """Whoever else uses this id waits until the transaction ends."""
    tx.execute("SELECT pg_advisory_xact_lock(hashtextextended('catalogue draft ' || %s, 0))", [id])


def add(tx: Transaction, new: Writing, flow: Standing) -> None:
    """Keep a new draft."""
    tx.execute(
        """INSERT INTO catalogue.draft (id, organisation, resource, record, based_on, effective_on, reason, account,
             flow, state, version, due_at, made_at, changed_at)
           VALUES (%s, %s, %s, %s::jsonb, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)""",
        [
            new.id, new.organisation, new.said.resource, new.record, new.based_on, new.said.effective_on,
            new.said.reason, new.account, flow.flow, flow.state, flow.version, flow.due, new.at, new.at,
        ],
    )  # fmt: skip


def rewrite(tx: Transaction, new: Writing) -> None:
    """Another text of a draft that is edited."""
    tx.execute(
        """UPDATE catalogue.draft SET record = %s::jsonb, based_on = %s, effective_on = %s, reason = %s, account = %s,
             changed_at = %s WHERE id = %s""",
        [new.record, new.based_on, new.said.effective_on, new.said.reason, new.account, new.at, new.id],
    )


def find(tx: Transaction, id: str) -> DraftRow | None:
    """The draft, if the scope may see it."""
    return tx.first(DraftRow, f"SELECT {COLUMNS} FROM catalogue.draft WHERE id = %s", [id])


def open_of(tx: Transaction, resource: str) -> DraftRow | None:
    """The draft of a resource that is not at its end."""
    return tx.first(
        DraftRow,
        f"""SELECT {COLUMNS} FROM catalogue.draft
            WHERE resource = %s AND state IN ('editing', 'submitted', 'approved')""",
        [resource],
    )


def listed(tx: Transaction, state: str, resource: str, after: str, limit: int) -> list[DraftRow]:
    """Drafts that the scope may see, by id behind `after`; of a state and a resource, or of any."""
    return tx.all(
        DraftRow,
        f"""SELECT {COLUMNS} FROM catalogue.draft
            WHERE id > %s AND %s IN ('', state) AND %s IN ('', resource) ORDER BY id LIMIT %s""",
        [after, state, resource, limit],
    )


def ripe(tx: Transaction, today: date) -> list[DraftRow]:
    """Approved drafts whose day has come."""
    return tx.all(
        DraftRow,
        f"""SELECT {COLUMNS} FROM catalogue.draft
            WHERE state = 'approved' AND effective_on <= %s ORDER BY effective_on, id""",
        [today],
    )


def stand(tx: Transaction, id: str, flow: Standing) -> None:
    """Where its flow stands now."""
    tx.execute(
        "UPDATE catalogue.draft SET state = %s, version = %s, due_at = %s, changed_at = %s WHERE id = %s",
        [flow.state, flow.version, flow.due, flow.at, id],
    )


def show_to(tx: Transaction, id: str, reviewer: str) -> None:
    """Who may see it besides its keeper; empty: nobody."""
    tx.execute("UPDATE catalogue.draft SET reviewer = %s WHERE id = %s", [reviewer, id])


def schedule(tx: Transaction, id: str, on: date | None) -> None:
    """The day that it was approved for."""
    tx.execute("UPDATE catalogue.draft SET effective_on = %s WHERE id = %s", [on, id])


def due(tx: Transaction, ids: Sequence[str], dues: Sequence[datetime | None]) -> None:
    """Deadlines that were counted anew."""
    tx.execute(
        """UPDATE catalogue.draft d SET due_at = t.due
           FROM unnest(%s::text[], %s::timestamptz[]) AS t (id, due) WHERE d.id = t.id""",
        [list(ids), list(dues)],
    )
