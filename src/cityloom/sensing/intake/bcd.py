"""Binary coded decimals: two digits a byte."""

from datetime import UTC, datetime

from cityloom.sensing.intake.framing import CHINA, Unreadable


def digits(data: bytes) -> str:
    """The digits of a field, two of each byte. Raises Unreadable `bcd`."""
    text = data.hex()
    if not text.isdecimal() and text:
        raise Unreadable("bcd")
    return text


def time(data: bytes) -> datetime:
    """YYMMDDhhmm or YYMMDDhhmmss in China standard time; years are 2000 to 2099. Raises Unreadable `time`."""
    return moment(data.hex())


def moment(text: str) -> datetime:
    """The same as text of 10 or 12 digits."""
    if len(text) not in (10, 12) or not (text.isascii() and text.isdecimal()):
        raise Unreadable("time")
    try:
        return datetime(
            2000 + int(text[:2]), int(text[2:4]), int(text[4:6]), int(text[6:8]), int(text[8:10]),
            int(text[10:12] or "0"), tzinfo=CHINA,
        )  # fmt: skip
    except ValueError as error:
        raise Unreadable("time") from error


def encode(text: str, size: int) -> bytes:
    """Digits in so many bytes, zeros in front."""
    return bytes.fromhex(text.rjust(size * 2, "0"))


def stamp(at: datetime, seconds: bool = True) -> str:
    """A moment as YYMMDDhhmmss, or without its seconds, in China standard time."""
    return at.astimezone(CHINA).strftime("%y%m%d%H%M%S" if seconds else "%y%m%d%H%M")


def stamp_utc(at: datetime) -> str:
    """A moment as YYMMDDhhmmss in UTC, as 0x8004 of JT/T 808-2019 has it and nothing else."""
    return at.astimezone(UTC).strftime("%y%m%d%H%M%S")
