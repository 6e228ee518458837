"""What the readers of all protocols share: frames cut from a stream, what could not be read, values with their time."""

from datetime import datetime, timedelta, timezone
from enum import StrEnum
from typing import Generic, TypeVar

import msgspec

from cityloom.sensing.spec.quantities import Interval

CHINA = timezone(timedelta(hours=8), "CST")
"""All three protocols send China standard time without saying so."""

F = TypeVar("F")


class Speech(StrEnum):
    """The protocols."""

    hj212 = "hj212"
    jt808 = "jt808"
    sl651 = "sl651"


class Unreadable(ValueError):
    """The one exception that readers raise: a body that is not what its standard says. `code` names why."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class Fault(msgspec.Struct, frozen=True):
    """Bytes of a stream that are no frame, and why."""

    code: str
    raw: bytes


class Fed(msgspec.Struct, Generic[F], frozen=True):
    """What a piece of a stream came to."""

    frames: list[F]
    rest: bytes
    """The beginning of a frame that is not whole yet; goes before what is read next. Never longer than one frame."""
    faults: list[Fault]


class Packet(msgspec.Struct, frozen=True):
    """Which part of how many a frame is; counted from 1."""

    number: int
    total: int


class Reading(msgspec.Struct, frozen=True):
    """One value of one quantity at one place and time."""

    station: str
    """Who measured: MN of HJ 212, station address of SL 651."""
    code: str
    """The quantity as the protocol names it: a factor of HJ 212, a mnemonic of SL 651."""
    aspect: str
    """What was made of it (HJ 212: Rtd, Avg, Max, Cou …); empty where the protocol has none."""
    start: datetime
    end: datetime | None
    """None: the value is of one moment."""
    number: float | None
    """None where the device says that it has none, or what it sent is no number."""
    text: str
    """As it was sent; decimals keep their zeros."""
    flag: str = ""
    """The device's own mark of quality (HJ 212: N, F, M, S, D, C, T, B)."""
    error: str = ""
    """The device's own code of an error (HJ 212: EFlag)."""


class Picture(msgspec.Struct, frozen=True):
    """A still picture that a station took."""

    station: str
    at: datetime
    image: bytes


def implausible(readings: list[Reading], ranges: dict[str, Interval]) -> list[Reading]:
    """Those whose number lies outside the range of their quantity; quantities without a range are never listed."""
    return [
        each
        for each in readings
        if each.number is not None
        and (limits := ranges.get(each.code)) is not None
        and not limits.low <= each.number <= limits.high
    ]


def clock_wrong(said: datetime, received: datetime, ahead: timedelta, behind: timedelta) -> bool:
    """Whether a device's time lies further from the time of arrival than devices' clocks and back-filling explain."""
    return said - received > ahead or received - said > behind
