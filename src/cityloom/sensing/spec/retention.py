"""How long observations are kept: its part of a pack, `sensing/retention/<class>.yaml`.

A Datastream says its class as `properties/retention`; what says none, or one that no pack has, is of the class `default`.
"""

from typing import Annotated

import msgspec
from msgspec import Meta

from cityloom.kernel.errors import Invalid
from cityloom.kernel.packs import Packs
from cityloom.kernel.words import Text

FOLDER = "sensing/retention"
DEFAULT = "default"
HOT = 3


class Retention(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How long observations of a class are kept. What they come to by minute, hour and day is kept for ever."""

    title: Text
    hot_days: Annotated[int, Meta(ge=1, le=366)] = HOT
    """Whole days that they stay in PostgreSQL. A day leaves it as a whole, so the longest of all classes counts."""
    raw_days: Annotated[int, Meta(ge=1, le=36_525)] | None = None
    """Days after their arrival when they are deleted; none: never."""


def retention(packs: Packs) -> dict[str, Retention]:
    """The classes by name, `default` among them. Raises Invalid `kernel.pack_wrong`, `sensing.retention_too_short`."""
    found = {DEFAULT: Retention(Text("Everything else", "其他"))} | packs.read(FOLDER, Retention)
    hot = hot_days(found)
    for name, each in found.items():
        if each.raw_days is not None and each.raw_days <= hot:
            raise Invalid("sensing.retention_too_short", name=name, days=each.raw_days, hot=hot)
    return found


def hot_days(classes: dict[str, Retention]) -> int:
    """How many days stay in PostgreSQL."""
    return max(each.hot_days for each in classes.values())
