"""What is asked for of entities, once it was read: conditions as trees, keys of an order, options."""

from datetime import date, datetime, time, timedelta
from typing import Literal as OneOf

import msgspec

from cityloom.sensing.contracts.model import Relation

PAGE, MOST, MOST_ROWS = 100, 1000, 50_000
"""Entities of a page: unless asked otherwise, at most, and at most as bare rows (dataArray, CSV)."""
Format = OneOf["", "dataArray", "CSV", "GeoJSON"]
COMPARISONS = ("eq", "ne", "gt", "ge", "lt", "le")


class Period(msgspec.Struct, frozen=True):
    """From `start` to `end`, both in UTC; an instant has no end."""

    start: datetime
    end: datetime | None = None


Value = str | int | float | bool | datetime | timedelta | date | time | Period | None


class Literal(msgspec.Struct, frozen=True):
    """A value as it is written."""

    value: Value
    position: int


class Geometry(msgspec.Struct, frozen=True):
    """`geography'…'`: well-known text."""

    text: str
    position: int


class Path(msgspec.Struct, frozen=True):
    """The way to a property, such as `Datastream/Thing/properties/floor`."""

    names: tuple[str, ...]
    position: int


class Call(msgspec.Struct, frozen=True):
    """A function or an operator, by its name."""

    name: str
    arguments: tuple["Node", ...]
    position: int


Node = Literal | Geometry | Path | Call


class Order(msgspec.Struct, frozen=True):
    """One key of `$orderby`."""

    by: Node
    descending: bool = False


class Query(msgspec.Struct, frozen=True):
    """What is asked for of a set of entities."""

    filter: Node | None = None
    select: tuple[str, ...] = ()
    expand: tuple["Expand", ...] = ()
    orderby: tuple[Order, ...] = ()
    top: int | None = None
    skip: int = 0
    count: bool = False
    format: Format = ""
    options: tuple[tuple[str, str], ...] = ()
    """The options as they were written, but for `$skip`, for the link to the next page."""

    @property
    def size(self) -> int:
        """How many entities a page has."""
        most = MOST_ROWS if self.format in ("dataArray", "CSV") else MOST
        return min(most, PAGE if self.top is None else self.top)


class Expand(msgspec.Struct, frozen=True):
    """A relation that is answered in place, and what is asked of it."""

    relation: Relation
    query: Query
