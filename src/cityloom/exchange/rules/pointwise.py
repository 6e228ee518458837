"""Row filters: the part of the language of checks that means the same in DuckDB and in Python, one record at a time.

A filter is typed and rendered by `expression`, and compiled here to a function of one record. Whatever the two could
answer differently (arithmetic, case of letters, today's date) is refused by name, so a grant lets through the same rows
whether they are read as changes or singly; tests compare both on made-up rows.
"""

import operator
from collections.abc import Callable, Mapping
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

from sqlglot import exp

from cityloom.exchange.rules import expression
from cityloom.exchange.rules.expression import UnfitError
from cityloom.exchange.spec import ResolvedField

Value = str | int | float | Decimal | bool | date | datetime | None
Record = Mapping[str, Any]
"""A record as its JSON says it: days, moments and decimals are texts."""
Get = Callable[[Record], Value]

NEVER = date(1, 1, 1)  # no filter depends on the day
COMPARISONS: dict[type[exp.Expr], Callable[[Any, Any], bool]] = {
    exp.EQ: operator.eq, exp.NEQ: operator.ne, exp.GT: operator.gt, exp.GTE: operator.ge, exp.LT: operator.lt,
    exp.LTE: operator.le,
}  # fmt: skip
READERS: dict[str, Callable[[Any], Value]] = {
    "date": date.fromisoformat,
    "timestamp": datetime.fromisoformat,
    "decimal": Decimal,
    "number": float,
}


def compile_filter(text: str, fields: Mapping[str, ResolvedField]) -> Callable[[Record], bool]:
    """Whether a record is let through: the filter holds, and is neither false nor unknown. Raises UnfitError."""
    expression.condition(text, fields, NEVER)
    get = Compiler(fields).compile(expression.parsed(text))
    return lambda record: get(record) is True


class Compiler:
    """Walks a parse tree that `expression` has typed; each method answers for one family of nodes."""

    def __init__(self, fields: Mapping[str, ResolvedField]) -> None:
        self._fields = fields
        self._methods: dict[type[exp.Expr], Callable[[Any], Get]] = {
            exp.Column: self._column,
            exp.Literal: self._literal,
            exp.Boolean: lambda node: _constant(bool(node.this)),
            exp.Paren: lambda node: self.compile(node.this),
            exp.Not: self._not,
            exp.Is: self._is,
            exp.And: self._and,
            exp.Or: self._or,
            exp.Between: self._between,
            exp.In: self._in,
            exp.Like: self._like,
            exp.Cast: lambda node: _constant(date.fromisoformat(node.this.this)),
            **dict.fromkeys(COMPARISONS, self._comparison),
        }

    def compile(self, node: exp.Expr) -> Get:
        """The value of a node as a function of the record. Raises UnfitError."""
        method = self._methods.get(type(node))
        if method is not None:
            return method(node)
        if isinstance(node, exp.Func):
            return self._function(node)
        raise UnfitError(node.sql(dialect="duckdb")[:80], "forbidden")

    def _column(self, node: exp.Expr) -> Get:
        field = self._fields[node.name]
        read, name = READERS.get(field.type), field.name
        if read is None:
            return lambda record: record.get(name)
        return lambda record: None if record.get(name) is None else read(record[name])

    def _literal(self, node: exp.Expr) -> Get:
        if node.is_string:
            return _constant(node.this)
        return _constant(Decimal(node.this) if "." in node.this else int(node.this))

    def _not(self, node: exp.Expr) -> Get:
        inner = self.compile(node.this)

        def get(record: Record) -> Value:
            value = inner(record)
            return None if value is None else not value

        return get

    def _is(self, node: exp.Expr) -> Get:
        inner = self.compile(node.this)
        return lambda record: inner(record) is None

    def _and(self, node: exp.Expr) -> Get:
        return _all([self.compile(side) for side in expression.chained(node)])

    def _or(self, node: exp.Expr) -> Get:
        return _any([self.compile(side) for side in expression.chained(node)])

    def _comparison(self, node: exp.Expr) -> Get:
        return self._compared(node.this, COMPARISONS[type(node)], node.expression)

    def _between(self, node: exp.Expr) -> Get:
        low = self._compared(node.this, operator.ge, node.args["low"])
        return _all([low, self._compared(node.this, operator.le, node.args["high"])])

    def _in(self, node: exp.Expr) -> Get:
        return _any([self._compared(node.this, operator.eq, choice) for choice in node.expressions])

    def _like(self, node: exp.Expr) -> Get:
        subject, pattern = self.compile(node.this), node.expression
        if not (isinstance(pattern, exp.Literal) and pattern.is_string):
            raise UnfitError(node.sql(dialect="duckdb")[:80], "forbidden")
        first, *rest = pattern.this.split("%")

        def get(record: Record) -> Value:
            value = subject(record)
            return None if value is None else _like(str(value), first, rest)

        return get

    def _compared(self, one: exp.Expr, compare: Callable[[Any, Any], bool], other: exp.Expr) -> Get:
        left, right = self._side(one, other), self._side(other, one)

        def get(record: Record) -> Value:
            value, against = left(record), right(record)
            return None if value is None or against is None else compare(*_alike(value, against))

        return get

    def _side(self, node: exp.Expr, beside: exp.Expr) -> Get:
        """A side of a comparison; a text that is written out next to a day is read as a day."""
        if isinstance(node, exp.Literal) and node.is_string and self._is_day(beside):
            return _constant(date.fromisoformat(node.this))
        return self.compile(node)

    def _is_day(self, node: exp.Expr) -> bool:
        if isinstance(node, exp.Paren):
            return self._is_day(node.this)
        if isinstance(node, exp.Column):
            return self._fields[node.name].type in ("date", "timestamp")
        return isinstance(node, exp.Cast) or (isinstance(node, exp.Anonymous) and node.name.lower() == "birth_date_of")

    def _function(self, node: exp.Func) -> Get:
        called = (node.name if isinstance(node, exp.Anonymous) else node.sql_name()).lower()
        function = FUNCTIONS.get(called)
        if function is None:
            raise UnfitError(f"{called}()", "forbidden")
        parts = [self.compile(argument) for argument in node.iter_expressions()]

        def get(record: Record) -> Value:
            values = [part(record) for part in parts]
            return None if any(value is None for value in values) else function(*values)

        return get


def _constant(value: Value) -> Get:
    return lambda _: value


def _all(parts: list[Get]) -> Get:
    def get(record: Record) -> Value:
        values = [part(record) for part in parts]
        return False if False in values else None if None in values else True

    return get


def _any(parts: list[Get]) -> Get:
    def get(record: Record) -> Value:
        values = [part(record) for part in parts]
        return True if True in values else None if None in values else False

    return get


def _like(text: str, first: str, rest: list[str]) -> bool:
    """LIKE by the pieces between its %: each at the first place after the one before, the last one at the end."""
    if not rest:
        return len(text) == len(first) and _at(text, first, 0)
    *middle, last = rest
    if len(text) < len(first) + len(last) or not _at(text, first, 0) or not _at(text, last, len(text) - len(last)):
        return False
    start, end = len(first), len(text) - len(last)
    for piece in middle:
        found = _found(text, piece, start, end)
        if found < 0:
            return False
        start = found + len(piece)
    return True


def _found(text: str, piece: str, start: int, end: int) -> int:
    if "_" not in piece:
        return text.find(piece, start, end)
    return next((at for at in range(start, end - len(piece) + 1) if _at(text, piece, at)), -1)


def _at(text: str, piece: str, at: int) -> bool:
    """Whether the piece stands there; its _ is any one character."""
    return all(sign in ("_", text[at + index]) for index, sign in enumerate(piece))


def _alike(left: Any, right: Any) -> tuple[Any, Any]:
    """Both as DuckDB compares them: with a double as doubles, with a moment as moments."""
    if isinstance(left, float) or isinstance(right, float):
        return float(left), float(right)
    if isinstance(left, datetime) != isinstance(right, datetime):
        return _moment(left), _moment(right)
    return left, right


def _moment(value: Any) -> Any:
    return value if isinstance(value, datetime) else datetime.combine(value, time.min)


def _birth_date(number: str) -> Value:
    try:
        return date.fromisoformat(f"{number[6:10]}-{number[10:12]}-{number[12:14]}")
    except ValueError:
        return None


FUNCTIONS: dict[str, Callable[..., Value]] = {
    "length": len,
    "left": lambda text, count: text[: int(count)] if count >= 0 else text[: max(len(text) + int(count), 0)],
    "right": lambda text, count: text[-int(count) :] if count > 0 else "" if count == 0 else text[-int(count) :],
    "starts_with": lambda text, beginning: text.startswith(beginning),
    "year": lambda day: day.year,
    "month": lambda day: day.month,
    "day": lambda day: day.day,
    "birth_date_of": _birth_date,
    "sex_of": lambda number: "1" if number[16:17] in tuple("13579") or number[16:17] == "" else "2",
}
