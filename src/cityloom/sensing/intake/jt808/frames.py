"""Messages of JT/T 808: cut from a stream, unescaped, checked, headers read; and written."""

import struct
from typing import Literal

import msgspec

from cityloom.sensing.intake import checksums
from cityloom.sensing.intake.framing import Fault, Fed, Packet

SIGN = 0x7E
LONGEST = 2 * (21 + 1023 + 1) + 2
"""Bytes of a message in which everything had to be escaped."""
MOST_BODY = 1023
_MARK = b"\x7e"
_ESCAPE = b"\x7d"
_SUBPACKET = 1 << 13
_VERSIONED = 1 << 14
_RESERVED = 1 << 15

Edition = Literal[2013, 2019]
"""How the header is laid out; 2011 has the header of 2013."""


class Message(msgspec.Struct, frozen=True):
    """One message, or one sub-packet of it."""

    raw: bytes
    """As it was sent, signs and escapes included."""
    id: int
    edition: Edition
    phone: str
    """Number of the terminal: 12 digits (2013) or 20 (2019)."""
    serial: int
    body: bytes
    packet: Packet | None = None
    encryption: int = 0
    """0: none; 1: RSA; others are reserved."""
    protocol: int = 0
    """The number of the protocol's version, of 2019 only; starts with 1."""
    deviations: tuple[str, ...] = ()


def feed(buffer: bytes) -> Fed[Message]:
    """All whole messages of a piece of a stream, in order; never raises, and `rest` stays below LONGEST bytes.

    The sign that ends a message may begin the next one, as some terminals send it.
    """
    messages: list[Message] = []
    faults: list[Fault] = []
    start = buffer.find(_MARK)
    if start != 0 and buffer:
        faults.append(Fault("garbage", buffer if start < 0 else buffer[:start]))
    while start >= 0:
        end = buffer.find(_MARK, start + 1)
        if end < 0:
            return Fed(messages, _bounded(buffer, start, faults), faults)
        if end > start + 1:
            read = _read(buffer[start : end + 1])
            if isinstance(read, Message):
                messages.append(read)
            else:
                faults.append(read)
        start = end
    return Fed(messages, b"", faults)


def _bounded(buffer: bytes, start: int, faults: list[Fault]) -> bytes:
    if len(buffer) - start <= LONGEST:
        return buffer[start:]
    faults.append(Fault("message_long", buffer[start:]))
    return b""


def _read(raw: bytes) -> Message | Fault:
    content = raw[1:-1]
    if _ESCAPE in content:
        if content.count(_ESCAPE) != content.count(b"\x7d\x01") + content.count(b"\x7d\x02"):
            return Fault("escape_broken", raw)
        content = content.replace(b"\x7d\x02", _MARK).replace(b"\x7d\x01", _ESCAPE)
    if len(content) < 13 or content[:2] == b"\0\0":  # no message has that number, and zeros have a right checksum
        return Fault("garbage", raw)
    if checksums.exclusive_or(content) != 0:  # the last byte is the checksum of all before it
        return Fault("checksum_wrong", raw)
    return _header(raw, content)


def _header(raw: bytes, content: bytes) -> Message | Fault:
    number, attributes = struct.unpack_from(">HH", content)
    deviations: tuple[str, ...] = ("reserved_bit",) if attributes & _RESERVED else ()
    edition: Edition = 2019 if attributes & _VERSIONED else 2013
    at, digits = (5, 10) if edition == 2019 else (4, 6)
    protocol = content[4] if edition == 2019 else 0
    body_at = at + digits + (6 if attributes & _SUBPACKET else 2)
    if len(content) != body_at + (attributes & MOST_BODY) + 1:
        return Fault("length_wrong", raw)
    phone = content[at : at + digits].hex()
    if not phone.isdecimal():
        deviations += ("phone_digits",)
    (serial,) = struct.unpack_from(">H", content, at + digits)
    packet = None
    if attributes & _SUBPACKET:
        total, index = struct.unpack_from(">HH", content, at + digits + 2)
        if not 1 <= index <= total:
            return Fault("packet_broken", raw)
        packet = Packet(index, total)
    return Message(
        raw, number, edition, phone, serial, content[body_at:-1], packet, attributes >> 10 & 7, protocol, deviations
    )


def write(
    number: int, phone: str, serial: int, body: bytes = b"", edition: Edition = 2019, packet: Packet | None = None,
    protocol: int = 1,
) -> bytes:  # fmt: skip
    """A message ready to send. Raises ValueError when the body is longer than 1023 bytes."""
    if len(body) > MOST_BODY:
        raise ValueError("a body has at most 1023 bytes; split it")
    attributes = len(body) | (_VERSIONED if edition == 2019 else 0) | (_SUBPACKET if packet else 0)
    head = struct.pack(">HH", number, attributes)
    if edition == 2019:
        head += bytes((protocol,)) + bytes.fromhex(phone.rjust(20, "0"))
    else:
        head += bytes.fromhex(phone.rjust(12, "0"))
    head += struct.pack(">H", serial & 0xFFFF)
    if packet:
        head += struct.pack(">HH", packet.total, packet.number)
    content = head + body
    content += bytes((checksums.exclusive_or(content),))
    return _MARK + content.replace(_ESCAPE, b"\x7d\x01").replace(_MARK, b"\x7d\x02") + _MARK


def split(
    number: int, phone: str, serial: int, body: bytes, edition: Edition = 2019, size: int = MOST_BODY
) -> list[bytes]:  # fmt: skip
    """A body of any length as messages: one, or sub-packets with serial numbers that go on from the first."""
    if len(body) <= size:
        return [write(number, phone, serial, body, edition)]
    parts = [body[at : at + size] for at in range(0, len(body), size)]
    return [
        write(number, phone, serial + at, part, edition, Packet(at + 1, len(parts))) for at, part in enumerate(parts)
    ]


def whole(parts: list[Message]) -> Message:
    """The message that sub-packets come to: the header of the first, all bodies together."""
    return msgspec.structs.replace(
        parts[0], raw=b"".join(each.raw for each in parts), body=b"".join(each.body for each in parts), packet=None
    )
