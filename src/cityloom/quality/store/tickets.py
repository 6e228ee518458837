"""SQL of correction tickets, and of the notices about their deadlines."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from cityloom.kernel.db import Transaction
from cityloom.kernel.flow.contracts import Standing
from cityloom.quality.contracts import Closure, Side

COLUMNS = """id, organisation, keeper, arbiter, account, dataset, key, key_digest, field, wish::text AS wish, wish_digest,
    flow, state, version, due_at, answer, law, answer_evidence, opened_at, sequence, followed, closed_at, closed_sequence,
    delivery, removed"""


class TicketRow(msgspec.Struct, frozen=True):
    """One row of quality.ticket."""

    id: str
    organisation: str
    keeper: str
    arbiter: str
    account: str
    dataset: str
    key: list[str] | None
    key_digest: str
    field: str
    wish: str | None
    wish_digest: str
    flow: int
    state: str
    version: int
    due_at: datetime | None
    answer: str
    law: str
    answer_evidence: str
    opened_at: datetime
    sequence: int
    followed: int
    closed_at: datetime | None
    closed_sequence: int | None
    delivery: str
    removed: bool


class NewRow(msgspec.Struct, frozen=True):
    """What a new ticket says."""

    id: str
    organisation: str
    keeper: str
    account: str
    dataset: str
    key: tuple[str, ...]
    key_digest: str
    field: str
    wish: str
    wish_digest: str
    sequence: int


class NoticeRow(msgspec.Struct, frozen=True):
    """A notice as it stands in the table, with the dataset of its ticket."""

    id: int
    dataset: str
    organisation: str
    keeper: str
    arbiter: str
    kind: str
    ticket: str
    state: str
    addressee: str
    due_at: datetime
    at: datetime


class Dataset(msgspec.Struct, frozen=True):
    """A dataset with tickets whose records are followed, and from where on."""

    name: str
    followed: int


def taken(tx: Transaction, id: str) -> TicketRow | None:
    """The ticket of this id, whoever's it is (in the platform's scope). Holds the id until the end."""
    tx.execute("SELECT pg_advisory_xact_lock(hashtextextended('quality ' || %s, 0))", [id])
    return find(tx, id)


def add(tx: Transaction, new: NewRow, flow: Standing, now: datetime) -> None:
    """Keep a ticket."""
    tx.execute(
        """INSERT INTO quality.ticket (id, organisation, keeper, account, dataset, key, key_digest, field, wish, wish_digest,
             flow, state, version, due_at, answer_due_at, opened_at, sequence, followed)
           VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s::jsonb, %s, %s, %s, %s, %s, %s, %s, %s, %s)""",
        [
            new.id, new.organisation, new.keeper, new.account, new.dataset, list(new.key), new.key_digest, new.field,
            new.wish, new.wish_digest, flow.flow, flow.state, flow.version, flow.due, flow.due, now, new.sequence,
            new.sequence,
        ],
    )  # fmt: skip


def stand(tx: Transaction, id: str, flow: Standing, *, at_keeper: bool) -> None:
    """Where its flow stands now; `at_keeper` says that the keeper's clock runs."""
    tx.execute(
        """UPDATE quality.ticket SET state = %(state)s, version = %(version)s, due_at = %(due)s,
             answer_due_at = CASE WHEN %(at_keeper)s THEN %(due)s ELSE answer_due_at END,
             answered_at = CASE WHEN %(at_keeper)s THEN NULL ELSE coalesce(answered_at, %(at)s) END,
             closed_at = CASE WHEN %(final)s THEN %(at)s ELSE closed_at END WHERE id = %(id)s""",
        {"state": flow.state, "version": flow.version, "due": flow.due, "at_keeper": at_keeper, "at": flow.at,
         "final": flow.is_final, "id": id},
    )  # fmt: skip


def answer(tx: Transaction, id: str, reason: str, law: str, evidence: str) -> None:
    """Why the keeper holds that the value is right."""
    tx.execute(
        "UPDATE quality.ticket SET answer = %s, law = %s, answer_evidence = %s WHERE id = %s",
        [reason, law, evidence, id],
    )


def refer(tx: Transaction, id: str, arbiter: str) -> None:
    """From now on this organisation sees it, and rules on it."""
    tx.execute("UPDATE quality.ticket SET arbiter = %s WHERE id = %s", [arbiter, id])


def mended(tx: Transaction, id: str, sequence: int, delivery: str, *, removed: bool) -> None:
    """The change row that corrected it."""
    tx.execute(
        "UPDATE quality.ticket SET closed_sequence = %s, delivery = %s, removed = %s WHERE id = %s",
        [sequence, delivery, removed, id],
    )


def find(tx: Transaction, id: str) -> TicketRow | None:
    """The ticket, if the scope may see it."""
    return tx.first(TicketRow, f"SELECT {COLUMNS} FROM quality.ticket WHERE id = %s", [id])


def listed(
    tx: Transaction, ours: str, side: Side, state: str, dataset: str, after: str, limit: int
) -> list[TicketRow]:  # fmt: skip
    """Tickets that the scope may see, by id behind `after`; of one side, state and dataset, or of any.

    The state `open` stands for all that have not ended.
    """
    return tx.all(
        TicketRow,
        f"""SELECT {COLUMNS} FROM quality.ticket
            WHERE id > %(after)s AND %(dataset)s IN ('', dataset)
              AND (%(state)s IN ('', state) OR (%(state)s = 'open' AND closed_at IS NULL))
              AND CASE %(side)s WHEN 'mine' THEN organisation = %(ours)s WHEN 'keeper' THEN keeper = %(ours)s
                    WHEN 'arbiter' THEN arbiter = %(ours)s ELSE true END
            ORDER BY id LIMIT %(limit)s""",
        {"after": after, "dataset": dataset, "state": state, "side": side, "ours": ours, "limit": limit},
    )


def closures(
    tx: Transaction, start: datetime, end: datetime, organisation: str, now: datetime
) -> list[Closure]:  # fmt: skip
    """Tickets that ended in a time, and those whose deadline fell into it and that had not ended by its end."""
    return tx.all(
        Closure,
        """SELECT keeper AS organisation, id AS ticket, dataset, state, opened_at,
             CASE WHEN closed_at < %(end)s THEN closed_at END AS closed_at, answer_due_at AS due_at,
             coalesce(least(answered_at, %(end)s), least(%(now)s, %(end)s)) <= coalesce(answer_due_at, 'infinity') AS in_time
           FROM quality.ticket
           WHERE %(organisation)s IN ('', keeper)
             AND ((closed_at >= %(start)s AND closed_at < %(end)s)
               OR (answer_due_at >= %(start)s AND answer_due_at < %(end)s AND coalesce(closed_at, 'infinity') >= %(end)s))
           ORDER BY id""",
        {"start": start, "end": end, "organisation": organisation, "now": now},
    )


def lapsed(tx: Transaction, states: Sequence[str], now: datetime, limit: int) -> list[TicketRow]:
    """Tickets in these states whose deadline has passed."""
    return tx.all(
        TicketRow,
        f"SELECT {COLUMNS} FROM quality.ticket WHERE state = ANY(%s) AND due_at < %s ORDER BY due_at LIMIT %s",
        [list(states), now, limit],
    )


def followed(tx: Transaction) -> list[Dataset]:
    """Datasets with records that are followed, and the sequence up to which all of them were."""
    return tx.all(
        Dataset,
        """SELECT dataset AS name, min(followed) AS followed FROM quality.ticket WHERE key IS NOT NULL
           GROUP BY dataset ORDER BY dataset""",
    )


def behind(tx: Transaction, dataset: str, upto: int, after: str, limit: int) -> list[TicketRow]:
    """Tickets of a dataset whose record was not yet followed up to a sequence, by id."""
    return tx.all(
        TicketRow,
        f"""SELECT {COLUMNS} FROM quality.ticket
            WHERE dataset = %s AND key IS NOT NULL AND followed < %s AND id > %s ORDER BY id LIMIT %s""",
        [dataset, upto, after, limit],
    )


def follow(tx: Transaction, ids: Sequence[str], upto: int) -> None:
    """The change rows up to a sequence were looked through for these."""
    tx.execute("UPDATE quality.ticket SET followed = %s WHERE id = ANY(%s) AND followed < %s", [upto, list(ids), upto])


def forget_record(tx: Transaction, dataset: str, key_digest: str) -> None:
    """Nothing of this record stays but that there was a dispute."""
    tx.execute(
        "UPDATE quality.ticket SET key = NULL, wish = NULL WHERE dataset = %s AND key_digest = %s",
        [dataset, key_digest],
    )


def forget(tx: Transaction, before: datetime) -> int:
    """Take records and values out of tickets that ended before a moment; how many."""
    return tx.execute(
        """UPDATE quality.ticket SET key = NULL, wish = NULL
           WHERE closed_at < %s AND (key IS NOT NULL OR wish IS NOT NULL)""",
        [before],
    )


def standing(tx: Transaction, dataset: str, at: datetime) -> tuple[int, int]:
    """How many tickets of a dataset were open at a moment, and to how many of these the keeper had answered."""
    row = tx.connection.execute(
        """SELECT count(*), count(*) FILTER (WHERE answered_at < %(at)s) FROM quality.ticket
           WHERE dataset = %(dataset)s AND opened_at < %(at)s AND (closed_at IS NULL OR closed_at >= %(at)s)""",
        {"dataset": dataset, "at": at},
    ).fetchone()
    return (int(row[0]), int(row[1])) if row else (0, 0)


def due(tx: Transaction, ids: Sequence[str], dues: Sequence[datetime | None], *, at_keeper: bool) -> None:
    """Deadlines that were counted anew."""
    tx.execute(
        """UPDATE quality.ticket q SET due_at = t.due, answer_due_at = CASE WHEN %s THEN t.due ELSE answer_due_at END
           FROM unnest(%s::text[], %s::timestamptz[]) AS t (id, due) WHERE q.id = t.id""",
        [at_keeper, list(ids), list(dues)],
    )


def note(
    tx: Transaction, row: TicketRow, kind: str, state: str, to: str, step: int, due: datetime, at: datetime
) -> None:  # fmt: skip
    """Keep a notice for all parties, once."""
    tx.execute(
        """INSERT INTO quality.notice (ticket, organisation, keeper, arbiter, kind, state, addressee, step, due_at, at)
           VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING""",
        [row.id, row.organisation, row.keeper, row.arbiter, kind, state, to, step, due, at],
    )


def notices(tx: Transaction, after: int, limit: int) -> list[NoticeRow]:
    """Notices that the scope may see, behind a number."""
    return tx.all(
        NoticeRow,
        """SELECT n.id, t.dataset, n.organisation, n.keeper, n.arbiter, n.kind, n.ticket, n.state, n.addressee, n.due_at, n.at
           FROM quality.notice n JOIN quality.ticket t ON t.id = n.ticket
           WHERE n.id > %s ORDER BY n.id LIMIT %s""",
        [after, limit],
    )
