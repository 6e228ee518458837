"""What the parts of a compiled statement share: the fields to check, how each is read, and the rules by number."""

from collections.abc import Iterable, Mapping
from datetime import datetime

import msgspec

from cityloom.exchange.contracts import Mode
from cityloom.exchange.rules.checks import Gate, field_reading
from cityloom.exchange.rules.normalise import Reading, raw_of
from cityloom.exchange.spec import ResolvedDataset, ResolvedField
from cityloom.kernel.sql import literal, name

INLINE_CODES = 100
"""Longer code lists are bound instead of written into the statement: as one text, since DuckDB binds lists slowly."""

SEPARATOR = "\n"


class Rule(msgspec.Struct, frozen=True):
    """A rule that rows can break, by the number that `_faults` holds."""

    number: int
    field: str
    rule: str
    fields: tuple[str, ...]
    """The fields whose texts make up the fault's value."""


class Plan(msgspec.Struct, frozen=True):
    """A dataset at the gate for one delivery."""

    dataset: ResolvedDataset
    fields: tuple[ResolvedField, ...]
    """The fields that are read and checked: all, or those of the key when a delivery deletes."""
    gates: Mapping[str, Gate]
    current: str | None
    """The dataset's own current state, when what is unique must be so across it too."""
    intake: bool
    few: bool
    """The delivery is small beside the datasets it references."""

    @property
    def key(self) -> tuple[ResolvedField, ...]:
        """The fields of the key, in its order."""
        return tuple(self.dataset.field(field) for field in self.dataset.key)

    @property
    def unique(self) -> tuple[ResolvedField, ...]:
        """Fields whose values may occur once, where the key does not say so already."""
        return tuple(field for field in self.fields if field.unique and (field.name,) != self.dataset.key)

    def reading(self, field: ResolvedField) -> Reading:
        """How a field is read."""
        return field_reading(field, self.gates[field.name])


def plan(
    dataset: ResolvedDataset, mode: Mode, at: datetime, relations: Mapping[str, str], intake: bool, few: bool
) -> Plan:
    """The plan of a delivery. Raises KeyError when a referenced dataset has no relation."""
    deletes = mode == Mode.delete
    fields = tuple(field for field in dataset.fields if not deletes or field.name in dataset.key)
    gates = {
        field.name: Gate(at, _codes(field), None if deletes else _reference(dataset, field, relations, few))
        for field in fields
    }
    current = relations.get(dataset.name) if mode in (Mode.append, Mode.upsert) else None
    return Plan(dataset, fields, gates, current, intake, few)


def parameters(plan: Plan) -> dict[str, str]:
    """The code lists that are too long to be written out, by the name of their parameter."""
    lists = (field.codes for field in plan.fields if field.codes)
    return {codes.name: SEPARATOR.join(codes.current) for codes in lists if len(codes.current) > INLINE_CODES}


def _codes(field: ResolvedField) -> str | None:
    if field.codes is None:
        return None
    if len(field.codes.current) > INLINE_CODES:
        return f"(SELECT unnest(string_split(${field.codes.name}, {literal(SEPARATOR)})))"
    return "(" + ", ".join(literal(code) for code in field.codes.current) + ")"


def _reference(dataset: ResolvedDataset, field: ResolvedField, relations: Mapping[str, str], few: bool) -> str | None:
    if field.reference is None:
        return None
    target = name(field.reference.field)
    known = f"SELECT {target} FROM {relations[field.reference.dataset]} WHERE {target} IS NOT NULL"
    if few:  # then a table of the few is probed by the many, not the other way round
        known += f" AND {target} IN (FROM {_part('asked', field)})"
    if field.reference.dataset == dataset.name:
        known += f" UNION ALL FROM {_part('siblings', field)}"
    return known


def _part(kind: str, field: ResolvedField) -> str:
    return name(f"{kind}_{field.name}")


def reference_parts(plan: Plan) -> list[str]:
    """The parts of the statement that references look into: values that the delivery asks for, and that it brings itself."""
    parts = []
    for field in plan.fields:
        if field.reference is None or plan.gates[field.name].reference is None:
            continue
        if plan.few:
            parts.append(f"{_part('asked', field)} AS MATERIALIZED ({_values(plan, field)})")
        if field.reference.dataset == plan.dataset.name:
            brought = plan.dataset.field(field.reference.field)
            parts.append(f"{_part('siblings', field)} AS ({_values(plan, brought)})")
    return parts


def _values(plan: Plan, field: ResolvedField) -> str:
    rows = read_rows(plan, [field], "incoming", exact=False)
    return f"SELECT DISTINCT {name(field.name)} FROM ({rows}) WHERE {name(field.name)} IS NOT NULL"


def read_rows(plan: Plan, fields: Iterable[ResolvedField], source: str, *, exact: bool = True) -> str:
    """A query over rows of text with `_row` (and `_intake`), every text as it came, and the values of `fields`.

    Without `exact` the values cost less and are equal where the values are; not all of their columns are there.
    """
    readings = [plan.reading(field).steps(field, exact=exact) for field in fields]
    raws = [f"{name(field.name)} AS {raw_of(field)}" for field in plan.dataset.fields]
    query = f"SELECT {', '.join(['_row', *(['_intake'] if plan.intake else []), *raws])} FROM {source}"
    for together in zip(*readings, strict=True):
        query = step(query, [f"{column[1]} AS {column[0]}" for column in together if column])
    return query


def step(query: str, columns: list[str]) -> str:
    """The query with more columns, which may use those that it has."""
    return f"SELECT *, {', '.join(columns)} FROM ({query})" if columns else query
