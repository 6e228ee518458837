"""The record of an entity: of each field the value that stands, by the authority of its sources, and what others say."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from cityloom.kernel.words import Text
from cityloom.registers.contracts import Disputable, Evidence, FieldValue, Source, Statement, Value
from cityloom.registers.spec import Feed, Field, Register

Authorities = Mapping[str, frozenset[str]]
"""Fields of each dataset on which it decides (一数一源)."""


class Said(msgspec.Struct, frozen=True):
    """What one source record says, as it may be shown."""

    feed: Feed
    source: Source
    fields: Mapping[str, Any]
    """By the dataset's names; what is not shown is not here."""
    masked: frozenset[str] = frozenset()
    key: tuple[str, ...] = ()
    """Of the record in its dataset; empty where the reader may not know it."""
    grants: Mapping[str, str] = {}
    """The grant that shows each field."""


class _Claimed(msgspec.Struct, frozen=True):
    rank: tuple[bool, bool, int]
    value: Value
    masked: bool


def record(register: Register, said: Sequence[Said], authorities: Authorities, language: str) -> tuple[FieldValue, ...]:
    """The fields of which something is known, in the register's order.

    First what is shown whole before what is masked, then the authority, then the order of the pack, then the newest.
    """
    found = []
    for field in register.fields:
        claimed = _claimed(register, field, said, authorities)
        if claimed:
            first, *others = claimed
            open_values = {_comparable(each.value.value) for each in claimed if not each.masked}
            found.append(
                FieldValue(
                    field.name, field.title.of(language), first.value.value, first.value.source, first.value.authority,
                    len(open_values) <= 1, tuple(each.value for each in others), first.value.dispute,
                )
            )  # fmt: skip
    return tuple(found)


def _claimed(register: Register, field: Field, said: Sequence[Said], authorities: Authorities) -> list[_Claimed]:
    order = [*field.prefer, *(feed.dataset for feed in register.sources if feed.dataset not in field.prefer)]
    found = []
    for each in said:
        name = each.feed.fields.get(field.name)
        value = each.fields.get(name) if name else None
        if name is None or value in (None, ""):
            continue
        authority = name in authorities.get(each.feed.dataset, frozenset())
        masked = name in each.masked
        rank = (masked, not authority, order.index(each.feed.dataset))
        found.append(_Claimed(rank, Value(value, each.source, authority, _dispute(each, name)), masked))
    found.sort(key=lambda each: each.value.source.known_since, reverse=True)
    found.sort(key=lambda each: each.rank)  # stable: of one rank the newest comes first
    return found


def _dispute(said: Said, name: str) -> Disputable | None:
    """Where a value came by a grant and its record is known, it can be disputed."""
    if not said.key or name not in said.grants:
        return None
    return Disputable(said.key, name, said.grants[name], name not in said.masked)


def _comparable(value: Any) -> Any:
    return value if not isinstance(value, str) else "".join(value.split()).upper()


def statements(register: Register, said: Said, language: str) -> tuple[Statement, ...]:
    """What one source record says of the fields of the register."""
    held = ((field, _value(field, said)) for field in register.fields)
    return tuple(
        Statement(field.name, field.title.of(language), str(value)) for field, value in held if value is not None
    )


def conflicts(register: Register, said: Sequence[Said], authorities: Authorities) -> list[tuple[Field, Said, Said]]:
    """Fields of which some source contradicts the authority: the field, what the authority says, what the other says."""
    found = []
    for field in register.fields:
        held = [(each, _value(field, each)) for each in said]
        leading = [
            each for each, value in held
            if value is not None and each.feed.fields[field.name] in authorities.get(each.feed.dataset, frozenset())
        ]  # fmt: skip
        if not leading:
            continue
        authority = max(leading, key=lambda each: each.source.known_since)
        right = _comparable(_value(field, authority))
        found += [
            (field, authority, each)
            for each, value in held
            if value is not None and each.source.dataset != authority.source.dataset and _comparable(value) != right
        ]
    return found


def _value(field: Field, said: Said) -> Any:
    name = said.feed.fields.get(field.name)
    value = said.fields.get(name) if name else None
    return None if value in (None, "") else value


def evidence(
    register: Register, left: Sequence[Said], right: Sequence[Said], titles: Mapping[str, Text], language: str
) -> tuple[Evidence, ...]:
    """What two entities say of each field and identifier, side by side; where both say nothing it is left out."""
    found = []
    for field in register.fields:
        sides = [
            tuple(dict.fromkeys(str(v) for s in side if (v := _value(field, s)) is not None)) for side in (left, right)
        ]
        if sides[0] or sides[1]:
            agree = bool({_comparable(v) for v in sides[0]} & {_comparable(v) for v in sides[1]})
            found.append(Evidence(field.name, field.title.of(language), sides[0], sides[1], agree))
    for name, title in titles.items():
        numbers = [_numbers(name, side) for side in (left, right)]
        if numbers[0] or numbers[1]:
            agree = bool(set(numbers[0]) & set(numbers[1]))
            found.append(Evidence(name, title.of(language), numbers[0], numbers[1], agree))
    return tuple(found)


def _numbers(kind: str, said: Sequence[Said]) -> tuple[str, ...]:
    values = (each.fields.get(each.feed.by) for each in said if each.feed.by and each.feed.identifier == kind)
    return tuple(dict.fromkeys(str(value) for value in values if value not in (None, "")))
