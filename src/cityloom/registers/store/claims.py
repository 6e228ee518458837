"""SQL that reads claims, and keeps who read them."""

from collections.abc import Sequence
from datetime import date, datetime

import msgspec

from cityloom.kernel.db import Transaction
from cityloom.registers.contracts import Member, Reading, Size

COLUMNS = """c.id, c.entity, c.feed, c.how, c.sequence, c.as_of, c.since, c.until, c.key, c.identifier, c.delivery, c.links,
    c.record"""


class ClaimRow(msgspec.Struct, frozen=True):
    """One row of registers.claim."""

    id: int
    entity: int
    feed: int
    how: int
    sequence: int
    as_of: date | None
    since: datetime
    until: datetime | None
    key: str
    identifier: str | None
    delivery: str
    links: list[str] | None
    record: str


class PlacedRow(ClaimRow, frozen=True):
    """A claim, and which of the questions it answers."""

    place: int = 0


class NewReading(msgspec.Struct, frozen=True):
    """A reading before it is told."""

    register: str
    entity: int
    organisation: str
    account: str
    purpose: str
    case: str
    fields: tuple[str, ...]
    request: str


def of_entities(tx: Transaction, entities: Sequence[int], moments: Sequence[datetime | None]) -> list[PlacedRow]:
    """The claims that stood for each of these at its moment, or stand now; with their places from 0."""
    return tx.all(
        PlacedRow,
        f"""SELECT t.place::int - 1 AS place, {COLUMNS}
            FROM unnest(%s::bigint[], %s::timestamptz[]) WITH ORDINALITY AS t (entity, moment, place)
            JOIN registers.claim c ON c.entity = t.entity
              AND CASE WHEN t.moment IS NULL THEN c.closed = 0
                       ELSE c.since <= t.moment AND (c.until IS NULL OR c.until > t.moment) END""",
        [list(entities), list(moments)],
    )


def linked(tx: Transaction, links: Sequence[str]) -> list[ClaimRow]:
    """The standing claims that have one of these links (name:register:kind:value)."""
    return tx.all(
        ClaimRow,
        f"""SELECT {COLUMNS} FROM registers.claim c
            WHERE c.closed = 0 AND c.links IS NOT NULL AND c.links && %s::text[] ORDER BY c.id""",
        [list(links)],
    )


def history(tx: Transaction, entity: int, limit: int) -> list[ClaimRow]:
    """All claims of an entity, oldest first."""
    return tx.all(
        ClaimRow,
        f"SELECT {COLUMNS} FROM registers.claim c WHERE c.entity = %s ORDER BY c.since, c.sequence, c.id LIMIT %s",
        [entity, limit],
    )


def size(tx: Transaction, register: str) -> Size | None:
    """What a register held when it was counted last."""
    return tx.first(
        Size,
        "SELECT entities, records, alone, linked, counted_at FROM registers.size WHERE register = %s",
        [register],
    )


def count(tx: Transaction, register: str, now: datetime) -> None:
    """Count what a register holds, unless nothing has come in or was decided since the last time."""
    tx.execute(
        """WITH feeds AS (SELECT coalesce(array_agg(number), '{}') AS numbers, coalesce(sum(sequence), 0) + coalesce(
                            (SELECT max(id) FROM registers.decision WHERE register = %(register)s), 0) AS upto
                          FROM registers.feed WHERE register = %(register)s)
           INSERT INTO registers.size (register, upto, entities, records, alone, linked, counted_at)
           SELECT %(register)s, f.upto, c.entities, c.records, c.alone, c.linked, %(now)s
           FROM feeds f, LATERAL (
             SELECT count(DISTINCT entity) AS entities, count(*) AS records, count(*) FILTER (WHERE how = 1) AS alone,
               count(*) FILTER (WHERE how = 2) AS linked
             FROM registers.claim WHERE feed = ANY(f.numbers) AND closed = 0) c
           WHERE NOT EXISTS (SELECT FROM registers.size s
                             WHERE s.register = %(register)s AND s.upto = f.upto)
           ON CONFLICT (register) DO UPDATE SET upto = excluded.upto, entities = excluded.entities,
             records = excluded.records, alone = excluded.alone, linked = excluded.linked,
             counted_at = excluded.counted_at""",
        {"register": register, "now": now},
    )


def members(tx: Transaction, register: str, dataset: str) -> list[Member]:
    """The records of a dataset, to whom they belong, and by which number others know that one.

    `closed + 0`: before its first ANALYZE the table looks small, and each look-up by entity would go through the whole index
    of what is not closed as well.
    """
    return tx.all(
        Member,
        """SELECT c.key, c.entity, c.how, n.identifier
           FROM registers.claim c JOIN registers.feed f ON f.number = c.feed
           CROSS JOIN LATERAL (SELECT min(o.identifier) AS identifier FROM registers.claim o
                               WHERE o.entity = c.entity AND o.closed + 0 = 0 AND o.identifier IS NOT NULL) n
           WHERE f.register = %s AND f.dataset = %s AND c.closed = 0 ORDER BY c.key""",
        [register, dataset],
    )


def merged_into(tx: Transaction, entity: int) -> int | None:
    """Where an entity went by a merge that stands."""
    found = tx.values(
        int,
        """SELECT d.into_entity FROM registers.decision d
           WHERE d.from_entity = %s AND d.kind = 'merge'
             AND NOT EXISTS (SELECT FROM registers.decision u WHERE u.undoes = d.id) ORDER BY d.id DESC LIMIT 1""",
        [entity],
    )
    return found[0] if found else None


def reading_ids(tx: Transaction, number: int) -> list[int]:
    """Numbers for readings."""
    return tx.values(int, "SELECT nextval('registers.reading_id') FROM generate_series(1, %s)", [number])


def keep_readings(
    tx: Transaction, ids: Sequence[int], readings: Sequence[NewReading], position: int, now: datetime
) -> None:
    """Keep who read what, with the audit position that covers them."""
    rows = [
        (id, each.register, each.entity, each.organisation, each.account, each.purpose, each.case, list(each.fields),
         each.request, position)
        for id, each in zip(ids, readings, strict=True)
    ]  # fmt: skip
    tx.execute(
        """INSERT INTO registers.reading (id, register, entity, organisation, account, purpose, case_reference, fields,
             request, audit_position, at)
           SELECT (e ->> 0)::bigint, e ->> 1, (e ->> 2)::bigint, e ->> 3, e ->> 4, e ->> 5, e ->> 6,
             ARRAY(SELECT jsonb_array_elements_text(e -> 7)), e ->> 8, (e ->> 9)::bigint, %s
           FROM jsonb_array_elements(%s::jsonb) AS t (e)""",
        [now, msgspec.json.encode(rows).decode()],
    )


def readings(tx: Transaction, entity: int, before: int, limit: int) -> list[Reading]:
    """Who read a record, newest first."""
    return tx.all(
        Reading,
        """SELECT id, at, organisation, account, purpose, case_reference AS case, fields, audit_position
           FROM registers.reading WHERE entity = %s AND id < %s ORDER BY id DESC LIMIT %s""",
        [entity, before, limit],
    )
