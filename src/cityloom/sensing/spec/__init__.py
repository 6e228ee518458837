"""Its part of a pack: doors (`sensing/doors.yaml`), types of stations (`sensing/devices`), tables of quantities, items."""

from typing import Annotated

import msgspec
from msgspec import Meta

from cityloom.kernel.packs import Packs
from cityloom.sensing.contracts.devices import Protocol

Port = Annotated[int, Meta(ge=0, le=65535)]
Days = Annotated[int, Meta(ge=1, le=3660)]


class Gate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A port that speaks a protocol of devices. It is opened where the city's settings name a host for gateways."""

    protocol: Protocol
    port: Port
    keeper: str
    """The organisation that looks after the port: gets what strangers send, and devices that register themselves."""
    station: str = ""
    """The type of devices that register themselves (JT/T 808); empty: none may."""
    waiting: Annotated[int, Meta(ge=0)] = 1_000
    """So many may wait for approval; more are told that they are unknown, and are not written down."""


class Kept(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How long, and how much, of something is kept."""

    days: Days
    most: Annotated[int, Meta(ge=1)]
    """Of frames MiB, of quarantine rows for each organisation; the oldest go first."""


class Doors(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which doors of sensing are open."""

    public: bool = False
    """Whether anybody, without an account, reads Things that their keepers cleared."""
    gateways: tuple[Gate, ...] = ()
    frames: Kept = Kept(days=7, most=4096)
    quarantine: Kept = Kept(days=30, most=100_000)


def doors(packs: Packs) -> Doors:
    """As the city's packs say. Raises Invalid `kernel.pack_wrong`."""
    return packs.read("sensing", Doors).get("doors", Doors())


def gate(packs: Packs, protocol: Protocol) -> Gate | None:
    """The port of a protocol, where the packs declare one."""
    return next((each for each in doors(packs).gateways if each.protocol is protocol), None)
