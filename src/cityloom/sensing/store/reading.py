"""Pages of entities: one statement for a set, and one for a relation of all parents of a level together."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import msgspec

from cityloom.kernel.db import Transaction
from cityloom.sensing.contracts import Kind
from cityloom.sensing.contracts.model import Property
from cityloom.sensing.contracts.queries import Node, Path, Query
from cityloom.sensing.store import tables
from cityloom.sensing.store.compiling import Bound, Compiler
from cityloom.sensing.store.past import Past, Wanted


class Record(msgspec.Struct, frozen=True, gc=False):
    """One entity: the parent it was reached from (0: none), its id, and what was read, in the order it was asked for."""

    parent: int
    id: int
    values: tuple[Any, ...]
    stream: int = 0
    feature: int = 0
    multi: bool = False
    """Of an Observation: its Datastream, its FeatureOfInterest, and whether it is a MultiDatastream."""
    total: int | None = None
    """Where the last Observation was read from `latest`: of how many."""


class Parents(msgspec.Struct, frozen=True):
    """Entities of a kind, and the relation that leads from each to those that are asked for."""

    kind: Kind
    relation: str
    records: Sequence[Record]

    @property
    def ids(self) -> list[int]:
        return [each.id for each in self.records]


class Asked(msgspec.Struct, frozen=True):
    """What is read: entities of a kind, those properties of them, by this query, as of this moment."""

    kind: Kind
    properties: Sequence[Property]
    query: Query
    now: datetime
    parents: Parents | None = None
    id: int | None = None
    past: Past | None = None
    """What the lake has. None: only what is hot is read."""

    @property
    def cold(self) -> Past | None:
        """What the lake has, if that is asked for and there is anything."""
        found = self.past if self.kind is Kind.observations else None
        return found if found is not None and found.border.until is not None else None

    @property
    def backwards(self) -> bool:
        """Whether the latest Observations come first."""
        keys = self.query.orderby
        return (
            bool(keys)
            and keys[0].descending
            and isinstance(keys[0].by, Path)
            and keys[0].by.names == ("phenomenonTime",)
        )

    @property
    def last_only(self) -> bool:
        """Whether it is the last Observation of Datastreams, which is kept apart."""
        query, keys = self.query, self.query.orderby
        return (
            self.parents is not None and self.parents.kind in tables.STREAMS and self.kind is Kind.observations
            and self.id is None and query.filter is None and query.size == 1 and query.skip == 0 and len(keys) == 1
            and keys[0].descending and isinstance(keys[0].by, Path) and keys[0].by.names == ("phenomenonTime",)
        )  # fmt: skip


def page(tx: Transaction, asked: Asked) -> list[Record]:
    """At most one more than a page has (of each parent), so that one knows whether there is a next one."""
    if asked.last_only and asked.parents is not None:
        bound = Bound()
        ids = bound(asked.parents.ids, "::bigint[]")
        sql = f"SELECT t.datastream_id, {_columns(asked, 't')}, t.total FROM sensing.latest t WHERE t.datastream_id = ANY({ids})"
        rows = tx.connection.execute(sql.encode(), bound.values).fetchall()
        return [msgspec.structs.replace(_record(asked.kind, row[:-1]), total=row[-1]) for row in rows]
    found = _hot_page(tx, asked)
    if asked.cold is None or (found and asked.id is not None):
        return found
    wanted = _wanted(tx, asked, found)
    if wanted is None:
        return found
    parents = 1 if asked.parents is None else len(asked.parents.ids)
    cold = asked.cold.page(wanted, asked.query, parents, lambda: sum(_counts(tx, asked, "").values()))
    return _hot_page(tx, asked, cold.rows, asked.query.skip - cold.dropped)


def _hot_page(tx: Transaction, asked: Asked, given: str = "", skip: int | None = None) -> list[Record]:
    """The page of what is hot, and of what is given to it of the lake."""
    bound = Bound()
    compiler = Compiler(tx, bound, asked.now, asked.past)
    inner = f"""SELECT {_columns(asked, "t")} FROM {_source(asked, bound, given)} WHERE {_where(asked, compiler, bound)}
        ORDER BY {_order(asked, compiler)} LIMIT {bound(asked.query.size + 1)}
        OFFSET {bound(asked.query.skip if skip is None else skip)}"""
    sql = f"SELECT 0::bigint, x.* FROM ({inner}) x"
    if asked.parents is not None:
        sql = f"SELECT a.id, x.* FROM {_parents(asked.parents, bound)} CROSS JOIN LATERAL ({inner}) x"
    rows = tx.connection.execute(sql.encode(), bound.values).fetchall()
    return [_record(asked.kind, row) for row in rows]


def _wanted(tx: Transaction, asked: Asked, hot: Sequence[Record] | None) -> Wanted | None:
    """What the lake must be asked for; None if nothing in it can be on the page."""
    if asked.cold is None:
        return None

    def resolve(kind: Kind, node: Node) -> list[int]:
        return ids(tx, Asked(kind, (), Query(filter=node), asked.now, past=asked.past))

    streams = None
    if hot is not None and asked.backwards and asked.parents is not None and asked.parents.kind in tables.STREAMS:
        streams = _short(tx, asked)
        if not streams:
            return None
    return asked.cold.wanted(asked.query, asked.parents, asked.id, streams, resolve)


def _short(tx: Transaction, asked: Asked) -> list[int]:
    """Datastreams whose page of the latest Observations reaches back behind the last one in the lake."""
    bound = Bound()
    compiler = Compiler(tx, bound, asked.now, asked.past)
    assert asked.parents is not None  # noqa: S101 - asked by who has some
    inner = f"""SELECT t.phenomenon_start FROM {_source(asked, bound, "")} WHERE {_where(asked, compiler, bound)}
        ORDER BY {_order(asked, compiler)} LIMIT 1 OFFSET {bound(asked.query.skip + asked.query.size)}"""
    sql = f"""SELECT c.datastream_id FROM {_parents(asked.parents, bound)} JOIN sensing.cold_streams c ON c.datastream_id = a.id
        LEFT JOIN LATERAL ({inner}) x ON true
        WHERE x.phenomenon_start IS NULL OR x.phenomenon_start <= c.phenomenon_start"""
    return [int(row[0]) for row in tx.connection.execute(sql.encode(), bound.values).fetchall()]


def _source(asked: Asked, bound: Bound, given: str) -> str:
    """What stands behind FROM: the table, or what of it is hot with corrections and what is given of the lake."""
    if asked.cold is None:
        return tables.source(asked.kind, "t")
    return asked.cold.source(bound, "t", given)


def counts(tx: Transaction, asked: Asked) -> dict[int, int]:
    """How many there are before paging, by parent (0: of all)."""
    if asked.kind is Kind.observations and asked.query.filter is None:
        if asked.parents is None:
            return {0: tx.scalar(int, "SELECT COALESCE(sum(total), 0)::bigint FROM sensing.latest")}
        if asked.parents.kind in tables.STREAMS:
            sql = "SELECT datastream_id, total FROM sensing.latest WHERE datastream_id = ANY(%s)"
            rows = tx.connection.execute(sql.encode(), [asked.parents.ids]).fetchall()
            return {0: 0, **{int(row[0]): int(row[1]) for row in rows}}
    wanted = _wanted(tx, asked, None)
    if wanted is None or asked.cold is None:
        return _counts(tx, asked, "")
    if not wanted.exact:
        return _counts(tx, asked, asked.cold.all(wanted))
    hot, cold = _counts(tx, asked, ""), asked.cold.counts(wanted)
    return {id: hot.get(id, 0) + cold.get(id, 0) for id in {*hot, *cold}}


def _counts(tx: Transaction, asked: Asked, given: str) -> dict[int, int]:
    """The same of what is hot, and of what is given to it of the lake."""
    bound = Bound()
    compiler = Compiler(tx, bound, asked.now, asked.past)
    inner = f"SELECT count(*) FROM {_source(asked, bound, given)} WHERE {_where(asked, compiler, bound)}"
    sql = f"SELECT 0::bigint, ({inner})"
    if asked.parents is not None:
        sql = f"SELECT a.id, ({inner}) FROM {_parents(asked.parents, bound)}"
    return {int(row[0]): int(row[1]) for row in tx.connection.execute(sql.encode(), bound.values).fetchall()}


def ids(tx: Transaction, asked: Asked) -> list[int]:
    """Ids of all that fit, whatever a page has."""
    bound = Bound()
    where = _where(asked, Compiler(tx, bound, asked.now, asked.past), bound)
    sql = f"SELECT t.id FROM {tables.source(asked.kind, 't')} WHERE {where}"
    return [int(row[0]) for row in tx.connection.execute(sql.encode(), bound.values).fetchall()]


def _where(asked: Asked, compiler: Compiler, bound: Bound) -> str:
    parts = [tables.condition(asked.kind, "t")]
    if asked.parents is not None:
        parts.append(tables.link(asked.parents.kind, asked.parents.relation, "a", "t"))
    if asked.id is not None:
        parts.append(f"t.id = {bound(asked.id)}")
    if asked.query.filter is not None:
        parts.append(compiler.condition(asked.query.filter, asked.kind, "t"))
    return " AND ".join(parts)


def _order(asked: Asked, compiler: Compiler) -> str:
    keys = [part for key in asked.query.orderby for part in compiler.order(key, asked.kind, "t")]
    if not keys and asked.parents is not None and asked.parents.relation == "ObservedProperties":
        keys.append(tables.ORDERED.format(a="a", b="t"))
    backwards = bool(asked.query.orderby) and asked.query.orderby[-1].descending
    return ", ".join([*keys, f"t.id{' DESC' if backwards else ''}"])


def _columns(asked: Asked, alias: str) -> str:
    found = [f"{alias}.id"]
    if asked.kind is Kind.observations:
        multi = f"(SELECT d.multi FROM sensing.datastreams d WHERE d.id = {alias}.datastream_id)"
        found += [f"{alias}.datastream_id", f"{alias}.feature_id AS of_feature", f"{multi} AS of_multi"]
    read = [column for each in asked.properties for column in tables.columns(asked.kind, each, alias)]
    return ", ".join([*found, *(f"{column} AS c{place}" for place, column in enumerate(read))])


def _record(kind: Kind, row: tuple[Any, ...]) -> Record:
    if kind is Kind.observations:
        return Record(row[0], row[1], row[5:], row[2], row[3], bool(row[4]))
    return Record(row[0], row[1], row[2:])


def _parents(parents: Parents, bound: Bound) -> str:
    if parents.kind is Kind.observations:
        columns: Iterable[list[int]] = (
            parents.ids, [each.stream for each in parents.records], [each.feature for each in parents.records]
        )  # fmt: skip
        arrays = ", ".join(bound(values, "::bigint[]") for values in columns)
        return f"unnest({arrays}) a(id, datastream_id, feature_id)"
    table = tables.PLACES[parents.kind].table
    return f"(SELECT * FROM {table} WHERE id = ANY({bound(parents.ids, '::bigint[]')})) a"
