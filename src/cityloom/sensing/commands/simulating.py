"""`cityloom sensing simulate`: devices of a pack that are not there, at the real port, by the real protocol."""

import asyncio
import math
import os
from collections.abc import Sequence
from typing import Annotated, Any, Final

import msgspec
import typer

from cityloom import client
from cityloom.kernel import packs, processes
from cityloom.kernel.clock import SystemClock
from cityloom.kernel.errors import Invalid, NotFound
from cityloom.kernel.settings import load
from cityloom.sensing import spec
from cityloom.sensing.contracts.devices import Protocol
from cityloom.sensing.gateways import serve
from cityloom.sensing.gateways.simulator import Tally, Wish
from cityloom.sensing.gateways.simulator import simulate as play
from cityloom.sensing.intake.actors import Simulated, Typical, numbers
from cityloom.sensing.intake.framing import Speech
from cityloom.sensing.spec.stations import Station, Stations, stations
from cityloom.terminal import HERE, Token, Url, opened, show, talk

ROOT: Final = "/api/sensing/devices"
APART: Final = 100_000
"""Numbers of two types lie so far apart."""
FOR_EVER: Final = 10 * 365 * 86_400.0


class Cast(msgspec.Struct, frozen=True):
    """The devices of one type."""

    name: str
    station: Station
    devices: list[Simulated]


def simulate(
    pack: Annotated[str, typer.Argument(help="The pack whose types of stations are played, such as environment.")],
    devices: Annotated[int, typer.Option(help="How many devices, shared out among the types.", min=1, max=50_000)] = 10,
    rate: Annotated[float, typer.Option(help="Messages a second of all devices together.", min=0.001)] = 1.0,
    seconds: Annotated[float, typer.Option(help="For how long; 0: until stopped.", min=0)] = 60.0,
    station: Annotated[str, typer.Option(help="Only this type.")] = "",
    near: Annotated[str, typer.Option(help="Middle of where they stand: longitude,latitude.")] = "114.0,22.6",
    district: Annotated[str, typer.Option(help="The district that is written down for them.")] = "",
    host: Annotated[str, typer.Option(help="Where the gateways are.")] = "127.0.0.1",
    spikes: Annotated[float, typer.Option(help="Share of values that leap.", min=0, max=1)] = 0.0,
    url: Url = HERE,
    token: Token = "",
) -> None:
    """Register and approve devices of a pack through the public door, then speak as they do. Exit code 1: some were lost.

    The token is of the organisation that keeps them, with sensing.register, sensing.approve and sensing.read.
    """
    if processes.PARENT in os.environ:  # of a demo, which ends with it
        processes.die_with_parent()
    settings = load()
    chosen = packs.choose(packs.folders(settings), settings.city, (pack,))
    casts = _casts(stations(chosen), _types(chosen, pack, station), devices, _middle(near))
    gates = {each.protocol: each.port for each in spec.doors(chosen).gateways} | serve.ports(settings)
    with opened(url, token, patience=120) as city:
        for cast in casts:
            _enrol(city, cast, district)
    talk.print(f"{sum(len(each.devices) for each in casts)} devices of {len(casts)} types speak", highlight=False)
    wishes = [
        (Wish(Speech(cast.station.protocol.value), host, gates.get(cast.station.protocol, 0),
              rate * len(cast.devices) / devices, seconds or FOR_EVER, spikes=spikes), cast.devices)
        for cast in casts
    ]  # fmt: skip
    tallies = asyncio.run(_play(wishes))
    show({cast.name: _told(tally) for cast, tally in zip(casts, tallies, strict=True)})
    if any(tally.lost or tally.refused or not tally.devices for tally in tallies):
        raise typer.Exit(1)


def _types(chosen: packs.Packs, pack: str, station: str) -> list[str]:
    """Types of that pack that can be played. Raises NotFound `sensing.nothing_to_play`."""
    names = [path.stem for path in chosen.named(pack).files("sensing/devices") if station in ("", path.stem)]
    known = stations(chosen).types
    found = [name for name in names if known[name].protocol.value in set(Speech)]
    if not found:
        raise NotFound("sensing.nothing_to_play", pack=pack)
    return found


def _middle(near: str) -> tuple[float, float]:
    """Raises Invalid `sensing.near_wrong`."""
    try:
        longitude, latitude = (float(each) for each in near.split(","))
    except ValueError as error:
        raise Invalid("sensing.near_wrong", near=near[:60]) from error
    return longitude, latitude


def _casts(found: Stations, names: Sequence[str], devices: int, middle: tuple[float, float]) -> list[Cast]:
    """Devices of each type; where there are fewer devices than types, of the first types only."""
    casts = []
    for at, name in enumerate(names[:devices]):
        count = devices // len(names[:devices]) + (at < devices % len(names[:devices]))
        station = found.types[name]
        plain = numbers(Speech(station.protocol.value), count, 1 + at * APART)
        casts.append(
            Cast(name, station, [_device(found, station, each, middle, turn) for turn, each in enumerate(plain)])
        )
    return casts


def _device(found: Stations, station: Station, plain: Simulated, middle: tuple[float, float], turn: int) -> Simulated:
    """With what its type measures, on a spiral around the middle, some hundred metres from the next."""
    angle, distance = turn * 2.399963, 0.004 * math.sqrt(turn + 0.5)
    series = station.series[0]
    return msgspec.structs.replace(
        plain, longitude=middle[0] + distance * math.cos(angle), latitude=middle[1] + distance * math.sin(angle),
        typical=tuple(_typical(found, station)), system=station.system or "32", aspect=series.aspects[0].code or "Rtd",
    )  # fmt: skip


def _typical(found: Stations, station: Station) -> list[Typical]:
    """What a device of the type says."""
    first = station.series[0].name
    said = []
    for each in station.measures:
        if each.typical is None or (each.series and first not in each.series):
            continue
        quantity = found.quantity(station, each.code)
        limits = each.range or (quantity.range if quantity else None) or (-math.inf, math.inf)
        said.append(Typical(each.code, *each.typical, *limits))
    return said


def _enrol(city: client.Exchange, cast: Cast, district: str) -> None:
    """Register and approve those that the city does not know yet."""
    for at, device in enumerate(cast.devices, 1):
        protocol = cast.station.protocol
        if _known(city, protocol, device.number):
            continue
        secret = {} if protocol is Protocol.jt808 else {"secret": device.secret}
        place = {} if cast.station.moving else {"longitude": device.longitude, "latitude": device.latitude}
        body = {
            "name": f"{cast.station.title.of(load().language)} {at:03d}", "station": cast.name, "maker": "CityLoom",
            "model": "simulated", "district": district, "groups": ["simulated"], **place,
            "numbers": [{"protocol": protocol.value, "number": device.number, **secret}],
        }  # fmt: skip
        made: Any = client.checked(city.http.post(ROOT, json=body))
        id = made["device"]["id"]
        client.checked(city.http.post(f"{ROOT}/{id}/moves", json={"move": "approve", "reason": "simulated"}))


def _known(city: client.Exchange, protocol: Protocol, number: str) -> bool:
    """Whether a device of ours has that number and may speak."""
    items = city.get(ROOT, protocol=protocol.value, number=number)["items"]
    return any(each["state"] in ("approved", "in_service") for each in items)


async def _play(wishes: Sequence[tuple[Wish, list[Simulated]]]) -> list[Tally]:
    return await asyncio.gather(*(play(wish, devices, SystemClock()) for wish, devices in wishes))


def _told(tally: Tally) -> dict[str, float]:
    """For people: how much was said, and how long answers took in the middle and at the end."""
    ordered = sorted(tally.latencies) or [0.0]
    named = {
        name: getattr(tally, name) for name in ("devices", "refused", "sent", "acknowledged", "again", "lost", "broken")
    }
    return {
        **named, "seconds": round(tally.seconds, 1), "p50_ms": round(ordered[len(ordered) // 2] * 1000, 1),
        "p95_ms": round(ordered[min(len(ordered) - 1, int(len(ordered) * 0.95))] * 1000, 1),
    }  # fmt: skip
