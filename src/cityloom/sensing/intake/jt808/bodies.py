"""Bodies of the messages between terminal and platform, read and written (JT/T 808-2019, chapter 8)."""

import struct
from enum import IntEnum

import msgspec

from cityloom.sensing.intake.framing import Unreadable
from cityloom.sensing.intake.jt808.frames import Edition, Message

ENCODING = "gb18030"
"""The standard says GBK; this is what has grown of it."""


class Id(IntEnum):
    """Messages that are understood."""

    terminal_answer = 0x0001
    heartbeat = 0x0002
    unregister = 0x0003
    query_time = 0x0004
    resend_sub_packets = 0x0005
    register = 0x0100
    authenticate = 0x0102
    location = 0x0200
    locate_answer = 0x0201
    locations = 0x0704
    platform_answer = 0x8001
    ask_sub_packets = 0x8003
    time_answer = 0x8004
    register_answer = 0x8100
    locate = 0x8201


class Result(IntEnum):
    """Of a general answer."""

    done = 0
    failed = 1
    wrong = 2
    unsupported = 3
    alarm_confirmed = 4


class Registered(IntEnum):
    """Of the answer to a registration."""

    done = 0
    vehicle_has_one = 1
    vehicle_unknown = 2
    terminal_has_one = 3
    terminal_unknown = 4


class Answer(msgspec.Struct, frozen=True):
    """0x0001 and 0x8001: what became of a message of the other side."""

    serial: int
    id: int
    result: int


class Registration(msgspec.Struct, frozen=True):
    """0x0100: what a terminal says of itself and its vehicle."""

    province: int
    """Two digits of GB/T 2260."""
    city: int
    """Four digits of GB/T 2260."""
    maker: str
    model: str
    terminal: str
    plate_colour: int
    """JT/T 415: 0 none (then `plate` is the VIN), 1 blue, 2 yellow, 3 black, 4 white, 9 others."""
    plate: str
    year: int
    """Of the layout: 2011, 2013 or 2019."""


class Authentication(msgspec.Struct, frozen=True):
    """0x0102: the code from the registration, and of 2019 what the terminal is."""

    code: str
    imei: str = ""
    software: str = ""


class RegisterAnswer(msgspec.Struct, frozen=True):
    """0x8100."""

    serial: int
    result: int
    code: str = ""


_FIELDS = {2011: (5, 8, 7), 2013: (5, 20, 7), 2019: (11, 30, 30)}
"""Bytes of maker, model and terminal."""
_BODY_2011 = 37
"""Shorter bodies of 0x0100 are of 2011."""


def registration(message: Message) -> Registration:
    """The body of 0x0100. Raises Unreadable `body_short`."""
    body = message.body
    year = 2019 if message.edition == 2019 else 2013 if len(body) >= _BODY_2011 else 2011
    sizes = _FIELDS[year]
    colour = 4 + sum(sizes)
    if len(body) <= colour:
        raise Unreadable("body_short")
    province, city = struct.unpack_from(">HH", body)
    model, terminal = 4 + sizes[0], 4 + sizes[0] + sizes[1]
    return Registration(
        province, city, _text(body[4:model]), _text(body[model:terminal]), _text(body[terminal:colour]), body[colour],
        _text(body[colour + 1 :]), year,
    )  # fmt: skip


def write_registration(said: Registration) -> bytes:
    """The body of 0x0100 in the layout of its year."""
    texts = (said.maker, said.model, said.terminal)
    padded = b"".join(
        text.encode(ENCODING)[:size].ljust(size, b"\0") for text, size in zip(texts, _FIELDS[said.year], strict=True)
    )
    return (
        struct.pack(">HH", said.province, said.city)
        + padded
        + bytes((said.plate_colour,))
        + said.plate.encode(ENCODING)
    )


def authentication(message: Message) -> Authentication:
    """The body of 0x0102. Raises Unreadable `body_short`."""
    body = message.body
    if message.edition == 2013:
        return Authentication(_text(body))
    if not body or len(body) < 1 + body[0] + 15:
        raise Unreadable("body_short")
    end = 1 + body[0]
    return Authentication(_text(body[1:end]), _text(body[end : end + 15]), _text(body[end + 15 : end + 35]))


def write_authentication(said: Authentication, edition: Edition) -> bytes:
    """The body of 0x0102."""
    code = said.code.encode(ENCODING)
    if edition == 2013:
        return code
    return (
        bytes((len(code),)) + code + said.imei.encode(ENCODING)[:15].ljust(15, b"\0")
        + said.software.encode(ENCODING)[:20].ljust(20, b"\0")
    )  # fmt: skip


def answer(body: bytes) -> Answer:
    """The body of 0x0001 or 0x8001. Raises Unreadable `body_short`."""
    return Answer(*_unpack(">HHB", body))


def write_answer(said: Answer) -> bytes:
    """The body of 0x0001 or 0x8001."""
    return struct.pack(">HHB", said.serial, said.id, said.result)


def register_answer(body: bytes) -> RegisterAnswer:
    """The body of 0x8100. Raises Unreadable `body_short`."""
    serial, result = _unpack(">HB", body)
    return RegisterAnswer(serial, result, _text(body[3:]))


def write_register_answer(said: RegisterAnswer) -> bytes:
    """The body of 0x8100: the code stands only where the result is 0."""
    return struct.pack(">HB", said.serial, said.result) + (
        said.code.encode(ENCODING) if said.result == Registered.done else b""
    )


def missing_packets(body: bytes) -> tuple[int, tuple[int, ...]]:
    """The body of 0x8003 or 0x0005: serial of the first sub-packet, and the numbers that are wanted again.

    The count is a byte in 2013 and a word in 2019; the length tells which. Raises Unreadable `body_short`.
    """
    (first,) = _unpack(">H", body)
    for size in (1, 2):
        at = 2 + size
        if len(body) >= at and len(body) == at + 2 * int.from_bytes(body[2:at], "big"):
            return first, struct.unpack(f">{(len(body) - at) // 2}H", body[at:])
    raise Unreadable("body_short")


def write_missing_packets(first: int, numbers: tuple[int, ...], edition: Edition) -> bytes:
    """The body of 0x8003 or 0x0005."""
    count = struct.pack(">H" if edition == 2019 else ">B", len(numbers))
    return struct.pack(">H", first) + count + struct.pack(f">{len(numbers)}H", *numbers)


def _unpack(layout: str, body: bytes) -> tuple[int, ...]:
    try:
        return struct.unpack_from(layout, body)
    except struct.error as error:
        raise Unreadable("body_short") from error


def _text(data: bytes) -> str:
    return data.strip(b"\0").decode(ENCODING, "replace")
