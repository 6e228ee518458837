"""The three-class population count of a city: computed by the pack `people`, published protected, explained to few.

The model reads whole datasets of many keepers, in the platform's name. Nobody sees them by that: what is kept and shown is
protected by the pack's model `disclosure`, and an explanation is computed anew for whoever may read all that it rests on.
"""

import hashlib
from collections.abc import Sequence
from datetime import date
from types import ModuleType
from typing import Any

import duckdb
import ibis
import msgspec
import pyarrow as pa

from cityloom.exchange.api import tables
from cityloom.exchange.contracts import StateTable
from cityloom.identity.api import organisations
from cityloom.identity.contracts import OrganisationKind
from cityloom.indicators import store
from cityloom.indicators.contracts import Computation, CountWish, Explanation, Figure, Input, Member
from cityloom.indicators.store import ComputationRow
from cityloom.kernel import packs, secrets
from cityloom.kernel.access import Principal, Resource
from cityloom.kernel.context import Context
from cityloom.kernel.db import EVERY_ORGANISATION
from cityloom.kernel.errors import Conflict, Invalid, NotFound

INDICATOR = "population"
PACK = "people"
DIGITS = {"city": 0, "district": 6, "street": 9, "community": 12}
RULES = ("school", "payer", "rental", "linked", "transacted")


def resource(ctx: Context) -> Resource:
    """The indicator as the policies see it: the platform's own organisations have it computed, and the pack's keeper."""
    own = [each.code for each in organisations.listing(ctx) if each.active and each.kind == OrganisationKind.platform]
    return Resource("Indicator", INDICATOR, {"planners": [*own, ctx.packs.named(PACK).manifest.keeper]})


def compute(ctx: Context, id: str, wish: CountWish) -> Computation:
    """Count, protect and keep. Right `indicators.compute`. The same id with the same wish is answered as the first time.

    Raises Refused, NotFound `kernel.pack_missing`, Invalid `indicators.parameters_wrong`, Conflict `indicators.id_reused`.
    """
    ctx.require("indicators.compute", resource(ctx))
    parameters = _parameters(ctx, wish)
    with ctx.begin() as tx:
        if (known := store.find(tx, INDICATOR, id)) is not None:
            return _same(known, parameters)
    found = tables.states(_counting(ctx), _model(ctx, "population").DATASETS)
    figures = _figures(ctx, _counts(ctx, found, parameters))
    inputs = tuple(Input(each.dataset, each.last_sequence) for each in found)
    row = ComputationRow(
        id, INDICATOR, wish.on, msgspec.json.encode(parameters).decode(), msgspec.json.encode(inputs).decode(),
        len(figures), ctx.principal.name, ctx.principal.organisation, ctx.clock.now(),
    )  # fmt: skip
    with ctx.begin() as tx:
        store.hold(tx, INDICATOR, id)
        if (known := store.find(tx, INDICATOR, id)) is not None:
            return _same(known, parameters)
        store.add(tx, row, figures)
        digest = hashlib.sha256(row.parameters.encode()).hexdigest()
        ctx.record(tx, "indicators.computed", f"indicator:{INDICATOR}", id=id, figures=len(figures), parameters=digest)
    return _computation(row)


def listing(ctx: Context, after: str = "", limit: int = 100) -> list[Computation]:
    """Computations by id. Right `indicators.read`."""
    ctx.require("indicators.read", resource(ctx))
    with ctx.begin() as tx:
        return [_computation(row) for row in store.listing(tx, INDICATOR, after, limit)]


def figures(
    ctx: Context, id: str, level: str, area: str = "", after: tuple[str, str] | None = None, limit: int = 1000
) -> list[Figure]:
    """Published figures of a level, in areas whose code begins so. Right `indicators.read`."""
    ctx.require("indicators.read", resource(ctx))
    with ctx.begin() as tx:
        row = _found(store.find(tx, INDICATOR, id), id)
        return store.figures(tx, INDICATOR, row.id, level, area, after, limit)


def explain(ctx: Context, id: str, level: str, area: str, kind: str, after: str = "", limit: int = 100) -> Explanation:
    """Who a figure counts and why, by person. Right `indicators.explain`, a purpose, and the right to read every dataset.

    Raises Refused, NotFound `indicators.computation_unknown`, Invalid `indicators.area_wrong`.
    """
    ctx.require("indicators.explain", resource(ctx))
    if (
        level not in (*DIGITS, "grid")
        or (level in DIGITS and len(area) not in (DIGITS[level], 0))
        or (level == "grid" and not area)
    ):
        raise Invalid("indicators.area_wrong", area=area or "–", level=level)
    with ctx.begin() as tx:
        row = _found(store.find(tx, INDICATOR, id), id)
    model = _model(ctx, "population")
    parameters = msgspec.json.decode(row.parameters, type=model.Parameters)
    found = tables.states(ctx, model.DATASETS)
    with ctx.lake.session() as cursor:
        sources = _sources(cursor, model, found)
        persons = model.located(model.persons(sources, parameters), sources.dwelling, parameters.grid)
        chosen = model.members(persons, level, area, kind)
        chosen = chosen.filter(chosen.person > after).order_by("person").limit(limit)
        counted = store.run(cursor, str(ibis.to_sql(chosen, dialect="duckdb"))).to_pylist()
    with ctx.begin() as tx:
        ctx.record(
            tx,
            "indicators.explained",
            f"indicator:{INDICATOR}",
            id=id,
            level=level,
            area=area,
            kind=kind,
            persons=len(counted),
        )
    now = tuple(Input(each.dataset, each.last_sequence) for each in found)
    rules = (*RULES, "short", "collected")
    members = tuple(
        Member(each["person"], each["class"], tuple(rule for rule in rules if each[rule])) for each in counted
    )
    return Explanation(id, now == _computation(row).inputs, members)


def _model(ctx: Context, name: str) -> ModuleType:
    return packs.model(ctx.packs.named(PACK), name)


def _parameters(ctx: Context, wish: CountWish) -> Any:
    try:
        return msgspec.convert({**wish.parameters, "on": wish.on}, _model(ctx, "population").Parameters)
    except msgspec.ValidationError as error:
        raise Invalid("indicators.parameters_wrong", reason=str(error)) from error


def _counting(ctx: Context) -> Context:
    """The caller's context as the platform's own: the count is of everybody's datasets, and the policies have permitted it."""
    principal = Principal(ctx.principal.name, EVERY_ORGANISATION, frozenset({"platform"}))
    return msgspec.structs.replace(ctx, principal=principal)


def _sources(cursor: duckdb.DuckDBPyConnection, model: ModuleType, found: Sequence[StateTable]) -> Any:
    given = {}
    for each in found:
        catalogue, database, name = each.table
        schema = ibis.Schema.from_pyarrow(store.schema(cursor, each.table, each.fields))
        given[each.dataset] = ibis.table(schema, name=name, catalog=catalogue, database=database)
    return model.from_datasets(given)


def _counts(ctx: Context, found: Sequence[StateTable], parameters: Any) -> pa.Table:
    model = _model(ctx, "population")
    with ctx.lake.session() as cursor:
        sources = _sources(cursor, model, found)
        expression = model.counts(model.persons(sources, parameters), sources.dwelling, parameters.grid)
        return store.run(cursor, str(ibis.to_sql(expression, dialect="duckdb")))


def _figures(ctx: Context, counts: pa.Table) -> list[Figure]:
    """Everything that is published, protected by the city's own key."""
    model, disclosure = _model(ctx, "population"), _model(ctx, "disclosure")
    key, plain = bytes.fromhex(secrets.load_or_make(ctx.settings.secrets, "indicators")), disclosure.Parameters()
    pieces = ibis.table(ibis.Schema.from_pyarrow(counts.schema), name="indicators_counted")
    with ctx.lake.session() as cursor:
        summed = [
            store.run(cursor, str(ibis.to_sql(each, dialect="duckdb")), {"indicators_counted": counts})
            for each in (model.classes(pieces), model.contributions(pieces))
        ]
        cursor.unregister("indicators_counted")
    protected = disclosure.protect(summed[0], ("community", "cell", "class"), key, plain)
    found = [
        Figure(level, row["area"], row["class"], row["persons"])
        for level in (*DIGITS, "grid")
        for row in disclosure.figures(protected, level, plain).to_pylist()
    ]
    by = tuple(column for column in summed[1].column_names if column != "persons")
    told = disclosure.shown(disclosure.protect(summed[1], by, key, plain, "contributions"), by, plain)
    return found + [
        Figure("rules", row["area"], f"{row['class']}:{'+'.join(rule for rule in RULES if row[rule])}", row["persons"])
        for row in told.to_pylist()
    ]


def _same(known: ComputationRow, parameters: Any) -> Computation:
    if msgspec.json.decode(known.parameters) != msgspec.json.decode(msgspec.json.encode(parameters)):
        raise Conflict("indicators.id_reused", id=known.id)
    return _computation(known)


def _found(row: ComputationRow | None, id: str) -> ComputationRow:
    if row is None:
        raise NotFound("indicators.computation_unknown", id=id, indicator=INDICATOR)
    return row


def _computation(row: ComputationRow) -> Computation:
    inputs = msgspec.json.decode(row.inputs, type=tuple[Input, ...])
    day: date = row.on_day
    return Computation(
        row.id, row.indicator, day, msgspec.json.decode(row.parameters), inputs, row.figures, row.actor, row.at
    )
