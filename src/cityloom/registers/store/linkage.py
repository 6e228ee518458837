"""SQL of the linkage: what entities say, what was learnt, and what links come to."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

import duckdb
import msgspec
import pyarrow as pa

from cityloom.kernel import sql
from cityloom.kernel.db import Transaction
from cityloom.registers.contracts import APART, LINKAGE

PAGE = 50_000


class LinkageRow(msgspec.Struct, frozen=True):
    """One row of registers.linkage."""

    model: str
    trained: str
    entity: int
    entities: int


class Column(msgspec.Struct, frozen=True):
    """Where evidence is found: in which feed, under which name of the dataset, and how much that feed is believed."""

    feed: int
    rank: int
    fields: tuple[str | None, ...]


class Link(msgspec.Struct, frozen=True):
    """An entity that goes into another."""

    entity: int
    into: int


class Decided(msgspec.Struct, frozen=True):
    """A link that was written down."""

    id: int
    from_entity: int
    into_entity: int


DECIDED = """unnest(%s::bigint[], %s::bigint[], %s::bigint[]) AS t (decision, entity, into_entity)
    JOIN registers.claim c ON c.entity = t.entity AND c.closed = 0 AND c.identifier IS NULL"""


def find(tx: Transaction, register: str) -> LinkageRow | None:
    """What was learnt."""
    return tx.first(
        LinkageRow, "SELECT model, trained, entity, entities FROM registers.linkage WHERE register = %s", [register]
    )


def keep(tx: Transaction, register: str, row: LinkageRow, now: datetime) -> None:
    """Keep what was learnt, and how far was looked."""
    tx.execute(
        """INSERT INTO registers.linkage (register, model, trained, entity, entities, linked_at)
           VALUES (%s, %s, %s, %s, %s, %s)
           ON CONFLICT (register) DO UPDATE SET model = excluded.model, trained = excluded.trained,
             entity = excluded.entity, entities = excluded.entities, linked_at = excluded.linked_at""",
        [register, row.model, row.trained, row.entity, row.entities, now],
    )


def last_entity(tx: Transaction, register: str) -> int:
    """The newest entity that a record of this register began; 0 if there is none."""
    return tx.scalar(int, "SELECT coalesce(max(newest), 0) FROM registers.feed WHERE register = %s", [register])


def seen(tx: Transaction, register: str) -> int:
    """The entity up to which the linkage has looked."""
    return tx.scalar(int, "SELECT coalesce((SELECT entity FROM registers.linkage WHERE register = %s), 0)", [register])


def evidence(
    tx: Transaction, columns: Sequence[Column], names: Sequence[str], since: int, upto: int
) -> Iterator[pa.Table]:
    """What the sources of entities say of these fields, as text: entity, rank, number (the verified identifier), fields."""
    values = ", ".join(f"CASE c.feed {whens(columns, place)} END" for place in range(len(names)))
    ranks = " ".join(f"WHEN {column.feed} THEN {column.rank}" for column in columns)
    with tx.connection.cursor(name="evidence") as cursor:
        cursor.itersize = PAGE
        cursor.execute(
            f"""SELECT c.entity, CASE c.feed {ranks} END, c.identifier, {values} FROM registers.claim c
                WHERE c.closed = 0 AND c.how <> {APART} AND c.feed = ANY(%s) AND c.entity > %s AND c.entity <= %s""".encode(),
            [[column.feed for column in columns], since, upto],
        )
        while rows := cursor.fetchmany(PAGE):
            arrays = [pa.array(column) for column in zip(*rows, strict=True)]
            typed = [arrays[0].cast(pa.int64()), arrays[1].cast(pa.int32()), *(a.cast(pa.string()) for a in arrays[2:])]
            yield pa.table(typed, names=["entity", "rank", "number", *names])


def reduced(pages: Iterable[pa.Table], names: Sequence[str], memory_mib: int) -> pa.Table:
    """One line for each entity: of each field what the source says that is believed first."""
    values = "".join(f", arg_min({name}, rank) FILTER ({name} <> '') AS {name}" for name in map(sql.name, names))
    with duckdb.connect(config={"memory_limit": f"{memory_mib}MiB", "threads": 2}) as engine:
        engine.execute(
            "CREATE TABLE said (entity BIGINT, rank INTEGER, number VARCHAR"
            + "".join(f", {sql.name(name)} VARCHAR" for name in names)
            + ")"
        )
        for page in pages:
            engine.register("page", page)
            engine.execute("INSERT INTO said FROM page")
            engine.unregister("page")
        query = f"SELECT entity, min(number) AS number{values} FROM said GROUP BY entity ORDER BY entity"
        return engine.execute(query).to_arrow_table()


def whens(columns: Sequence[Column], place: int) -> str:
    """Branches that give the value at a place for the feed of a claim c, as text.

    Names of fields are those of declarations, so they hold no quote.
    """
    return " ".join(
        f"WHEN {column.feed} THEN c.record::json ->> '{column.fields[place]}'"
        if column.fields[place]
        else f"WHEN {column.feed} THEN NULL"
        for column in columns
    )


def distinct(tx: Transaction, register: str) -> set[tuple[int, int]]:
    """Pairs that a steward found to be two, the smaller number first."""
    rows = tx.connection.execute(
        b"SELECT left_entity, right_entity FROM registers.doubt WHERE register = %s AND state = 'distinct'", [register]
    ).fetchall()
    return {(int(left), int(right)) for left, right in rows}


def join(tx: Transaction, register: str, links: Sequence[Link], now: datetime) -> int:
    """Records without an identifier go to the entities they were linked to; how many. Each link is a decision."""
    decided = tx.all(
        Decided,
        """INSERT INTO registers.decision (register, kind, from_entity, into_entity, at, by, reason)
           SELECT %s, 'merge', f, i, %s, 'linkage', '' FROM unnest(%s::bigint[], %s::bigint[]) AS t (f, i)
           RETURNING id, from_entity, into_entity""",
        [register, now, [link.entity for link in links], [link.into for link in links]],
    )
    links_of = [
        [each.id for each in decided],
        [each.from_entity for each in decided],
        [each.into_entity for each in decided],
    ]
    tx.execute(
        f"""INSERT INTO registers.moved (decision, feed, key, from_entity, into_entity)
            SELECT t.decision, c.feed, c.key, c.entity, t.into_entity FROM {DECIDED}""",
        links_of,
    )
    return tx.execute(
        f"""WITH ended AS (
              UPDATE registers.claim u SET closed = u.id, final = true, until = %s
              FROM (SELECT c.id AS claim, t.decision AS by_decision, t.into_entity FROM {DECIDED}) m WHERE u.id = m.claim
              RETURNING u.*, m.by_decision, m.into_entity)
            INSERT INTO registers.claim (entity, feed, how, decision, sequence, as_of, since, key, delivery, links, record)
            SELECT into_entity, feed, %s, by_decision, sequence, as_of, %s, key, delivery, links, record FROM ended""",
        [now, *links_of, LINKAGE, now],
    )
