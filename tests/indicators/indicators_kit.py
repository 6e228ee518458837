"""What the tests of indicators share."""

from collections.abc import Set as AbstractSet
from datetime import datetime
from pathlib import Path
from typing import Any

from cityloom.exchange.api import deliveries, spool, tables
from cityloom.exchange.contracts import Declaration
from cityloom.identity.api import services
from cityloom.indicators.api import population, running
from cityloom.indicators.contracts import CountWish
from cityloom.kernel.context import Context, Parts
from cityloom.kernel.jobs import platform_context
from cityloom.samplecity import api as samplecity


def headers(town: Parts, organisation: str, *rights: str) -> dict[str, str]:
    secret = services.issue(platform_context(town, "test"), organisation, rights).secret
    return {"authorization": f"Bearer {secret}", "accept-language": "en"}


def exact(ctx: Context, wish: CountWish) -> list[dict[str, Any]]:
    """The exact pieces of the population, counted beside the publication."""
    model = running.model(ctx, "people", "population")
    found = tables.states(ctx, model.DATASETS)
    with ctx.lake.session() as cursor:
        parameters = running.parameters(model.Parameters, wish.parameters, on=wish.on)
        return population.pieces(cursor, model, running.sources(cursor, found), parameters).to_pylist()


def rows(ctx: Context, dataset: str) -> list[dict[str, Any]]:
    """Every record of a dataset now."""
    (found,) = tables.states(ctx, [dataset])
    with ctx.lake.session() as cursor:
        return running.run(cursor, running.sources(cursor, [found])[dataset]).to_pylist()


def deliver(ctx: Context, folder: Path, needed: AbstractSet[str], people: int = 10_000) -> None:
    """Some datasets of the city's sample, accepted without the door."""
    zone = ctx.parts.calendars.city.table.zone
    today = datetime.combine(ctx.clock.now().astimezone(zone).date(), datetime.min.time(), zone)
    plan = samplecity.plan(ctx.packs, people=people, seed=5, as_of=today, months=1)
    for each in samplecity.deliveries(plan, folder):
        if each.dataset not in needed:
            each.path.unlink()
            continue
        declared = Declaration(
            mode=each.mode, media=each.content_type, encoding=each.content_encoding, charset=each.charset or "",
            file_name=each.path.name, rows=each.rows,
        )  # fmt: skip
        delivery = deliveries.claim(ctx, each.dataset, each.delivery_id, declared)
        with each.path.open("rb") as file:
            spooled = spool.copy(ctx, iter(lambda: file.read(1 << 20), b""))
        deliveries.received(ctx, delivery, spooled)
        deliveries.process(ctx, each.dataset, each.delivery_id)
        each.path.unlink()
