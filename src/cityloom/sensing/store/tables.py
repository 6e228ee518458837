"""Where each kind of entity is kept, how its properties are read, and how relations lead from one to another."""

import msgspec

from cityloom.sensing.contracts import Kind
from cityloom.sensing.contracts.model import Property, Type


class Place(msgspec.Struct, frozen=True):
    """The table of a kind. `{a}` stands for its alias."""

    table: str
    source: str
    """What stands behind FROM."""
    condition: str = "true"


def _plain(table: str) -> Place:
    return Place(table, f"{table} {{a}}")


def _stream(condition: str) -> Place:
    source = "sensing.datastreams {a} LEFT JOIN sensing.latest {a}_l ON {a}_l.datastream_id = {a}.id"
    return Place("sensing.datastreams", source, condition)


PLACES: dict[Kind, Place] = {
    Kind.things: _plain("sensing.things"),
    Kind.locations: _plain("sensing.locations"),
    Kind.historical_locations: _plain("sensing.historical_locations"),
    Kind.datastreams: _stream("NOT {a}.multi"),
    Kind.multi_datastreams: _stream("{a}.multi"),
    Kind.sensors: _plain("sensing.sensors"),
    Kind.observed_properties: _plain("sensing.observed_properties"),
    Kind.observations: _plain("sensing.observations"),
    Kind.features: _plain("sensing.features"),
}
INDEXED = ("properties", "district")
"""The one property of Things that has a column, and an index, of its own: by districts a city is looked at."""
STREAMS = (Kind.datastreams, Kind.multi_datastreams)
BOX = ("west", "south", "east", "north")

_PROPERTY_OF = "(SELECT p.observed_property_id FROM sensing.datastream_properties p WHERE p.datastream_id = {a}.id)"
_STREAMS_OF = (
    "{b}.id IN (SELECT p.datastream_id FROM sensing.datastream_properties p WHERE p.observed_property_id = {a}.id)"
)
_PLACES = "sensing.historical_location_places"
LINKS: dict[tuple[Kind, str], str] = {
    (Kind.things, "Locations"): "{b}.id IN (SELECT l.location_id FROM sensing.thing_locations l WHERE l.thing_id = {a}.id)",
    (Kind.things, "HistoricalLocations"): "{b}.thing_id = {a}.id",
    (Kind.things, "Datastreams"): "{b}.thing_id = {a}.id",
    (Kind.things, "MultiDatastreams"): "{b}.thing_id = {a}.id",
    (Kind.locations, "Things"): "{b}.id IN (SELECT l.thing_id FROM sensing.thing_locations l WHERE l.location_id = {a}.id)",
    (Kind.locations, "HistoricalLocations"):
        f"{{b}}.id IN (SELECT l.historical_location_id FROM {_PLACES} l WHERE l.location_id = {{a}}.id)",
    (Kind.historical_locations, "Thing"): "{b}.id = {a}.thing_id",
    (Kind.historical_locations, "Locations"):
        f"{{b}}.id IN (SELECT l.location_id FROM {_PLACES} l WHERE l.historical_location_id = {{a}}.id)",
    (Kind.sensors, "Datastreams"): "{b}.sensor_id = {a}.id",
    (Kind.sensors, "MultiDatastreams"): "{b}.sensor_id = {a}.id",
    (Kind.observed_properties, "Datastreams"): _STREAMS_OF,
    (Kind.observed_properties, "MultiDatastreams"): _STREAMS_OF,
    (Kind.observations, "Datastream"): "{b}.id = {a}.datastream_id",
    (Kind.observations, "MultiDatastream"): "{b}.id = {a}.datastream_id",
    (Kind.observations, "FeatureOfInterest"): "{b}.id = {a}.feature_id",
    (Kind.features, "Observations"):
        "{b}.feature_id = {a}.id AND {b}.datastream_id IN"
        " (SELECT s.datastream_id FROM sensing.datastream_features s WHERE s.feature_id = {a}.id)",
}  # fmt: skip
for _kind in STREAMS:
    LINKS[_kind, "Thing"] = "{b}.id = {a}.thing_id"
    LINKS[_kind, "Sensor"] = "{b}.id = {a}.sensor_id"
    LINKS[_kind, "Observations"] = "{b}.datastream_id = {a}.id"
    LINKS[_kind, "ObservedProperty"] = f"{{b}}.id = {_PROPERTY_OF}"
    LINKS[_kind, "ObservedProperties"] = f"{{b}}.id IN {_PROPERTY_OF}"
ORDERED = "(SELECT min(p.position) FROM sensing.datastream_properties p WHERE p.datastream_id = {a}.id AND p.observed_property_id = {b}.id)"
"""The order of a MultiDatastream's ObservedProperties is that of its results."""


def source(kind: Kind, alias: str) -> str:
    """What stands behind FROM."""
    return PLACES[kind].source.format(a=alias)


def condition(kind: Kind, alias: str) -> str:
    """What makes a row of the table one of the kind."""
    return PLACES[kind].condition.format(a=alias)


def link(kind: Kind, relation: str, parent: str, child: str) -> str:
    """The condition that the child is reached from the parent."""
    return LINKS[kind, relation].format(a=parent, b=child)


def bounds(kind: Kind, name: Property, alias: str) -> tuple[str, str]:
    """First and last moment of a period; the last is NULL for an instant of an Observation."""
    if kind in STREAMS:
        which = ("first_start", "last_end") if name.column == "phenomenon" else ("first_result", "last_result")
        return f"{alias}_l.{which[0]}", f"{alias}_l.{which[1]}"
    return f"{alias}.{name.column}_start", f"{alias}.{name.column}_end"


def columns(kind: Kind, found: Property, alias: str) -> list[str]:
    """What is read of a property: JSON as text, a period as two moments, the area as its box, a result as number and JSON."""
    if found.type is Type.period:
        return list(bounds(kind, found, alias))
    if found.type is Type.shape and found.column == "area":
        return [f"{alias}_l.{side}" for side in BOX]
    if found.type is Type.result:
        return [f"{alias}.number", f"{alias}.result::text"]
    if found.type in (Type.json, Type.shape):
        return [f"{alias}.{found.column}::text"]
    return [f"{alias}.{found.column}"]
