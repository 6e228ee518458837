"""One request of SensorThings answered: read, made, changed or removed, in one transaction.

Everything is read and encoded before the answer begins, so that a fault never comes behind a status of 200.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec

from cityloom.kernel.access import Resource
from cityloom.kernel.context import Context
from cityloom.kernel.db import Transaction
from cityloom.kernel.errors import BadRequest, NotFound
from cityloom.sensing.api import guests, ingest, making
from cityloom.sensing.api.making import Maker
from cityloom.sensing.api.showing import Document, Shower, more, next_link
from cityloom.sensing.contracts import Answer, Body, Door, Kind
from cityloom.sensing.contracts.model import ENTITIES, inverse
from cityloom.sensing.contracts.queries import Query
from cityloom.sensing.rules import conformance, drafts, formats, patches, queries
from cityloom.sensing.rules.queries import Address
from cityloom.sensing.store import reading
from cityloom.sensing.store.past import Past
from cityloom.sensing.store.reading import Asked, Parents, Record

ONE = Query(top=1)
ALONE = ("$select", "$expand", "$resultFormat")
"""The options that make sense for one entity."""
METHODS = ("GET", "POST", "PATCH", "PUT", "DELETE")


class Asking(msgspec.Struct, frozen=True):
    """A request: method, path below the root, query string and body."""

    method: str
    path: str
    query: str = ""
    body: Body = Body()


def handle(ctx: Context, door: Door, asking: Asking) -> Answer:
    """Answer a request. Raises the Problems of its parts; then nothing was changed."""
    allow(ctx, asking)
    now = ctx.clock.now()
    partition = ingest.partition(ctx, now) if asking.method in ("POST", "PATCH", "PUT") else ""
    with ctx.begin() as tx:
        return within(ctx, tx, door, asking, now, partition)


def resource(ctx: Context) -> Resource:
    """What the caller may see, as the policies see it: its own organisation's, or for nobody in particular what is public."""
    ours = ctx.principal.organisation
    return Resource("SensingEntity", "sensing", {"keeper": ours, "public": ours == ""})


def allow(ctx: Context, asking: Asking) -> None:
    """Raises Refused unless the caller may do such a thing at all; rows of others are kept from it by row-level security."""
    if asking.method == "GET":
        ctx.require("sensing.read", resource(ctx))
        return
    observes = asking.method == "POST" and asking.path.rstrip("/").rpartition("/")[2] == Kind.observations
    ctx.require("sensing.observe" if observes else "sensing.register", resource(ctx))


def within(ctx: Context, tx: Transaction, door: Door, asking: Asking, now: datetime, partition: str) -> Answer:
    """Answer a request in a transaction that is open. The caller was allowed before."""
    server = Server(ctx, tx, door, now, partition, Past(tx, ctx.lake))
    return {
        "GET": server.get, "POST": server.post, "PATCH": server.patch, "PUT": server.put, "DELETE": server.delete
    }[asking.method](asking)  # fmt: skip


class Server(msgspec.Struct, frozen=True):
    """The methods, for one request."""

    ctx: Context
    tx: Transaction
    door: Door
    now: datetime
    partition: str
    past: Past

    def get(self, asking: Asking) -> Answer:
        address = queries.address(asking.path)
        given = queries.options(asking.query)
        if not address.steps:
            return encoded(conformance.root(self.door, guests.endpoint(self.ctx)))
        query = queries.query(address.kind, given)
        if address.single:
            for name in given:
                if name not in ALONE:
                    raise BadRequest("sensing.option_wrong", option=name[:40], value="entity")
            return self.one(address, query)
        return self.several(asking, address, query)

    def found(self, address: Address, upto: int) -> Record | None:
        """The entity that the first steps lead to; None before the first. Raises NotFound `sensing.entity_unknown`."""
        record: Record | None = None
        kind: Kind | None = None
        for step in address.steps[:upto]:
            parents = None
            if record is not None and kind is not None and step.relation is not None:
                parents = Parents(kind, step.relation.name, [record])
            rows = reading.page(self.tx, Asked(step.kind, (), ONE, self.now, parents, step.id, self.past))
            if not rows:
                raise NotFound("sensing.entity_unknown", kind=step.kind.value, id=-1 if step.id is None else step.id)
            record, kind = rows[0], step.kind
        return record

    def parents(self, address: Address) -> Parents | None:
        """What the last step starts from."""
        record = self.found(address, len(address.steps) - 1)
        relation = address.steps[-1].relation
        if record is None or relation is None:
            return None
        return Parents(address.steps[-2].kind, relation.name, [record])

    def one(self, address: Address, query: Query) -> Answer:
        """One entity, or a property of it."""
        kind, id = address.kind, address.steps[-1].id
        parents = self.parents(address)
        shower = Shower(self.tx, self.door, self.now, self.past)
        wanted = Query(select=address.inner[:1]) if address.inner else query
        asked = msgspec.structs.replace(shower.asked(kind, wanted, parents), id=id)
        rows = reading.page(self.tx, msgspec.structs.replace(asked, query=ONE))
        if not rows:
            raise NotFound("sensing.entity_unknown", kind=kind.value, id=-1 if id is None else id)
        document = shower.documents(kind, rows[:1], wanted)[0]
        if address.refs:
            return encoded({"@iot.selfLink": f"{self.door.root}/{kind}({rows[0].id})"})
        if address.inner:
            return self.property(address, document)
        if query.format == "GeoJSON":
            return Answer(body=formats.geojson([document]), media=formats.GEOJSON)
        return encoded(document)

    def property(self, address: Address, document: Document) -> Answer:
        """`…/name`, `…/properties/floor`, `…/name/$value`; 204 where it is null."""
        first, *rest = address.inner
        value = document.get("@iot.id" if first in ("id", "@iot.id") else first)
        if rest:
            value = formats.inside(value, rest)
            if value is formats.MISSING:
                raise NotFound("sensing.path_unknown", path="/".join(address.inner)[:120])
        if value is None:
            return Answer(204)
        if address.value:
            return Answer(body=formats.plain(value), media=formats.TEXT)
        return encoded({address.inner[-1]: value})

    def several(self, asking: Asking, address: Address, query: Query) -> Answer:
        """A page of a set."""
        parents = self.parents(address)
        shower = Shower(self.tx, self.door, self.now, self.past)
        if query.format == "dataArray" and address.kind is Kind.observations:
            query = formats.with_components(query)
        asked = shower.asked(address.kind, query, parents)
        if address.counted:
            total = sum(reading.counts(self.tx, asked).values())
            return Answer(body=str(total).encode(), media=formats.TEXT)
        rows = reading.page(self.tx, asked)
        page, answer = rows[: query.size], Document()
        if query.count:
            answer["@iot.count"] = sum(reading.counts(self.tx, asked).values())
        if more(rows, query):
            answer["@iot.nextLink"] = next_link(f"{self.door.root}/{asking.path.strip('/')}", query)
        if address.refs:
            answer["value"] = [{"@iot.selfLink": f"{self.door.root}/{address.kind}({row.id})"} for row in page]
            return encoded(answer)
        return self.formatted(shower, address, query, page, answer)

    def formatted(
        self, shower: Shower, address: Address, query: Query, page: Sequence[Record], answer: Document
    ) -> Answer:
        """The page in the format that was asked for."""
        if query.format == "dataArray" and address.kind is Kind.observations:
            answer["value"] = formats.data_array(self.door.root, page, query)
            return encoded(answer)
        documents = shower.documents(address.kind, page, query)
        if query.format == "CSV":
            return Answer(body=formats.csv_of(documents, query), media=formats.CSV)
        if query.format == "GeoJSON":
            return Answer(body=formats.geojson(documents, answer), media=formats.GEOJSON)
        answer["value"] = documents
        return encoded(answer)

    def post(self, asking: Asking) -> Answer:
        address = self.writable(asking)
        if address.single:
            self.found(address, len(address.steps))  # what one may not see is not there, whatever was meant with it
            raise BadRequest("sensing.set_needed", path=asking.path[:120])
        parents = self.parents(address)
        given = self.given(address, parents)
        body = drafts.decode(asking.body.content)
        draft = drafts.made(address.kind, body, list(given), self.now)
        maker = Maker(self.ctx, self.tx, self.now, self.partition)
        for name, id in given.items():
            owner = ENTITIES[address.kind].relation(name)
            if owner is not None:
                maker.known(owner.target, id, name)
        made = maker.make(draft, given)
        maker.finish()
        id = maker.first + made if address.kind is Kind.observations else made
        if address.kind is not Kind.observations:
            self.ctx.record(self.tx, "sensing.made", f"{ENTITIES[address.kind].single}:{id}")
        link = f"{self.door.root}/{address.kind}({id})"
        return Answer(201, msgspec.json.encode({"@iot.id": id, "@iot.selfLink": link}), location=link)

    def given(self, address: Address, parents: Parents | None) -> dict[str, int]:
        """What the address says that a new entity belongs to, by its own relation."""
        relation = address.steps[-1].relation
        if parents is None or relation is None:
            return {}
        back = inverse(parents.kind, relation)
        if back is None:
            raise BadRequest("sensing.set_needed", path=relation.name)
        return {back.name: parents.records[0].id}

    def writable(self, asking: Asking) -> Address:
        """An address that means entities. Raises NotFound, BadRequest."""
        address = queries.address(asking.path)
        if not address.steps or address.inner or address.refs or address.counted:
            raise BadRequest("sensing.set_needed", path=asking.path[:120])
        return address

    def target(self, asking: Asking) -> tuple[Kind, int]:
        """The one entity that is changed or removed. Raises NotFound, BadRequest `sensing.entity_needed`."""
        address = self.writable(asking)
        if not address.single:
            raise BadRequest("sensing.entity_needed", path=asking.path[:120])
        record = self.found(address, len(address.steps))
        if record is None:
            raise NotFound("sensing.path_unknown", path=asking.path[:120])
        return address.kind, record.id

    def patch(self, asking: Asking) -> Answer:
        kind, id = self.target(asking)
        if asking.body.media.startswith("application/json-patch+json"):
            return self.patched(kind, id, asking.body.content)
        return self.changed(kind, id, drafts.decode(asking.body.content), whole=False)

    def put(self, asking: Asking) -> Answer:
        kind, id = self.target(asking)
        return self.changed(kind, id, drafts.decode(asking.body.content), whole=True)

    def patched(self, kind: Kind, id: int, content: bytes) -> Answer:
        """A JSON Patch (RFC 6902) on the entity as it is shown."""
        shower = Shower(self.tx, Door("1.1", self.door.root), self.now, self.past)
        rows = reading.page(self.tx, msgspec.structs.replace(shower.asked(kind, ONE), id=id))
        before = msgspec.json.decode(msgspec.json.encode(shower.documents(kind, rows[:1], ONE)[0]))
        making.own(self.ctx, self.tx, kind, id)
        after = patches.applied(before, drafts.decoded(content))
        values = {name: after.get(name) for name in {**before, **after} if before.get(name) != after.get(name)}
        return self.changed(kind, id, values, whole=False)

    def changed(self, kind: Kind, id: int, body: Mapping[str, object], *, whole: bool) -> Answer:
        """Write the changes; the entity as it is then."""
        maker = Maker(self.ctx, self.tx, self.now, self.partition)
        maker.change(kind, id, drafts.changed(kind, body, whole=whole))
        self.ctx.record(self.tx, "sensing.changed", f"{ENTITIES[kind].single}:{id}")
        shower = Shower(self.tx, self.door, self.now, Past(self.tx, self.ctx.lake))  # corrections are known anew
        rows = reading.page(self.tx, msgspec.structs.replace(shower.asked(kind, ONE), id=id))
        return encoded(shower.documents(kind, rows[:1], ONE)[0])

    def delete(self, asking: Asking) -> Answer:
        kind, id = self.target(asking)
        making.remove(self.ctx, self.tx, kind, id)
        self.ctx.record(self.tx, "sensing.removed", f"{ENTITIES[kind].single}:{id}")
        return Answer(200)


def encoded(document: object) -> Answer:
    """A document as JSON."""
    return Answer(body=msgspec.json.encode(document))
