"""SQL of the feeds, and of the claims that they write."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from cityloom.kernel.db import Transaction
from cityloom.registers.contracts import Changing, Known, NewClaim, Plan

COLUMNS = "number, register, dataset, role, organisation, sequence, snapshot, followed_at"


class FeedRow(msgspec.Struct, frozen=True):
    """One row of registers.feed."""

    number: int
    register: str
    dataset: str
    role: str
    organisation: str
    sequence: int
    snapshot: int | None
    followed_at: datetime | None


def _json(values: Sequence[object]) -> str:
    """Many values for one statement. Arrays of texts cost the client several times as much, and `json`, which is read anew
    for each value that is taken from it, costs the server three times as much as `jsonb`.
    """
    return msgspec.json.encode(values).decode()


class EntityOf(msgspec.Struct, frozen=True):
    """Who has an identifier."""

    identifier: str
    entity: int


def known(tx: Transaction, register: str = "") -> list[FeedRow]:
    """The feeds of a register, or of all."""
    return tx.all(
        FeedRow, f"SELECT {COLUMNS} FROM registers.feed WHERE %s IN ('', register) ORDER BY number", [register]
    )


def add(tx: Transaction, register: str, dataset: str, role: str, keeper: str) -> FeedRow:
    """Begin to follow a dataset, or learn who keeps it now."""
    return tx.one(
        FeedRow,
        f"""INSERT INTO registers.feed (register, dataset, role, organisation) VALUES (%s, %s, %s, %s)
            ON CONFLICT (register, dataset, role) DO UPDATE SET organisation = excluded.organisation
            RETURNING {COLUMNS}""",
        [register, dataset, role, keeper],
    )


def lock(tx: Transaction, number: int) -> FeedRow:
    """Where the feed stands; nobody changes it until the transaction ends."""
    return tx.one(FeedRow, f"SELECT {COLUMNS} FROM registers.feed WHERE number = %s FOR UPDATE", [number])


def lock_register(tx: Transaction, register: str) -> None:
    """None of its feeds goes on until the transaction ends."""
    tx.execute("SELECT FROM registers.feed WHERE register = %s ORDER BY number FOR UPDATE", [register])


def follow(tx: Transaction, number: int, sequence: int, now: datetime) -> None:
    """Every change up to here has been taken in."""
    tx.execute(
        "UPDATE registers.feed SET sequence = %s, snapshot = NULL, followed_at = %s WHERE number = %s",
        [sequence, now, number],
    )


def current(tx: Transaction, numbers: Sequence[int], now: datetime) -> None:
    """Nothing newer was there for these."""
    tx.execute("UPDATE registers.feed SET followed_at = %s WHERE number = ANY(%s)", [now, list(numbers)])


def begin_snapshot(tx: Transaction, number: int, sequence: int, now: datetime) -> None:
    """Take in the current state anew: all that stands ends, and what is still so begins again with its entity."""
    tx.execute(
        "UPDATE registers.claim SET closed = id, final = true, until = %s WHERE feed = %s AND closed = 0", [now, number]
    )
    tx.execute("UPDATE registers.feed SET snapshot = %s WHERE number = %s", [sequence, number])


def last_claims(tx: Transaction, feed: int, keys: Sequence[str]) -> dict[str, Known]:
    """The standing claim of each of these records, else the last that stood."""
    rows = tx.all(
        Known,
        """WITH asked AS (SELECT key FROM jsonb_array_elements_text(%(keys)s::jsonb) AS t (key))
           SELECT DISTINCT ON (key) key, id, standing, entity, how, decision, identifier FROM (
             SELECT c.key, c.id, true AS standing, c.entity, c.how, c.decision, c.identifier
             FROM asked t JOIN registers.claim c ON c.feed = %(feed)s AND c.key = t.key AND c.closed = 0
             UNION ALL
             SELECT c.key, c.id, false, c.entity, c.how, c.decision, c.identifier
             FROM asked t JOIN registers.claim c ON c.feed = %(feed)s AND c.key = t.key AND c.final) c
           ORDER BY key, standing DESC, id DESC""",
        {"keys": _json(keys), "feed": feed},
    )
    return {row.key: row for row in rows}


def entities(tx: Transaction, identifiers: Sequence[str]) -> dict[str, int]:
    """Who has each of these identifiers now, else who had it last.

    Where several have it, that is nobody who is kept apart from another, and of the rest who got it last.
    """
    rows = tx.all(
        EntityOf,
        """SELECT DISTINCT ON (c.identifier) c.identifier, c.entity
           FROM jsonb_array_elements_text(%s::jsonb) AS t (identifier)
           JOIN registers.claim c ON c.identifier = t.identifier AND (c.closed = 0 OR c.final)
           ORDER BY c.identifier, c.closed = 0 DESC, c.how = 4, c.id DESC""",
        [_json(identifiers)],
    )
    return {row.identifier: row.entity for row in rows}


def shared(tx: Transaction, identifiers: Sequence[str]) -> frozenset[str]:
    """Those of these identifiers that more than one standing record has."""
    return frozenset(
        tx.values(
            str,
            """SELECT identifier FROM registers.claim WHERE identifier = ANY(%s) AND closed = 0
               GROUP BY identifier HAVING count(*) > 1""",
            [list(identifiers)],
        )
    )


NEW = """(e ->> 0)::bigint AS entity, (e ->> 1)::smallint AS how, (e ->> 2)::bigint AS decision,
    (e ->> 3)::bigint AS sequence, (e ->> 4)::date AS as_of, (e ->> 5)::timestamptz AS since,
    (e ->> 6)::timestamptz AS until, e ->> 7 AS key, e ->> 8 AS identifier, e ->> 9 AS delivery,
    CASE WHEN jsonb_typeof(e -> 10) = 'array' THEN ARRAY(SELECT jsonb_array_elements_text(e -> 10)) END AS links,
    e ->> 11 AS record, nextval('registers.claim_id_seq') AS id"""
SAID = "how, decision, sequence, as_of, since, key, identifier, delivery, links, record"


def write(tx: Transaction, feed: int, plan: Plan) -> list[int]:
    """Write what a page came to; the numbers of its new entities, in order."""
    if plan.ending:
        tx.execute(
            """UPDATE registers.claim c SET closed = c.id, final = true, until = (e ->> 1)::timestamptz
               FROM jsonb_array_elements(%s::jsonb) AS t (e) WHERE c.id = (e ->> 0)::bigint""",
            [_json(plan.ending)],
        )
    fresh = tx.values(int, "SELECT nextval('registers.entity') FROM generate_series(1, %s)", [plan.entities])
    if plan.changing:
        _change(tx, plan.changing, fresh)
    if plan.beginning:
        _insert(tx, feed, plan.beginning, fresh)
    if fresh:
        tx.execute("UPDATE registers.feed SET newest = %s WHERE number = %s", [max(fresh), feed])
    for key in plan.erased:
        tx.execute(
            """DELETE FROM registers.claim WHERE feed = %(feed)s AND key = %(key)s AND entity IN (
                 SELECT entity FROM registers.claim WHERE feed = %(feed)s AND key = %(key)s AND closed = 0
                 UNION SELECT entity FROM registers.claim WHERE feed = %(feed)s AND key = %(key)s AND final)""",
            {"feed": feed, "key": key},
        )
        tx.execute("DELETE FROM registers.moved WHERE feed = %s AND key = %s", [feed, key])
    return fresh


def _row(claim: NewClaim, fresh: Sequence[int]) -> tuple[object, ...]:
    change = claim.change
    return (
        claim.entity if claim.entity > 0 else fresh[-claim.entity - 1], claim.how, claim.decision, change.sequence,
        change.as_of, change.at, claim.until, change.key, change.identifier, change.delivery, change.links or None,
        change.record,
    )  # fmt: skip


def _change(tx: Transaction, changing: Sequence[Changing], fresh: Sequence[int]) -> None:
    """What stood becomes a row of the past, and the row goes on: while entity, key, number and links stay, no index of
    what stands is touched."""
    rows = [(*_row(each.claim, fresh), each.id, each.until) for each in changing]
    tx.execute(
        f"""WITH new AS MATERIALIZED (
              SELECT {NEW}, (e ->> 12)::bigint AS claim, (e ->> 13)::timestamptz AS ended
              FROM jsonb_array_elements(%s::jsonb) AS t (e)),
            past AS (
              INSERT INTO registers.claim (entity, feed, {SAID}, until, final, closed, id) OVERRIDING SYSTEM VALUE
              SELECT c.entity, c.feed, {", ".join(f"c.{name}" for name in SAID.split(", "))}, n.ended,
                c.entity <> n.entity OR c.identifier IS DISTINCT FROM n.identifier, n.id, n.id
              FROM new n JOIN registers.claim c ON c.id = n.claim)
            UPDATE registers.claim c SET entity = n.entity, {", ".join(f"{name} = n.{name}" for name in SAID.split(", "))}
            FROM new n WHERE c.id = n.claim""",
        [_json(rows)],
    )


def _insert(tx: Transaction, feed: int, claims: Sequence[NewClaim], fresh: Sequence[int]) -> None:
    tx.execute(
        f"""INSERT INTO registers.claim (entity, feed, {SAID}, until, final, closed, id) OVERRIDING SYSTEM VALUE
            SELECT entity, %(feed)s, {SAID}, until, until IS NOT NULL, CASE WHEN until IS NULL THEN 0 ELSE id END, id
            FROM (SELECT {NEW} FROM jsonb_array_elements(%(rows)s::jsonb) AS t (e)) n""",
        {"feed": feed, "rows": _json([_row(claim, fresh) for claim in claims])},
    )


def forget_ended(tx: Transaction, number: int, before: datetime, most: int) -> int:
    """Remove some claims that ended before a moment; how many."""
    return tx.execute(
        """DELETE FROM registers.claim WHERE id IN (
             SELECT id FROM registers.claim WHERE feed = %s AND closed <> 0 AND until < %s LIMIT %s)""",
        [number, before, most],
    )


def forget_moves(tx: Transaction) -> int:
    """Of records of which no claim is left, no decision keeps the key."""
    return tx.execute(
        """DELETE FROM registers.moved m
           WHERE NOT EXISTS (SELECT FROM registers.claim c WHERE c.feed = m.feed AND c.key = m.key AND c.closed = 0)
             AND NOT EXISTS (SELECT FROM registers.claim c WHERE c.feed = m.feed AND c.key = m.key AND c.final)"""
    )


def forget(tx: Transaction, number: int) -> None:
    """A feed that no pack declares any more: its claims end with it."""
    tx.execute("DELETE FROM registers.claim WHERE feed = %s", [number])
    tx.execute("DELETE FROM registers.moved WHERE feed = %s", [number])
    tx.execute("DELETE FROM registers.feed WHERE number = %s", [number])
