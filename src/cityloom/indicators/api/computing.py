"""Has indicators computed, keeps each computation with all that it rests on, and shows what is published."""

import hashlib
from collections.abc import Callable, Mapping

import msgspec

from cityloom.identity.api import organisations
from cityloom.identity.contracts import OrganisationKind
from cityloom.indicators import store
from cityloom.indicators.api import facilities, population
from cityloom.indicators.api.running import Outcome
from cityloom.indicators.contracts import Computation, CountWish, Explanation, Figure, IndicatorState, Input
from cityloom.indicators.store import ComputationRow
from cityloom.kernel.access import Resource
from cityloom.kernel.context import Context
from cityloom.kernel.errors import Conflict, Invalid, NotFound


class Indicator(msgspec.Struct, frozen=True):
    """Something that is computed."""

    pack: str
    levels: tuple[str, ...]
    compute: Callable[[Context, CountWish], Outcome]


INDICATORS: Mapping[str, Indicator] = {
    "population": Indicator(population.PACK, population.LEVELS, population.count),
    "health_centres": Indicator(facilities.PACK, facilities.CENTRES, facilities.health_centres),
    "school_pressure": Indicator(facilities.PACK, facilities.SCHOOLS, facilities.school_pressure),
}


def _indicator(name: str) -> Indicator:
    if name not in INDICATORS:
        raise NotFound("indicators.indicator_unknown", indicator=name, known=", ".join(INDICATORS))
    return INDICATORS[name]


def resource(ctx: Context, name: str, readings: str = "declared") -> Resource:
    """An indicator as the policies see it: those who plan by it are the platform's own organisations and its pack's keeper;
    `readings` are those that the pack declares, or `own` ones of who asks.

    Raises NotFound `indicators.indicator_unknown`, `kernel.pack_missing`.
    """
    own = [each.code for each in organisations.listing(ctx) if each.active and each.kind == OrganisationKind.platform]
    planners = [*own, ctx.packs.named(_indicator(name).pack).manifest.keeper]
    return Resource("Indicator", name, {"planners": planners, "readings": readings})


def compute(ctx: Context, name: str, id: str, wish: CountWish) -> Computation:
    """Compute and keep. Right `indicators.compute`; for readings other than the pack's, that of a planner.

    The same id with the same wish is answered as the first time. Raises Refused, NotFound `indicators.indicator_unknown`,
    `kernel.pack_missing`, Invalid `indicators.parameters_wrong`, Conflict `indicators.id_reused`.
    """
    ctx.require("indicators.compute", resource(ctx, name, "own" if wish.parameters else "declared"))
    digest = hashlib.sha256(msgspec.json.encode(wish, order="sorted")).hexdigest()
    with ctx.begin() as tx:
        if (known := store.find(tx, name, id)) is not None:
            return _same(known, digest)
    outcome = _indicator(name).compute(ctx, wish)
    inputs = tuple(Input(each.dataset, each.last_sequence) for each in outcome.inputs)
    row = ComputationRow(
        id, name, wish.on, digest, msgspec.json.encode(outcome.parameters).decode(),
        msgspec.json.encode(inputs).decode(), len(outcome.figures), ctx.principal.name, ctx.principal.organisation,
        ctx.clock.now(),
    )  # fmt: skip
    with ctx.begin() as tx:
        store.hold(tx, name, id)
        if (known := store.find(tx, name, id)) is not None:
            return _same(known, digest)
        store.add(tx, row, outcome.figures)
        ctx.record(
            tx, "indicators.computed", f"indicator:{name}", id=id, figures=len(outcome.figures), wish=digest
        )  # fmt: skip
    return _computation(row)


def indicators(ctx: Context) -> list[IndicatorState]:
    """The indicators that the caller may read. Right `indicators.read` on each; others are left out."""
    packs = {pack.name for pack in ctx.packs}
    there = [name for name, each in INDICATORS.items() if each.pack in packs]
    seen = [name for name in there if ctx.permits("indicators.read", resource(ctx, name))]
    with ctx.begin() as tx:
        made = store.counts(tx)
    return [
        msgspec.convert(
            {"name": name, "levels": INDICATORS[name].levels, "computations": made.get(name, 0)}, IndicatorState
        )
        for name in seen
    ]


def listing(ctx: Context, name: str, after: str = "", limit: int = 100) -> list[Computation]:
    """Computations by id. Right `indicators.read`."""
    ctx.require("indicators.read", resource(ctx, name))
    with ctx.begin() as tx:
        return [_computation(row) for row in store.listing(tx, name, after, limit)]


def figures(
    ctx: Context, name: str, id: str, level: str, area: str = "", after: tuple[str, str] | None = None,
    limit: int = 1000, kind: str | None = None,
) -> list[Figure]:  # fmt: skip
    """Published figures of a level, in areas whose code begins so, of one kind or of all. Right `indicators.read`.

    Raises NotFound `indicators.computation_unknown`, Invalid `indicators.level_unknown`.
    """
    ctx.require("indicators.read", resource(ctx, name))
    levels = _indicator(name).levels
    if level not in levels:
        raise Invalid("indicators.level_unknown", level=level, indicator=name, known=", ".join(levels))
    with ctx.begin() as tx:
        row = _found(store.find(tx, name, id), name, id)
        return store.figures(tx, name, row.id, level, area, kind, after, limit)


def explain(
    ctx: Context, name: str, id: str, level: str, area: str, kind: str, after: str = "", limit: int = 100
) -> Explanation:  # fmt: skip
    """Who a figure counts. Right `indicators.explain`, a purpose, and the right to read every dataset.

    Raises Refused, NotFound `indicators.computation_unknown`, `indicators.counts_nobody` for what is not the population,
    Invalid `indicators.area_wrong`.
    """
    ctx.require("indicators.explain", resource(ctx, name))
    if name != "population":
        raise NotFound("indicators.counts_nobody", indicator=name)
    with ctx.begin() as tx:
        row = _found(store.find(tx, name, id), name, id)
    return population.explain(ctx, row, level, area, kind, after, limit)


def _same(known: ComputationRow, wish: str) -> Computation:
    if known.wish != wish:
        raise Conflict("indicators.id_reused", id=known.id)
    return _computation(known)


def _found(row: ComputationRow | None, name: str, id: str) -> ComputationRow:
    if row is None:
        raise NotFound("indicators.computation_unknown", id=id, indicator=name)
    return row


def _computation(row: ComputationRow) -> Computation:
    parameters = msgspec.json.decode(row.parameters)
    return Computation(
        row.id, row.indicator, row.on_day, parameters, store.inputs(row), row.figures, row.actor, row.at
    )  # fmt: skip
