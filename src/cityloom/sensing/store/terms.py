"""Values in SQL: how terms of each type are compared, reckoned with and turned into one another."""

import re
from datetime import date, datetime, time, timedelta
from typing import Literal as OneOf

import msgspec

from cityloom.kernel.errors import BadRequest

Sort = OneOf["number", "text", "flag", "json", "result", "instant", "period", "length", "day", "clock", "null"]
OPERATORS = {"eq": "=", "ne": "<>", "gt": ">", "ge": ">=", "lt": "<", "le": "<="}
NUMERIC = re.compile(r"-?\d+(\.\d+)?([eE][+-]?\d+)?")
TIME = ("instant", "period")


class Term(msgspec.Struct, frozen=True):
    """A value in SQL and its sort. A period has its end too; a literal is known."""

    sql: str
    sort: Sort
    end: str = ""
    known: object = None

    @property
    def last(self) -> str:
        """The end of a period; of a moment itself."""
        return self.end or self.sql


def mismatch(name: str) -> BadRequest:
    """Two values that cannot be brought together."""
    return BadRequest("sensing.types_differ", name=name)


def sort_of(value: object) -> Sort:
    """The sort of a literal."""
    kinds: tuple[tuple[type, Sort], ...] = (
        (bool, "flag"), (int, "number"), (float, "number"), (str, "text"), (datetime, "instant"), (date, "day"),
        (time, "clock"), (timedelta, "length"),
    )  # fmt: skip
    return next((sort for kind, sort in kinds if isinstance(value, kind)), "null")


def text(term: Term) -> str:
    """The term as text."""
    if term.sort == "json":
        return f"({term.sql} #>> '{{}}')"
    if term.sort == "result":
        return f"COALESCE({term.end} #>> '{{}}', {term.sql}::text)"
    return term.sql if term.sort == "text" else f"({term.sql})::text"


def number(term: Term, name: str) -> str:
    """The term as a double. Raises BadRequest `sensing.types_differ`."""
    if term.sort == "json":
        return f"CASE WHEN jsonb_typeof({term.sql}) = 'number' THEN ({term.sql} #>> '{{}}')::float8 END"
    if term.sort == "text" and isinstance(term.known, str) and NUMERIC.fullmatch(term.known):
        return f"({term.sql})::float8"
    if term.sort == "text" and term.known is None:
        return f"CASE WHEN pg_input_is_valid({term.sql}, 'float8') THEN ({term.sql})::float8 END"
    if term.sort not in ("number", "result"):
        raise mismatch(name)
    return term.sql


def moment(term: Term, name: str) -> Term:
    """The term as a moment or period. Raises BadRequest `sensing.types_differ`."""
    if term.sort in ("json", "text") and term.known is None:
        plain = text(term)
        return Term(f"CASE WHEN pg_input_is_valid({plain}, 'timestamptz') THEN ({plain})::timestamptz END", "instant")
    if term.sort == "day":
        return Term(f"(({term.sql})::timestamp AT TIME ZONE 'UTC')", "instant")
    if term.sort not in TIME:
        raise mismatch(name)
    return term


def flag(term: Term, name: str) -> str:
    """The term as true or false. Raises BadRequest `sensing.types_differ`."""
    if term.sort in ("json", "result"):
        value = term.sql if term.sort == "json" else term.end
        return f"({value} = 'true'::jsonb)"
    if term.sort not in ("flag", "null"):
        raise mismatch(name)
    return f"({term.sql})"


def compared(name: str, left: Term, right: Term) -> str:
    """One of `eq ne gt ge lt le`. Raises BadRequest `sensing.types_differ`."""
    sign = OPERATORS[name]
    if "null" in (left.sort, right.sort):
        return _with_null(name, right if left.sort == "null" else left)
    sorts = {left.sort, right.sort}
    if sorts & set(TIME):
        return _times(name, moment(left, name), moment(right, name))
    if sorts <= {"json", "result"}:
        return f"{_json(left)} {sign} {_json(right)}"
    if "flag" in sorts:
        return f"{flag(left, name)} {sign} {flag(right, name)}"
    if (
        "result" in sorts and "text" in sorts
    ):  # in quotes a number is a text, as the conformance suite has it: '10' < '2'
        return f"{text(left)} {sign} {text(right)}"
    if "number" in sorts:
        return f"{number(left, name)} {sign} {number(right, name)}"
    if "text" in sorts:
        return f"{text(left)} {sign} {text(right)}"
    if len(sorts) == 1:
        return f"{left.sql} {sign} {right.sql}"
    raise mismatch(name)


def _json(term: Term) -> str:
    return f"COALESCE({term.end}, to_jsonb({term.sql}))" if term.sort == "result" else term.sql


def _with_null(name: str, other: Term) -> str:
    if name not in ("eq", "ne"):
        return "false"
    told = other.sql if other.sort != "result" else _json(other)
    if other.sort == "json":
        told = f"NULLIF({told}, 'null'::jsonb)"
    return f"{told} IS {'NOT ' if name == 'ne' else ''}NULL"


def _times(name: str, left: Term, right: Term) -> str:
    """An interval is before what begins after its end. Two moments compare as usual."""
    told = {
        "eq": f"({left.sql} = {right.sql} AND {left.last} = {right.last})",
        "ne": f"NOT ({left.sql} = {right.sql} AND {left.last} = {right.last})",
        "lt": f"{left.last} < {right.sql}",
        "gt": f"{left.sql} > {right.last}",
        "le": f"({left.sql} <= {right.sql} AND {left.last} <= {right.last})",
        "ge": f"({left.sql} >= {right.sql} AND {left.last} >= {right.last})",
    }
    return told[name]


def related(name: str, first: Term, second: Term) -> str:
    """The functions on intervals that go beyond the standard: before, after, meets, during, overlaps, starts, finishes."""
    a, b = moment(first, name), moment(second, name)
    told = {
        "before": f"{a.last} < {b.sql}",
        "after": f"{a.sql} > {b.last}",
        "meets": f"({a.last} = {b.sql} OR {b.last} = {a.sql})",
        "during": f"({a.sql} >= {b.sql} AND {a.last} <= {b.last})",
        "overlaps": f"({a.sql} <= {b.last} AND {b.sql} <= {a.last})",
        "starts": f"{a.sql} = {b.sql}",
        "finishes": f"{a.last} = {b.last}",
    }
    return f"({told[name]})"


def reckoned(name: str, left: Term, right: Term) -> Term:
    """One of `add sub mul div mod`, on numbers and on times. Raises BadRequest `sensing.types_differ`."""
    if left.sort in TIME or right.sort in TIME or "length" in (left.sort, right.sort):
        return _time_reckoned(name, left, right)
    a, b = f"({number(left, name)})::float8", f"({number(right, name)})::float8"
    if name == "mod":
        return Term(f"mod(({a})::numeric, NULLIF(({b})::numeric, 0))::float8", "number")
    signs = {"add": "+", "sub": "-", "mul": "*", "div": "/"}
    return Term(f"({a} {signs[name]} {f'NULLIF({b}, 0)' if name == 'div' else b})", "number")


def _time_reckoned(name: str, left: Term, right: Term) -> Term:
    sign = {"add": "+", "sub": "-"}.get(name, "")
    if left.sort in TIME and right.sort == "length" and sign:
        end = f"({left.end} {sign} {right.sql})" if left.end else ""
        return Term(f"({left.sql} {sign} {right.sql})", left.sort, end)
    if left.sort == "length" and right.sort in TIME and name == "add":
        return _time_reckoned(name, right, left)
    if left.sort in TIME and right.sort in TIME and name == "sub":
        return Term(f"({left.sql} - {right.sql})", "length")
    if left.sort == right.sort == "length" and sign:
        return Term(f"({left.sql} {sign} {right.sql})", "length")
    if name in ("mul", "div") and left.sort == "length":
        value = f"({number(right, name)})::float8"
        return Term(f"({left.sql} * {value})" if name == "mul" else f"({left.sql} / NULLIF({value}, 0))", "length")
    raise mismatch(name)


def text_function(name: str, args: list[Term]) -> Term:
    """The functions on text."""
    first = text(args[0])
    if name in ("substringof", "startswith", "endswith", "indexof", "concat"):
        second = text(args[1])
        told: dict[str, tuple[str, Sort]] = {
            "substringof": (f"strpos({second}, {first}) > 0", "flag"),
            "startswith": (f"starts_with({first}, {second})", "flag"),
            "endswith": (
                f"right({first}, nullif(char_length({second}), 0)) IS NOT DISTINCT FROM nullif({second}, '')",
                "flag",
            ),
            "indexof": (f"(strpos({first}, {second}) - 1)", "number"),
            "concat": (f"({first} || {second})", "text"),
        }
        return Term(*told[name])
    if name == "substring":
        start = f"(({number(args[1], name)})::int + 1)"
        length = f", greatest(({number(args[2], name)})::int, 0)" if len(args) == 3 else ""
        return Term(f"substr({first}, {start}{length})", "text")
    if name == "length":
        return Term(f"char_length({first})", "number")
    return Term(f"{ {'tolower': 'lower', 'toupper': 'upper', 'trim': 'btrim'}[name] }({first})", "text")


def time_function(name: str, arg: Term) -> Term:
    """The functions on a moment, in UTC; of a period its start."""
    if arg.sort == "clock" and name in ("hour", "minute", "second"):
        return Term(f"floor(extract({name} FROM {arg.sql}))::float8", "number")
    at = f"({moment(arg, name).sql} AT TIME ZONE 'UTC')"
    if name == "date":
        return Term(f"{at}::date", "day")
    if name == "time":
        return Term(f"{at}::time", "clock")
    if name == "totaloffsetminutes":
        return Term(f"(CASE WHEN {at} IS NOT NULL THEN 0 END)", "number")
    if name == "fractionalseconds":
        return Term(f"mod(extract(second FROM {at}), 1)::float8", "number")
    return Term(f"floor(extract({name} FROM {at}))::float8", "number")
