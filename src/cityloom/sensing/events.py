"""What sensing announces; never a value that was observed."""

from typing import ClassVar

from cityloom.kernel.events import Event


class EntityChanged(Event, frozen=True):
    """An entity other than an Observation was made, changed or removed."""

    topic: ClassVar[str] = "sensing.entity_changed"
    kind: str
    id: int
    change: str
    """made, changed or removed."""
    keeper: str


class ObservationsArrived(Event, frozen=True):
    """A batch was taken: the ids from `first` to `last`, all of one keeper."""

    topic: ClassVar[str] = "sensing.observations_arrived"
    first: int
    last: int
    keeper: str
    received: str
    """When, in ISO 8601; it names the day's partition."""


class EventChanged(Event, frozen=True):
    """Something was told of an event that a rule found: it opened, became worse, was seen to or closed."""

    topic: ClassVar[str] = "sensing.event_changed"
    sequence: int
    event: int
    change: str
    rule: str
    severity: str
    keeper: str
