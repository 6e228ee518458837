"""What is looked at in every record of a dataset when its quality is measured, as SQL conditions over its fields."""

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Literal

import msgspec

from cityloom.exchange.rules import expression
from cityloom.exchange.spec import ResolvedDataset, ResolvedField
from cityloom.kernel.sql import literal, name

INCONSISTENT = ("codes", "reference", "expression")
"""Rules (up to a colon) whose faults contradict a code list, another dataset or another field."""
AMBIGUOUS = ("key", "unique")
"""Rules whose faults are that several rows or records share what only one may have."""


class Look(msgspec.Struct, frozen=True):
    """Of the records for which `seen` holds, `good` says which are as declared."""

    kind: Literal["filled", "codes", "reference", "check"]
    name: str
    seen: str
    good: str


def looks(dataset: ResolvedDataset, relations: Mapping[str, str], day: date) -> list[Look]:
    """What to look at in each record. `relations` gives the current state of each dataset in `dataset.references`."""
    found = [look for field in dataset.fields for look in _field(field, relations)]
    return [*found, *_checks(dataset, day)]


def _field(field: ResolvedField, relations: Mapping[str, str]) -> Iterator[Look]:
    value = name(field.name)
    there = f"{value} IS NOT NULL"
    yield Look("filled", field.name, "true", there)
    if field.codes is not None:
        listed = ", ".join(literal(code) for code in field.codes.current)
        yield Look("codes", field.name, there, f"{value} IN ({listed})")
    if field.reference is not None:
        target = name(field.reference.field)
        known = f"SELECT {target} FROM {relations[field.reference.dataset]} WHERE {target} IS NOT NULL"
        yield Look("reference", field.name, there, f"{value} IN ({known})")


def _checks(dataset: ResolvedDataset, day: date) -> Iterator[Look]:
    fields = {field.name: field for field in dataset.fields}
    for check in dataset.checks:
        holds = expression.condition(check.expression, fields, day).sql
        yield Look("check", check.name, f"({holds}) IS NOT NULL", holds)


def unique(dataset: ResolvedDataset) -> list[str]:
    """Fields whose values may occur once, where the key does not say so already."""
    return [field.name for field in dataset.fields if field.unique and (field.name,) != dataset.key]


def has(rules: tuple[str, ...], found: list[str]) -> bool:
    """Whether one of the rules that a row broke is one of these."""
    return any(rule.split(":")[0] in rules for rule in found)
