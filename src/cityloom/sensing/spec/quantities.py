"""Tables of what devices measure, as packs have them: codes of a protocol with names, units (UCUM) and ranges."""

from typing import Literal

import msgspec

from cityloom.kernel.words import Text

_HALF = 0x80


class Interval(msgspec.Struct, frozen=True):
    """Values of a quantity that can be true, both ends included."""

    low: float
    high: float


class Quantity(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One code."""

    code: str
    title: Text
    unit: str
    """UCUM; 1 has no unit."""
    old: str = ""
    """The code that an earlier version of the protocol has for it."""
    digits: str = ""
    """The table's own type, such as N3.1."""
    printed: str = ""
    """The unit that the standard prints, where devices send another."""
    range: tuple[float, float] | None = None
    """What can be true at all."""
    listed: bool = True
    """False for codes of the field that the standard does not have."""


class Quantities(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file `sensing/quantities/*.yaml` of a pack."""

    speech: Literal["hj212", "sl651", "mqtt", "http"]
    title: Text
    source: str
    quantities: tuple[Quantity, ...]

    def by_code(self) -> dict[str, Quantity]:
        """Each quantity by every code that devices have for it; a code of today goes before one of old."""
        old = {each.old: each for each in self.quantities if each.old}
        return old | {each.code: each for each in self.quantities}

    def ranges(self) -> dict[str, Interval]:
        """What can be true, by code."""
        return {code: Interval(*each.range) for code, each in self.by_code().items() if each.range is not None}


class PositionItem(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One additional item of a position."""

    id: int
    title: Text
    size: int
    """Bytes; 0 where it varies."""
    scale: float | None = None
    unit: str = ""
    signed: bool = False
    """The highest bit is a minus, the others are the amount."""

    def value(self, data: bytes) -> float | None:
        """The number in `unit`; None for what is no number, or has another length."""
        if self.scale is None or len(data) != self.size:
            return None
        whole = int.from_bytes(data, "big")
        if self.signed and data[0] & _HALF:
            whole = -(whole & (1 << 8 * self.size - 1) - 1)
        return whole / round(1 / self.scale) if self.scale < 1 else whole * self.scale


class PositionItems(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file `sensing/items/*.yaml` of a pack."""

    speech: Literal["jt808"]
    title: Text
    source: str
    items: tuple[PositionItem, ...]
