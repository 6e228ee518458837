"""What an approved device becomes: the Datastreams of its type, as rows to be made."""

from collections.abc import Iterator

import msgspec

from cityloom.kernel.words import Text
from cityloom.sensing.spec.stations import Aspect, Measure, Series, Station, Stations

MEASURED = "http://www.opengis.net/def/observationType/OGC-OM/2.0/OM_Measurement"
ANYTHING = "http://www.opengis.net/def/observationType/OGC-OM/2.0/OM_Observation"
UCUM = "http://unitsofmeasure.org/ucum.html"
POSITION = "position"
"""Code of where a moving device was; its speed and direction are `speed` and `direction`, items of JT/T 808 `item_01` …"""


class Property(msgspec.Struct, frozen=True):
    """Something that is observed, once for all devices of a keeper."""

    definition: str
    name: str
    description: str


class Wanted(msgspec.Struct, frozen=True):
    """A Datastream, and what of the device's reports goes into it."""

    series: str
    code: str
    aspect: str
    name: str
    description: str
    observation_type: str
    unit: str
    """UCUM; empty: results are no numbers."""
    property: Property
    properties: dict[str, str]


def streams(found: Stations, station: Station, language: str) -> list[Wanted]:
    """Every Datastream that a device of the type has."""
    wanted = list(_measured(found, station, language))
    return [*wanted, *_moving(found, station, language)] if station.moving else wanted


def _measured(found: Stations, station: Station, language: str) -> Iterator[Wanted]:
    for measure in station.measures:
        for series in station.series:
            if measure.series and series.name not in measure.series:
                continue
            for aspect in series.aspects:
                yield _wanted(found, station, measure, series, aspect, language)


def _wanted(
    found: Stations, station: Station, measure: Measure, series: Series, aspect: Aspect, language: str
) -> Wanted:  # fmt: skip
    quantity = found.quantity(station, measure.code)
    title = measure.title or (quantity.title if quantity else Text(measure.code, measure.code))
    unit = measure.unit or (quantity.unit if quantity else "1")
    definition = measure.definition or f"urn:x-cityloom:{station.protocol}:{measure.code}"
    other = "zh" if language == "en" else "en"
    return Wanted(
        series.name, measure.code, aspect.code, _named(language, title, series.title, aspect.title),
        _named(other, title, series.title, aspect.title), MEASURED, unit,
        Property(definition, title.of(language), title.of(other)),
        {"code": measure.code, "series": series.name, "aspect": aspect.code, "item": station.item},
    )  # fmt: skip


def _named(language: str, *parts: Text) -> str:
    return " · ".join(text for each in parts if (text := each.of(language)))


MOVING = (
    (POSITION, Text("Position", "位置"), ""), ("speed", Text("Speed", "速度"), "km/h"),
    ("direction", Text("Direction, from north", "方向（正北起顺时针）"), "deg"),
)  # fmt: skip


def _moving(found: Stations, station: Station, language: str) -> Iterator[Wanted]:
    other = "zh" if language == "en" else "en"
    items = found.items.get(station.quantities)
    numbers = [
        (item_code(each.id), each.title, each.unit) for each in (items.items if items else ())
        if each.scale is not None and each.unit and each.unit != "1"
    ]  # fmt: skip
    for code, title, unit in (*MOVING, *numbers):
        yield Wanted(
            "", code, "", title.of(language), title.of(other), MEASURED if unit else ANYTHING, unit,
            Property(f"urn:x-cityloom:{station.protocol}:{code}", title.of(language), title.of(other)),
            {"code": code, "series": "", "aspect": "", "item": station.item},
        )  # fmt: skip


def item_code(id: int) -> str:
    """The code of an additional item of a position."""
    return f"item_{id:02X}"


def unit_of(wanted: Wanted) -> dict[str, str | None]:
    """unitOfMeasurement (OGC 18-088, 8.2.4): of no numbers all three are null."""
    if not wanted.unit:
        return {"name": None, "symbol": None, "definition": None}
    return {"name": wanted.unit, "symbol": wanted.unit, "definition": UCUM}
