"""Its part of a pack: `topics/<name>.yaml`, one library each."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Annotated

import msgspec
from msgspec import Meta

from cityloom.kernel.errors import Invalid
from cityloom.kernel.packs import Packs
from cityloom.kernel.words import Text
from cityloom.topics.contracts import Kind

Name = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9]*(_[a-z0-9]+)*$", max_length=63)]


class Link(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The field of a dataset that has an identifier of a register's entities."""

    register: Name
    identifier: Name
    field: Name


class Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A register, or a dataset that ought to be there, whether or not somebody delivers it in this city."""

    register: Name | None = None
    dataset: Name | None = None
    title: Text | None = None
    """Needed for a dataset that a city may not have."""
    responsible: Text | None = None
    """Who ought to deliver it. Needed for a dataset that a city may not have."""
    legal_basis: Text | None = None
    fields: tuple[Name, ...] = ()
    """Those that matter here."""
    required: tuple[Name, ...] = ()
    """Those without which the part is not complete."""
    links: tuple[Link, ...] = ()
    every_days: Annotated[int, Meta(ge=1)] | None = None
    """After how many days the part is stale, where its dataset has no rhythm of its own."""

    @property
    def name(self) -> str:
        """What it is called within its topic: a register and a dataset may have one name."""
        return f"register:{self.register}" if self.register else self.dataset or ""


class Topic(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One library."""

    title: Text
    summary: Text
    kind: Kind
    keeper: str
    parts: Annotated[tuple[Part, ...], Meta(min_length=1)]
    subjects: tuple[Name, ...] = ()
    """Registers whose entities it is about."""


@lru_cache(maxsize=8)
def topics(packs: Packs) -> Mapping[str, Topic]:
    """Every library of the city by name. Raises Invalid `kernel.pack_wrong`, `topics.topic_wrong`."""
    found = packs.read("topics", Topic)
    for name, topic in found.items():
        _check(name, topic)
    return found


def _check(name: str, topic: Topic) -> None:
    seen = set()
    for part in topic.parts:
        if (part.register is None) == (part.dataset is None):
            raise wrong(name, f"{part.name or '?'}: register, dataset")
        if part.name in seen:
            raise wrong(name, f"{part.name} twice")
        seen.add(part.name)
        if part.fields and (strange := sorted(set(part.required) - set(part.fields))):
            raise wrong(name, f"{part.name}: {', '.join(strange)}")
        if part.register and part.links:
            raise wrong(name, f"{part.name}: links")


def wrong(topic: str, what: str) -> Invalid:
    """What does not fit in a topic's file."""
    return Invalid("topics.topic_wrong", topic=topic, what=what)
