"""Results of observations: a number that is exactly a double is kept as one; anything else as its JSON."""

import re
from decimal import Decimal
from typing import Any

import msgspec
from msgspec import Raw

EXACT = 2**53
LONG = re.compile(rb"\d[\d.]{15}")
"""A number with so many digits may be no double; dates have fewer in a row."""


class Result(msgspec.Struct, frozen=True):
    """A result as it is kept: `number` for whatever is one, `json` where that is not all of it."""

    number: float | None
    json: str | None


def decode(body: bytes) -> Any:
    """JSON; a number that a double may not hold comes as Decimal. Raises msgspec.DecodeError."""
    return EXACTLY.decode(body) if LONG.search(body) else msgspec.json.decode(body)


def _number(text: str) -> float | Decimal:
    plain = float(text)
    exact = Decimal(text)
    return plain if Decimal(repr(plain)) == exact else exact


EXACTLY = msgspec.json.Decoder(float_hook=_number)
ENCODER = msgspec.json.Encoder(decimal_format="number")


def kept(value: object) -> Result:
    """How a result is kept."""
    if isinstance(value, float) or (type(value) is int and abs(value) <= EXACT):
        return Result(float(value), None)
    if isinstance(value, Decimal):
        return Result(float(value), str(value))
    if type(value) is int:
        return Result(float(value) if abs(value) < 10**300 else None, str(value))
    return Result(None, text(value))


def text(value: object) -> str:
    """The value as JSON."""
    return ENCODER.encode(value).decode()


def shown(number: float | None, json: str | None) -> Any:
    """The result as it is answered: a whole number without a fraction."""
    if json is not None:
        return Raw(json.encode())
    if number is not None and number.is_integer() and abs(number) <= EXACT:
        return int(number)
    return number
