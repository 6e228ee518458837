"""`$filter` and `$orderby` compiled to bound SQL.

A path through relations makes its comparison an EXISTS over the joined tables, so that `Datastreams/name eq 'x'` asks for
any of them. Functions on geometries are reckoned by GEOS before (`store.shapes`) and come in as ids or as numbers by id.
"""

from datetime import datetime

import shapely
from shapely.geometry.base import BaseGeometry

from cityloom.kernel.db import Transaction
from cityloom.kernel.errors import BadRequest
from cityloom.sensing.contracts import Kind
from cityloom.sensing.contracts.model import ENTITIES, Type
from cityloom.sensing.contracts.queries import COMPARISONS, Call, Geometry, Literal, Node, Order, Path, Period
from cityloom.sensing.rules import shapes as geometry
from cityloom.sensing.store import pushing, shapes, tables, terms
from cityloom.sensing.store.past import Past
from cityloom.sensing.store.terms import Sort, Term

ARITHMETIC = ("add", "sub", "mul", "div", "mod")
ON_TEXT = (
    "substringof", "startswith", "endswith", "indexof", "concat", "substring", "length", "tolower", "toupper", "trim",
)  # fmt: skip
ON_TIME = (
    "year", "month", "day", "hour", "minute", "second", "fractionalseconds", "date", "time", "totaloffsetminutes",
)  # fmt: skip
ON_PERIODS = ("before", "after", "meets", "during", "overlaps", "starts", "finishes")
ENDS = {"now": "", "mindatetime": "-infinity", "maxdatetime": "infinity"}
ROUND = {"round": "round(({})::numeric)::float8", "floor": "floor(({})::float8)", "ceiling": "ceil(({})::float8)"}


class Bound:
    """The values of one statement by the names under which they are bound."""

    def __init__(self) -> None:
        self.values: dict[str, object] = {}
        self._aliases = 0

    def __call__(self, value: object, cast: str = "") -> str:
        name = f"v{len(self.values)}"
        self.values[name] = value
        return f"%({name})s{cast}"

    def alias(self) -> str:
        self._aliases += 1
        return f"t{self._aliases}"


class Compiler:
    """Compiles for one statement, in one transaction; `now` is what the function of that name gives."""

    def __init__(self, tx: Transaction, bound: Bound, now: datetime, past: Past | None = None) -> None:
        self.tx = tx
        self.bound = bound
        self.now = now
        self.past = past

    def condition(self, node: Node, kind: Kind, alias: str) -> str:
        """The tree as a condition on the row of that alias. Raises BadRequest."""
        if isinstance(node, Call) and node.name in ("and", "or"):
            parts = [self.condition(each, kind, alias) for each in node.arguments]
            return f"({f' {node.name.upper()} '.join(parts)})"
        if isinstance(node, Call) and node.name == "not":
            return f"(NOT {self.condition(node.arguments[0], kind, alias)})"
        atom = Atom(self, kind, alias)
        told = terms.flag(atom.term(node), _name(node))
        return f"EXISTS (SELECT FROM {atom.source(node)} WHERE {atom.links} AND {told})" if atom.joined else told

    def order(self, key: Order, kind: Kind, alias: str) -> list[str]:
        """What ORDER BY says of one key."""
        atom = Atom(self, kind, alias)
        found = atom.term(key.by)
        end = " DESC" if key.descending else ""
        if atom.joined:
            told = found.sql if found.sort != "result" else f"COALESCE({found.end}, to_jsonb({found.sql}))"
            inner = f"SELECT {told} FROM {atom.source()} WHERE {atom.links} ORDER BY 1{end} LIMIT 1"
            return [f"({inner}){end}"]
        if found.sort == "result":
            return [f"{found.sql}{end}", f"({found.end} #>> '{{}}'){end}"]
        if found.sort == "json":
            return [f"{terms.number(found, '$orderby')}{end}", f'{terms.text(found)} COLLATE "C"{end}']
        return [f"{found.sql}{end}"]


class Atom:
    """One comparison, with the tables that its paths go through."""

    def __init__(self, compiler: Compiler, kind: Kind, alias: str) -> None:
        self.compiler = compiler
        self.kind = kind
        self.alias = alias
        self.joined: dict[tuple[str, ...], tuple[Kind, str]] = {}
        self._links: list[str] = []

    def source(self, node: Node | None = None) -> str:
        """The tables; of Observations in the lake those of which the comparison `node` can be true."""
        return ", ".join(self._source(way, kind, alias, node) for way, (kind, alias) in self.joined.items())

    def _source(self, way: tuple[str, ...], kind: Kind, alias: str, node: Node | None) -> str:
        past = self.compiler.past
        if kind is not Kind.observations or past is None or past.border.until is None:
            return tables.source(kind, alias)
        given = "" if node is None else past.some(pushing.behind(node, way))
        return past.source(self.compiler.bound, alias, given)

    @property
    def links(self) -> str:
        return " AND ".join(self._links)

    def term(self, node: Node) -> Term:
        """The value of a node. Raises BadRequest."""
        if isinstance(node, Literal):
            return self.literal(node)
        if isinstance(node, Path):
            return self.path(node)
        if isinstance(node, Geometry):
            raise terms.mismatch("geography")
        return self.call(node)

    def literal(self, node: Literal) -> Term:
        value, bound = node.value, self.compiler.bound
        if value is None:
            return Term("NULL", "null")
        if isinstance(value, Period):
            end = "" if value.end is None else bound(value.end, "::timestamptz")
            return Term(bound(value.start, "::timestamptz"), "period", end)
        if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 2**63:
            value = float(value) if abs(value) < 10**300 else 1e300
        casts = {
            "text": "::text",
            "instant": "::timestamptz",
            "day": "::date",
            "clock": "::time",
            "length": "::interval",
        }
        sort = terms.sort_of(value)
        cast = "::float8" if isinstance(value, float) else casts.get(sort, "")
        return Term(bound(value, cast), sort, known=value)

    def call(self, node: Call) -> Term:
        name = node.name
        if name in ("and", "or", "not"):
            return Term(self.compiler.condition(node, self.kind, self.alias), "flag")
        if name in ENDS:
            moment: object = ENDS[name] or self.compiler.now
            return Term(self.compiler.bound(moment, "::timestamptz"), "instant")
        if name in geometry.MEASURES or name in geometry.PREDICATES or name == geometry.RELATE:
            return self.spatial(node)
        return self.reckon(node)

    def reckon(self, node: Call) -> Term:
        name, args = node.name, [self.term(each) for each in node.arguments]
        if name in COMPARISONS:
            return Term(terms.compared(name, args[0], args[1]), "flag")
        if name == "in":
            parts = [terms.compared("eq", args[0], each) for each in args[1:]]
            return Term(f"({' OR '.join(parts)})", "flag")
        if name in ARITHMETIC:
            return terms.reckoned(name, args[0], args[1])
        if name in ON_TEXT:
            return terms.text_function(name, args)
        if name in ON_TIME:
            return terms.time_function(name, args[0])
        if name in ON_PERIODS:
            return Term(terms.related(name, args[0], args[1]), "flag")
        return Term(ROUND[name].format(terms.number(args[0], name)), "number")

    def path(self, node: Path) -> Term:
        kind, alias, rest = self.walk(node)
        if rest and rest[0] in ("id", "@iot.id"):
            return Term(f"{alias}.id", "number")
        found = ENTITIES[kind].property(rest[0]) if rest else None
        if found is None or (len(rest) > 1 and found.type not in (Type.json, Type.shape, Type.result)):
            raise BadRequest("sensing.property_unknown", name="/".join(node.names)[:60], entity=ENTITIES[kind].single)
        if found.type is Type.period:
            start, end = tables.bounds(kind, found, alias)
            return Term(start, "period", end if kind in tables.STREAMS else f"COALESCE({end}, {start})")
        if found.type is Type.result and len(rest) == 1:
            return Term(f"{alias}.number", "result", f"{alias}.result")
        if found.column == "area":
            raise terms.mismatch("observedArea")
        if found.type in (Type.json, Type.shape, Type.result):
            column = f"{alias}.{found.column}"
            if kind is Kind.things and rest == tables.INDEXED:
                return Term(f"{alias}.{rest[1]}", "text")
            return Term(
                f"({column} #> {self.compiler.bound(list(rest[1:]), '::text[]')})" if rest[1:] else column, "json"
            )
        sorts: dict[Type, Sort] = {Type.text: "text", Type.instant: "instant"}
        return Term(f"{alias}.{found.column}", sorts[found.type])

    def walk(self, node: Path) -> tuple[Kind, str, tuple[str, ...]]:
        """Through the relations that a path begins with, each joined once; kind, alias and what is left of the path."""
        kind, alias, names = self.kind, self.alias, node.names
        for place, name in enumerate(names):
            relation = ENTITIES[kind].relation(name)
            if relation is None:
                return kind, alias, names[place:]
            key = names[: place + 1]
            if key not in self.joined:
                other = self.compiler.bound.alias()
                self.joined[key] = relation.target, other
                self._links += [tables.link(kind, name, alias, other), tables.condition(relation.target, other)]
            kind, alias = self.joined[key]
        return kind, alias, ()

    def spatial(self, node: Call) -> Term:
        """A function on a geometry that is kept and one that is given; or on two that are given."""
        name = "st_intersects" if node.name == "geo.intersects" else node.name
        pattern = self.pattern(node) if name == geometry.RELATE else ""
        args = node.arguments[:2]
        given = [geometry.of_wkt(each.text, each.position) for each in args if isinstance(each, Geometry)]
        paths = [each for each in args if isinstance(each, Path)]
        if len(given) + len(paths) != len(args) or len(paths) > 1:
            raise BadRequest("sensing.geometry_needed", name=node.name)
        if not paths:
            return self._of_given(name, given, pattern)
        kind, alias, rest = self.walk(paths[0])
        found = ENTITIES[kind].property(rest[0]) if rest else None
        if found is None or found.type is not Type.shape or len(rest) > 1:
            raise BadRequest("sensing.geometry_needed", name=node.name)
        candidates = shapes.Candidates(self.compiler.tx, kind)
        bound = self.compiler.bound
        if name in geometry.MEASURES:
            table = shapes.measured(candidates, name, given[0] if given else None)
            return Term(f"(({bound(table, '::jsonb')} ->> {alias}.id::text)::float8)", "number")
        ids = shapes.fitting(candidates, name, given[0], pattern, swapped=isinstance(args[0], Geometry))
        return Term(f"{alias}.id = ANY({bound(ids, '::bigint[]')})", "flag")

    def pattern(self, node: Call) -> str:
        last = node.arguments[2]
        if not isinstance(last, Literal) or not isinstance(last.value, str) or len(last.value) != 9:
            raise BadRequest("sensing.geometry_needed", name=node.name)
        if set(last.value.upper()) - set("T*F012"):
            raise BadRequest("sensing.geometry_needed", name=node.name)
        return last.value.upper()

    def _of_given(self, name: str, given: list[BaseGeometry], pattern: str) -> Term:
        first = [shapely.to_wkb(given[0])]
        other = given[1] if len(given) > 1 else None
        if name in geometry.MEASURES:
            return Term(self.compiler.bound(geometry.measured(name, first, other)[0], "::float8"), "number")
        if other is None:
            raise BadRequest("sensing.geometry_needed", name=name)
        told = geometry.true_of(name, first, other, pattern, swapped=False)[0]
        return Term(self.compiler.bound(told), "flag")


def _name(node: Node) -> str:
    return node.name if isinstance(node, Call) else "$filter"
