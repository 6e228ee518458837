"""What the tests of indicators share."""

from typing import Any

from cityloom.exchange.api import tables
from cityloom.identity.api import services
from cityloom.indicators.api import population, running
from cityloom.indicators.contracts import CountWish
from cityloom.kernel.context import Context, Parts
from cityloom.kernel.jobs import platform_context


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
