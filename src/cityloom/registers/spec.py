"""Its part of a pack: `registers/<name>.yaml`, one register each."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from cityloom.kernel.errors import Invalid
from cityloom.kernel.packs import Packs
from cityloom.kernel.words import Text

Name = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9]*(_[a-z0-9]+)*$", max_length=63)]


class Identifier(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A number that is given to one only, and that the exchange checks at its gate."""

    name: Name
    title: Text


class Field(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the register knows of each of its entities."""

    name: Name
    title: Text
    prefer: tuple[str, ...] = ()
    """Datasets in the order in which they are believed; the others follow in the order of `sources`."""


class To(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a link leads: the field of the source record that has an identifier of the other one."""

    register: Name
    identifier: Name
    field: Name
    title: Text | None = None
    """What the link says, such as lives in; unsaid, the title of the register that it leads to."""


class Feed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A dataset whose records say something about the register's entities."""

    dataset: Name
    identifier: Name | None = None
    """Kind of identifier that the records have, if any."""
    by: Name | None = None
    """The dataset's field that has it; records where it is empty are for linkage."""
    fields: dict[Name, Name] = {}
    """Field of the register: field of the dataset."""
    links: dict[Name, To] = {}
    role: Name | None = None
    """As whom the record speaks of the entity, where it speaks of several, such as the mother in a certificate of birth."""


class Evidence(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A field of the register that is evidence of who somebody is."""

    field: Name
    kind: Literal["name", "latin_name", "organisation", "date", "phone", "address", "category", "text"]


class Linkage(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How records without a verified identifier find their entity. The thresholds are probabilities."""

    evidence: Annotated[tuple[Evidence, ...], Meta(min_length=2)]
    link: Annotated[float, Meta(ge=0.5, le=1)] = 0.95
    """From here on a pair is linked: a wrong merge mixes two lives, and costs about twenty missed links."""
    doubt: Annotated[float, Meta(ge=0.01, le=1)] = 0.5
    """From here on a steward is asked."""


class Register(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One register. The order of `sources` is that in which they are believed."""

    title: Text
    keeper: str
    """The organisation whose stewards decide on doubtful pairs."""
    letter: Annotated[str, Meta(pattern=r"^[A-Z]$")]
    identifiers: Annotated[tuple[Identifier, ...], Meta(min_length=1)]
    fields: Annotated[tuple[Field, ...], Meta(min_length=1)]
    sources: Annotated[tuple[Feed, ...], Meta(min_length=1)]
    personal: bool = True
    identity: tuple[Evidence, ...] = ()
    """What two records of one identifier must not contradict each other on: where they differ on more of these than they
    agree on, the number is one and the people are two, so they are kept apart and a steward is asked."""
    linkage: Linkage | None = None


@lru_cache(maxsize=8)
def registers(packs: Packs) -> Mapping[str, Register]:
    """Every register of the city by name.

    Raises Invalid `kernel.pack_wrong`, and Invalid `registers.register_wrong` for what does not fit within them.
    """
    found = packs.read("registers", Register)
    letters: dict[str, str] = {}
    for name, register in found.items():
        _check(name, register)
        if letters.setdefault(register.letter, name) != name:
            raise _wrong(name, f"{register.letter} is the letter of {letters[register.letter]}")
    for name, register in found.items():
        for source in register.sources:
            for link, to in source.links.items():
                other = found.get(to.register)
                if other is None or to.identifier not in {each.name for each in other.identifiers}:
                    raise _wrong(name, f"{link}: {to.register}.{to.identifier}")
    return found


def _check(name: str, register: Register) -> None:
    identifiers, fields = {each.name for each in register.identifiers}, {each.name for each in register.fields}
    datasets = {source.dataset for source in register.sources}
    seen = set()
    for source in register.sources:
        for wrong in {source.identifier} - identifiers - {None} | set(source.fields) - fields:
            raise _wrong(name, f"{source.dataset}: {wrong}")
        if (source.identifier is None) != (source.by is None):
            raise _wrong(name, f"{source.dataset}: identifier, by")
        if (source.dataset, source.role) in seen:
            raise _wrong(name, f"{source.dataset} twice in one role")
        seen.add((source.dataset, source.role))
    for part, declared in {
        "linkage": register.linkage.evidence if register.linkage else (),
        "identity": register.identity,
    }.items():
        for evidence in declared:
            if evidence.field not in fields:
                raise _wrong(name, f"{part}: {evidence.field}")
    for field in register.fields:
        for wrong in set(field.prefer) - datasets:
            raise _wrong(name, f"{field.name}: {wrong}")


def _wrong(register: str, what: str) -> Invalid:
    return Invalid("registers.register_wrong", register=register, what=what)
