"""What a client sends of an entity, read and checked before anything is written."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from cityloom.kernel.errors import BadRequest
from cityloom.sensing.contracts import Kind
from cityloom.sensing.contracts.model import COMPLEX, ENTITIES, GEOJSON, Entity, Property, Relation, Type
from cityloom.sensing.contracts.queries import Period
from cityloom.sensing.rules import results, shapes, times

DEEPEST = 6


class Reading(msgspec.Struct, frozen=True):
    """An Observation as it is kept: times, the result as a number or JSON, and the rest as JSON."""

    start: datetime
    end: datetime | None = None
    result_time: datetime | None = None
    number: float | None = None
    result: str | None = None
    quality: str | None = None
    valid: Period | None = None
    parameters: str | None = None
    size: int = -1
    """How many members the result has; -1: it is no array."""


class Draft(msgspec.Struct, frozen=True):
    """An entity to make, or the changes to one: values by column, and what it is linked to: ids or entities to make."""

    kind: Kind
    values: Mapping[str, object]
    links: Mapping[str, tuple["int | Draft", ...]]
    reading: Reading | None = None


def decode(body: bytes) -> dict[str, Any]:
    """The JSON object of a body. Raises BadRequest `sensing.body_wrong`."""
    found = decoded(body)
    if not isinstance(found, dict):
        raise BadRequest("sensing.body_wrong", reason="object")
    return found


def decoded(body: bytes) -> Any:
    """The JSON of a body. Raises BadRequest `sensing.body_wrong`."""
    try:
        return results.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError) as error:
        raise BadRequest("sensing.body_wrong", reason=str(error)[:120]) from error


def made(kind: Kind, body: Mapping[str, Any], implied: Sequence[str], now: datetime, depth: int = 0) -> Draft:
    """An entity to make; `implied` relations are given by the address.

    Raises BadRequest `sensing.property_missing`, `sensing.property_wrong`, `sensing.link_missing`, `sensing.time_wrong`.
    """
    entity = ENTITIES[kind]
    if depth > DEEPEST:
        raise BadRequest("sensing.body_wrong", reason="depth")
    links = _links(entity, body, now, depth)
    for relation in entity.relations:
        if relation.required and relation.name not in links and relation.name not in implied:
            raise BadRequest("sensing.link_missing", relation=relation.name, entity=entity.single)
    if kind is Kind.observations:
        if not {"Datastream", "MultiDatastream"} & {*links, *implied}:
            raise BadRequest("sensing.link_missing", relation="Datastream", entity=entity.single)
        return Draft(kind, {}, links, reading(body, now))
    values: dict[str, object] = {}
    for each in entity.properties:
        if not each.given:
            continue
        if body.get(each.name) is None:
            if each.required:
                raise BadRequest("sensing.property_missing", name=each.name, entity=entity.single)
            continue
        values |= _value(entity, each, body[each.name], body)
    return Draft(kind, _completed(kind, values, body, links), links)


def changed(kind: Kind, body: Mapping[str, Any], *, whole: bool) -> Draft:
    """Changes to an entity (PATCH), or all of it anew (`whole`: PUT). Links are to what is there: nothing is made.

    Raises BadRequest `sensing.property_wrong`, `sensing.property_missing`, `sensing.link_inline`.
    """
    entity, values = ENTITIES[kind], dict[str, object]()
    for each in entity.properties:
        if not each.given or (each.name not in body and not whole):
            continue
        value = body.get(each.name)
        if value is None and each.required:
            raise BadRequest("sensing.property_missing", name=each.name, entity=entity.single)
        if value is not None:
            values |= _value(entity, each, value, body)
        elif not (kind is Kind.multi_datastreams and each.name == "observationType"):
            values |= _emptied(each)
    links = _links(entity, body, None, 0)
    return Draft(kind, values, {name: found for name, found in links.items() if found})


def _emptied(each: Property) -> dict[str, object]:
    if each.type is Type.period:
        return {f"{each.column}_start": None, f"{each.column}_end": None}
    return {each.column: None}


def _completed(
    kind: Kind, values: dict[str, object], body: Mapping[str, Any], links: Mapping[str, Any]
) -> dict[str, object]:
    if kind is Kind.datastreams:
        return {**values, "multi": False}
    if kind is not Kind.multi_datastreams:
        return values
    units, types = body.get("unitOfMeasurements"), body.get("multiObservationDataTypes")
    wanted = len(links["ObservedProperties"]) if "ObservedProperties" in links else None
    for name, value in (("unitOfMeasurements", units), ("multiObservationDataTypes", types)):
        if not isinstance(value, list) or wanted not in (None, len(value)):
            raise BadRequest("sensing.property_wrong", name=name, entity="MultiDatastream")
    return {"observation_type": COMPLEX, **values, "multi": True}


def _links(
    entity: Entity, body: Mapping[str, Any], now: datetime | None, depth: int
) -> dict[str, tuple[int | Draft, ...]]:
    found: dict[str, tuple[int | Draft, ...]] = {}
    for relation in entity.relations:
        given = body.get(relation.name)
        if given is None:
            continue
        if relation.many != isinstance(given, list):
            raise BadRequest("sensing.property_wrong", name=relation.name, entity=entity.single)
        items = given if isinstance(given, list) else [given]
        found[relation.name] = tuple(_linked(entity, relation, item, now, depth) for item in items)
    return found


def _linked(entity: Entity, relation: Relation, item: Any, now: datetime | None, depth: int) -> "int | Draft":
    if not isinstance(item, dict):
        raise BadRequest("sensing.property_wrong", name=relation.name, entity=entity.single)
    id = item.get("@iot.id")
    if id is not None:
        if not isinstance(id, int) or isinstance(id, bool) or not 0 < id < 2**63:
            raise BadRequest("sensing.link_unknown", relation=relation.name, id=str(id)[:40])
        return id
    if now is None:
        raise BadRequest("sensing.link_inline", relation=relation.name)
    target = ENTITIES[relation.target]
    back = [each.name for each in target.relations if each.target is entity.kind]
    return made(relation.target, item, back, now, depth + 1)


def _value(entity: Entity, each: Property, value: Any, body: Mapping[str, Any]) -> dict[str, object]:
    """The columns of a property. Raises BadRequest `sensing.property_wrong`, `sensing.time_wrong`."""
    wrong = BadRequest("sensing.property_wrong", name=each.name, entity=entity.single)
    if each.type is Type.text:
        if not isinstance(value, str) or "\x00" in value:
            raise wrong
        return {each.column: value}
    if each.type is Type.instant:
        return {each.column: times.instant(value)}
    if each.type is Type.period:
        found = times.period(value)
        return {f"{each.column}_start": found.start, f"{each.column}_end": found.end}
    if each.type is Type.result:
        kept = results.kept(value)
        return {"number": kept.number, "result": kept.json}
    if each.name in ("properties", "unitOfMeasurement", "parameters") and not isinstance(value, dict):
        raise wrong
    if each.type is Type.shape:
        return _shape(entity, each, value, body)
    return {each.column: results.text(value)}


def _shape(entity: Entity, each: Property, value: Any, body: Mapping[str, Any]) -> dict[str, object]:
    shape = shapes.of_geojson(value)
    if shape is None and body.get("encodingType", GEOJSON[0]) in GEOJSON:
        raise BadRequest("sensing.property_wrong", name=each.name, entity=entity.single)
    sides = (None,) * 4 if shape is None else (shape.west, shape.south, shape.east, shape.north)
    box = dict(zip(("west", "south", "east", "north"), sides, strict=True))
    return {each.column: results.text(value), "shape": shape.wkb if shape else None, **box}


def reading(body: Mapping[str, Any], now: datetime) -> Reading:
    """An Observation. Raises BadRequest `sensing.property_missing`, `sensing.property_wrong`, `sensing.time_wrong`."""
    if "result" not in body:
        raise BadRequest("sensing.property_missing", name="result", entity="Observation")
    given = body.get("phenomenonTime")
    when = Period(now) if given is None else times.period(given)
    result_time, valid, value = body.get("resultTime"), body.get("validTime"), body["result"]
    kept = results.kept(value)
    quality, parameters = body.get("resultQuality"), body.get("parameters")
    if parameters is not None and not isinstance(parameters, dict):
        raise BadRequest("sensing.property_wrong", name="parameters", entity="Observation")
    return Reading(
        start=when.start,
        end=when.end,
        result_time=None if result_time is None else times.instant(result_time),
        number=kept.number,
        result=kept.json,
        quality=None if quality is None else results.text(quality),
        valid=None if valid is None else times.period(valid),
        parameters=None if parameters is None else results.text(parameters),
        size=len(value) if isinstance(value, list) else -1,
    )
