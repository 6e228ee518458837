"""How payloads of platforms are read (`sensing/mappings/*.yaml`): LoRaWAN network servers, NB-IoT platforms, own formats.

No code: paths lead into the JSON. `a.b` goes into objects, `a[0]` into lists, `a[]` through all members of a list, and
`topic[1]` is a level of the topic, counted from 0.
"""

import re
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from cityloom.kernel.errors import Invalid
from cityloom.kernel.packs import Packs
from cityloom.kernel.words import Text

Path = Annotated[str, Meta(max_length=200)]
Clock = Literal["iso", "s", "ms", "compact"]
"""ISO 8601; seconds or milliseconds since 1970 (UTC); `20260301T101500Z`."""
PART = re.compile(r"([^.\[\]]+)((?:\[\d*\])*)")


class Condition(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A payload is meant only where this holds."""

    path: Path
    equals: tuple[str, ...]


class Value(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One value: the code that the station's type has for it, and where it stands."""

    path: Path
    code: str = ""
    """Empty: `path` leads to an object, and each of its numbers is a value with its name as code."""
    name: Path = ""
    """Instead of `code`: the path to the code, from the same item."""
    factor: float = 1.0


class Mapping(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file."""

    title: Text
    source: str
    """Which platform and which of its documents say that its payloads are so."""
    number: Path
    """To the device's number (DevEUI, IMEI, the platform's id)."""
    values: Annotated[tuple[Value, ...], Meta(min_length=1)]
    topics: tuple[str, ...] = ()
    """Filters of MQTT; none: it comes by HTTP only."""
    items: Path = ""
    """To the list of messages in one payload; the other paths start from each. Empty: the payload is one."""
    when: tuple[Condition, ...] = ()
    time: Path = ""
    """To the moment of the values; empty or not there: the moment of arrival."""
    clock: Clock = "iso"
    kind: str = ""
    """The kind of report, by which the station's type tells series apart."""
    capitals: bool = False
    """Whether numbers are written in capitals (a DevEUI is sent in small letters by one server and in capitals by another)."""
    signature: Literal["", "onenet"] = ""
    """How pushes over HTTP are signed besides a token: `onenet` is MD5 over token, nonce and message."""

    @property
    def paths(self) -> tuple[str, ...]:
        """All of them."""
        return (
            self.number, self.items, self.time, *(each.path for each in self.when),
            *(path for each in self.values for path in (each.path, each.name)),
        )  # fmt: skip


def mappings(packs: Packs) -> dict[str, Mapping]:
    """By name. Raises Invalid `kernel.pack_wrong`."""
    found = packs.read("sensing/mappings", Mapping)
    for name, each in found.items():
        wrong = [path for path in each.paths if path and not _right(path)]
        if wrong:
            raise Invalid("kernel.pack_wrong", file=f"sensing/mappings/{name}.yaml", reason=f"no path: {wrong[0]}")
        if any(value.code and value.name for value in each.values):
            raise Invalid("kernel.pack_wrong", file=f"sensing/mappings/{name}.yaml", reason="code and name at once")
    return found


def _right(path: str) -> bool:
    return all(PART.fullmatch(part) for part in path.split("."))
