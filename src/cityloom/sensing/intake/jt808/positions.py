"""Positions of vehicles: 0x0200, 0x0201 and 0x0704 of JT/T 808, with their additional items."""

import struct
from datetime import datetime

import msgspec

from cityloom.sensing.intake import bcd
from cityloom.sensing.intake.framing import CHINA, Unreadable

BASE = 28
"""Bytes that every position has."""
MILLIONTH = 1_000_000
_BASE = struct.Struct(">IIIIHHH")

ALARMS = (
    "sos", "overspeed", "fatigue", "danger", "gnss_fault", "antenna_open", "antenna_short", "voltage_low", "power_off",
    "display_fault", "speech_fault", "camera_fault", "card_fault", "overspeed_warning", "fatigue_warning", "", "", "",
    "driving_time", "parking_time", "area", "route", "segment_time", "deviation", "speed_sensor_fault", "fuel",
    "stolen", "ignition", "displacement", "collision", "rollover", "door",
)  # fmt: skip
"""Bit by bit; 15 to 17 are other things in each edition."""
ACC, FIXED, SOUTH, WEST = 1, 2, 4, 8
"""Bits of the status: ignition on, position is fixed, latitude is south, longitude is west."""


class Item(msgspec.Struct, frozen=True):
    """An additional item: its number, and its bytes as they were sent."""

    id: int
    data: bytes


class Position(msgspec.Struct, frozen=True):
    """Where a vehicle was and how it went."""

    at: datetime
    longitude: float
    """Degrees east, as sent: which system (WGS 84 or GCJ-02) is the terminal's to say."""
    latitude: float
    altitude: int
    """Metres."""
    speed: float
    """km/h."""
    direction: int
    """Degrees from north, clockwise."""
    alarms: int
    status: int
    items: tuple[Item, ...] = ()
    deviations: tuple[str, ...] = ()

    @property
    def fixed(self) -> bool:
        """Whether the receiver knew where it was."""
        return bool(self.status & FIXED)

    def item(self, number: int) -> bytes | None:
        """The bytes of the first item of that number."""
        return next((each.data for each in self.items if each.id == number), None)


class Positions(msgspec.Struct, frozen=True):
    """0x0704: several positions at once."""

    backfill: bool
    """They come late, from where there was no network."""
    positions: list[Position]
    faults: tuple[str, ...]
    """Why single positions could not be read; the others are there."""


def alarms(bits: int) -> tuple[str, ...]:
    """Names of the alarms that are on."""
    return tuple(name for at, name in enumerate(ALARMS) if bits >> at & 1 and name)


def position(body: bytes) -> Position:
    """The body of 0x0200. The base is never lost for what follows it. Raises Unreadable `body_short`, `time`."""
    if len(body) < BASE:
        raise Unreadable("body_short")
    alarm, status, latitude, longitude, altitude, speed, direction = _BASE.unpack_from(body)
    deviations: list[str] = []
    items = _items(body, deviations)
    north = latitude / MILLIONTH * (-1 if status & SOUTH else 1)
    east = longitude / MILLIONTH * (-1 if status & WEST else 1)
    if abs(north) > 90 or abs(east) > 180:
        swapped = abs(east) <= 90 and abs(north) <= 180
        deviations.append("axes_swapped" if swapped else "position_impossible")
    if direction > 359:
        deviations.append("direction_impossible")
    height = altitude - 0x10000 if altitude & 0x8000 else altitude
    return Position(
        bcd.time(body[22:28]), east, north, height, speed / 10, direction, alarm, status, items, tuple(deviations)
    )


def _items(body: bytes, deviations: list[str]) -> tuple[Item, ...]:
    items: list[Item] = []
    at, size = BASE, len(body)
    while at < size:
        end = at + 2 + body[at + 1] if at + 1 < size else size + 1
        if end > size:  # a maker's own layout: what is left is kept whole
            deviations.append("items_broken")
            items.append(Item(-1, body[at:]))
            break
        items.append(Item(body[at], body[at + 2 : end]))
        at = end
    if len({each.id for each in items}) != len(items):
        deviations.append("item_repeated")
    return tuple(items)


def write_position(said: Position) -> bytes:
    """The body of 0x0200; signs of the axes go into the status."""
    status = said.status & ~(SOUTH | WEST) | (SOUTH if said.latitude < 0 else 0) | (WEST if said.longitude < 0 else 0)
    base = _BASE.pack(
        said.alarms, status, round(abs(said.latitude) * MILLIONTH), round(abs(said.longitude) * MILLIONTH),
        said.altitude & 0xFFFF, round(said.speed * 10), said.direction,
    )  # fmt: skip
    items = b"".join(bytes((each.id, len(each.data))) + each.data for each in said.items)
    return base + bcd.encode(bcd.stamp(said.at.astimezone(CHINA)), 6) + items


def positions(body: bytes) -> Positions:
    """The body of 0x0704. Raises Unreadable `body_short`, `count_wrong`, or why the only position cannot be read."""
    if len(body) < 3:
        raise Unreadable("body_short")
    count, at = int.from_bytes(body[:2], "big"), 3
    found: list[Position] = []
    faults: list[str] = []
    for _each in range(count):
        size = int.from_bytes(body[at : at + 2], "big")
        at += 2
        if at + size > len(body):
            faults.append("count_wrong")
            break
        try:
            found.append(position(body[at : at + size]))
        except Unreadable as error:
            faults.append(error.code)
        at += size
    if not found:
        raise Unreadable(faults[0] if faults else "count_wrong")
    return Positions(body[2] == 1, found, tuple(faults))


def write_positions(said: list[Position], backfill: bool = False) -> bytes:
    """The body of 0x0704."""
    bodies = [write_position(each) for each in said]
    return struct.pack(">HB", len(said), int(backfill)) + b"".join(
        struct.pack(">H", len(each)) + each for each in bodies
    )
