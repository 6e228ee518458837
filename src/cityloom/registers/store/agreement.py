"""SQL that counts how many entities each source knows, and on which of them two sources contradict each other."""

from collections.abc import Iterator, Sequence
from datetime import datetime

import msgspec
import pyarrow as pa

from cityloom.kernel.db import Transaction
from cityloom.registers.contracts import Tally

PAGE = 50_000
SPACE = "[\\s\\u00a0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000\\u0085]"
"""White space as rules.survivorship leaves it out; a database's own class knows less of it."""


class Column(msgspec.Struct, frozen=True):
    """Under which name the dataset of a feed has a field of the register."""

    feed: int
    dataset: str
    field: str
    name: str


class Counted(msgspec.Struct, frozen=True):
    """The count that holds."""

    run: int
    upto: int
    counted_at: datetime


class Different(msgspec.Struct, frozen=True):
    """An entity on which two sources contradict each other."""

    field: str
    left: str
    right: str
    entity: int


def counted(tx: Transaction, register: str) -> Counted | None:
    """The count that holds, if there was one."""
    return tx.first(
        Counted, "SELECT run, upto::bigint AS upto, counted_at FROM registers.agreement WHERE register = %s", [register]
    )


def upto(tx: Transaction, register: str) -> int:
    """How many change rows and decisions the register has taken in: another number says that something is new."""
    return tx.scalar(
        int,
        """SELECT (coalesce((SELECT sum(sequence) FROM registers.feed WHERE register = %(register)s), 0)
             + coalesce((SELECT max(id) FROM registers.decision WHERE register = %(register)s), 0))::bigint""",
        {"register": register},
    )


def begin(tx: Transaction, feeds: Sequence[int]) -> tuple[int, int]:
    """A number for a count, and the newest entity that any of these feeds knows; 0 if there is none."""
    run = tx.scalar(int, "SELECT nextval('registers.agreement_run')")
    last = tx.scalar(
        int, "SELECT coalesce(max(entity), 0)::bigint FROM registers.claim WHERE feed = ANY(%s)", [list(feeds)]
    )
    return run, last


def count_page(
    tx: Transaction, register: str, run: int, feeds: Sequence[tuple[int, str]], columns: Sequence[Column],
    since: int, upto: int,
) -> list[Tally]:  # fmt: skip
    """Count entities since < entity <= upto: in a range all claims of an entity are together, so ranges add up.

    Two sources contradict each other on a field where no value that one has is a value that the other has (a person may
    rent two dwellings). Values are compared as rules.survivorship does. Entities on which two differ are kept.
    """
    # how many values there are the planner cannot know, and pairs of them found by a loop in a loop take hours
    tx.execute("SET LOCAL enable_nestloop = off")
    return tx.all(
        Tally,
        """WITH feed AS (SELECT (e ->> 0)::smallint AS number, e ->> 1 AS dataset FROM jsonb_array_elements(%(feeds)s::jsonb) AS t (e)),
           col AS (SELECT (e ->> 0)::smallint AS feed, e ->> 1 AS dataset, e ->> 2 AS field, e ->> 3 AS name
                   FROM jsonb_array_elements(%(columns)s::jsonb) AS t (e)),
           claim AS MATERIALIZED (
             SELECT c.entity, f.number AS feed, f.dataset, c.record::jsonb AS record
             FROM registers.claim c JOIN feed f ON f.number = c.feed
             WHERE c.entity > %(since)s AND c.entity <= %(upto)s AND c.closed = 0),
           said AS MATERIALIZED (
             SELECT c.entity, col.field, col.dataset, array_agg(DISTINCT v.value) AS values
             FROM claim c JOIN col ON col.feed = c.feed,
               LATERAL (SELECT upper(regexp_replace(c.record ->> col.name, %(space)s, '', 'g')) AS value) v
             WHERE v.value <> '' GROUP BY 1, 2, 3),
           pair AS MATERIALIZED (
             SELECT l.entity, l.field, l.dataset AS left_dataset, r.dataset AS right_dataset, NOT l.values && r.values AS differ
             FROM said l JOIN said r ON r.entity = l.entity AND r.field = l.field AND r.dataset > l.dataset),
           kept AS (
             INSERT INTO registers.difference (register, run, field, left_dataset, right_dataset, entity)
             SELECT %(register)s, %(run)s, field, left_dataset, right_dataset, entity FROM pair WHERE differ RETURNING 1),
           by_field AS (SELECT entity, field, bool_or(differ) AS differ FROM pair GROUP BY 1, 2)
           SELECT 'held' AS what, '' AS field, coalesce(dataset, '') AS left, '' AS right,
             count(DISTINCT entity) AS entities, 0::bigint AS differing
           FROM claim GROUP BY GROUPING SETS ((dataset), ())
           UNION ALL SELECT 'filled', field, '', '', count(DISTINCT entity), 0 FROM said GROUP BY field
           UNION ALL SELECT 'compared', field, left_dataset, right_dataset, count(*), count(*) FILTER (WHERE differ)
             FROM pair GROUP BY field, left_dataset, right_dataset
           UNION ALL SELECT 'compared', field, '', '', count(*), count(*) FILTER (WHERE differ) FROM by_field GROUP BY field
           UNION ALL SELECT 'compared', '', '', '', count(DISTINCT entity), count(DISTINCT entity) FILTER (WHERE differ)
             FROM by_field""",
        {"feeds": msgspec.json.encode(feeds).decode(),
         "columns": msgspec.json.encode([msgspec.structs.astuple(each) for each in columns]).decode(),
         "since": since, "upto": upto, "space": SPACE, "register": register, "run": run},
    )  # fmt: skip


def replace(tx: Transaction, register: str, run: int, upto: int, tallies: Sequence[Tally], now: datetime) -> None:
    """From now on this count holds; what was kept for others goes."""
    tx.execute("DELETE FROM registers.tally WHERE register = %s", [register])
    tx.many(
        """INSERT INTO registers.tally (register, run, what, field, left_dataset, right_dataset, entities, differing)
           VALUES (%s, %s, %s, %s, %s, %s, %s, %s)""",
        [[register, run, *msgspec.structs.astuple(each)] for each in tallies],
    )
    tx.execute("DELETE FROM registers.difference WHERE register = %s AND run <> %s", [register, run])
    tx.execute(
        """INSERT INTO registers.agreement (register, run, upto, counted_at) VALUES (%s, %s, %s, %s)
           ON CONFLICT (register) DO UPDATE SET run = excluded.run, upto = excluded.upto, counted_at = excluded.counted_at""",
        [register, run, upto, now],
    )


def tallies(tx: Transaction, register: str) -> list[Tally]:
    """The count that holds."""
    return tx.all(
        Tally,
        """SELECT what, field, left_dataset AS left, right_dataset AS right, entities, differing FROM registers.tally
           WHERE register = %s ORDER BY what, field, left_dataset, right_dataset""",
        [register],
    )


def differences(
    tx: Transaction, register: str, field: str, left: str, right: str, after: int, limit: int
) -> list[Different]:
    """Entities on which two sources contradicted each other when it was counted, and of which a claim stands; by entity.

    An empty field, or pair, stands for any; each entity comes once, with the first of its contradictions that fits.
    """
    return tx.all(
        Different,
        """SELECT DISTINCT ON (d.entity) d.field, d.left_dataset AS left, d.right_dataset AS right, d.entity
           FROM registers.difference d JOIN registers.agreement a ON a.register = d.register AND a.run = d.run
           WHERE d.register = %(register)s AND %(field)s IN ('', d.field) AND %(left)s IN ('', d.left_dataset)
             AND %(right)s IN ('', d.right_dataset) AND d.entity > %(after)s
             AND EXISTS (SELECT FROM registers.claim c WHERE c.entity = d.entity AND c.closed = 0)
           ORDER BY d.entity, d.field, d.left_dataset, d.right_dataset LIMIT %(limit)s""",
        {"register": register, "field": field, "left": left, "right": right, "after": after, "limit": limit},
    )


def identifiers(tx: Transaction, register: str, kind: str) -> Iterator[pa.Table]:
    """Who has which identifier of a kind now: entity and value. An entity lies in one page."""
    prefix = f"{register}:{kind}:"
    last = tx.scalar(int, "SELECT coalesce(max(entity), 0)::bigint FROM registers.claim WHERE closed = 0")
    for start in range(0, last, PAGE):
        rows = tx.connection.execute(
            """SELECT DISTINCT entity, substr(identifier, %s) FROM registers.claim
               WHERE entity > %s AND entity <= %s AND closed = 0 AND starts_with(identifier, %s)""",
            [len(prefix) + 1, start, start + PAGE, prefix],
        ).fetchall()
        if rows:
            entities, values = zip(*rows, strict=True)
            yield pa.table({"entity": pa.array(entities, pa.int64()), "value": pa.array(values, pa.string())})


def identifiers_of(tx: Transaction, entity: int) -> list[str]:
    """The identifiers of an entity now, each as register:kind:value."""
    return tx.values(
        str,
        """SELECT DISTINCT identifier FROM registers.claim
           WHERE entity = %s AND closed = 0 AND identifier IS NOT NULL ORDER BY identifier""",
        [entity],
    )
