"""Topics of MQTT: which Observation a topic makes, which filters match it, and who may send to it."""

import re
from collections.abc import Mapping

import msgspec

from cityloom.sensing.contracts.mqtt import Guest

SHARE = "$share/"
DEVICES = "devices"
"""Below `devices/NUMBER/` a device sends what is its own format."""
_OBSERVATIONS = re.compile(
    r"v1\.[01]/(?:(?P<kind>Datastreams|MultiDatastreams|FeaturesOfInterest)\((?P<id>[1-9]\d{0,17})\)/)?Observations"
)


class Target(msgspec.Struct, frozen=True):
    """What a topic says of the Observations that are published to it (OGC 18-088, 14.1); 0: the payload says it."""

    stream: int = 0
    feature: int = 0


def target(topic: str) -> Target | None:
    """Of `v1.1/Datastreams(1)/Observations`, `v1.1/Observations` and their kin; None: it makes no Observation."""
    found = _OBSERVATIONS.fullmatch(topic)
    if found is None:
        return None
    id = int(found["id"] or 0)
    return Target(feature=id) if found["kind"] == "FeaturesOfInterest" else Target(stream=id)


def right(filter: str) -> bool:
    """Whether a filter is one (MQTT 5, 4.7.1): `#` is the last level, `+` a whole one."""
    levels = filter.split("/")
    return bool(filter) and "\x00" not in filter and all(
        level in ("+", "#") or not {"+", "#"} & set(level) for level in levels
    ) and "#" not in levels[:-1]  # fmt: skip


def matches(filter: str, topic: str) -> bool:
    """Whether the filter matches (4.7); wildcards in front match no topic that begins with `$`."""
    wanted, levels = filter.split("/"), topic.split("/")
    if topic.startswith("$") and wanted[0] in ("+", "#"):
        return False
    for place, each in enumerate(wanted):
        if each == "#":
            return True
        if place >= len(levels) or each not in ("+", levels[place]):
            return False
    return len(wanted) == len(levels)


def may_send(guest: Guest | None, topic: str, owners: Mapping[int, frozenset[int]] = {}) -> bool:
    """Whether a guest may send to a topic; `owners` are the devices of Datastreams.

    A device sends below `devices/NUMBER/` and to the Observations of its own Datastreams; an account wherever something is
    made of it. What comes through the city's broker was let pass there, and must name its Datastream in the topic, for the
    broker's access list sees nothing else.
    """
    found = target(topic)
    if guest is None:
        return found is None or found.stream > 0
    if not guest.sends:
        return False
    if not guest.device:
        return True
    if found is not None:
        return guest.device in owners.get(found.stream, ())
    return topic.startswith(f"{DEVICES}/{guest.number}/")
