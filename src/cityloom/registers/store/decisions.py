"""SQL of doubts, and of merges, splits and what takes them back."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from cityloom.kernel.db import Transaction
from cityloom.registers.contracts import STEWARD, DoubtState, Scored

DOUBT = """id, register, left_entity, right_entity, probability, why, state, opened_at, decided_at, decided_by, reason,
    signs::text AS signs"""
DECISION = """d.id, d.register, d.kind, d.from_entity, d.into_entity, d.at, d.by, d.reason, d.undoes, u.id AS undone_by,
    (SELECT count(*) FROM registers.moved m WHERE m.decision = d.id) AS records"""
DECISIONS = "registers.decision d LEFT JOIN registers.decision u ON u.undoes = d.id"


class DoubtRow(msgspec.Struct, frozen=True):
    """One row of registers.doubt."""

    id: int
    register: str
    left_entity: int
    right_entity: int
    probability: float
    why: str
    state: str
    opened_at: datetime
    decided_at: datetime | None
    decided_by: str
    reason: str
    signs: str
    """JSON: a list of Sign."""


class DecisionRow(msgspec.Struct, frozen=True):
    """One row of registers.decision, with how many records it moved and what took it back."""

    id: int
    register: str
    kind: str
    from_entity: int
    into_entity: int
    at: datetime
    by: str
    reason: str
    undoes: int | None
    undone_by: int | None
    records: int


class NewDecision(msgspec.Struct, frozen=True):
    """What is decided."""

    register: str
    kind: str
    from_entity: int
    into_entity: int
    by: str
    reason: str
    undoes: int | None = None


class Standing(msgspec.Struct, frozen=True):
    """A source record of an entity."""

    id: int
    feed: int
    key: str


class Move(msgspec.Struct, frozen=True):
    """A record that a decision moved."""

    feed: int
    key: str
    from_entity: int
    into_entity: int


def ask(tx: Transaction, register: str, doubts: Sequence[Scored], now: datetime) -> int:
    """Open doubts; a pair that was asked about before is not asked about again. How many are new."""
    return tx.execute(
        """INSERT INTO registers.doubt (register, left_entity, right_entity, probability, why, opened_at, signs)
           SELECT %s, (e ->> 'left')::bigint, (e ->> 'right')::bigint, (e ->> 'probability')::float8, e ->> 'why', %s,
             e -> 'signs'
           FROM jsonb_array_elements(%s::jsonb) AS t (e)
           ON CONFLICT (left_entity, right_entity) DO UPDATE SET probability = excluded.probability, signs = excluded.signs
           WHERE doubt.state = 'open' AND doubt.probability <> excluded.probability""",
        [register, now, msgspec.json.encode(doubts).decode()],
    )


def doubts(tx: Transaction, register: str, state: str, after: int, limit: int) -> list[DoubtRow]:
    """Doubts by number behind `after`, of a state or of any."""
    # in words, so that the index of what waits is used: behind a queue of today lie the decisions of years
    which = "state = 'open' AND %s <> ''" if state == DoubtState.open else "%s IN ('', state)"
    return tx.all(
        DoubtRow,
        f"SELECT {DOUBT} FROM registers.doubt WHERE register = %s AND {which} AND id > %s ORDER BY id LIMIT %s",
        [register, state, after, limit],
    )


def doubt(tx: Transaction, id: int) -> DoubtRow | None:
    """One doubt; nobody else decides on it until the transaction ends."""
    return tx.first(DoubtRow, f"SELECT {DOUBT} FROM registers.doubt WHERE id = %s FOR UPDATE", [id])


def doubt_between(tx: Transaction, left: int, right: int) -> DoubtRow | None:
    """The doubt about this pair, if there is one, the smaller number first."""
    return tx.first(
        DoubtRow,
        f"SELECT {DOUBT} FROM registers.doubt WHERE left_entity = %s AND right_entity = %s",
        [left, right],
    )


def settle(tx: Transaction, id: int, state: str, by: str, reason: str, now: datetime) -> None:
    """What became of a doubt."""
    tx.execute(
        "UPDATE registers.doubt SET state = %s, decided_at = %s, decided_by = %s, reason = %s WHERE id = %s",
        [state, now, by, reason, id],
    )


def reopen(tx: Transaction, id: int, reason: str) -> None:
    """A doubt waits again, and says why."""
    tx.execute(
        """UPDATE registers.doubt SET state = 'open', decided_at = NULL, decided_by = '', reason = %s WHERE id = %s""",
        [reason, id],
    )


def settle_gone(tx: Transaction, now: datetime) -> int:
    """Open doubts about an entity of which nothing is left."""
    return tx.execute(
        """UPDATE registers.doubt d SET state = 'gone', decided_at = %s WHERE d.state = 'open' AND (
             NOT EXISTS (SELECT FROM registers.claim c WHERE c.entity = d.left_entity AND c.closed = 0)
             OR NOT EXISTS (SELECT FROM registers.claim c WHERE c.entity = d.right_entity AND c.closed = 0))""",
        [now],
    )


def keep_apart(
    tx: Transaction, register: str, left: int, right: int, by: str, reason: str, now: datetime
) -> None:  # fmt: skip
    """A merge was taken back: whoever links again, by score or by hand, must not be asked into it anew."""
    tx.execute(
        """INSERT INTO registers.doubt (register, left_entity, right_entity, probability, why, state, opened_at, decided_at,
             decided_by, reason)
           VALUES (%(register)s, %(left)s, %(right)s, 0, 'steward', 'distinct', %(now)s, %(now)s, %(by)s, %(reason)s)
           ON CONFLICT (left_entity, right_entity) DO UPDATE SET state = 'distinct', decided_at = excluded.decided_at,
             decided_by = excluded.decided_by, reason = excluded.reason""",
        {"register": register, "left": left, "right": right, "now": now, "by": by, "reason": reason},
    )


def standing(tx: Transaction, register: str, entity: int) -> list[Standing]:
    """The source records of an entity of this register; none of them moves until the transaction ends."""
    return tx.all(
        Standing,
        """SELECT c.id, c.feed, c.key FROM registers.claim c JOIN registers.feed f ON f.number = c.feed
           WHERE c.entity = %s AND c.closed = 0 AND f.register = %s ORDER BY c.id FOR UPDATE OF c""",
        [entity, register],
    )


def standing_of(tx: Transaction, moves: Sequence[Move]) -> list[Standing]:
    """Those records of a decision that are still where it put them."""
    return tx.all(
        Standing,
        """SELECT c.id, c.feed, c.key FROM registers.claim c
           JOIN unnest(%s::smallint[], %s::text[], %s::bigint[]) AS t (feed, key, entity)
             ON c.feed = t.feed AND c.key = t.key AND c.entity = t.entity
           WHERE c.closed = 0 ORDER BY c.id FOR UPDATE OF c""",
        [[m.feed for m in moves], [m.key for m in moves], [m.into_entity for m in moves]],
    )


def new_entity(tx: Transaction) -> int:
    """A number that nobody has had."""
    return tx.scalar(int, "SELECT nextval('registers.entity')")


def decide(tx: Transaction, new: NewDecision, now: datetime) -> int:
    """Keep a decision; its number."""
    return tx.scalar(
        int,
        """INSERT INTO registers.decision (register, kind, from_entity, into_entity, at, by, reason, undoes)
           VALUES (%s, %s, %s, %s, %s, %s, %s, %s) RETURNING id""",
        [new.register, new.kind, new.from_entity, new.into_entity, now, new.by, new.reason, new.undoes],
    )


def move(tx: Transaction, decision: int, records: Sequence[Standing], into: int, now: datetime) -> None:
    """Records go to another entity: their claims end, and begin there saying the same."""
    ids = [record.id for record in records]
    tx.execute(
        """INSERT INTO registers.moved (decision, feed, key, from_entity, into_entity)
           SELECT %s, feed, key, entity, %s FROM registers.claim WHERE id = ANY(%s)""",
        [decision, into, ids],
    )
    tx.execute("UPDATE registers.claim SET closed = id, final = true, until = %s WHERE id = ANY(%s)", [now, ids])
    tx.execute(
        """INSERT INTO registers.claim (entity, feed, how, decision, sequence, as_of, since, key, identifier, delivery, links,
             record)
           SELECT %s, feed, %s, %s, sequence, as_of, %s, key, identifier, delivery, links, record
           FROM registers.claim WHERE id = ANY(%s)""",
        [into, STEWARD, decision, now, ids],
    )


def moves(tx: Transaction, decision: int) -> list[Move]:
    """What a decision moved."""
    return tx.all(
        Move, "SELECT feed, key, from_entity, into_entity FROM registers.moved WHERE decision = %s", [decision]
    )


def decision(tx: Transaction, id: int) -> DecisionRow | None:
    """One decision."""
    return tx.first(DecisionRow, f"SELECT {DECISION} FROM {DECISIONS} WHERE d.id = %s", [id])


def merge_between(tx: Transaction, source: int, into: int) -> DecisionRow | None:
    """The last merge of one entity into another, unless it was taken back."""
    return tx.first(
        DecisionRow,
        f"""SELECT {DECISION} FROM {DECISIONS} WHERE d.kind = 'merge' AND d.from_entity = %s AND d.into_entity = %s
              AND u.id IS NULL ORDER BY d.id DESC LIMIT 1""",
        [source, into],
    )


def decisions(tx: Transaction, register: str, before: int, limit: int) -> list[DecisionRow]:
    """Decisions, newest first."""
    return tx.all(
        DecisionRow,
        f"SELECT {DECISION} FROM {DECISIONS} WHERE d.register = %s AND d.id < %s ORDER BY d.id DESC LIMIT %s",
        [register, before, limit],
    )


def open_doubts(tx: Transaction, register: str) -> int:
    """How many doubts wait."""
    return tx.scalar(
        int, "SELECT count(*)::int FROM registers.doubt WHERE register = %s AND state = 'open'", [register]
    )
