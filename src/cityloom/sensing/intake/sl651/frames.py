"""Frames of SL 651: cut from a stream, checked, headers read; and written (SL 651-2014, 6.2 to 6.5)."""

import re
from typing import Literal

import msgspec

from cityloom.sensing.intake import checksums
from cityloom.sensing.intake.framing import Fault, Fed, Packet

SOH, STX, ETX, EOT, ENQ, ACK, NAK, SYN, ETB, ESC = 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x15, 0x16, 0x17, 0x1B
UP_ENDS = frozenset({ETX, ETB})
DOWN_ENDS = frozenset({ENQ, ACK, NAK, EOT, ESC})
_ENDS = UP_ENDS | DOWN_ENDS
MOST_BODY = 4095
LONGEST = 1 + 22 + 1 + MOST_BODY + 1 + 4
"""Bytes of a frame; those of the ASCII encoding are the longer ones."""
TEST, UNIFORM, TIMED, ADDED, HOURLY, MANUAL, PICTURE = 0x30, 0x31, 0x32, 0x33, 0x34, 0x35, 0x36
LINK, NOW, SPAN, MANUAL_AGAIN, ELEMENTS, PUMP, VERSION, STATUS, CLOCK, EVENTS, TIME = (
    0x2F, 0x37, 0x38, 0x39, 0x3A, 0x44, 0x45, 0x46, 0x4A, 0x50, 0x51,
)  # fmt: skip
SELF_REPORTED = frozenset({TEST, UNIFORM, TIMED, ADDED, HOURLY, MANUAL, PICTURE})
"""What a station sends by itself, and the centre confirms in M2."""

Encoding = Literal["hex", "ascii"]
_HEX_HEAD = 14
_ASCII_HEAD = 24
_HEX_DIGITS = re.compile(rb"[0-9A-Fa-f]*")
_STARTS = re.compile(rb"\x7e\x7e|\x01")


class Frame(msgspec.Struct, frozen=True):
    """One frame."""

    raw: bytes
    encoding: Encoding
    upward: bool
    """From the station to the centre."""
    centre: int
    station: str
    """Ten digits: 00 and the code of SL 502, or a division code of six digits and two bytes in hexadecimal."""
    password: int
    function: int
    packet: Packet | None
    """Only of frames that start with SYN."""
    body: bytes
    end: int
    """The control character after the body."""
    deviations: tuple[str, ...] = ()

    @property
    def last(self) -> bool:
        """Whether the station has nothing more to send."""
        return self.end == ETX


def feed(buffer: bytes) -> Fed[Frame]:
    """All whole frames of a piece of a stream, in order; never raises, and `rest` stays below LONGEST bytes."""
    frames: list[Frame] = []
    faults: list[Fault] = []
    at = begin = 0
    reason = "garbage"
    while found := _STARTS.search(buffer, at):
        start = found.start()
        read = _ascii(buffer, start) if found.group() == b"\x01" else _hex(buffer, start)
        if read is None:
            _skip(faults, reason, buffer[begin:start])
            return Fed(frames, buffer[start:], faults)
        if isinstance(read, Frame):
            _skip(faults, reason, buffer[begin:start])
            frames.append(read)
            at = begin = start + len(read.raw)
            reason = "garbage"
        elif read.raw:  # a frame of whom the checksum says that it is broken
            _skip(faults, reason, buffer[begin:start])
            faults.append(read)
            at = begin = start + len(read.raw)
            reason = "garbage"
        else:
            at = start + 1
            reason = read.code if read.code != "garbage" else reason
    keep = len(buffer) - 1 if buffer.endswith(b"\x7e") else len(buffer)
    keep = max(begin, keep)
    _skip(faults, reason, buffer[begin:keep])
    return Fed(frames, buffer[keep:], faults)


def _skip(faults: list[Fault], code: str, raw: bytes) -> None:
    if raw:
        faults.append(Fault(code, raw))


def _hex(buffer: bytes, start: int) -> Frame | Fault | None:
    """A frame, a fault (without bytes where no frame begins), or None when more must come."""
    head = buffer[start : start + _HEX_HEAD]
    if len(head) < _HEX_HEAD:
        return None
    direction, length, sign = head[11] >> 4, (head[11] & 0x0F) << 8 | head[12], head[13]
    if direction not in (0, 8) or sign not in (STX, SYN):
        return Fault("garbage", b"")
    body = start + _HEX_HEAD
    end = body + length
    if len(buffer) > end and buffer[end] not in _ENDS:
        return Fault("length_wrong", b"")
    if len(buffer) < end + 3:
        return None
    raw = buffer[start : end + 3]
    if checksums.modbus(raw[:-2]) != raw[-2] << 8 | raw[-1]:
        return Fault("crc_wrong", raw)
    upward = buffer[end] in UP_ENDS  # some devices turn the addresses and leave the sign of direction
    centre, station = (head[2], head[3:8]) if upward else (head[7], head[2:7])
    skip = 3 if sign == SYN else 0
    packet = _packet(buffer[body : body + skip].hex()) if skip else None
    return Frame(
        raw, "hex", upward, centre, station.hex().upper(), head[8] << 8 | head[9], head[10], packet,
        buffer[body + skip : end], buffer[end],
        _oddities(upward == (direction == 0), skip == 0 or packet is not None),
    )  # fmt: skip


def _ascii(buffer: bytes, start: int) -> Frame | Fault | None:
    """The same for the other encoding: numbers are hexadecimal characters."""
    head = buffer[start + 1 : start + _ASCII_HEAD - 1]
    if not _HEX_DIGITS.fullmatch(head):
        return Fault("garbage", b"")
    if len(buffer) < start + _ASCII_HEAD:
        return None
    sign = buffer[start + _ASCII_HEAD - 1]
    direction, length = int(head[18:19], 16), int(head[19:22], 16)
    if direction not in (0, 8) or sign not in (STX, SYN):
        return Fault("garbage", b"")
    body = start + _ASCII_HEAD
    end = body + length
    sent = buffer[end + 1 : end + 5]
    if (len(buffer) > end and buffer[end] not in _ENDS) or not _HEX_DIGITS.fullmatch(sent):
        return Fault("length_wrong", b"")
    if len(sent) < 4:
        return None
    raw = buffer[start : end + 5]
    if checksums.modbus(raw[:-4]) != int(sent, 16):
        return Fault("crc_wrong", raw)
    upward = buffer[end] in UP_ENDS  # some devices turn the addresses and leave the sign of direction
    text = head.decode()
    centre, station = (text[:2], text[2:12]) if upward else (text[10:12], text[:10])
    skip = 6 if sign == SYN else 0
    packet = _packet(buffer[body : body + skip].decode("ascii", "replace")) if skip else None
    return Frame(
        raw, "ascii", upward, int(centre, 16), station.upper(), int(text[12:16], 16), int(text[16:18], 16), packet,
        buffer[body + skip : end], buffer[end],
        _oddities(upward == (direction == 0), skip == 0 or packet is not None),
    )  # fmt: skip


def _oddities(direction_right: bool, packet_right: bool) -> tuple[str, ...]:
    return (() if direction_right else ("direction_wrong",)) + (() if packet_right else ("packet_broken",))


def _packet(text: str) -> Packet | None:
    try:
        total, number = int(text[:3], 16), int(text[3:6], 16)
    except ValueError:
        return None
    return Packet(number, total) if 1 <= number <= total else None


class Header(msgspec.Struct, frozen=True):
    """Who speaks to whom."""

    centre: int
    station: str
    password: int
    encoding: Encoding = "hex"


def write(
    header: Header, function: int, body: bytes, end: int, upward: bool = True, packet: Packet | None = None
) -> bytes:
    """A frame. Raises ValueError when the body is longer than 4095 bytes with its packet numbers."""
    if header.encoding == "ascii":
        return _write_ascii(header, function, body, end, upward, packet)
    numbers = (packet.total << 12 | packet.number).to_bytes(3, "big") if packet else b""
    length = _length(len(numbers) + len(body), upward)
    centre, station = bytes((header.centre,)), bytes.fromhex(header.station)
    head = b"\x7e\x7e" + (centre + station if upward else station + centre) + header.password.to_bytes(2, "big")
    content = head + bytes((function,)) + length.to_bytes(2, "big") + bytes((SYN if packet else STX,)) + numbers + body
    content += bytes((end,))
    return content + checksums.modbus(content).to_bytes(2, "big")


def _write_ascii(
    header: Header, function: int, body: bytes, end: int, upward: bool, packet: Packet | None
) -> bytes:  # fmt: skip
    numbers = f"{packet.total:03X}{packet.number:03X}".encode() if packet else b""
    length = _length(len(numbers) + len(body), upward)
    centre, station = f"{header.centre:02X}", header.station.upper()
    address = centre + station if upward else station + centre
    head = f"{address}{header.password:04X}{function:02X}{length:04X}".encode()
    content = bytes((SOH,)) + head + bytes((SYN if packet else STX,)) + numbers + body + bytes((end,))
    return content + f"{checksums.modbus(content):04X}".encode()


def _length(size: int, upward: bool) -> int:
    if size > MOST_BODY:
        raise ValueError("a body has at most 4095 bytes; split it")
    return size | (0 if upward else 0x8000)


def split(header: Header, function: int, body: bytes, size: int = 256, upward: bool = True) -> list[bytes]:
    """A long body as frames of mode M3: all but the last say that more follows."""
    parts = [body[at : at + size] for at in range(0, len(body), size)] or [b""]
    return [
        write(
            header, function, part, ETX if number == len(parts) else ETB, upward, Packet(number, len(parts))
        )
        for number, part in enumerate(parts, 1)
    ]  # fmt: skip
