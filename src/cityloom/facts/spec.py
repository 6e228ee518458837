"""Its part of a pack: `facts/<list>.yaml`, lists of facts to verify, and `facts/parameters/<list>.yaml`, a city's own values."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Annotated

import msgspec
from msgspec import Meta

from cityloom.kernel.errors import Invalid
from cityloom.kernel.packs import Packs
from cityloom.kernel.words import Text

Name = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9]*(_[a-z0-9]+)*$", max_length=63)]
Expression = Annotated[str, Meta(min_length=1, max_length=500)]
Number = int | str
"""Of a parameter: a whole number, or a text such as a code."""


class Subject(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whom the facts are about, such as the child, or each of its guardians: named by identifiers and nothing else."""

    name: Name
    title: Text
    register: Name
    identifier: Name
    most: Annotated[int, Meta(ge=1, le=10)] = 1


class Given(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What else a question names, such as the school applied for; never something that a source could tell."""

    name: Name
    title: Text
    pattern: Annotated[str, Meta(min_length=1, max_length=200)]


class Parameter(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A number or code that a city may set otherwise (`facts/parameters/<list>.yaml`)."""

    name: Name
    title: Text
    value: Number
    unit: str = ""


class Find(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Records that are looked for, one of three ways.

    `of`: those of a subject in its register; with `links`, those that lead to the subject by one of these links. `key`:
    those with this key, each part a subject, a given, a parameter, 'text', `months(n)`, or a field of records found before.
    """

    name: Name
    dataset: Name
    fields: Annotated[tuple[Name, ...], Meta(min_length=1)]
    of: Name | None = None
    links: tuple[Name, ...] = ()
    key: tuple[Expression, ...] = ()
    absent: Text | None = None
    """Where the source is complete, what it means that there is no such record: the answer is no. Else it is unknown."""


class Condition(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"expression": "if", "otherwise": "else"}
):
    """What must be true of the records found, and what is said where it is not."""

    expression: Expression
    otherwise: Text
    unit: str = ""
    """Of the two sides, where they are numbers."""


class Way(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One way to know a fact: it holds if all conditions are true of the same persons and records."""

    find: Annotated[tuple[Find, ...], Meta(min_length=1)]
    when: Annotated[tuple[Condition, ...], Meta(min_length=1)]


class Fact(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One fact; it holds if it is known in any of the ways."""

    name: Name
    title: Text
    law: Text
    """The law that makes it a condition, or that lets it be asked."""
    paper: Text
    """What people had to bring for it."""
    ways: Annotated[tuple[Way, ...], Meta(min_length=1)]


KEEP_DAYS = 1826
"""Five years, and what holds for lists that no pack declares any more."""


class FactList(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Facts that are asked together, for one purpose."""

    title: Text
    keeper: str
    """The organisation that answers for the list."""
    askers: Annotated[tuple[str, ...], Meta(min_length=1)]
    """Organisations that may ask; what they are answered, their grants on each source decide."""
    purpose: Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9_.:-]{0,99}$")]
    law: Text
    subjects: Annotated[tuple[Subject, ...], Meta(min_length=1)]
    consent: Name
    """The subject, one of whom must have consented."""
    facts: Annotated[tuple[Fact, ...], Meta(min_length=1)]
    given: tuple[Given, ...] = ()
    parameters: tuple[Parameter, ...] = ()
    consent_days: Annotated[int, Meta(ge=1, le=3660)] = 365
    """How long a consent lasts."""
    keep_days: Annotated[int, Meta(ge=30, le=36_600)] = KEEP_DAYS
    """How long it is kept who asked what about whom; the audit log keeps that something was asked."""

    @property
    def datasets(self) -> frozenset[str]:
        """Every dataset that is looked into."""
        return frozenset(find.dataset for fact in self.facts for way in fact.ways for find in way.find)


class Chosen(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a city sets otherwise: parameter and value."""

    values: dict[Name, Number]


@lru_cache(maxsize=8)
def lists(packs: Packs) -> Mapping[str, FactList]:
    """Every list of the city by name, with the city's own values for its parameters.

    Raises Invalid `kernel.pack_wrong`, and Invalid `facts.list_wrong` for what does not fit within a list.
    """
    chosen = packs.read("facts/parameters", Chosen)
    found = {}
    for name, declared in packs.read("facts", FactList).items():
        found[name] = _set(name, declared, chosen[name].values) if name in chosen else declared
        _check(name, found[name])
    for name in sorted(set(chosen) - set(found)):
        raise wrong(name, f"parameters/{name}.yaml")
    return found


def _set(name: str, declared: FactList, values: Mapping[str, Number]) -> FactList:
    known = {each.name: each for each in declared.parameters}
    for each, value in values.items():
        if each not in known or type(value) is not type(known[each].value):
            raise wrong(name, f"parameters: {each}")
    changed = tuple(
        msgspec.structs.replace(each, value=values.get(each.name, each.value)) for each in declared.parameters
    )
    return msgspec.structs.replace(declared, parameters=changed)


def _check(name: str, declared: FactList) -> None:
    own = names(declared)
    facts = [fact.name for fact in declared.facts]
    for twice in sorted(
        {each for each in own if own.count(each) > 1} | {each for each in facts if facts.count(each) > 1}
    ):
        raise wrong(name, f"{twice} twice")
    subjects = {each.name for each in declared.subjects}
    if name == "asked" or declared.consent not in subjects:
        raise wrong(name, f"consent: {declared.consent}")
    for fact in declared.facts:
        for find in (find for way in fact.ways for find in way.find):
            if (find.of is None) == (not find.key) or (find.links and find.of is None):
                raise wrong(name, f"{fact.name}.{find.name}: of, key")
            if find.of is not None and find.of not in subjects:
                raise wrong(name, f"{fact.name}.{find.name}: {find.of}")
            if find.name in own:
                raise wrong(name, f"{fact.name}.{find.name} twice")


def names(declared: FactList) -> list[str]:
    """What conditions may name beside records: subjects, givens, parameters."""
    return [
        *(each.name for each in declared.subjects), *(each.name for each in declared.given),
        *(each.name for each in declared.parameters),
    ]  # fmt: skip


def wrong(name: str, what: str) -> Invalid:
    """What to say of a list that does not fit."""
    return Invalid("facts.list_wrong", list=name, what=what)
