"""Devices as they cross the border of sensing: who keeps them, what they are, how they speak, how their life goes."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from cityloom.kernel import words

Name = Annotated[str, Meta(min_length=1, max_length=200)]
Short = Annotated[str, Meta(max_length=200)]
Text = Annotated[str, Meta(max_length=2000)]


class Protocol(StrEnum):
    """How a device speaks; its number is a MN, a telephone number, a station address or the id of an MQTT client."""

    hj212 = "hj212"
    jt808 = "jt808"
    sl651 = "sl651"
    mqtt = "mqtt"
    http = "http"


class State(StrEnum):
    """Where a device stands in its life."""

    registered = "registered"
    """It waits for somebody to approve it."""
    approved = "approved"
    """It may speak, and has not yet."""
    in_service = "in_service"
    suspended = "suspended"
    retired = "retired"
    refused = "refused"


class Move(StrEnum):
    """What people do with it."""

    approve = "approve"
    refuse = "refuse"
    suspend = "suspend"
    resume = "resume"
    retire = "retire"


class Health(StrEnum):
    """How a device is, by the rules of the packs; the worst that holds, in this order from bad to good."""

    silent = "silent"
    stuck = "stuck"
    implausible = "implausible"
    drifting = "drifting"
    online = "online"
    unheard = "unheard"
    """It has never spoken."""


class Traits(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """How a device speaks."""

    wrong_crc: bool = False
    """HJ 212: a wrong checksum is forgiven."""
    answers: bool = True
    """False for a station of mode M1, which hears nothing (SL 651)."""
    stay: bool = False
    """Whether a station is asked to stay on line after it has reported (SL 651: ESC)."""
    minutes: Annotated[int, Meta(ge=0, le=60)] = 0
    """Length of its interval for minute data (HJ 212, CN 2051); 0: not known."""
    terminal: Annotated[str, Meta(max_length=60)] = ""
    """JT/T 808: the id that the terminal gave when it registered."""
    plate: Annotated[str, Meta(max_length=60)] = ""
    """JT/T 808: the vehicle."""


class NumberWish(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A number, and the secret that is set in the device already; without one, one is made where the protocol has any."""

    protocol: Protocol
    number: Annotated[str, Meta(min_length=1, max_length=64)]
    secret: Annotated[str, Meta(max_length=200)] = ""


class Described(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What people write down of a device."""

    maker: Short = ""
    model: Short = ""
    serial: Short = ""
    firmware: Short = ""
    version: Short = ""
    address: Short = ""
    district: Short = ""
    """As the city's districts are called in the `properties/district` of Things."""
    longitude: Annotated[float, Meta(ge=-180, le=180)] | None = None
    """Degrees, WGS 84 (CGCS2000 is the same here)."""
    latitude: Annotated[float, Meta(ge=-90, le=90)] | None = None
    groups: Annotated[tuple[Annotated[str, Meta(min_length=1, max_length=60)], ...], Meta(max_length=32)] = ()
    traits: Traits = Traits()


class DeviceWish(Described, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A device to be registered."""

    name: Name
    station: Name
    """Its type: the name of a file `sensing/devices/*.yaml` of the packs."""
    numbers: Annotated[tuple[NumberWish, ...], Meta(min_length=1, max_length=8)]


class DeviceChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is to be written down anew; what is not named stays."""

    name: Name | None = None
    maker: Short | None = None
    model: Short | None = None
    serial: Short | None = None
    firmware: Short | None = None
    version: Short | None = None
    address: Short | None = None
    district: Short | None = None
    longitude: Annotated[float, Meta(ge=-180, le=180)] | None = None
    latitude: Annotated[float, Meta(ge=-90, le=90)] | None = None
    groups: tuple[str, ...] | None = None
    traits: Traits | None = None


class MoveWish(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is to become of it, and why; refusing, suspending and retiring need a reason."""

    move: Move
    reason: Text = ""


class SecretWish(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Another secret for a number: the one that was set in the device, or, if empty, one that is made."""

    protocol: Protocol
    number: str
    secret: Annotated[str, Meta(max_length=200)] = ""


class NoteWish(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A line of the maintenance log."""

    note: Annotated[str, Meta(min_length=1, max_length=2000)]


class Issued(msgspec.Struct, frozen=True):
    """A secret, shown this once."""

    protocol: Protocol
    number: str
    secret: str


class Number(msgspec.Struct, frozen=True):
    """A number of a device, and whether a secret is in force."""

    protocol: str
    number: str
    secret: bool
    issued: datetime | None


class Signs(msgspec.Struct, frozen=True):
    """Signs of life."""

    health: str = Health.unheard.value
    health_since: datetime | None = None
    causes: tuple[str, ...] = ()
    first_seen: datetime | None = None
    last_seen: datetime | None = None
    frames: int = 0
    readings: int = 0
    repeated: int = 0
    undeclared: int = 0


class Device(msgspec.Struct, frozen=True):
    """A device as it is listed."""

    id: int
    keeper: str
    name: str
    station: str
    thing: int | None
    """The Thing that it is since it was approved."""
    state: str
    reason: str
    since: datetime
    decided_by: str
    maker: str
    model: str
    serial: str
    firmware: str
    version: str
    address: str
    district: str
    longitude: float | None
    latitude: float | None
    groups: tuple[str, ...]
    traits: Traits
    made: datetime
    numbers: tuple[Number, ...]
    signs: Signs


class Line(msgspec.Struct, frozen=True):
    """A line of a device's log."""

    at: datetime
    actor: str
    act: str
    note: str


class Made(msgspec.Struct, frozen=True):
    """A device that was registered, with the secrets that were made for it."""

    device: Device
    issued: tuple[Issued, ...]


class DevicePage(msgspec.Struct, frozen=True):
    """Devices by id, and from where the next page goes on (0: there are no more)."""

    items: tuple[Device, ...]
    next: int


class DeviceFilter(msgspec.Struct, frozen=True):
    """Which devices; empty: any."""

    state: str = ""
    station: str = ""
    district: str = ""
    group: str = ""
    protocol: str = ""
    number: str = ""
    health: str = ""


class Known(msgspec.Struct, frozen=True):
    """What a door needs of a device that says who it is."""

    id: int
    keeper: str
    state: str
    digest: str | None
    traits: Traits
    turns: int = 0


class Denial(StrEnum):
    """Why a device is not let in."""

    unknown = "device_unknown"
    secret = "secret_wrong"  # noqa: S105 - a reason
    closed = "device_closed"


class CellFault(msgspec.Struct, frozen=True):
    """What is wrong with a file of devices, and where: the row as the spreadsheet shows it, and the column's heading."""

    row: int
    column: str
    code: str
    detail: str


class DeviceImport(msgspec.Struct, frozen=True):
    """What came, or on trial would come, of a file: all of it or, with a fault, nothing."""

    rows: int
    kept: bool
    faults: tuple[CellFault, ...]
    more_faults: int
    """Faults beyond those listed."""
    issued: tuple[Issued, ...]


class Stray(msgspec.Struct, frozen=True):
    """Bytes in quarantine."""

    id: int
    protocol: str
    device: int | None
    source: str
    reason: str
    raw: str
    """In hexadecimal."""
    received: datetime


class StrayPage(msgspec.Struct, frozen=True):
    """The newest first; `next` goes on with older ones (0: there are none)."""

    items: tuple[Stray, ...]
    next: int


class KeptFrame(msgspec.Struct, frozen=True):
    """A frame as it came, and what of it was forgiven."""

    received: datetime
    protocol: str
    kind: str
    deviations: tuple[str, ...]
    facts: tuple[tuple[str, str], ...]
    raw: str
    """In hexadecimal."""


class FramePage(msgspec.Struct, frozen=True):
    """The newest frames of a device."""

    items: tuple[KeptFrame, ...]


Import = Literal["trial", "keep"]


class DistrictCount(msgspec.Struct, frozen=True):
    """Devices of an item in one district (empty: none was written down)."""

    district: str
    devices: int
    online: int


class CoverageItem(msgspec.Struct, frozen=True):
    """An item of the sensing catalogue, and what senses it."""

    code: str
    title: words.Text
    devices: int
    health: dict[str, int]
    """How many are how."""
    districts: tuple[DistrictCount, ...]


class CoverageTheme(msgspec.Struct, frozen=True):
    """Items of a theme."""

    code: str
    title: words.Text
    items: tuple[CoverageItem, ...]


class CoverageCategory(msgspec.Struct, frozen=True):
    """Themes of a category, and from where the list is."""

    code: str
    title: words.Text
    source: str
    themes: tuple[CoverageTheme, ...]


class Coverage(msgspec.Struct, frozen=True):
    """The sensing catalogue with what the asker's organisation has of it."""

    categories: tuple[CoverageCategory, ...]
