"""Addresses and query options as structs: which entities are meant, and what of them is asked for."""

import re
from collections.abc import Sequence
from urllib.parse import unquote_plus

import msgspec

from cityloom.kernel.errors import BadRequest, NotFound
from cityloom.sensing.contracts import Kind
from cityloom.sensing.contracts.model import ENTITIES, Entity, Relation
from cityloom.sensing.contracts.queries import Expand, Format, Query
from cityloom.sensing.rules import expressions

DEEPEST = 8
SEGMENT = re.compile(r"(\w+)(?:\((-?\d+|'(?:[^']|'')*')\))?")
OPTIONS = ("$filter", "$select", "$expand", "$orderby", "$top", "$skip", "$count", "$resultFormat")
FORMATS: dict[str, Format] = {"dataarray": "dataArray", "csv": "CSV", "geojson": "GeoJSON", "json": ""}


class Step(msgspec.Struct, frozen=True):
    """One part of an address: the entities of a kind, reached by a relation unless it is the first, and maybe one of them."""

    kind: Kind
    relation: Relation | None = None
    id: int | None = None

    @property
    def single(self) -> bool:
        """Whether it means one entity."""
        return self.id is not None or (self.relation is not None and not self.relation.many)


class Address(msgspec.Struct, frozen=True):
    """What an address means: steps to entities, and maybe a property of one, its raw value, or links only."""

    steps: tuple[Step, ...] = ()
    inner: tuple[str, ...] = ()
    value: bool = False
    refs: bool = False
    counted: bool = False

    @property
    def kind(self) -> Kind:
        return self.steps[-1].kind

    @property
    def entity(self) -> Entity:
        return ENTITIES[self.kind]

    @property
    def single(self) -> bool:
        return self.steps[-1].single


def address(path: str) -> Address:
    """`Things(1)/Datastreams/$ref` and its kin. Raises NotFound `sensing.path_unknown`."""
    parts = [part for part in path.strip("/").split("/") if part]
    steps: list[Step] = []
    for place, part in enumerate(parts):
        step = _step(steps[-1] if steps else None, part)
        if step is None:
            return _tail(path, steps, parts[place:])
        steps.append(step)
    return Address(tuple(steps))


def _step(before: Step | None, part: str) -> Step | None:
    match = SEGMENT.fullmatch(part)
    if match is None:
        return None
    name, key = match[1], match[2]
    if before is None:
        if name not in set(Kind):
            return None
        return Step(Kind(name), None, _id(key) if key else None)
    relation = ENTITIES[before.kind].relation(name) if before.single else None
    if relation is None or (key and not relation.many):
        return None
    return Step(relation.target, relation, _id(key) if key else None)


def _id(text: str) -> int:
    """An id; no entity has one that is text or beyond a bigint."""
    if text.startswith("'") or not 0 <= int(text) < 2**63:
        return -1
    return int(text)


def _tail(path: str, steps: Sequence[Step], parts: Sequence[str]) -> Address:
    unknown = NotFound("sensing.path_unknown", path=path[:120])
    if not steps:
        raise unknown
    last = steps[-1]
    if parts in (["$ref"], ["$count"]) and (parts == ["$ref"] or not last.single):
        return Address(tuple(steps), refs=parts == ["$ref"], counted=parts == ["$count"])
    value = parts[-1] == "$value"
    names = tuple(parts[:-1] if value else parts)
    known = names and (names[0] in ("id", "@iot.id") or ENTITIES[last.kind].property(names[0]) is not None)
    if not last.single or not known or any(name.startswith("$") for name in names):
        raise unknown
    return Address(tuple(steps), names, value)


def options(text: str) -> dict[str, str]:
    """The options of a query string. Raises BadRequest `sensing.option_twice`."""
    found: dict[str, str] = {}
    for part in text.split("&"):
        name, _, value = part.partition("=")
        if not part:
            continue
        key = unquote_plus(name)
        if key in found:
            raise BadRequest("sensing.option_twice", option=key[:40])
        found[key] = unquote_plus(value)
    return found


def query(kind: Kind, given: dict[str, str]) -> Query:
    """The options as a struct. Raises BadRequest `sensing.option_unknown`, `sensing.option_wrong`, `sensing.filter_wrong`."""
    return _query(ENTITIES[kind], given, 0)


def _query(entity: Entity, given: dict[str, str], depth: int) -> Query:
    for name in given:
        if name not in OPTIONS:
            raise BadRequest("sensing.option_unknown", option=name[:40])
    if depth > DEEPEST:
        raise BadRequest("sensing.option_wrong", option="$expand", value="…")
    return Query(
        filter=expressions.parse_filter(given["$filter"]) if "$filter" in given else None,
        select=_select(entity, given.get("$select", "")),
        expand=_expand(entity, given.get("$expand", ""), depth),
        orderby=expressions.parse_order(given["$orderby"]) if "$orderby" in given else (),
        top=_number("$top", given["$top"]) if "$top" in given else None,
        skip=_number("$skip", given.get("$skip", "0")),
        count=_flag(given.get("$count", "false")),
        format=_format(given.get("$resultFormat", "json")),
        options=tuple((name, value) for name, value in given.items() if name != "$skip"),
    )


def _number(option: str, text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 12:
        raise BadRequest("sensing.option_wrong", option=option, value=text[:40])
    return int(text)


def _flag(text: str) -> bool:
    if text not in ("true", "false"):
        raise BadRequest("sensing.option_wrong", option="$count", value=text[:40])
    return text == "true"


def _format(text: str) -> Format:
    if text.lower() not in FORMATS:
        raise BadRequest("sensing.option_wrong", option="$resultFormat", value=text[:40])
    return FORMATS[text.lower()]


def _select(entity: Entity, text: str) -> tuple[str, ...]:
    names = tuple(part.strip() for part in text.split(",")) if text else ()
    for name in names:
        first = name.partition("/")[0]
        if first not in ("id", "@iot.id", "@iot.selfLink") and not entity.property(first) and not entity.relation(name):
            raise BadRequest("sensing.property_unknown", name=name[:60], entity=entity.single)
    return names


def _expand(entity: Entity, text: str, depth: int) -> tuple[Expand, ...]:
    found: dict[str, Expand] = {}
    for item in split(text, ","):
        one = _expanded(entity, item.strip(), depth)
        before = found.get(one.relation.name)
        found[one.relation.name] = one if before is None else _merged(before, one)
    return tuple(found.values())


def _merged(one: Expand, other: Expand) -> Expand:
    """`A/B,A/C` asks for both of A."""
    main = one.query if one.query.options else other.query
    both = {each.relation.name: each for each in one.query.expand}
    for each in other.query.expand:
        both[each.relation.name] = _merged(both[each.relation.name], each) if each.relation.name in both else each
    return Expand(one.relation, msgspec.structs.replace(main, expand=tuple(both.values())))


def _expanded(entity: Entity, item: str, depth: int) -> Expand:
    name = re.match(r"\w*", item)
    head = name[0] if name else ""
    relation, rest = entity.relation(head), item[len(head) :]
    if relation is None or depth > DEEPEST:
        raise BadRequest("sensing.property_unknown", name=item[:60], entity=entity.single)
    target = ENTITIES[relation.target]
    if rest.startswith("/"):
        return Expand(relation, Query(expand=(_expanded(target, rest[1:], depth + 1),)))
    if not rest:
        return Expand(relation, Query())
    if not rest.startswith("(") or not rest.endswith(")"):
        raise BadRequest("sensing.option_wrong", option="$expand", value=item[:80])
    given: dict[str, str] = {}
    for part in split(rest[1:-1], ";"):
        option, _, value = part.strip().partition("=")
        if option in given:
            raise BadRequest("sensing.option_twice", option=option[:40])
        given[option] = value
    return Expand(relation, _query(target, given, depth + 1))


def split(text: str, mark: str) -> list[str]:
    """The parts between marks that stand in no brackets and no quotes. Raises BadRequest `sensing.option_wrong`."""
    found, start, level, quoted = [], 0, 0, False
    for place, letter in enumerate(text):
        if letter == "'":
            quoted = not quoted
        elif not quoted and letter in "()":
            level += 1 if letter == "(" else -1
        elif letter == mark and not quoted and level == 0:
            found.append(text[start:place])
            start = place + 1
    if level or quoted:
        raise BadRequest("sensing.option_wrong", option="$expand", value=text[:80])
    return [part for part in [*found, text[start:]] if part.strip()]
