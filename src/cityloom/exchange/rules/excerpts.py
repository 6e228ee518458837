"""What a grant lets through, compiled twice: to a view for the lake, and to a function of one record."""

import hashlib
from collections.abc import Callable
from typing import Any

import msgspec

from cityloom.exchange.contracts import Excerpt, Mask
from cityloom.exchange.rules import expression, pointwise
from cityloom.exchange.spec import ResolvedDataset
from cityloom.kernel import sql
from cityloom.kernel.errors import Invalid

Record = dict[str, Any]
WAS = "_was"
"""The STRUCT column that holds what a row was before a change (as in store.changes)."""


class Lens(msgspec.Struct, frozen=True):
    """SQL of the rows and of what is shown in the place of masked fields."""

    rows: str
    was: str
    """The same condition over what was before a change."""
    masked: dict[str, str]


def check(dataset: ResolvedDataset, excerpt: Excerpt) -> None:
    """Raises Invalid `exchange.excerpt_…` naming the field, mask or part of the filter that is not fit."""
    known = {field.name: field for field in dataset.fields}
    for name in (*excerpt.fields, *(mask.field for mask in excerpt.masks)):
        if name not in known:
            raise Invalid("exchange.excerpt_field", dataset=dataset.name, field=name, known=", ".join(known))
    for name in excerpt.fields:
        if excerpt.fields.count(name) > 1:
            raise Invalid("exchange.excerpt_twice", dataset=dataset.name, field=name)
    for mask in excerpt.masks:
        kinds = ("date", "timestamp") if mask.kind == "year" else ("text",)
        once = sum(other.field == mask.field for other in excerpt.masks) == 1
        if known[mask.field].type not in kinds or mask.field not in excerpt.fields or not once:
            raise Invalid("exchange.excerpt_mask", dataset=dataset.name, field=mask.field, mask=mask.kind)
    _filter(dataset, excerpt.rows)


def _filter(dataset: ResolvedDataset, text: str) -> Callable[[Record], bool]:
    if not text.strip():
        return lambda _: True
    try:
        return pointwise.compile_filter(text, {field.name: field for field in dataset.fields})
    except expression.UnfitError as error:
        raise Invalid("exchange.excerpt_rows", dataset=dataset.name, part=error.token, why=error.why) from error


def asked_of(dataset: ResolvedDataset, rows: str) -> tuple[str, ...]:
    """The fields that a row filter looks at: whoever sees which rows come learns of them. Raises what `check` raises."""
    _filter(dataset, rows)
    if not rows.strip():
        return ()
    fields = {field.name: field for field in dataset.fields}
    return expression.condition(rows, fields, pointwise.NEVER).operands


def lens(dataset: ResolvedDataset, excerpt: Excerpt) -> Lens:
    """For the lake. Raises what `check` raises."""
    check(dataset, excerpt)
    rows, was = condition(dataset, excerpt.rows), condition(dataset, excerpt.rows, WAS)
    return Lens(rows, was, {mask.field: _masked_sql(mask, excerpt.salt) for mask in excerpt.masks})


def condition(dataset: ResolvedDataset, rows: str, of: str = "") -> str:
    """A row filter as SQL over the fields, or over those of the STRUCT `of`. Raises Invalid `exchange.excerpt_rows`."""
    if not rows.strip():
        return "true"
    _filter(dataset, rows)
    fields = {field.name: field for field in dataset.fields}
    return f"coalesce({expression.condition(rows, fields, pointwise.NEVER, of).sql}, false)"


def shower(dataset: ResolvedDataset, excerpt: Excerpt) -> Callable[[Record], Record | None]:
    """For single records: what is shown of one, or None if it is not let through. Raises what `check` raises."""
    check(dataset, excerpt)
    lets_through = _filter(dataset, excerpt.rows)
    masks = {mask.field: mask for mask in excerpt.masks}

    def show(record: Record) -> Record | None:
        if not lets_through(record):
            return None
        return {
            name: _masked(masks[name], excerpt.salt, record.get(name)) if name in masks else record.get(name)
            for name in excerpt.fields
        }

    return show


def _masked_sql(mask: Mask, salt: str) -> str:
    field = sql.name(mask.field)
    if mask.kind == "year":
        return f"year({field})"
    if mask.kind == "pseudonym":
        return f"left(sha256({sql.literal(salt)} || {field}), 32)"
    first, last = mask.first, mask.last
    return (
        f"CASE WHEN length({field}) <= {first + last} THEN repeat('*', length({field}))"
        f" ELSE left({field}, {first}) || repeat('*', length({field}) - {first + last}) || right({field}, {last}) END"
    )


def _masked(mask: Mask, salt: str, value: Any) -> Any:
    if value is None:
        return None
    if mask.kind == "year":
        return int(value[:4])
    if mask.kind == "pseudonym":
        return hashlib.sha256((salt + value).encode()).hexdigest()[:32]
    hidden = len(value) - mask.first - mask.last
    if hidden <= 0:
        return "*" * len(value)
    return value[: mask.first] + "*" * hidden + value[len(value) - mask.last :]
