"""A list as it is worked through: which finds come after which, whose records they are, and conditions ready to judge."""

import ast
from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

from cityloom.facts import spec
from cityloom.facts.rules import expressions
from cityloom.facts.rules.expressions import Compiled, Scope, UnfitError
from cityloom.facts.spec import Fact, FactList, Find, Way

ON = "on"
"""The day for which is asked."""


class Part(msgspec.Struct, frozen=True):
    """One part of a key: of each kind, what it is made from."""

    kind: Literal["subject", "constant", "text", "months", "field"]
    name: str
    field: str = ""


class PlannedFind(msgspec.Struct, frozen=True):
    """A find with the parts of its key, and of which subjects its records are."""

    name: str
    find: Find
    parts: tuple[Part, ...]
    subjects: frozenset[str]
    after: frozenset[str]
    """Finds whose fields are in its key."""

    @property
    def complete(self) -> bool:
        """Whether nothing there means no."""
        return self.find.absent is not None


class PlannedWay(msgspec.Struct, frozen=True):
    """A way with its conditions compiled; `whole` are the finds that are judged by all their records at once."""

    way: Way
    finds: tuple[PlannedFind, ...]
    conditions: tuple[Compiled, ...]
    subjects: frozenset[str]
    whole: frozenset[str]


class PlannedFact(msgspec.Struct, frozen=True):
    """A fact with its ways."""

    fact: Fact
    ways: tuple[PlannedWay, ...]


class PlannedList(msgspec.Struct, frozen=True):
    """A list that is ready to be asked."""

    name: str
    declared: FactList
    facts: Mapping[str, PlannedFact]


def plan(name: str, declared: FactList) -> PlannedList:
    """Raises Invalid `facts.list_wrong` naming what does not fit."""
    facts = {}
    for fact in declared.facts:
        try:
            ways = tuple(_way(declared, way) for way in fact.ways)
        except UnfitError as error:
            raise spec.wrong(name, f"{fact.name}: {error}") from error
        facts[fact.name] = PlannedFact(fact, ways)
    return PlannedList(name, declared, facts)


def _way(declared: FactList, way: Way) -> PlannedWay:
    finds: dict[str, PlannedFind] = {}
    for find in way.find:
        if find.name in finds:
            raise UnfitError(f"{find.name} twice")
        finds[find.name] = _find(declared, find, finds)
    constants = frozenset({ON, *spec.names(declared)})
    scope = Scope(constants, {name: frozenset(each.find.fields) for name, each in finds.items()})
    conditions = tuple(expressions.compile(each.expression, scope) for each in way.when)
    whole = frozenset(name for each in conditions for name in each.whole)
    one = frozenset(name for each in conditions for name in each.one)
    if whole & one:
        raise UnfitError(", ".join(sorted(whole & one)))
    subjects = frozenset(name for each in finds.values() for name in each.subjects)
    return PlannedWay(way, tuple(finds.values()), conditions, subjects, whole)


def _find(declared: FactList, find: Find, before: Mapping[str, PlannedFind]) -> PlannedFind:
    if find.of is not None:
        return PlannedFind(find.name, find, (), frozenset({find.of}), frozenset())
    parts = tuple(_part(declared, text, before) for text in find.key)
    after = frozenset(part.name for part in parts if part.kind == "field")
    own = frozenset(part.name for part in parts if part.kind == "subject")
    inherited = frozenset(name for each in after for name in before[each].subjects)
    return PlannedFind(find.name, find, parts, own | inherited, after)


def _part(declared: FactList, text: str, before: Mapping[str, PlannedFind]) -> Part:
    node = expressions.parsed(text)
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return Part("text", node.value)
    if isinstance(node, ast.Name):
        return Part("subject" if _has(declared.subjects, node.id) else "constant", _constant(declared, node.id, text))
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        find = before.get(node.value.id)
        if find is None or node.attr not in find.find.fields:
            raise UnfitError(text)
        return Part("field", find.name, node.attr)
    if (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "months"
        and len(node.args) == 1
    ):
        number = node.args[0]
        if isinstance(number, ast.Name) and _has(declared.parameters, number.id):
            return Part("months", number.id)
    raise UnfitError(text)


def _constant(declared: FactList, name: str, text: str) -> str:
    if any(_has(some, name) for some in (declared.subjects, declared.given, declared.parameters)):
        return name
    raise UnfitError(text)


def _has(some: Sequence[spec.Subject] | Sequence[spec.Given] | Sequence[spec.Parameter], name: str) -> bool:
    return any(each.name == name for each in some)
