"""The entities of SensorThings: their properties and relations, as the standard names them (OGC 18-088, 8.2 and 8.3)."""

from enum import StrEnum

import msgspec

from cityloom.sensing.contracts import Kind


class Type(StrEnum):
    """How the value of a property is compared, kept and written."""

    number = "number"
    text = "text"
    json = "json"
    flag = "flag"
    instant = "instant"
    period = "period"
    shape = "shape"
    result = "result"


class Property(msgspec.Struct, frozen=True):
    """One property. `column` is where it is kept; a period has two, `<column>_start` and `<column>_end`."""

    name: str
    column: str
    type: Type
    required: bool = False
    given: bool = True
    """False: the server keeps it, and what a client says of it is passed over."""
    new: bool = False
    """Came with version 1.1."""


class Relation(msgspec.Struct, frozen=True):
    """A way from one entity to others."""

    name: str
    target: Kind
    many: bool
    required: bool = False
    """Whether an entity cannot be made without it."""


class Entity(msgspec.Struct, frozen=True):
    """One kind of entity."""

    kind: Kind
    single: str
    properties: tuple[Property, ...]
    relations: tuple[Relation, ...]

    def property(self, name: str) -> Property | None:
        """The property of that name."""
        return next((each for each in self.properties if each.name == name), None)

    def relation(self, name: str) -> Relation | None:
        """The relation of that name."""
        return next((each for each in self.relations if each.name == name), None)


NAMED = (
    Property("name", "name", Type.text, required=True),
    Property("description", "description", Type.text, required=True),
)
LATE = Property("properties", "properties", Type.json, new=True)
THINGS, LOCATIONS = Relation("Things", Kind.things, many=True), Relation("Locations", Kind.locations, many=True)
HISTORY = Relation("HistoricalLocations", Kind.historical_locations, many=True)
DATASTREAMS = Relation("Datastreams", Kind.datastreams, many=True)
MULTI = Relation("MultiDatastreams", Kind.multi_datastreams, many=True)
OBSERVATIONS = Relation("Observations", Kind.observations, many=True)
OF_STREAM = (
    Property("phenomenonTime", "phenomenon", Type.period, given=False),
    Property("resultTime", "results", Type.period, given=False),
)
AREA = Property("observedArea", "area", Type.shape, given=False)
UNIT = Property("unitOfMeasurement", "unit", Type.json, required=True)
ENCODING = Property("encodingType", "encoding_type", Type.text, required=True)
KIND_OF = Property("observationType", "observation_type", Type.text, required=True)

ENTITIES: dict[Kind, Entity] = {
    each.kind: each
    for each in (
        Entity(
            Kind.things, "Thing", (*NAMED, Property("properties", "properties", Type.json)),
            (LOCATIONS, HISTORY, DATASTREAMS, MULTI),
        ),
        Entity(
            Kind.locations, "Location",
            (*NAMED, LATE, ENCODING, Property("location", "location", Type.shape, required=True)), (THINGS, HISTORY),
        ),
        Entity(
            Kind.historical_locations, "HistoricalLocation", (Property("time", "time", Type.instant, required=True),),
            (Relation("Thing", Kind.things, many=False, required=True), LOCATIONS),
        ),
        Entity(
            Kind.datastreams, "Datastream", (*NAMED, LATE, KIND_OF, UNIT, AREA, *OF_STREAM),
            (
                Relation("Thing", Kind.things, many=False, required=True),
                Relation("Sensor", Kind.sensors, many=False, required=True),
                Relation("ObservedProperty", Kind.observed_properties, many=False, required=True),
                OBSERVATIONS,
            ),
        ),
        Entity(
            Kind.multi_datastreams, "MultiDatastream",
            (
                *NAMED, LATE,
                Property("observationType", "observation_type", Type.text),
                Property("multiObservationDataTypes", "data_types", Type.json, required=True),
                Property("unitOfMeasurements", "unit", Type.json, required=True),
                AREA, *OF_STREAM,
            ),
            (
                Relation("Thing", Kind.things, many=False, required=True),
                Relation("Sensor", Kind.sensors, many=False, required=True),
                Relation("ObservedProperties", Kind.observed_properties, many=True, required=True),
                OBSERVATIONS,
            ),
        ),
        Entity(
            Kind.sensors, "Sensor", (*NAMED, LATE, ENCODING, Property("metadata", "metadata", Type.json, required=True)),
            (DATASTREAMS, MULTI),
        ),
        Entity(
            Kind.observed_properties, "ObservedProperty",
            (*NAMED, LATE, Property("definition", "definition", Type.text, required=True)), (DATASTREAMS, MULTI),
        ),
        Entity(
            Kind.observations, "Observation",
            (
                Property("phenomenonTime", "phenomenon", Type.period),
                Property("resultTime", "result_time", Type.instant),
                Property("result", "result", Type.result, required=True),
                Property("resultQuality", "quality", Type.json),
                Property("validTime", "valid", Type.period),
                Property("parameters", "parameters", Type.json),
            ),
            (
                Relation("Datastream", Kind.datastreams, many=False),
                Relation("MultiDatastream", Kind.multi_datastreams, many=False),
                Relation("FeatureOfInterest", Kind.features, many=False),
            ),
        ),
        Entity(
            Kind.features, "FeatureOfInterest",
            (*NAMED, LATE, ENCODING, Property("feature", "feature", Type.shape, required=True)), (OBSERVATIONS,),
        ),
    )
}  # fmt: skip
SINGLE = {each.single: each.kind for each in ENTITIES.values()}
COMPLEX = "http://www.opengis.net/def/observationType/OGC-OM/2.0/OM_ComplexObservation"
GEOJSON = ("application/geo+json", "application/vnd.geo+json")
"""Of 1.1 and of 1.0; either is taken under either."""


def inverse(kind: Kind, relation: Relation) -> Relation | None:
    """The way back from the relation's target."""
    single = ENTITIES[kind].single
    target = ENTITIES[relation.target]
    return target.relation(single) or target.relation(kind.value)
