"""One door to the bodies of both encodings, and pictures put together from packets."""

from datetime import datetime

import msgspec

from cityloom.sensing.intake.framing import Packet
from cityloom.sensing.intake.sl651 import characters, hexadecimal, reports
from cityloom.sensing.intake.sl651.frames import ACK, ENQ, EOT, ESC, NAK, Encoding, Frame, Header, write


def read(frame: Frame) -> reports.Report:
    """What the body says. Raises Unreadable."""
    return characters.read(frame) if frame.encoding == "ascii" else hexadecimal.read(frame)


def head(serial: int, sent: datetime, encoding: Encoding) -> bytes:
    """Serial and time of sending in either encoding."""
    return characters.head(serial, sent) if encoding == "ascii" else hexadecimal.head(serial, sent)


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


def whole(parts: list[Frame]) -> Frame:
    """The frame that packets of one message come to: the header and the end of the last, all bodies together."""
    return msgspec.structs.replace(
        parts[-1], raw=b"".join(each.raw for each in parts), body=b"".join(each.body for each in parts)
    )
