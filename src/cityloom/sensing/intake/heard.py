"""What a frame of a device said, whatever its protocol: what gateways hand over to be kept."""

from datetime import datetime

import msgspec

from cityloom.sensing.contracts.devices import Protocol
from cityloom.sensing.intake.framing import Picture, Reading, Speech
from cityloom.sensing.intake.hj212.frames import Pair
from cityloom.sensing.intake.jt808.positions import Position


class Place(msgspec.Struct, frozen=True):
    """A position, and whether it comes late from where there was no network."""

    position: Position
    backfill: bool


class Batch(msgspec.Struct, frozen=True):
    """What one frame (or message of several packets) of one device said."""

    device: str
    speech: Speech | Protocol
    kind: str
    """CN of HJ 212, message of JT/T 808 and function of SL 651 in hexadecimal."""
    received: datetime
    raw: bytes
    """The frames as they were sent."""
    readings: list[Reading] = []
    places: list[Place] = []
    pictures: list[Picture] = []
    facts: tuple[Pair, ...] = ()
    """What the frame says that is no value: restart times, parameters, versions, manual text, status."""
    deviations: tuple[str, ...] = ()


class Quarantined(msgspec.Struct, frozen=True):
    """Bytes that could not be read or came from somebody unknown."""

    speech: Speech | Protocol
    device: str
    """Empty when it is not known who it was."""
    address: str
    reason: str
    raw: bytes
    received: datetime
