"""Classes of surface water by GB 3838-2002, table 1. No I/O.

Values are in mg/L, pH without unit, faecal coliforms per litre.
"""

from collections.abc import Sequence
from math import isfinite
from typing import Literal

import msgspec

Class = Literal[1, 2, 3, 4, 5, 6]
"""I to V; 6 is worse than V (劣V)."""
NAMES: dict[Class, str] = {1: "Ⅰ", 2: "Ⅱ", 3: "Ⅲ", 4: "Ⅳ", 5: "Ⅴ", 6: "劣Ⅴ"}
_CLASSES: tuple[Class, ...] = (1, 2, 3, 4, 5)


class Item(msgspec.Struct, frozen=True):
    """An item of the table: what it may be at most in each class."""

    name: str
    limits: tuple[float, float, float, float, float]
    factor: str = ""
    """Code of HJ 212, where it has one."""
    lake: tuple[float, float, float, float, float] | None = None
    """Limits of lakes and reservoirs, where they differ."""


ITEMS = (
    Item("codmn", (2, 4, 6, 10, 15), "w01019"), Item("cod", (15, 15, 20, 30, 40), "w01018"),
    Item("bod5", (3, 3, 4, 6, 10), "w01017"), Item("nh3n", (0.15, 0.5, 1.0, 1.5, 2.0), "w21003"),
    Item("tp", (0.02, 0.1, 0.2, 0.3, 0.4), "w21011", (0.01, 0.025, 0.05, 0.1, 0.2)),
    Item("tn", (0.2, 0.5, 1.0, 1.5, 2.0), "w21001"), Item("cu", (0.01, 1, 1, 1, 1), "w20138"),
    Item("zn", (0.05, 1, 1, 2, 2), "w20139"), Item("f", (1, 1, 1, 1.5, 1.5), "w21017"),
    Item("se", (0.01, 0.01, 0.01, 0.02, 0.02), "w20140"), Item("as", (0.05, 0.05, 0.05, 0.1, 0.1), "w20141"),
    Item("hg", (0.00005, 0.00005, 0.0001, 0.001, 0.001), "w20142"), Item("cd", (0.001, 0.005, 0.005, 0.005, 0.01), "w20143"),
    Item("cr6", (0.01, 0.05, 0.05, 0.05, 0.1), "w20117"), Item("pb", (0.01, 0.01, 0.05, 0.05, 0.1), "w20144"),
    Item("cn", (0.005, 0.05, 0.2, 0.2, 0.2), "w21016"), Item("phenol", (0.002, 0.002, 0.005, 0.01, 0.1), "w23002"),
    Item("oil", (0.05, 0.05, 0.05, 0.5, 1.0), "w22001"), Item("las", (0.2, 0.2, 0.2, 0.3, 0.3), "w19002"),
    Item("sulphide", (0.05, 0.1, 0.2, 0.5, 1.0), "w21019"),
    Item("coliform", (200, 2000, 10000, 20000, 40000), "w02003"),
)  # fmt: skip
OXYGEN = (7.5, 6.0, 5.0, 3.0, 2.0)
"""Dissolved oxygen (w01009), at least; class I also at 90 % of saturation."""
ACIDITY = (6.0, 9.0)
"""pH (w01001) of all classes."""
NOT_IN_RIVERS = frozenset({"tn", "coliform"})
"""Do not count in the routine assessment of rivers (地表水环境质量评价办法(试行), 2011)."""
_BY_NAME = {each.name: each for each in ITEMS}


class Measured(msgspec.Struct, frozen=True):
    """One item of a sample: a name of ITEMS, `ph` or `do`."""

    item: str
    value: float


class Judged(msgspec.Struct, frozen=True):
    """The class of a sample, and the items that decide it."""

    worst: Class
    deciding: tuple[str, ...]
    items: tuple[tuple[str, Class], ...]
    """The class of each item that counted."""


def judge(sample: Sequence[Measured], lake: bool = False, saturation: float | None = None) -> Judged | None:
    """The worst class of all items that count; None when none does. `saturation` of oxygen is a share of 1.

    Raises ValueError for an unknown item or a value that cannot be.
    """
    found = [
        (each.item, _class(each, lake, saturation)) for each in sample if lake or each.item not in NOT_IN_RIVERS
    ]  # fmt: skip
    if not found:
        return None
    worst = max(level for _item, level in found)
    return Judged(worst, tuple(item for item, level in found if level == worst), tuple(found))


def _class(measured: Measured, lake: bool, saturation: float | None) -> Class:
    value = measured.value
    if not isfinite(value) or value < 0:
        raise ValueError(f"{measured.item} is not {value}")
    if measured.item == "ph":
        return 1 if ACIDITY[0] <= value <= ACIDITY[1] else 6
    if measured.item == "do":
        if saturation is not None and saturation >= 0.9:
            return 1
        return next((number for number, least in zip(_CLASSES, OXYGEN, strict=True) if value >= least), 6)
    item = _BY_NAME.get(measured.item)
    if item is None:
        raise ValueError(f"{measured.item} is no item of the table")
    limits = item.lake if lake and item.lake else item.limits
    return next((number for number, most in zip(_CLASSES, limits, strict=True) if value <= most), 6)
