"""Numbers of SL 651 as they are sent: BCD without a point, decimals as text, bytes and words of series."""

from datetime import timedelta

import msgspec

from cityloom.sensing.intake.framing import Unreadable


class Value(msgspec.Struct, frozen=True):
    """A value as text and, where it is one, as number."""

    text: str
    number: float | None


MISSING = Value("", None)


def decimal(data: bytes, decimals: int) -> Value:
    """BCD with so many decimals: all F is missing, a first byte FF is the minus (6.6.3.3). Raises Unreadable `bcd`."""
    if data and data.count(0xFF) == len(data):
        return MISSING
    negative = len(data) > 1 and data[0] == 0xFF
    digits = (data[1:] if negative else data).hex()
    if not digits.isdecimal():
        raise Unreadable("bcd")
    text = ("-" if negative else "") + point(digits, decimals)
    return Value(text, float(text))


def point(digits: str, decimals: int) -> str:
    """Digits with their point, zeros in front removed but one."""
    if not decimals:
        return digits.lstrip("0") or "0"
    padded = digits.rjust(decimals + 1, "0")
    return f"{padded[:-decimals].lstrip('0') or '0'}.{padded[-decimals:]}"


def write_decimal(value: float | None, digits: int, decimals: int) -> tuple[bytes, int]:
    """Bytes and definition byte of a value; None is missing. Raises ValueError when it does not fit."""
    size = (digits + 1) // 2
    if value is None:
        return b"\xff" * size, size << 3 | decimals
    text = f"{abs(value):.{decimals}f}".replace(".", "")
    if len(text) > size * 2:
        raise ValueError(f"{value} has more than {digits} digits")
    data = bytes.fromhex(text.rjust(size * 2, "0"))
    if value < 0 and text.strip("0"):
        data = b"\xff" + data
    return data, len(data) << 3 | decimals


def rain(data: bytes) -> list[Value]:
    """F4: twelve bytes of 0.1 mm; FF is missing."""
    return [MISSING if byte == 0xFF else _tenths(byte) for byte in data]


def levels(data: bytes) -> list[Value]:
    """F5 to FC: twelve words of 0.01 m above the base that the station's configuration has; FFFF is missing."""
    words = [int.from_bytes(data[at : at + 2], "big") for at in range(0, len(data) - 1, 2)]
    return [MISSING if word == 0xFFFF else _hundredths(word) for word in words]


def _tenths(value: int) -> Value:
    text = point(str(value), 1)
    return Value(text, float(text))


def _hundredths(value: int) -> Value:
    text = point(str(value), 2)
    return Value(text, float(text))


def hours(value: Value) -> Value:
    """HH.mm as hours; the text stays as it was sent."""
    if value.number is None:
        return value
    whole, _point, minutes = value.text.partition(".")
    return Value(value.text, int(whole) + int(minutes.ljust(2, "0")[:2] or "0") / 60)


def step(data: bytes) -> timedelta:
    """Time step as days, hours and minutes, a BCD byte each (table C.3). Raises Unreadable `step`."""
    text = data.hex()
    if len(data) != 3 or not text.isdecimal():
        raise Unreadable("step")
    return timedelta(days=int(text[:2]), hours=int(text[2:4]), minutes=int(text[4:]))


def write_step(length: timedelta) -> bytes:
    """The same, written: the one of the three that fits."""
    minutes = int(length.total_seconds()) // 60
    if minutes % 1440 == 0:
        return bytes.fromhex(f"{minutes // 1440:02d}0000")
    return bytes.fromhex(f"00{minutes // 60:02d}00" if minutes % 60 == 0 else f"0000{minutes:02d}")
