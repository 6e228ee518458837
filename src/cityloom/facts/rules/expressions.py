"""The language of conditions: comparisons of fields of found records, parameters, givens and a few functions.

It is a part of Python's grammar, read as a tree and never run. Whatever touches an empty field is neither true nor false,
as in SQL; texts are compared without the spaces around them.
"""

import ast
import operator
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import msgspec

from cityloom.facts.rules import spans

Value = str | int | float | Decimal | bool | date | datetime | tuple[str, ...] | None
Record = Mapping[str, Value]


class Scene(msgspec.Struct, frozen=True):
    """What a condition is judged over."""

    constants: Mapping[str, Value]
    """Parameters, givens, `on`, and of each subject the identifiers."""
    one: Mapping[str, Record]
    """The record chosen of each find."""
    every: Mapping[str, Sequence[Record]]
    """All records of each find that is looked at as a whole."""


class Scope(msgspec.Struct, frozen=True):
    """Which names there are: constants, and the fields of each find."""

    constants: frozenset[str]
    finds: Mapping[str, frozenset[str]]


Get = Callable[[Scene], Value]


class UnfitError(Exception):
    """An expression that is not of the language; says what in it."""


class Side(msgspec.Struct, frozen=True):
    """One side of a comparison, and whether it says something of a record."""

    get: Get
    personal: bool


class Compiled(msgspec.Struct, frozen=True):
    """An expression to be judged, with the finds it looks at."""

    get: Get
    one: frozenset[str]
    whole: frozenset[str]
    left: Side | None
    right: Side | None
    operator: str


COMPARISONS: Mapping[type[ast.cmpop], tuple[str, Callable[[Any, Any], bool]]] = {
    ast.Eq: ("==", operator.eq), ast.NotEq: ("!=", operator.ne), ast.Gt: (">", operator.gt), ast.GtE: (">=", operator.ge),
    ast.Lt: ("<", operator.lt), ast.LtE: ("<=", operator.le),
}  # fmt: skip
FUNCTIONS: Mapping[str, tuple[int, Callable[..., Value]]] = {
    "days_between": (2, spans.days), "months_between": (2, spans.months), "years_between": (2, spans.years),
}  # fmt: skip
"""Of single values: name, how many, what. They are unknown where one of the values is."""
WHOLE: Mapping[str, tuple[int, int, Callable[..., Value]]] = {
    "paid_months": (2, 3, spans.paid_months), "count": (1, 0, spans.count), "latest": (1, 0, spans.latest),
}  # fmt: skip
"""Of all records of a find: name, how many fields of it first, how many single values then, what."""


def compile(text: str, scope: Scope) -> Compiled:
    """Read an expression. Raises UnfitError."""
    tree = parsed(text)
    reader = Reader(scope)
    get = reader.read(tree)
    sides: tuple[Side | None, Side | None] = (None, None)
    name = ""
    if isinstance(tree, ast.Compare) and type(tree.ops[0]) in COMPARISONS:
        sides = _side(scope, tree.left), _side(scope, tree.comparators[0])
        name = COMPARISONS[type(tree.ops[0])][0]
    return Compiled(get, frozenset(reader.one), frozenset(reader.whole), *sides, name)


def parsed(text: str) -> ast.expr:
    """The tree of an expression. Raises UnfitError."""
    try:
        return ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise UnfitError(text[:80]) from error


def _side(scope: Scope, node: ast.expr) -> Side:
    reader = Reader(scope)
    return Side(reader.read(node), bool(reader.one or reader.whole or reader.people))


class Reader:
    """Walks a tree; notes the finds it looks at, singly and as a whole."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self.one: set[str] = set()
        self.whole: set[str] = set()
        self.people = False

    def read(self, node: ast.expr) -> Get:
        """The value of a node as a function of the scene. Raises UnfitError."""
        if isinstance(node, ast.BoolOp):
            return self._joined(node)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            return self._not(node.operand)
        if isinstance(node, ast.Compare):
            return self._compared(node)
        if isinstance(node, ast.Call):
            return self._called(node)
        if isinstance(node, ast.Attribute):
            find, field = self._field(node)
            self.one.add(find)
            return lambda scene: scene.one[find].get(field)
        if isinstance(node, ast.Name):
            return self._named(node.id)
        if (isinstance(node, ast.Constant) and isinstance(node.value, str | int)) or _is_list(node):
            value: Value = ast.literal_eval(node)
            return lambda _: value
        raise _unfit(node)

    def _named(self, name: str) -> Get:
        if name not in self._scope.constants:
            raise UnfitError(name)
        return lambda scene: scene.constants.get(name)

    def _field(self, node: ast.expr) -> tuple[str, str]:
        if not isinstance(node, ast.Attribute) or not isinstance(node.value, ast.Name):
            raise _unfit(node)
        find, field = node.value.id, node.attr
        if field not in self._scope.finds.get(find, ()):
            raise _unfit(node)
        return find, field

    def _joined(self, node: ast.BoolOp) -> Get:
        parts = [self.read(each) for each in node.values]
        decides = isinstance(node.op, ast.Or)  # or: what is true decides; and: what is false

        def get(scene: Scene) -> Value:
            values = [part(scene) for part in parts]
            if decides in values:
                return decides
            return None if None in values else not decides

        return get

    def _not(self, node: ast.expr) -> Get:
        inner = self.read(node)

        def get(scene: Scene) -> Value:
            value = inner(scene)
            return None if value is None else not value

        return get

    def _compared(self, node: ast.Compare) -> Get:
        if len(node.ops) != 1:
            raise _unfit(node)
        left, right = self.read(node.left), self.read(node.comparators[0])
        if isinstance(node.ops[0], ast.In):
            return lambda scene: _contains(right(scene), left(scene))
        if type(node.ops[0]) not in COMPARISONS:
            raise _unfit(node)
        compare = COMPARISONS[type(node.ops[0])][1]
        return lambda scene: _compare(compare, left(scene), right(scene))

    def _called(self, node: ast.Call) -> Get:
        if not isinstance(node.func, ast.Name) or node.keywords:
            raise _unfit(node)
        if node.func.id in FUNCTIONS:
            number, function = FUNCTIONS[node.func.id]
            return self._of_values(node, number, function)
        if node.func.id in WHOLE:
            return self._of_records(node, *WHOLE[node.func.id])
        raise _unfit(node)

    def _of_values(self, node: ast.Call, number: int, function: Callable[..., Value]) -> Get:
        parts = [self.read(each) for each in node.args]
        if len(parts) != number:
            raise _unfit(node)

        def get(scene: Scene) -> Value:
            values = [part(scene) for part in parts]
            return None if None in values else function(*values)

        return get

    def _of_records(self, node: ast.Call, fields: int, values: int, function: Callable[..., Value]) -> Get:
        if len(node.args) != fields + values:
            raise _unfit(node)
        columns = [self._field(each) for each in node.args[:fields]]
        parts = [self.read(each) for each in node.args[fields:]]
        finds = {find for find, _ in columns}
        if len(finds) != 1:
            raise _unfit(node)
        self.whole |= finds

        def get(scene: Scene) -> Value:
            known = [part(scene) for part in parts]
            if None in known:
                return None
            return function(*([record.get(field) for record in scene.every[find]] for find, field in columns), *known)

        return get


def _is_list(node: ast.expr) -> bool:
    return isinstance(node, ast.Tuple) and all(
        isinstance(each, ast.Constant) and isinstance(each.value, str | int) for each in node.elts
    )


def _contains(values: Value, value: Value) -> bool | None:
    if value is None or not isinstance(values, tuple):
        return None
    return _plain(value) in values


def _compare(compare: Callable[[Any, Any], bool], left: Value, right: Value) -> bool | None:
    """Neither true nor false where a side is missing, or the two cannot be compared."""
    if left is None or right is None:
        return None
    if isinstance(left, datetime) != isinstance(right, datetime):
        left, right = _day(left), _day(right)
    try:
        return compare(_plain(left), _plain(right))
    except TypeError:
        return None


def _day(value: Value) -> Value:
    return value.date() if isinstance(value, datetime) else value


def _plain(value: Value) -> Value:
    return value.strip() if isinstance(value, str) else value


def _unfit(node: ast.expr) -> UnfitError:
    return UnfitError(ast.unparse(node)[:80])
