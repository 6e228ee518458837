"""The HTTP door of indicators: computations, published figures, and who a figure counts."""

from typing import Annotated, Any

from litestar import Request, get, put
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter

from cityloom.identity import api as identity
from cityloom.indicators.api import computing
from cityloom.indicators.contracts import (
    Area,
    Computation,
    ComputationId,
    CountWish,
    Explanation,
    Figure,
    IndicatorState,
    Level,
)

AnyRequest = Request[Any, Any, Any]
Limit = Annotated[int, QueryParameter(ge=1, le=10_000)]
Page = Annotated[int, QueryParameter(ge=1, le=1000)]
After = Annotated[
    str, QueryParameter(pattern=r"^(-?[0-9A-Za-z_]{0,20}/[0-9A-Za-z:+_]{0,80})?$", description="area/kind")
]


@put(
    "/api/indicators/{indicator:str}/{id:str}",
    tags=["indicators"],
    summary="Have an indicator computed",
    description="`population` (实有人口统计), `health_centres` (社康中心缺口与选址), `school_pressure` (学位压力): for a day, and by the "
    "readings that `parameters` gives to what the rule leaves open. The same id with the same wish is answered as the "
    "first time; with another 409.",
    status_code=200,
    sync_to_thread=True,
)
def put_computation(
    request: AnyRequest, indicator: FromPath[str], id: FromPath[ComputationId], data: JSONBody[CountWish]
) -> Computation:
    """What was computed, from what, by whom; the figures are asked for apart."""
    return computing.compute(identity.open_context(request), indicator, id, data)


@get("/api/indicators", tags=["indicators"], summary="Indicators", sync_to_thread=True)
def list_indicators(request: AnyRequest) -> list[IndicatorState]:
    """Those that the caller may read, with the levels of their figures and how often each was computed."""
    return computing.indicators(identity.open_context(request))


@get("/api/indicators/{indicator:str}", tags=["indicators"], summary="Computations", sync_to_thread=True)
def list_computations(
    request: AnyRequest, indicator: FromPath[str], after: FromQuery[str] = "", limit: Page = 100
) -> list[Computation]:
    """By id; the next page is asked for with `after` = the last id."""
    return computing.listing(identity.open_context(request), indicator, after, limit)


@get(
    "/api/indicators/{indicator:str}/{id:str}/figures",
    tags=["indicators"],
    summary="Published figures",
    sync_to_thread=True,
)
def list_figures(
    request: AnyRequest, indicator: FromPath[str], id: FromPath[ComputationId], level: FromQuery[Level],
    area: FromQuery[Area] = "", kind: FromQuery[str | None] = None, after: After = "", limit: Limit = 1000,
) -> list[Figure]:  # fmt: skip
    """Of one level, in areas whose code begins so, and of one kind if it is named; the next page is asked for with
    `after` = `area/kind` of the last figure."""
    last, _, last_kind = after.partition("/")
    ctx = identity.open_context(request)
    return computing.figures(ctx, indicator, id, level, area, (last, last_kind) if after else None, limit, kind)


@get(
    "/api/indicators/{indicator:str}/{id:str}/members",
    tags=["indicators"],
    summary="Who a figure counts",
    sync_to_thread=True,
)
def list_members(
    request: AnyRequest, indicator: FromPath[str], id: FromPath[ComputationId], level: FromQuery[Level],
    area: FromQuery[Area] = "", kind: FromQuery[str] = "", after: FromQuery[str] = "", limit: Page = 100,
) -> Explanation:  # fmt: skip
    """Of the population. For who may read every dataset that was counted; the header X-Purpose names the purpose. By person."""
    return computing.explain(identity.open_context(request), indicator, id, level, area, kind, after, limit)


ROUTES = (list_indicators, put_computation, list_computations, list_figures, list_members)
