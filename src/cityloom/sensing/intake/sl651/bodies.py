"""One door to the bodies of both encodings, and pictures put together from packets."""

from collections import OrderedDict
from datetime import datetime

import msgspec

from cityloom.sensing.intake.framing import Packet
from cityloom.sensing.intake.sl651 import characters, hexadecimal, reports
from cityloom.sensing.intake.sl651.frames import ACK, ENQ, EOT, ESC, NAK, Encoding, Frame, Header, write

MOST_BYTES = 1 << 22
MOST_SETS = 4
"""Unfinished messages that one connection may have under way."""


def read(frame: Frame) -> reports.Report:
    """What the body says. Raises Unreadable."""
    return characters.read(frame) if frame.encoding == "ascii" else hexadecimal.read(frame)


def head(serial: int, sent: datetime, encoding: Encoding) -> bytes:
    """Serial and time of sending in either encoding."""
    return (characters if encoding == "ascii" else hexadecimal).head(serial, sent)


def header(frame: Frame) -> Header:
    """Who speaks to whom, for the answer to a frame."""
    return Header(frame.centre, frame.station, frame.password, frame.encoding)


def confirm(frame: Frame, serial: int, now: datetime, stay: bool = False) -> bytes:
    """The centre's confirmation of mode M2 and of the last packet of M3: goodbye, or stay on line for ten minutes (ESC).

    After a frame with more to follow the station is told to go on (ACK).
    """
    end = ACK if not frame.last and frame.packet is None else ESC if stay else EOT
    packet = Packet(frame.packet.total, frame.packet.total) if frame.packet else None
    return write(header(frame), frame.function, head(serial, now, frame.encoding), end, upward=False, packet=packet)


def ask_again(frame: Frame, serial: int, number: int, now: datetime) -> bytes:
    """The centre's request of mode M3 for one packet that is missing or was broken (NAK); one number at a time."""
    total = frame.packet.total if frame.packet else 1
    body = head(serial, now, frame.encoding)
    return write(header(frame), frame.function, body, NAK, upward=False, packet=Packet(number, total))


def query(asked: Header, function: int, now: datetime, content: bytes = b"") -> bytes:
    """The centre's question or command of mode M4; its serial number is 0."""
    return write(asked, function, head(0, now, asked.encoding) + content, ENQ, upward=False)


class _Set(msgspec.Struct):
    total: int
    since: datetime
    last: Frame
    parts: dict[int, Frame]
    size: int = 0


class Parts:
    """What a connection has of messages in packets (M3). The oldest goes when there are too many or too large ones."""

    def __init__(self) -> None:
        self._sets: OrderedDict[tuple[str, int], _Set] = OrderedDict()
        self.dropped = 0
        """Sets that were given up."""

    def add(self, frame: Frame, now: datetime) -> Frame | None:
        """The whole frame when this was its last missing packet; a frame without packets passes as it is."""
        if frame.packet is None:
            return frame
        key = (frame.station, frame.function)
        held = self._sets.get(key)
        if held is None or held.total != frame.packet.total:
            held = self._sets[key] = _Set(frame.packet.total, now, frame, {})
        before = held.parts.get(frame.packet.number)
        held.size += len(frame.raw) - (len(before.raw) if before else 0)
        held.parts[frame.packet.number] = frame
        held.last = frame
        if len(held.parts) == held.total:
            del self._sets[key]
            return _whole(held)
        while len(self._sets) > MOST_SETS or sum(each.size for each in self._sets.values()) > MOST_BYTES:
            self._sets.popitem(last=False)
            self.dropped += 1
        return None

    def missing(self, frame: Frame) -> int | None:
        """The first packet that is missing of the message this frame belongs to; None when there is no such message."""
        held = self._sets.get((frame.station, frame.function))
        if held is None:
            return None
        return next(number for number in range(1, held.total + 1) if number not in held.parts)

    def forget(self, frame: Frame) -> bytes:
        """Give up the message that this frame belongs to: the bytes that were there."""
        held = self._sets.pop((frame.station, frame.function), None)
        if held is None:
            return b""
        self.dropped += 1
        return b"".join(held.parts[number].raw for number in sorted(held.parts))


def _whole(held: _Set) -> Frame:
    parts = [held.parts[number] for number in range(1, held.total + 1)]
    return msgspec.structs.replace(
        parts[-1], raw=b"".join(each.raw for each in parts), body=b"".join(each.body for each in parts)
    )
