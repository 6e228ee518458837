"""Messages of MQTT and pushes of platforms as they cross the border of sensing: who sent what, and what became of it."""

from datetime import datetime
from enum import StrEnum

import msgspec

from cityloom.kernel.access import Principal


class Guest(msgspec.Struct, frozen=True):
    """Who is connected: a device, an account, or anybody."""

    principal: Principal
    device: int = 0
    """The id of the device; 0: it is an account."""
    number: str = ""
    """The number of the device."""
    sends: bool = True
    """Whether it may send anything at all (of accounts: the right `sensing.observe`)."""
    reads: bool = False
    """Whether it may subscribe (of accounts: the right `sensing.read`)."""

    @property
    def keeper(self) -> str:
        """For whom it speaks."""
        return self.principal.organisation


class Arrived(msgspec.Struct, frozen=True, gc=False):
    """A message."""

    topic: str
    payload: bytes
    received: datetime
    guest: Guest | None = None
    """None: it came through the city's broker, whose access list let it pass."""
    again: bool = False
    """Whether the sender says that it may have sent it before (DUP)."""
    mark: str = ""
    """What the message is called while it is not acknowledged: sender and packet; empty: nobody waits for that."""
    source: str = ""
    """Where it came from, for whoever looks at what could not be kept."""


class Outcome(StrEnum):
    """What became of a message."""

    kept = "kept"
    repeated = "repeated"
    """It was kept before."""
    refused = "topic_refused"
    """The sender may not send that."""
    unknown = "topic_unknown"
    unreadable = "unreadable"
    """It was put aside with the reason."""
    unavailable = "unavailable"
    """It is not kept: nobody acknowledges it, and it is tried again."""


class Receipt(msgspec.Struct, frozen=True):
    """What became of a push over HTTP: messages in it, and how many of them were put aside."""

    messages: int
    put_aside: int


class BrokerFiles(msgspec.Struct, frozen=True):
    """What a Mosquitto of the city reads: who may connect, and what each may do."""

    passwords: str
    access: str
    devices: int
    skipped: tuple[str, ...]
    """Numbers that are left out: their secret was set by hand, so it has to be rotated first, or they have a colon."""
    user: str
    password: str
    """Of our workers, for CITYLOOM_MQTT_BROKER."""


class PushKey(msgspec.Struct, frozen=True):
    """Where a platform pushes to that signs, and with what."""

    mapping: str
    path: str
    key: str
