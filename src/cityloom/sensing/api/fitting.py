"""An approved device gets its Thing, place, sensor and Datastreams, as its type in the packs says."""

from datetime import datetime

import msgspec

from cityloom.kernel.context import Context
from cityloom.kernel.db import Transaction
from cityloom.kernel.errors import Invalid
from cityloom.sensing.contracts import Kind
from cityloom.sensing.contracts.model import GEOJSON
from cityloom.sensing.events import EntityChanged
from cityloom.sensing.rules import fitting, shapes
from cityloom.sensing.spec.stations import Station, Stations, stations
from cityloom.sensing.store import devices, entities
from cityloom.sensing.store import fitting as store


def known_station(found: Stations, name: str) -> Station:
    """The type of that name. Raises Invalid `sensing.station_unknown`."""
    if name not in found.types:
        raise Invalid("sensing.station_unknown", station=name[:80], known=", ".join(sorted(found.types)))
    return found.types[name]


def fit(ctx: Context, tx: Transaction, device: devices.Row, now: datetime) -> int:
    """Make what of the device's Thing and Datastreams is not there yet; the Thing's id.

    A type that has more measures than when the device was approved gives it the new ones. Raises Invalid
    `sensing.station_unknown`, `sensing.place_needed`.
    """
    found = stations(ctx.packs)
    station = known_station(found, device.station)
    if device.longitude is None and not station.moving:
        raise Invalid("sensing.place_needed", name=device.name)
    thing = device.thing_id
    if thing is None:
        thing = _thing(ctx, tx, device, station, now)
        devices.update(tx, device.id, {"thing_id": thing}, now)
    has = {(each.series, each.code, each.aspect) for each in devices.streams(tx, [device.id])}
    language = ctx.settings.language
    wanted = [
        each for each in fitting.streams(found, station, language) if (each.series, each.code, each.aspect) not in has
    ]
    if wanted:
        _streams(tx, device, station, thing, wanted, language)
    return thing


def refit(ctx: Context, tx: Transaction, id: int, now: datetime) -> None:
    """The Thing of a device as the device is now: its name, its properties, and where it stands."""
    device = devices.locked(tx, id)
    if device is None or device.thing_id is None:
        return
    station = known_station(stations(ctx.packs), device.station)
    entities.update(tx, Kind.things, device.thing_id, {"name": device.name, "properties": _properties(device, station)})
    if device.longitude is not None and device.latitude is not None and not station.moving:
        location = place(tx, device, device.longitude, device.latitude)
        settle(tx, device, device.thing_id, location, now)
    ctx.emit(tx, EntityChanged(Kind.things.value, device.thing_id, "changed", device.keeper))


def settle(tx: Transaction, device: devices.Row, thing: int, location: int, now: datetime) -> None:
    """The Thing is at that Location from now on."""
    entities.place(tx, thing, [location], device.keeper)
    entities.remember(tx, thing, now, [location], device.keeper)
    found = entities.owner(tx, Kind.things, thing)
    if found is not None and found.public:
        entities.publish(tx, thing, public=True)


def _properties(device: devices.Row, station: Station) -> str:
    """What the Thing says of the device besides its name, as JSON."""
    properties = {
        "district": device.district, "device": device.id, "station": device.station, "item": station.item,
        "groups": device.groups,
    }  # fmt: skip
    return msgspec.json.encode({name: value for name, value in properties.items() if value not in ("", [])}).decode()


def _thing(ctx: Context, tx: Transaction, device: devices.Row, station: Station, now: datetime) -> int:
    thing = entities.insert(
        tx, Kind.things, device.keeper,
        {
            "name": device.name, "description": station.title.of(ctx.settings.language),
            "properties": _properties(device, station),
        },
    )  # fmt: skip
    if device.longitude is not None and device.latitude is not None:
        location = place(tx, device, device.longitude, device.latitude)
        settle(tx, device, thing, location, now)
    ctx.emit(tx, EntityChanged(Kind.things.value, thing, "made", device.keeper))
    return thing


def place(tx: Transaction, device: devices.Row, longitude: float, latitude: float) -> int:
    """A Location at that point; its id."""
    return entities.insert(tx, Kind.locations, device.keeper, {
        "name": device.name, "description": device.address or device.name, "encoding_type": GEOJSON[0],
        **point(longitude, latitude, "location"),
    })  # fmt: skip


def point(longitude: float, latitude: float, column: str) -> dict[str, object]:
    """A point's columns: as GeoJSON, as WKB, and its box."""
    geojson = {"type": "Point", "coordinates": [longitude, latitude]}
    shape = shapes.of_geojson(geojson)
    assert shape is not None  # noqa: S101 - a point of two numbers
    box = {"west": shape.west, "south": shape.south, "east": shape.east, "north": shape.north}
    return {column: msgspec.json.encode(geojson).decode(), "shape": shape.wkb, **box}


def _streams(
    tx: Transaction, device: devices.Row, station: Station, thing: int, wanted: list[fitting.Wanted], language: str
) -> None:  # fmt: skip
    names = {each.property.definition: (each.property.name, each.property.description) for each in wanted}
    observed = store.properties(tx, device.keeper, names)
    what = " ".join(part for part in (device.maker, device.model) if part)
    title = station.title.of(language)
    sensor = store.sensor(
        tx, device.keeper, f"{device.station}: {what}", f"{title} {what}".strip(), station.description.of(language)
    )
    lines = [
        store.Line(
            each.name, each.description, each.observation_type, fitting.unit_of(each), each.properties,
            observed[each.property.definition],
        )
        for each in wanted
    ]  # fmt: skip
    made = store.datastreams(tx, device.keeper, thing, sensor, lines)
    devices.add_streams(
        tx,
        [
            devices.Stream(device.id, each.series, each.code, each.aspect, id)
            for each, id in zip(wanted, made, strict=True)
        ],
        device.keeper,
    )
