"""Entities made, changed and removed: each request in one transaction, all of it or nothing."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from cityloom.kernel.context import Context
from cityloom.kernel.db import Transaction
from cityloom.kernel.errors import BadRequest, NotFound, Refused
from cityloom.sensing.api import correcting, ingest
from cityloom.sensing.contracts import Kind
from cityloom.sensing.contracts.model import ENTITIES, Relation, inverse
from cityloom.sensing.events import EntityChanged
from cityloom.sensing.rules.drafts import Draft, Reading
from cityloom.sensing.store import entities, observations, tables

KEYS = {"Thing": "thing_id", "Sensor": "sensor_id"}
"""Columns that hold what an entity has one of."""
SHAREABLE = (Kind.sensors, Kind.observed_properties, Kind.features)
"""What others may link to once they see it."""
PROPERTIES = ("ObservedProperty", "ObservedProperties")


class Maker:
    """Makes what drafts say, in one transaction; Observations wait until `finish`, and are taken as one batch."""

    def __init__(self, ctx: Context, tx: Transaction, now: datetime, partition: str) -> None:
        self.ctx = ctx
        self.tx = tx
        self.now = now
        self.partition = partition
        self.keeper = ctx.principal.organisation
        self.waiting: list[tuple[int, int, Reading]] = []
        self.first = 0

    def make(self, draft: Draft, given: Mapping[str, int]) -> int:
        """Make an entity, and what is inside it; its id. `given`: by relation, what the address says it belongs to.

        Of an Observation the place among those that wait, from 0.
        """
        if draft.kind is Kind.observations:
            return self.observe(draft, given)
        links = {
            name: self.linked(draft.kind, name, found)
            for name, found in draft.links.items()
            if self.first_made(draft.kind, name)
        }
        one = {**{name: ids[0] for name, ids in links.items() if ids}, **given}
        keys = {KEYS[name]: id for name, id in one.items() if name in KEYS and draft.kind not in (Kind.locations,)}
        id = entities.insert(self.tx, draft.kind, self.keeper, {**draft.values, **keys})
        self.ctx.emit(self.tx, EntityChanged(draft.kind.value, id, "made", self.keeper))
        self.join(draft.kind, id, links, given)
        for name, found in draft.links.items():
            if name not in links:
                self.children(draft.kind, id, name, found)
        if "Thing" in keys_of(given, one) and keys.get("thing_id"):
            self.show(keys["thing_id"])
        return id

    def first_made(self, kind: Kind, name: str) -> bool:
        """Whether what a relation leads to must be there before the entity."""
        relation = _relation(kind, name)
        return (
            not relation.many
            or name in ("ObservedProperties", "Locations")
            or (kind, name) == (Kind.locations, "Things")
        )

    def linked(self, kind: Kind, name: str, found: Sequence[int | Draft]) -> list[int]:
        """Ids of what a relation leads to, made where they are drafts."""
        target = _relation(kind, name).target
        return [self.known(target, each, name) if isinstance(each, int) else self.make(each, {}) for each in found]

    def known(self, kind: Kind, id: int, relation: str) -> int:
        """An entity that is there and may be linked to. Raises BadRequest `sensing.link_unknown`, Refused."""
        found = entities.owner(self.tx, kind, id)
        if found is None or (found.keeper != self.keeper and kind not in SHAREABLE):
            raise BadRequest("sensing.link_unknown", relation=relation, id=id)
        return id

    def join(self, kind: Kind, id: int, links: Mapping[str, Sequence[int]], given: Mapping[str, int]) -> None:
        """Links that stand in tables of their own."""
        several = {**links, **{name: [one] for name, one in given.items() if name not in KEYS}}
        if kind is Kind.things and several.get("Locations"):
            self.move(id, several["Locations"])
        if kind is Kind.locations:
            things = several.get("Things") or ([given["Thing"]] if "Thing" in given else [])
            for thing in things:
                self.move(thing, [id])
        if kind is Kind.historical_locations:
            self.place(id, several.get("Locations", ()))
        if kind in tables.STREAMS:
            properties = [each for name in PROPERTIES for each in several.get(name, ())]
            entities.observe(self.tx, id, properties, self.keeper)

    def move(self, thing: int, locations: Sequence[int]) -> None:
        """A Thing is somewhere else from now on; where it was stays known."""
        entities.place(self.tx, thing, locations, self.keeper)
        entities.remember(self.tx, thing, self.now, locations, self.keeper)
        self.show(thing)

    def place(self, history: int, locations: Sequence[int]) -> None:
        """The Locations of a HistoricalLocation; if it is the latest of its Thing, the Thing is there."""
        entities.set_places(self.tx, history, locations, self.keeper)
        thing, at = entities.of_history(self.tx, history)
        if locations and at == entities.last_moved(self.tx, thing):
            entities.place(self.tx, thing, locations, self.keeper)
            self.show(thing)

    def show(self, thing: int) -> None:
        """What was added to a public Thing is public."""
        found = entities.owner(self.tx, Kind.things, thing)
        if found is not None and found.public:
            entities.publish(self.tx, thing, public=True)

    def children(self, kind: Kind, id: int, name: str, found: Sequence[int | Draft]) -> None:
        """What belongs to the entity: made with it, or taken over."""
        relation = _relation(kind, name)
        back = inverse(kind, relation)
        if back is None:
            raise BadRequest("sensing.link_inline", relation=name)
        for each in found:
            if isinstance(each, Draft):
                self.make(each, {back.name: id})
            elif back.name in KEYS and relation.target is not Kind.observations:
                self.known(relation.target, each, name)
                entities.update(self.tx, relation.target, each, {KEYS[back.name]: id})
            else:
                raise BadRequest("sensing.link_inline", relation=name)

    def observe(self, draft: Draft, given: Mapping[str, int]) -> int:
        """An Observation waits for the batch."""
        assert draft.reading is not None  # noqa: S101 - drafts of Observations have one
        one = {name: self.linked(draft.kind, name, found)[0] for name, found in draft.links.items()}
        one.update(given)
        stream = one.get("Datastream", one.get("MultiDatastream", 0))
        self.waiting.append((stream, one.get("FeatureOfInterest", 0), draft.reading))
        return len(self.waiting) - 1

    def finish(self) -> None:
        """Take the Observations. Raises the problem of the first that cannot be."""
        if not self.waiting:
            return
        taken = ingest.take(self.ctx, self.tx, ingest.columns_of(self.waiting), self.now, self.partition)
        for slot in taken.slots:
            if slot.problem is not None:
                raise slot.problem
        self.first = taken.first

    def change(self, kind: Kind, id: int, draft: Draft) -> None:
        """Change values and links of an entity. Raises NotFound, Refused, BadRequest."""
        own(self.ctx, self.tx, kind, id)
        links = {name: self.linked(kind, name, found) for name, found in draft.links.items()}
        if kind is Kind.observations:
            self.correct(id, draft, links)
            return
        if kind is Kind.multi_datastreams:
            self.fits(id, draft, links)
        keys: dict[str, object] = {KEYS[name]: ids[0] for name, ids in links.items() if name in KEYS}
        entities.update(self.tx, kind, id, {**draft.values, **keys})
        for name, ids in links.items():
            self.relink(kind, id, name, ids)
        self.ctx.emit(self.tx, EntityChanged(kind.value, id, "changed", self.keeper))
        thing = keys.get("thing_id")
        if isinstance(thing, int):
            self.show(thing)

    def fits(self, id: int, draft: Draft, links: Mapping[str, Sequence[int]]) -> None:
        """A MultiDatastream keeps the number of its results. Raises BadRequest `sensing.property_wrong`."""
        size = entities.size(self.tx, id)
        for column, name in (("unit", "unitOfMeasurements"), ("data_types", "multiObservationDataTypes")):
            value = draft.values.get(column)
            if value is not None and _length(value) != size:
                raise BadRequest("sensing.property_wrong", name=name, entity="MultiDatastream")
        if "ObservedProperties" in links and len(links["ObservedProperties"]) != size:
            raise BadRequest("sensing.property_wrong", name="ObservedProperties", entity="MultiDatastream")

    def relink(self, kind: Kind, id: int, name: str, ids: Sequence[int]) -> None:
        """Other entities for one relation."""
        if name in KEYS:
            return
        if (kind, name) == (Kind.things, "Locations"):
            self.move(id, ids)
        elif (kind, name) == (Kind.locations, "Things"):
            for thing in ids:
                self.move(thing, [id])
        elif (kind, name) == (Kind.historical_locations, "Locations"):
            self.place(id, ids)
        elif name in PROPERTIES:
            entities.observe(self.tx, id, ids, self.keeper)
        else:
            self.children(kind, id, name, ids)

    def correct(self, id: int, draft: Draft, links: Mapping[str, Sequence[int]]) -> None:
        """Change an Observation; what its Datastreams come to is worked out anew."""
        columns = {"Datastream": "datastream_id", "MultiDatastream": "datastream_id", "FeatureOfInterest": "feature_id"}
        keys: dict[str, object] = {columns[name]: ids[0] for name, ids in links.items()}
        values = {**draft.values, **keys}
        if values.get("phenomenon_start", id) is None:
            values["phenomenon_start"] = self.now
        correcting.change(self.ctx, self.tx, id, values)


def keys_of(given: Mapping[str, int], one: Mapping[str, int]) -> set[str]:
    """Relations that are set."""
    return {*given, *one}


def _length(value: object) -> int:
    found: Any = msgspec.json.decode(str(value))
    return len(found) if isinstance(found, list) else -1


def _relation(kind: Kind, name: str) -> Relation:
    found = ENTITIES[kind].relation(name)
    if found is None:
        raise BadRequest("sensing.property_unknown", name=name, entity=ENTITIES[kind].single)
    return found


def own(ctx: Context, tx: Transaction, kind: Kind, id: int) -> None:
    """That the entity is the caller's to change. Raises NotFound `sensing.entity_unknown`, Refused `sensing.not_keeper`."""
    keeper = correcting.spot(ctx, tx, id).keeper if kind is Kind.observations else _keeper(tx, kind, id)
    if keeper != ctx.principal.organisation:
        raise Refused("sensing.not_keeper", keeper=keeper)


def _keeper(tx: Transaction, kind: Kind, id: int) -> str:
    found = entities.owner(tx, kind, id)
    if found is None:
        raise NotFound("sensing.entity_unknown", kind=kind.value, id=id)
    return found.keeper


def remove(ctx: Context, tx: Transaction, kind: Kind, id: int) -> None:
    """Remove an entity and what belongs to it (OGC 18-088, table 25). Raises NotFound, Refused."""
    own(ctx, tx, kind, id)
    if kind is Kind.observations:
        correcting.remove(ctx, tx, id)
        return
    if kind is Kind.features:
        correcting.remove_of_feature(ctx, tx, id)
    if kind is Kind.locations:
        entities.remove_history_of(tx, id)
    streams = entities.streams_of(tx, kind, id)
    if streams:
        observations.remove_of_streams(tx, streams)
        entities.remove(tx, Kind.datastreams, streams)
    if kind not in tables.STREAMS:
        entities.remove(tx, kind, [id])
    ctx.emit(tx, EntityChanged(kind.value, id, "removed", ctx.principal.organisation))
