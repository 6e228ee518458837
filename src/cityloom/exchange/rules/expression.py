"""The language of cross-field checks: conditions over the fields of one row, parsed, typed, and written anew as SQL.

Nothing of the pack's text reaches DuckDB as it is: each node of the parse tree must be known here, is given a type, and
is rendered by this module. What is not known is refused by name.
"""

import operator
from collections.abc import Callable, Mapping
from datetime import date
from functools import reduce
from typing import Literal

import msgspec
import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from cityloom.catalogue.contracts import Kind
from cityloom.exchange.rules.sqltext import constant
from cityloom.exchange.spec import ResolvedField
from cityloom.kernel.sql import literal, name

Sort = Literal["text", "number", "boolean", "date", "timestamp", "interval"]
Why = Literal["syntax", "unknown", "forbidden", "sorts", "arguments", "long", "condition"]

LONGEST = 2000
MOST_NODES = 500
DEEPEST = 40
"""Levels of nesting; a chain of AND or of OR counts as one."""
MOST_ON_LEFT = 40
"""Nodes left of IN and BETWEEN: it is written again for each choice."""
SORTS: dict[Kind, Sort] = {
    "text": "text", "integer": "number", "decimal": "number", "number": "number", "boolean": "boolean", "date": "date",
    "timestamp": "timestamp",
}  # fmt: skip
UNITS = {
    "YEAR": "to_years",
    "MONTH": "to_months",
    "WEEK": "to_weeks",
    "DAY": "to_days",
    "HOUR": "to_hours",
    "MINUTE": "to_minutes",
}
CLOCK_UNITS = ("HOUR", "MINUTE")
COMPARISONS: dict[type[exp.Expr], str] = {
    exp.EQ: "=", exp.NEQ: "<>", exp.GT: ">", exp.GTE: ">=", exp.LT: "<", exp.LTE: "<=",
}  # fmt: skip
ARITHMETIC: dict[type[exp.Expr], str] = {exp.Add: "+", exp.Sub: "-", exp.Mul: "*", exp.Div: "/", exp.Mod: "%"}
LOGIC: dict[type[exp.Expr], str] = {exp.And: "AND", exp.Or: "OR"}


class UnfitError(ValueError):
    """An expression that cannot be used: `token` is the part that is at fault, `why` what is wrong with it."""

    def __init__(self, token: str, why: Why) -> None:
        super().__init__(f"{token}: {why}")
        self.token = token
        self.why = why


class Condition(msgspec.Struct, frozen=True):
    """A condition as SQL over columns named like the fields, and the fields it reads in the order of their coming."""

    sql: str
    operands: tuple[str, ...]


class Part(msgspec.Struct, frozen=True):
    """A piece of SQL, what it gives, and the fields in it."""

    sql: str
    sort: Sort
    operands: tuple[str, ...] = ()


class Function(msgspec.Struct, frozen=True):
    """A function that may be called: what it takes, what it gives, and its SQL with {0}, {1}, … for the arguments."""

    takes: tuple[tuple[Sort, ...], ...]
    gives: Sort
    sql: str


DAYS: tuple[Sort, ...] = ("date", "timestamp")
FUNCTIONS: dict[str, Function] = {
    "abs": Function((("number",),), "number", "abs({0})"),
    "round": Function((("number",), ("number",)), "number", "round({0}, CAST({1} AS INTEGER))"),
    "length": Function((("text",),), "number", "length({0})"),
    "lower": Function((("text",),), "text", "lower({0})"),
    "upper": Function((("text",),), "text", "upper({0})"),
    "left": Function((("text",), ("number",)), "text", "left({0}, CAST({1} AS BIGINT))"),
    "right": Function((("text",), ("number",)), "text", "right({0}, CAST({1} AS BIGINT))"),
    "substring": Function((("text",), ("number",), ("number",)), "text", "substr({0}, CAST({1} AS BIGINT), CAST({2} AS BIGINT))"),
    "starts_with": Function((("text",), ("text",)), "boolean", "starts_with({0}, {1})"),
    "year": Function((DAYS,), "number", "year({0})"),
    "month": Function((DAYS,), "number", "month({0})"),
    "day": Function((DAYS,), "number", "day({0})"),
    "days_between": Function((DAYS, DAYS), "number", "date_diff('day', {0}, {1})"),
    "years_between": Function((DAYS, DAYS), "number", "date_sub('year', {0}, {1})"),
    "delivery_date": Function((), "date", "{delivery}"),
    "birth_date_of": Function(
        (("text",),), "date",
        "TRY_CAST(substr({0}, 7, 4) || '-' || substr({0}, 11, 2) || '-' || substr({0}, 13, 2) AS DATE)",
    ),
    "sex_of": Function((("text",),), "text", "CASE WHEN instr('13579', substr({0}, 17, 1)) > 0 THEN '1' ELSE '2' END"),
}  # fmt: skip
"""years_between counts whole years (age); birth_date_of and sex_of (1 man, 2 woman) read an identity number."""


def condition(text: str, fields: Mapping[str, ResolvedField], today: date, of: str = "") -> Condition:
    """The check's condition, typed. Its SQL is NULL where it cannot be told. Raises UnfitError.

    With `of` the fields are those of a STRUCT column of that name.
    """
    tree = parsed(text)
    renderer = Renderer(fields, today, of)
    part = renderer.render(tree)
    if part.sort != "boolean":
        raise UnfitError(text[:40], "condition")
    # a sum that overflows cannot be told; it must not stop a delivery
    return Condition(f"TRY({part.sql})" if renderer.computes else part.sql, tuple(dict.fromkeys(part.operands)))


def parsed(text: str) -> exp.Expr:
    """The one tree of a text, small and flat enough to be walked. Raises UnfitError."""
    if len(text) > LONGEST:
        raise UnfitError(f"{text[:40]}…", "long")
    try:
        trees = sqlglot.parse(text, dialect="duckdb")
    except (SqlglotError, RecursionError) as error:
        raise UnfitError(_spot(error) or text[:40], "syntax") from error
    tree = trees[0] if len(trees) == 1 else None
    if tree is None:
        raise UnfitError(text[:40], "syntax")
    waiting: list[tuple[exp.Expr, int]] = [(tree, 1)]
    nodes = 0
    while waiting:
        node, depth = waiting.pop()
        nodes += not isinstance(node, exp.Identifier)
        if nodes > MOST_NODES or depth > DEEPEST:
            raise UnfitError(f"{text[:40]}…", "long")
        waiting.extend(
            (child, depth if type(child) is type(node) in LOGIC and child is node.this else depth + 1)
            for child in node.iter_expressions()
        )
    return tree


def chained(node: exp.Expr) -> list[exp.Expr]:
    """What a chain of AND, or of OR, joins, from left to right."""
    sides = []
    kind = type(node)
    while type(node) is kind:
        sides.append(node.expression)
        node = node.this
    return [node, *reversed(sides)]


def repeatable(node: exp.Expr) -> exp.Expr:
    """The left side of IN or BETWEEN, if it can be written once per choice. Raises UnfitError."""
    left: exp.Expr = node.this
    inner = list(left.walk())
    if len(inner) > MOST_ON_LEFT or any(isinstance(each, (exp.In, exp.Between)) for each in inner):
        raise UnfitError(_written(left), "forbidden")
    return left


def _spot(error: Exception) -> str:
    errors = getattr(error, "errors", None)
    return str(errors[0].get("highlight") or "") if errors else ""


class Renderer:
    """Walks a parse tree once; each method answers for one family of nodes."""

    def __init__(self, fields: Mapping[str, ResolvedField], today: date, of: str = "") -> None:
        self.computes = False
        self._fields = fields
        self._of = (of,) if of else ()
        self._delivery = constant(today)
        self._methods: dict[type[exp.Expr], Callable[[exp.Expr], Part]] = {
            exp.Column: self._column,
            exp.Literal: self._literal,
            exp.Boolean: lambda node: Part("true" if node.this else "false", "boolean"),
            exp.Paren: lambda node: self.render(node.this),
            exp.Not: self._not,
            exp.Is: self._is,
            exp.Between: self._between,
            exp.In: self._in,
            exp.Like: self._like,
            exp.Neg: self._negative,
            exp.Cast: self._typed_literal,
            exp.Interval: self._interval,
            exp.Coalesce: self._coalesce,
            **dict.fromkeys(COMPARISONS, self._comparison),
            **dict.fromkeys(ARITHMETIC, self._arithmetic),
            **dict.fromkeys(LOGIC, self._logic),
        }

    def render(self, node: exp.Expr) -> Part:
        """The SQL and sort of a node. Raises UnfitError for what is not of the language."""
        method = self._methods.get(type(node))
        if method is not None:
            return method(node)
        if isinstance(node, exp.Func):
            return self._function(node)
        raise UnfitError(_written(node), "forbidden")

    def _column(self, node: exp.Expr) -> Part:
        field = self._fields.get(node.name)
        if field is None or node.args.get("table") is not None:
            raise UnfitError(_written(node), "unknown")
        return Part(name(*self._of, field.name), SORTS[field.type], (field.name,))

    def _literal(self, node: exp.Expr) -> Part:
        if node.is_string:
            return Part(literal(node.this), "text")
        if not set(node.this) <= set("0123456789."):
            raise UnfitError(_written(node), "forbidden")
        return Part(node.this, "number")

    def _typed_literal(self, node: exp.Expr) -> Part:
        kind = node.args["to"].sql(dialect="duckdb")
        if kind != "DATE" or not (isinstance(node.this, exp.Literal) and node.this.is_string):
            raise UnfitError(_written(node), "forbidden")
        return Part(_day(node.this), "date")

    def _interval(self, node: exp.Expr) -> Part:
        unit = str(node.args.get("unit") or "").upper()
        amount = node.this
        if unit not in UNITS or not isinstance(amount, exp.Literal) or not amount.this.isdecimal():
            raise UnfitError(_written(node), "forbidden")
        return Part(f"{UNITS[unit]}({int(amount.this)})", "interval")

    def _logic(self, node: exp.Expr) -> Part:
        parts = [self.render(side) for side in chained(node)]
        self._must(node, all(part.sort == "boolean" for part in parts))
        return _joined(f"({f' {LOGIC[type(node)]} '.join(part.sql for part in parts)})", "boolean", *parts)

    def _not(self, node: exp.Expr) -> Part:
        part = self.render(node.this)
        self._must(node, part.sort == "boolean")
        return _joined(f"(NOT {part.sql})", "boolean", part)

    def _is(self, node: exp.Expr) -> Part:
        part = self.render(node.this)
        if not isinstance(node.expression, exp.Null):
            raise UnfitError(_written(node), "forbidden")
        return _joined(f"({part.sql} IS NULL)", "boolean", part)

    def _comparison(self, node: exp.Expr) -> Part:
        left, right = self._alike(node, node.this, node.expression)
        return _joined(f"({left.sql} {COMPARISONS[type(node)]} {right.sql})", "boolean", left, right)

    def _between(self, node: exp.Expr) -> Part:
        part, low, high = self._alike(node, repeatable(node), node.args["low"], node.args["high"])
        return _joined(f"({part.sql} BETWEEN {low.sql} AND {high.sql})", "boolean", part, low, high)

    def _in(self, node: exp.Expr) -> Part:
        if {key for key, value in node.args.items() if value} != {"this", "expressions"}:
            raise UnfitError(_written(node), "forbidden")
        part, *choices = self._alike(node, repeatable(node), *node.expressions)
        tests = (f"{part.sql} = {choice.sql}" for choice in choices)
        return _joined(f"({' OR '.join(tests)})", "boolean", part, *choices)

    def _like(self, node: exp.Expr) -> Part:
        left, right = self._sides(node)
        self._must(node, left.sort == right.sort == "text")
        return _joined(f"({left.sql} LIKE {right.sql})", "boolean", left, right)

    def _negative(self, node: exp.Expr) -> Part:
        part = self.render(node.this)
        self._must(node, part.sort == "number")
        return _joined(f"(-{part.sql})", "number", part)

    def _arithmetic(self, node: exp.Expr) -> Part:
        self.computes = True
        left, right = self._sides(node)
        sign = ARITHMETIC[type(node)]
        if left.sort in DAYS:
            return self._shifted(node, left, right, sign)
        self._must(node, left.sort == right.sort == "number")
        divisor = f"nullif({right.sql}, 0)" if sign in "/%" else right.sql
        return _joined(f"({left.sql} {sign} {divisor})", "number", left, right)

    def _shifted(self, node: exp.Expr, left: Part, right: Part, sign: str) -> Part:
        self._must(node, right.sort == "interval" and sign in "+-")
        whole_days = left.sort == "date" and not right.sql.startswith(tuple(UNITS[unit] for unit in CLOCK_UNITS))
        moved = f"({left.sql} {sign} {right.sql})"
        return _joined(
            f"CAST({moved} AS DATE)" if whole_days else moved, "date" if whole_days else "timestamp", left, right
        )

    def _coalesce(self, node: exp.Expr) -> Part:
        parts = self._alike(node, node.this, *node.expressions)
        return _joined(f"coalesce({', '.join(part.sql for part in parts)})", parts[0].sort, *parts)

    def _function(self, node: exp.Func) -> Part:
        called = node.name if isinstance(node, exp.Anonymous) else node.sql_name()
        function = FUNCTIONS.get(called.lower())
        if function is None:
            raise UnfitError(f"{called.lower()}()", "forbidden")
        self.computes = True
        parts = [self.render(argument) for argument in node.iter_expressions()]
        fits = [part.sort in sorts for part, sorts in zip(parts, function.takes, strict=False)]
        if len(parts) != len(function.takes) or not all(fits):
            raise UnfitError(_written(node), "arguments")
        sql = function.sql.format(*(part.sql for part in parts), delivery=self._delivery)
        return _joined(sql, function.gives, *parts)

    def _sides(self, node: exp.Expr) -> tuple[Part, Part]:
        return self.render(node.this), self.render(node.expression)

    def _alike(self, node: exp.Expr, *sides: exp.Expr) -> list[Part]:
        """Parts of one sort; a text that is written out next to a day is read as a day."""
        parts = [self.render(side) for side in sides]
        if any(part.sort in DAYS for part in parts):
            parts = [
                Part(_day(side), "date") if isinstance(side, exp.Literal) and side.is_string else part
                for side, part in zip(sides, parts, strict=True)
            ]
        sorts = {"date" if part.sort in DAYS else part.sort for part in parts}
        self._must(node, len(sorts) == 1 and "interval" not in sorts)
        return parts

    def _must(self, node: exp.Expr, fits: bool) -> None:
        if not fits:
            raise UnfitError(_written(node), "sorts")


def _joined(sql: str, sort: Sort, *parts: Part) -> Part:
    return Part(sql, sort, reduce(operator.add, (part.operands for part in parts), ()))


def _day(node: exp.Expr) -> str:
    try:
        return constant(date.fromisoformat(node.this))
    except ValueError:
        raise UnfitError(_written(node), "sorts") from None


def _written(node: exp.Expr) -> str:
    return node.sql(dialect="duckdb")[:80]
