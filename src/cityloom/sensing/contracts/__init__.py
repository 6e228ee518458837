"""What crosses the border of sensing: the kinds of entities, versions of the API, and answers as they are sent."""

from enum import StrEnum

import msgspec


class Kind(StrEnum):
    """The sets of entities (OGC 18-088, 8.2; MultiDatastreams 8.3)."""

    things = "Things"
    locations = "Locations"
    historical_locations = "HistoricalLocations"
    datastreams = "Datastreams"
    multi_datastreams = "MultiDatastreams"
    sensors = "Sensors"
    observed_properties = "ObservedProperties"
    observations = "Observations"
    features = "FeaturesOfInterest"


class Door(msgspec.Struct, frozen=True):
    """Under which version and address a request came, such as 1.1 and `https://city.example/v1.1`."""

    version: str
    root: str

    @property
    def old(self) -> bool:
        """Version 1.0 (OGC 15-078r6): no `properties` but of Things, and no settings at the root."""
        return self.version == "1.0"


class Answer(msgspec.Struct, frozen=True):
    """What is sent: a status, the body as bytes, its media type, and where something was made."""

    status: int = 200
    body: bytes = b""
    media: str = "application/json"
    location: str = ""


class Body(msgspec.Struct, frozen=True):
    """What a request carries."""

    content: bytes = b""
    media: str = "application/json"


class Clearance(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whether a Thing, with all that belongs to it, is for everybody to see."""

    public: bool
