"""Fields of MQTT packets: numbers, texts and the properties of version 5."""

from collections.abc import Iterable, Mapping
from enum import IntEnum
from typing import Final

import msgspec

from cityloom.sensing.intake.framing import Unreadable

Value = int | str | bytes | tuple[str, str]


class Reason(IntEnum):
    """Reason codes of MQTT 5 (2.4) that are said here."""

    success = 0x00
    no_subscription = 0x11
    unspecified = 0x80
    malformed = 0x81
    protocol_error = 0x82
    version = 0x84
    client_id = 0x85
    credentials = 0x86
    not_authorised = 0x87
    unavailable = 0x88
    taken_over = 0x8E
    filter_invalid = 0x8F
    topic_invalid = 0x90
    receive_maximum = 0x93
    alias_invalid = 0x94
    too_large = 0x95
    rate = 0x96
    quota = 0x97
    payload_invalid = 0x99
    shared_unsupported = 0x9E
    wildcards_unsupported = 0xA2


class Malformed(Unreadable):
    """A packet that is not what the standard says; `reason` is what a client of version 5 is told."""

    def __init__(self, code: str, reason: Reason = Reason.malformed) -> None:
        super().__init__(code)
        self.reason = reason


class Property(IntEnum):
    """Properties (2.2.2.2) that mean something here."""

    session_expiry = 0x11
    assigned_id = 0x12
    keep_alive = 0x13
    reason_text = 0x1F
    receive_maximum = 0x21
    alias_maximum = 0x22
    alias = 0x23
    retain_available = 0x25
    user = 0x26
    packet_maximum = 0x27
    wildcards = 0x28
    subscription_ids = 0x29
    shared = 0x2A


class Properties(msgspec.Struct, frozen=True):
    """Of one packet; of those that may stand several times (user properties) the last."""

    values: Mapping[int, Value] = {}

    def number(self, which: Property, default: int) -> int:
        """The number of a property."""
        found = self.values.get(which)
        return found if isinstance(found, int) else default

    def text(self, which: Property) -> str:
        """The text of a property; empty: it is not there."""
        found = self.values.get(which)
        return found if isinstance(found, str) else ""


NOTHING: Final = Properties()
_BYTES = frozenset({0x01, 0x17, 0x19, 0x24, 0x25, 0x28, 0x29, 0x2A})
_SHORTS = frozenset({0x13, 0x21, 0x22, 0x23})
_LONGS = frozenset({0x02, 0x11, 0x18, 0x27})
_TEXTS = frozenset({0x03, 0x08, 0x12, 0x15, 0x1A, 0x1C, 0x1F})
_BLOBS = frozenset({0x09, 0x16})
_LENGTH = 0x0B
_SEVERAL = frozenset({Property.user, _LENGTH})


def short(data: bytes, at: int) -> int:
    """Two bytes, the higher one first. Raises Malformed."""
    if at + 2 > len(data):
        raise Malformed("too_short")
    return data[at] << 8 | data[at + 1]


def blob(data: bytes, at: int) -> tuple[bytes, int]:
    """Bytes with their length before them, and where they end. Raises Malformed."""
    end = at + 2 + short(data, at)
    if end > len(data):
        raise Malformed("too_short")
    return data[at + 2 : end], end


def text(data: bytes, at: int) -> tuple[str, int]:
    """UTF-8 without U+0000 (1.5.4), and where it ends. Raises Malformed."""
    raw, end = blob(data, at)
    try:
        found = raw.decode()
    except UnicodeDecodeError as error:
        raise Malformed("not_utf8") from error
    if "\x00" in found:
        raise Malformed("not_utf8")
    return found, end


def length(data: bytes, at: int) -> tuple[int, int]:
    """A length of one to four bytes (1.5.5), and where it ends. Raises Malformed."""
    value = 0
    for place in range(4):
        if at + place >= len(data):
            raise Malformed("too_short")
        byte = data[at + place]
        value |= (byte & 0x7F) << 7 * place
        if byte < 0x80:
            return value, at + place + 1
    raise Malformed("length_wrong")


def properties(data: bytes, at: int) -> tuple[Properties, int]:
    """Properties with their length before them, and where they end. Raises Malformed."""
    size, at = length(data, at)
    end = at + size
    if not size:
        return NOTHING, at
    if end > len(data):
        raise Malformed("too_short")
    inner, found = data[:end], dict[int, Value]()
    while at < end:
        which, at = inner[at], at + 1
        if which in found and which not in _SEVERAL:
            raise Malformed("property_twice", Reason.protocol_error)
        found[which], at = _value(which, inner, at)
    return Properties(found), end


def _value(which: int, data: bytes, at: int) -> tuple[Value, int]:
    if which in _BYTES:
        if at >= len(data):
            raise Malformed("too_short")
        return data[at], at + 1
    if which in _SHORTS:
        return short(data, at), at + 2
    if which in _LONGS:
        return short(data, at) << 16 | short(data, at + 2), at + 4
    if which in _TEXTS:
        return text(data, at)
    if which in _BLOBS:
        return blob(data, at)
    if which == _LENGTH:
        return length(data, at)
    if which == Property.user:
        name, at = text(data, at)
        value, at = text(data, at)
        return (name, value), at
    raise Malformed("property_unknown")


def write_short(value: int) -> bytes:
    """Two bytes."""
    return value.to_bytes(2, "big")


def write_text(value: str | bytes) -> bytes:
    """Bytes, or a text in UTF-8, with the length before them."""
    raw = value.encode() if isinstance(value, str) else value
    return len(raw).to_bytes(2, "big") + raw


def write_length(value: int) -> bytes:
    """One to four bytes."""
    made = bytearray()
    while True:
        value, byte = value >> 7, value & 0x7F
        made.append(byte | (0x80 if value else 0))
        if not value:
            return bytes(made)


def write_properties(found: Iterable[tuple[Property, Value]]) -> bytes:
    """Properties with their length before them."""
    made = b"".join(bytes([which]) + _written(which, value) for which, value in found)
    return write_length(len(made)) + made


def _written(which: int, value: Value) -> bytes:
    if isinstance(value, tuple):
        return write_text(value[0]) + write_text(value[1])
    if not isinstance(value, int):
        return write_text(value)
    return value.to_bytes(1 if which in _BYTES else 2 if which in _SHORTS else 4, "big")
