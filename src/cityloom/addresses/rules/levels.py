"""The levels of an address and what a reading of one comes to."""

from enum import IntEnum

import msgspec


class Level(IntEnum):
    """From the widest to the narrowest.

    The order follows GB/T 23705-2009 and the groups of GB/T 39609-2020, clause 7: divisions (行政区划), streets and
    compounds (街巷院落), buildings (建筑门楼), units and rooms (单元户室). The finer steps and the names are ours.
    """

    province = 1
    city = 2
    district = 3
    street = 4
    """街道, 镇, 乡."""
    community = 5
    """社区, 村."""
    group = 6
    """村民小组."""
    road = 7
    number = 8
    """Number at the gate: 号, 弄."""
    estate = 9
    """小区, 花园, 大厦: what has a name and lies at a road, or instead of one."""
    section = 10
    """Part of an estate: 期, 区."""
    building = 11
    unit = 12
    floor = 13
    room = 14


LEVELS = tuple(Level)
DIVISIONS = (Level.province, Level.city, Level.district, Level.street, Level.community)
DIGITS = {
    Level.province: 2, Level.city: 4, Level.district: 6, Level.street: 9, Level.community: 12,
}  # fmt: skip
"""How many digits of a division's code (GB/T 2260-2007, GB/T 10114-2003) stand for each level."""


class Part(msgspec.Struct, frozen=True):
    """One level of an address."""

    level: Level
    name: str
    """Comparable: `12` for 十二栋 and 12幢, the present full name for a division that is known."""
    said: str
    """As it was written, after cleaning."""
    codes: tuple[str, ...] = ()
    """Codes of the divisions that may be meant, each as long as its level needs; empty for what is no known division."""
    former: bool = False
    """The text has a name that the division no longer bears."""


class Parsed(msgspec.Struct, frozen=True):
    """What an address says. Nothing is guessed: a level that is not in the text is not here."""

    parts: tuple[Part, ...]
    """From wide to narrow; roads and estates may occur twice (a crossing, an estate in an estate)."""
    division: str = ""
    """Longest code that all named divisions agree on, 0 to 12 digits."""
    conflict: bool = False
    """Two divisions are named of which neither lies in the other."""
    relation: str = ""
    """Such as 对面: the address is beside the one that the parts name."""
    notes: tuple[str, ...] = ()
    """Brackets, landmarks, and names of shops that belong to no level. Telephone numbers are thrown away."""

    def get(self, level: Level) -> str:
        """The name at a level, the last if there are several; empty when nothing is said."""
        return next((part.name for part in reversed(self.parts) if part.level == level), "")


_ENDINGS = {
    Level.group: "组", Level.number: "号", Level.building: "栋", Level.unit: "单元", Level.floor: "层", Level.room: "室",
}  # fmt: skip


def write(parts: tuple[Part, ...]) -> str:
    """The standard text of these parts. Parsing it again gives parts of the same names."""
    return "".join(written(part.level, part.name) for part in parts)


def written(level: Level, name: str) -> str:
    """One level in standard text, such as 12栋; a lane (弄) keeps its word, floors below ground are 负1层."""
    if level == Level.floor and name.startswith("-"):
        name = "负" + name[1:]
    if level == Level.number and name.endswith("弄"):
        return name
    return name + _ENDINGS.get(level, "")
