"""What a gateway needs of the city: who a device is, and a place that keeps what devices say."""

from datetime import timedelta
from enum import StrEnum
from typing import Protocol

import msgspec

from cityloom.sensing.intake.framing import Speech
from cityloom.sensing.intake.heard import Batch, Quarantined
from cityloom.sensing.intake.hj212.frames import LENIENT, Profile
from cityloom.sensing.intake.jt808.bodies import Registration


class Device(msgspec.Struct, frozen=True):
    """A device that the city knows."""

    id: str
    """The city's own name of it."""
    profile: Profile = LENIENT
    """What is forgiven to it (HJ 212)."""
    answers: bool = True
    """False for a station of mode M1, which hears nothing (SL 651)."""
    stay: bool = False
    """Whether a station is asked to stay on line after it has reported (SL 651: ESC)."""


class Claim(msgspec.Struct, frozen=True):
    """What a device says of itself."""

    speech: Speech
    number: str
    """MN (HJ 212), telephone number (JT/T 808, without zeros in front), station address (SL 651)."""
    secret: str
    """Password (HJ 212: as sent; SL 651: four hexadecimal digits) or authentication code (JT/T 808)."""
    address: str
    """Where the connection comes from."""


class Denied(StrEnum):
    """Why a device is refused."""

    unknown = "device_unknown"
    secret = "secret_wrong"  # noqa: S105 - a reason
    closed = "device_closed"


class Registered(msgspec.Struct, frozen=True):
    """The answer to a registration of JT/T 808: result of 0x8100, and the code with which the terminal authenticates."""

    result: int
    code: str = ""


class Unavailable(Exception):
    """The sink cannot keep anything now: nothing is acknowledged, and devices send again."""


class Devices(Protocol):
    """The city's list of devices. Both may be asked often and at once: they are cached by whoever knows when to forget."""

    async def identify(self, claim: Claim) -> Device | Denied:
        """The device that says so of itself, or why it is refused."""
        ...

    async def register(self, number: str, said: Registration, address: str) -> Registered:
        """A terminal of JT/T 808 that has no code yet."""
        ...


class Sink(Protocol):
    """Keeps what devices say."""

    async def put(self, batches: list[Batch]) -> None:
        """Returns when all of it is committed: only then the device is acknowledged. Raises Unavailable."""
        ...

    async def quarantine(self, kept: list[Quarantined]) -> None:
        """Keeps what could not be read. Raises Unavailable."""
        ...


class Limits(msgspec.Struct, frozen=True):
    """What a gateway lets happen."""

    connections: int = 20_000
    unknown: int = 4_000
    """Connections that have not said who they are; the oldest of them goes when there are more."""
    identifying: int = 64
    """Questions to the list of devices at once; others wait."""
    read: int = 8_192
    """Bytes taken from a connection at once; what it sends beyond waits in the network."""
    bytes_per_second: float = 65_536
    frames_per_second: float = 50
    """Of a device; a faster one is slowed down, and nothing of it is lost."""
    burst: float = 4
    """Seconds of its rate that a device may send at once."""
    introduction: timedelta = timedelta(seconds=60)
    """A connection that has not said by then who it is, is closed."""
    idle: timedelta = timedelta(minutes=15)
    """A connection that says nothing for so long is closed."""
    tick: timedelta = timedelta(seconds=5)
    """How often missing packets are asked for."""
    faults: int = 50
    """So many faults and refusals without a frame of a known device between them, and the connection is closed."""
    quarantine_per_second: float = 2
    """Of a connection; more are counted and not kept."""
    kept: int = 4_096
    """Bytes of a fault that are kept."""
    numbers: int = 256
    """Devices behind one connection, as loggers and relays have them."""
    held: int = 256 << 20
    """Bytes of unfinished messages in all connections."""
    answer: timedelta = timedelta(seconds=10)
    tries: int = 3
    """How long an answer to a command is waited for, and how often the command is sent."""
    execution: timedelta = timedelta(seconds=120)
    """How long a device may take to do what it has agreed to."""
    recheck: timedelta = timedelta(minutes=5)
    """A device is identified anew after that."""
    ahead: timedelta = timedelta(hours=1)
    behind: timedelta = timedelta(days=3653)
    """Times further from the time of arrival are marked as of a wrong clock."""


class Figures(msgspec.Struct):
    """Counts since the gateway started."""

    connections: int = 0
    """Now open."""
    opened: int = 0
    turned_away: int = 0
    """Closed for there were too many, or for not saying who they are."""
    denied: int = 0
    """Frames of devices that are unknown or have a wrong secret."""
    frames: int = 0
    readings: int = 0
    faults: int = 0
    unkept: int = 0
    """Faults that were counted only."""
    unavailable: int = 0
    """Times that the sink kept nothing."""
    slowed: int = 0
    """Times that a device was made to wait."""
    dropped: int = 0
    """Frames of devices too fast, of which too many waited already; they were not answered."""
    lost: int = 0
    """Messages in packets that never came whole."""
