"""The sandbox twin of a dataset: made-up records of the same fields that pass the dataset's own checks."""

import csv
from datetime import datetime
from typing import Any

import duckdb

from cityloom.exchange.api import deliveries, gate
from cityloom.exchange.intake import columns
from cityloom.exchange.rules import compile, synthetic
from cityloom.exchange.spec import ResolvedDataset
from cityloom.exchange.store import checked
from cityloom.exchange.store import synthetic as store
from cityloom.kernel.context import Context
from cityloom.kernel.errors import NotFound

RECORDS = 100
CANDIDATES = 2_000
Made = dict[str, list[dict[str, Any]]]


def records(ctx: Context, dataset: str) -> list[dict[str, Any]]:
    """Up to RECORDS made-up records, the same ones each time; not one real value is read.

    Raises NotFound `exchange.dataset_unknown`, `exchange.sandbox_empty` when no made-up record passes its checks.
    """
    deliveries.describe(ctx, dataset)
    made: Made = {}
    with ctx.lake.session() as cursor:
        _make(ctx, cursor, gate.dataset(ctx, dataset), made)
    if not made[dataset]:
        raise NotFound("exchange.sandbox_empty", dataset=dataset)
    return made[dataset]


def _make(ctx: Context, cursor: duckdb.DuckDBPyConnection, resolved: ResolvedDataset, made: Made) -> None:
    """The twin of a dataset, after those of the datasets that it refers to."""
    made[resolved.name] = []  # so that datasets which refer to each other come to an end
    for name in resolved.references:
        if name not in made:
            _make(ctx, cursor, gate.dataset(ctx, name), made)
    at = ctx.clock.now().astimezone(ctx.parts.calendars.city.table.zone)
    made[resolved.name] = _passing(cursor, resolved, synthetic.rows(resolved, made, CANDIDATES, at.date()), at)
    if not made[resolved.name]:  # values must fit over rows and datasets, as those of the pack's own sample do
        made[resolved.name] = _passing(cursor, resolved, _sample(ctx, resolved), at)


def _passing(
    cursor: duckdb.DuckDBPyConnection, resolved: ResolvedDataset, candidates: list[synthetic.Row], at: datetime
) -> list[dict[str, Any]]:  # fmt: skip
    """Those that pass the dataset's checks, kept as its twin."""
    fields = [field.name for field in resolved.fields]
    store.deliver(cursor, fields, candidates)
    relations = {name: store.table(name) for name in resolved.references if name != resolved.name}
    if resolved.name in resolved.references:
        relations[resolved.name] = "delivered"
    compiled = compile.compile_delivery(resolved, checked.texts(fields), at, relations, intake=True)
    checked.check(cursor, compiled.statement, compiled.parameters)
    return store.keep(cursor, resolved.name, fields, RECORDS)


def _sample(ctx: Context, resolved: ResolvedDataset) -> list[synthetic.Row]:
    """The sample that a pack ships with the dataset, which is made up as well; empty where there is none."""
    for pack in ctx.packs:
        path = pack.folder / "samples" / f"{resolved.name}.csv"
        if path.is_file():
            with path.open(encoding="utf-8-sig", newline="") as file:
                header, *lines = csv.reader(file)
            places = {field: at for at, field in enumerate(columns.fields_of(header, gate.wanted(resolved)))}
            return [
                {
                    field.name: (line[places[field.name]] or None) if field.name in places else None
                    for field in resolved.fields
                }
                for line in lines
            ]
    return []
