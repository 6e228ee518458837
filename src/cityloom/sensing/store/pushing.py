"""What of a `$filter` and an `$orderby` the lake can decide by itself, as SQL of DuckDB.

What it cannot decide is left to PostgreSQL, which looks at every row again; so a condition may let too much through, never too
little. `exact` says that it lets through what fits and nothing else.
"""

import re
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime

import msgspec

from cityloom.sensing.contracts import Kind
from cityloom.sensing.contracts.queries import COMPARISONS, Call, Literal, Node, Order, Path, Period
from cityloom.sensing.store.terms import OPERATORS

Resolve = Callable[[Kind, Node], Sequence[int]]
"""The ids of the entities of a kind that a condition is true of."""
RELATIONS = {
    "Datastream": (Kind.datastreams, "datastream_id"),
    "MultiDatastream": (Kind.multi_datastreams, "datastream_id"),
    "FeatureOfInterest": (Kind.features, "feature_id"),
}
END = "COALESCE(phenomenon_end, phenomenon_start)"
NUMBERS: dict[tuple[str, ...], str] = {("result",): "number", ("id",): "id", ("@iot.id",): "id"}
MOMENTS: dict[tuple[str, ...], tuple[str, str]] = {
    ("phenomenonTime",): ("phenomenon_start", END), ("resultTime",): ("result_time", "result_time")
}  # fmt: skip
MARK = re.compile(r"\$(p\d+)")
KEYS = {"id": "id", "@iot.id": "id", "phenomenonTime": "phenomenon_start", "resultTime": "result_time"}


class Condition(msgspec.Struct, frozen=True):
    """A condition on a row of the lake."""

    sql: str
    exact: bool


class Values:
    """The values of one statement of DuckDB by the names under which they are bound."""

    def __init__(self) -> None:
        self.values: dict[str, object] = {}

    def __call__(self, value: object) -> str:
        name = f"p{len(self.values)}"
        if isinstance(value, datetime):
            value = value.astimezone(UTC).replace(tzinfo=None)
        self.values[name] = value
        return f"${name}"

    def of(self, statement: str) -> dict[str, object]:
        """Those that a statement names: some belong to conditions that were given up half way."""
        return {name: self.values[name] for name in MARK.findall(statement)}


def condition(node: Node, bound: Values, resolve: Resolve | None) -> Condition | None:
    """The condition; None if the lake can decide nothing of it."""
    if not isinstance(node, Call):
        return None
    if node.name == "and":
        return _both([condition(each, bound, resolve) for each in node.arguments])
    if node.name == "or":
        parts = [condition(each, bound, resolve) for each in node.arguments]
        known = [each for each in parts if each is not None]
        if len(known) < len(parts):
            return None
        return Condition(f"({' OR '.join(each.sql for each in known)})", all(each.exact for each in known))
    if node.name == "not":
        inner = condition(node.arguments[0], bound, resolve)
        return None if inner is None or not inner.exact else Condition(f"(NOT {inner.sql})", True)
    return _atom(node, bound, resolve)


def _both(parts: Sequence[Condition | None]) -> Condition | None:
    known = [each for each in parts if each is not None]
    if not known:
        return None
    exact = len(known) == len(parts) and all(each.exact for each in known)
    return Condition(f"({' AND '.join(each.sql for each in known)})", exact)


def _atom(node: Call, bound: Values, resolve: Resolve | None) -> Condition | None:
    relation = _relation(node)
    if relation is not None and resolve is None:
        return None
    if relation is not None and resolve is not None:
        kind, column = RELATIONS[relation]
        ids = list(resolve(kind, _inside(node)))
        return Condition(f"({column} IN (SELECT unnest({bound(ids)}::BIGINT[])))", True)
    if node.name == "in":
        parts = [_compared("eq", node.arguments[0], each, bound) for each in node.arguments[1:]]
        known = [each for each in parts if each is not None]
        return Condition(f"({' OR '.join(known)})", True) if len(known) == len(parts) else None
    if node.name not in COMPARISONS:
        return None
    told = _compared(node.name, node.arguments[0], node.arguments[1], bound)
    return None if told is None else Condition(f"({told})", True)


def _paths(node: Node) -> list[Path]:
    if isinstance(node, Path):
        return [node]
    return [path for each in node.arguments for path in _paths(each)] if isinstance(node, Call) else []


def _relation(node: Call) -> str | None:
    """The one relation that all paths of a comparison begin with."""
    first = {path.names[0] for path in _paths(node)}
    return first.pop() if len(first) == 1 and first <= set(RELATIONS) else None


def _inside(node: Node) -> Node:
    """The same condition as it is said of what the relation leads to."""
    if isinstance(node, Path):
        return Path(node.names[1:], node.position)
    if isinstance(node, Call):
        return Call(node.name, tuple(_inside(each) for each in node.arguments), node.position)
    return node


def behind(node: Node, names: Sequence[str]) -> Node | None:
    """A condition as it is said of what a way of relations leads to; None unless all its paths go that way."""
    if isinstance(node, Path):
        way = len(names)
        return (
            Path(node.names[way:], node.position)
            if node.names[:way] == tuple(names) and len(node.names) > way
            else None
        )
    if not isinstance(node, Call):
        return node
    parts = [behind(each, names) for each in node.arguments]
    known = tuple(each for each in parts if each is not None)
    return Call(node.name, known, node.position) if len(known) == len(parts) else None


def _compared(name: str, left: Node, right: Node, bound: Values) -> str | None:
    a, b = _times(left, bound), _times(right, bound)
    if a is not None and b is not None:
        return _before(name, a, b)
    one, other = _number(left, bound), _number(right, bound)
    return f"{one} {OPERATORS[name]} {other}" if one and other else None


def _number(node: Node, bound: Values) -> str | None:
    if isinstance(node, Path):
        return NUMBERS.get(node.names)
    value = node.value if isinstance(node, Literal) else None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or abs(value) >= 2**53:
        return None
    return f"{bound(float(value))}::DOUBLE"


def _times(node: Node, bound: Values) -> tuple[str, str] | None:
    """First and last moment."""
    if isinstance(node, Path):
        return MOMENTS.get(node.names)
    value = node.value if isinstance(node, Literal) else None
    if isinstance(value, Period):
        start = f"{bound(value.start)}::TIMESTAMP"
        return start, start if value.end is None else f"{bound(value.end)}::TIMESTAMP"
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day, tzinfo=UTC)
    if not isinstance(value, datetime):
        return None
    found = f"{bound(value)}::TIMESTAMP"
    return found, found


def _before(name: str, a: tuple[str, str], b: tuple[str, str]) -> str:
    told = {
        "eq": f"({a[0]} = {b[0]} AND {a[1]} = {b[1]})",
        "ne": f"NOT ({a[0]} = {b[0]} AND {a[1]} = {b[1]})",
        "lt": f"{a[1]} < {b[0]}",
        "gt": f"{a[0]} > {b[1]}",
        "le": f"({a[0]} <= {b[0]} AND {a[1]} <= {b[1]})",
        "ge": f"({a[0]} >= {b[0]} AND {a[1]} >= {b[1]})",
    }
    return told[name]


def order(keys: Sequence[Order]) -> str | None:
    """What ORDER BY says, with the same row first as in PostgreSQL; None if the lake cannot tell."""
    found = []
    for key in keys:
        column = KEYS.get(key.by.names[0]) if isinstance(key.by, Path) and len(key.by.names) == 1 else None
        if column is None:
            return None
        found.append(f"{column} {'DESC NULLS FIRST' if key.descending else 'ASC NULLS LAST'}")
    return ", ".join([*found, f"id{' DESC' if keys and keys[-1].descending else ''}"])


def since(node: Node | None) -> datetime | None:
    """The moment before which nothing fits, where a filter says one at its top."""
    if not isinstance(node, Call):
        return None
    if node.name == "and":
        found = [each for each in map(since, node.arguments) if each is not None]
        return max(found) if found else None
    if node.name not in ("ge", "gt") or not isinstance(node.arguments[0], Path):
        return None
    value = node.arguments[1].value if isinstance(node.arguments[1], Literal) else None
    at = value.start if isinstance(value, Period) else value
    return at if node.arguments[0].names == ("phenomenonTime",) and isinstance(at, datetime) else None
