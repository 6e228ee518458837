"""The HTTP door of indicators: computations, published figures, and who a figure counts."""

from typing import Annotated, Any

from litestar import Request, get, put
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter

from cityloom.identity import api as identity
from cityloom.indicators.api import population
from cityloom.indicators.contracts import Area, Computation, ComputationId, CountWish, Explanation, Figure, Level

AnyRequest = Request[Any, Any, Any]
Limit = Annotated[int, QueryParameter(ge=1, le=10_000)]
Page = Annotated[int, QueryParameter(ge=1, le=1000)]
After = Annotated[str, QueryParameter(pattern=r"^(-?[0-9]{0,12}/[A-Za-z:+]{0,80})?$", description="area/kind")]
ROOT = "/api/indicators/population"


@put(
    f"{ROOT}/{{id:str}}", tags=["indicators"], summary="Count the population (实有人口统计)",
    description="For a day, and by the readings that `parameters` gives to what the rule leaves open. The same id with "
    "the same wish is answered as the first time; with another 409.",
    status_code=200, sync_to_thread=True,
)  # fmt: skip
def put_population(request: AnyRequest, id: FromPath[ComputationId], data: JSONBody[CountWish]) -> Computation:
    """What was computed, from what, by whom; the figures are asked for apart."""
    return population.compute(identity.open_context(request), id, data)


@get(ROOT, tags=["indicators"], summary="Computations of the population", sync_to_thread=True)
def list_population(request: AnyRequest, after: FromQuery[str] = "", limit: Page = 100) -> list[Computation]:
    """By id; the next page is asked for with `after` = the last id."""
    return population.listing(identity.open_context(request), after, limit)


@get(f"{ROOT}/{{id:str}}/figures", tags=["indicators"], summary="Published figures of a count", sync_to_thread=True)
def get_population_figures(
    request: AnyRequest, id: FromPath[ComputationId], level: FromQuery[Level], area: FromQuery[Area] = "",
    after: After = "", limit: Limit = 1000,
) -> list[Figure]:  # fmt: skip
    """Of one level, in areas whose code begins so; the next page is asked for with `after` = `area/kind` of the last figure."""
    last, _, kind = after.partition("/")
    return population.figures(identity.open_context(request), id, level, area, (last, kind) if after else None, limit)


@get(f"{ROOT}/{{id:str}}/members", tags=["indicators"], summary="Who a figure counts", sync_to_thread=True)
def get_population_members(
    request: AnyRequest, id: FromPath[ComputationId], level: FromQuery[Level], area: FromQuery[Area] = "",
    kind: FromQuery[str] = "", after: FromQuery[str] = "", limit: Page = 100,
) -> Explanation:  # fmt: skip
    """For who may read every dataset that was counted; the header X-Purpose names the purpose. By person."""
    return population.explain(identity.open_context(request), id, level, area, kind, after, limit)


ROUTES = (put_population, list_population, get_population_figures, get_population_members)
