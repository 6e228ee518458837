"""Entities as the documents of SensorThings: properties, links, and what is expanded, one statement a level."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote

import msgspec
from msgspec import Raw

from cityloom.kernel.db import Transaction
from cityloom.sensing.contracts import Door, Kind
from cityloom.sensing.contracts.model import ENTITIES, Entity, Property, Relation, Type
from cityloom.sensing.contracts.queries import Expand, Query
from cityloom.sensing.rules import results, shapes, times
from cityloom.sensing.store import reading
from cityloom.sensing.store.past import Past
from cityloom.sensing.store.reading import Asked, Parents, Record

Document = dict[str, Any]
WIDTH = {Type.period: 2, Type.result: 2}
SHOWN_EMPTY = ("resultTime",)
"""Shown as null: it is mandatory, and may be null (OGC 18-088, table 20)."""


class Shower(msgspec.Struct, frozen=True):
    """Makes documents for one door, in one transaction."""

    tx: Transaction
    door: Door
    now: datetime
    past: Past

    def properties(self, entity: Entity, query: Query) -> tuple[Property, ...]:
        """Those that are shown."""
        wanted = {name.partition("/")[0] for name in query.select}
        known = (each for each in entity.properties if not (each.new and self.door.old))
        return tuple(each for each in known if not query.select or each.name in wanted)

    def asked(self, kind: Kind, query: Query, parents: Parents | None = None) -> Asked:
        """What the store shall read."""
        return Asked(kind, self.properties(ENTITIES[kind], query), query, self.now, parents, past=self.past)

    def documents(self, kind: Kind, records: Sequence[Record], query: Query) -> list[Document]:
        """The records as documents, with what is expanded."""
        entity = ENTITIES[kind]
        shown = self.properties(entity, query)
        made = [self.document(entity, record, shown, query) for record in records]
        for each in query.expand:
            self.expand(kind, records, made, each)
        return made

    def document(self, entity: Entity, record: Record, shown: Sequence[Property], query: Query) -> Document:
        """One entity with its properties and links."""
        found: Document = {}
        link = f"{self.door.root}/{entity.kind}({record.id})"
        if not query.select or "id" in query.select or "@iot.id" in query.select:
            found["@iot.id"] = record.id
        if not query.select or "@iot.selfLink" in query.select:
            found["@iot.selfLink"] = link
        put_values(found, shown, record.values, query.select)
        expanded = {each.relation.name for each in query.expand}
        for relation in entity.relations:
            if relation.name not in expanded and _linked(entity, relation, record, query):
                found[f"{relation.name}@iot.navigationLink"] = f"{link}/{relation.name}"
        return found

    def expand(self, kind: Kind, records: Sequence[Record], made: Sequence[Document], each: Expand) -> None:
        """Put into each document what its relation leads to."""
        relation, query = each.relation, each.query
        parents = Parents(kind, relation.name, records)
        asked = self.asked(relation.target, query, parents)
        by_parent: dict[int, list[Record]] = {record.id: [] for record in records}
        found = reading.page(self.tx, asked) if records else []
        for record in found:
            by_parent[record.parent].append(record)
        pages = {id: rows[: query.size] for id, rows in by_parent.items()}
        flat = [record for rows in pages.values() for record in rows]
        documents = iter(self.documents(relation.target, flat, query))
        inside = {id: [next(documents) for _ in rows] for id, rows in pages.items()}
        totals = reading.counts(self.tx, asked) if query.count and records else {}
        further = next_options(query)
        for record, document in zip(records, made, strict=True):
            if not relation.many:
                if inside[record.id]:
                    document[relation.name] = inside[record.id][0]
                continue
            if query.count:
                document[f"{relation.name}@iot.count"] = totals.get(record.id, 0)
            document[relation.name] = inside[record.id]
            if more(by_parent[record.id], query):
                place = f"{self.door.root}/{kind}({record.id})/{relation.name}"
                document[f"{relation.name}@iot.nextLink"] = place + further


def _linked(entity: Entity, relation: Relation, record: Record, query: Query) -> bool:
    if query.select and relation.name not in query.select:
        return False
    if entity.kind is Kind.observations and relation.name.endswith("Datastream"):
        return record.multi == (relation.target is Kind.multi_datastreams)
    return True


def more(rows: Sequence[Record], query: Query) -> bool:
    """Whether there is a next page behind these rows."""
    if rows and rows[0].total is not None:
        return rows[0].total > 1
    return query.size > 0 and len(rows) > query.size


def next_link(place: str, query: Query) -> str:
    """The address of the next page, with the other options as they were."""
    return place + next_options(query)


def next_options(query: Query) -> str:
    """What stands behind the place of a next page."""
    options = [*query.options, ("$skip", str(query.skip + query.size))]
    return "?" + "&".join(f"{name}={quote(value, safe='$/(),;:')}" for name, value in options)


def put_values(found: Document, shown: Sequence[Property], values: tuple[Any, ...], select: Sequence[str] = ()) -> None:
    """Write the values of a record; what is null is left out."""
    place, inner = 0, any("/" in name for name in select)
    for each in shown:
        width = 4 if each.column == "area" else WIDTH.get(each.type, 1)
        written = WRITERS[each.type](*values[place : place + width])
        place += width
        deep = [name.split("/")[1:] for name in select if name.startswith(f"{each.name}/")] if inner else []
        if deep and isinstance(written, Raw):
            written = _parts(msgspec.json.decode(written), deep)
        if written is not None or each.name in SHOWN_EMPTY:
            found[each.name] = written


def _parts(value: Any, paths: Sequence[Sequence[str]]) -> Document:
    """What lies at these paths of an object, and nothing else (`$select=properties/floor`)."""
    kept: Document = {}
    for path in paths:
        inner, target = value, kept
        for place, name in enumerate(path):
            inner = inner.get(name) if isinstance(inner, dict) else None
            if inner is None:
                break
            if place == len(path) - 1:
                target[name] = inner
            else:
                target = target.setdefault(name, {})
    return kept


def _shape(*values: Any) -> Any:
    if len(values) == 1:
        return _json(values[0])
    return None if values[0] is None else shapes.box(*values)


def _json(text: str | None) -> Raw | None:
    return None if text is None else Raw(text.encode())


WRITERS: dict[Type, Callable[..., Any]] = {
    Type.text: lambda text: text,
    Type.json: _json,
    Type.shape: _shape,
    Type.instant: lambda at: None if at is None else times.written(at),
    Type.period: lambda start, end: None if start is None else times.span(start, end),
    Type.result: results.shown,
}
