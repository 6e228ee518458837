"""What observations come to by time: for one Datastream, and for all of a district together."""

from datetime import datetime

import msgspec


class Bucket(msgspec.Struct, frozen=True):
    """Observations whose phenomenonTime begins in `[start, end)`. Numbers that are not finite do not count as numbers."""

    start: datetime
    end: datetime
    count: int
    numbers: int
    good: float
    """Share of those of good quality: without a mark of quality, or marked `good`, `valid` or `N`."""
    sum: float | None
    mean: float | None
    min: float | None
    max: float | None
    first: float | None = None
    last: float | None = None


class Series(msgspec.Struct, frozen=True):
    """The buckets of one Datastream that have any observation, in order. Days are the city's."""

    by: str
    value: tuple[Bucket, ...]


class AreaBucket(msgspec.Struct, frozen=True):
    """What all Datastreams of one ObservedProperty and district come to in a bucket."""

    district: str
    property: str
    """Name of the ObservedProperty."""
    unit: str
    """Symbol of the unit; Datastreams with different units are told apart."""
    datastreams: int
    start: datetime
    end: datetime
    count: int
    numbers: int
    good: float
    sum: float | None
    mean: float | None
    min: float | None
    max: float | None


class Areas(msgspec.Struct, frozen=True):
    """The buckets of districts, by district, property and time."""

    by: str
    value: tuple[AreaBucket, ...]
