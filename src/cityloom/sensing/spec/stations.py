"""Types of stations (`sensing/devices/*.yaml`) and the tables of quantities that they refer to (`sensing/quantities`).

A new kind of sensor is such a file and no code: what a device of the type says, by which protocol, becomes which Datastreams.
"""

from functools import lru_cache
from typing import Annotated

import msgspec
from msgspec import Meta

from cityloom.kernel.errors import Invalid
from cityloom.kernel.packs import Packs
from cityloom.kernel.words import Text
from cityloom.sensing.contracts.devices import Protocol
from cityloom.sensing.spec.catalogue import items
from cityloom.sensing.spec.quantities import PositionItems, Quantities, Quantity

Positive = Annotated[float, Meta(gt=0)]
Share = Annotated[float, Meta(gt=0, le=1)]


class Aspect(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What was made of a quantity, such as the mean (HJ 212: Avg); of others the code is empty."""

    title: Text
    code: str = ""


class Series(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Values that come by the same kind of report: at once, by the minute, by the hour."""

    name: str
    title: Text
    kinds: tuple[str, ...] = ()
    """CN of HJ 212, function of SL 651 (hexadecimal); none: every kind."""
    aspects: tuple[Aspect, ...] = (Aspect(Text("", "")),)


class Measure(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A quantity that the station measures. What is not said is the table's."""

    code: str
    title: Text | None = None
    unit: str = ""
    factor: float = 1.0
    """What was sent, times this, is in `unit`."""
    range: tuple[float, float] | None = None
    series: tuple[str, ...] = ()
    """Of which series; none: of all."""
    typical: tuple[float, float] | None = None
    """Middle and width of what simulated devices say; none: they say nothing of it."""
    definition: str = ""
    """The address that defines the ObservedProperty."""


class Stuck(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The same value again and again: of so many readings in so many hours all are equal."""

    hours: Positive
    least: Annotated[int, Meta(ge=3)] = 10
    unless: tuple[float, ...] = ()
    """Values at which a thing may well stand, such as no rain."""
    measures: tuple[str, ...] = ()
    """Only these; none: all."""


class Drift(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The median of the last hours is away from the median of the days before by more than `by`."""

    hours: Positive
    days: Positive
    by: dict[str, Positive]
    """By measure, in its unit."""
    least: Annotated[int, Meta(ge=3)] = 10
    """Readings that either side needs."""


class Implausible(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """So great a share of the readings of the last hours lies outside of what can be true."""

    hours: Positive
    share: Share
    least: Annotated[int, Meta(ge=1)] = 3


class Health(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """By what one sees how a station of the type is."""

    silent_after: Annotated[int, Meta(ge=10)]
    """Seconds without a frame."""
    stuck: Stuck | None = None
    drifting: Drift | None = None
    implausible: Implausible | None = None


class Station(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A type of stations."""

    protocol: Protocol
    title: Text
    description: Text
    item: str
    """What it is in the sensing catalogue (`sensing/catalogue`)."""
    health: Health
    quantities: str = ""
    """The table of its codes (`sensing/quantities`)."""
    series: tuple[Series, ...] = (Series("", Text("", "")),)
    measures: tuple[Measure, ...] = ()
    system: Annotated[str, Meta(pattern=r"^\d{0,2}$")] = ""
    """ST of HJ 212, which simulated devices send."""
    moving: bool = False
    """A vehicle: where it was is a Datastream of points, and its Location goes with it."""


class Stations(msgspec.Struct, frozen=True):
    """All types of the packs that are on, and their tables."""

    types: dict[str, Station]
    tables: dict[str, Quantities]
    items: dict[str, PositionItems]
    """Additional items of positions (JT/T 808), by the name of their table."""

    def quantity(self, station: Station, code: str) -> Quantity | None:
        """What the type's table says of a code."""
        table = self.tables.get(station.quantities)
        return table.by_code().get(code) if table else None


@lru_cache(maxsize=4)
def stations(packs: Packs) -> Stations:
    """As the packs say, read once: a running city has the packs that it was started with. Raises as `read` does."""
    return read(packs)


def read(packs: Packs) -> Stations:
    """As the packs say now. Raises Invalid `kernel.pack_wrong` naming the type and what it refers to in vain."""
    found = Stations(
        packs.read("sensing/devices", Station),
        packs.read("sensing/quantities", Quantities),
        packs.read("sensing/items", PositionItems),
    )
    known = items(packs)
    for name, each in found.types.items():
        reason = _wrong(found, each) or ("" if each.item in known else f"no item {each.item} in sensing/catalogue")
        if reason:
            raise Invalid("kernel.pack_wrong", file=f"sensing/devices/{name}.yaml", reason=reason)
    return found


def _wrong(found: Stations, station: Station) -> str:
    """What the type refers to in vain."""
    if station.quantities and station.quantities not in {*found.tables, *found.items}:
        return f"no table {station.quantities} in sensing/quantities or sensing/items"
    names = [each.name for each in station.series]
    if len(set(names)) != len(names):
        return "two series of one name"
    for each in station.measures:
        if (each.title is None or not each.unit) and found.quantity(station, each.code) is None:
            return f"no quantity {each.code} in the table, so it needs a title and a unit"
        if unknown := set(each.series) - set(names):
            return f"no series {sorted(unknown)[0]}"
    codes = {each.code for each in station.measures}
    drifting = station.health.drifting.by if station.health.drifting else {}
    watched = {*drifting, *(station.health.stuck.measures if station.health.stuck else ())}
    return f"no measure {sorted(watched - codes)[0]}" if watched - codes else ""
