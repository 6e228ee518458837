"""The three lists, and forms checked before they are published."""

from typing import Annotated, Any, Literal

from litestar import Request, delete, get, post
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter

from cityloom.catalogue.api import lists
from cityloom.catalogue.contracts import (
    Demand,
    DemandAnswer,
    DemandWish,
    Form,
    FormCheck,
    ResponsibilityLine,
    SupplyLine,
)
from cityloom.identity import api as identity

AnyRequest = Request[Any, Any, Any]
TAGS = ["catalogue lists"]
Limit = Annotated[int, QueryParameter(ge=1, le=1000)]


@get("/api/catalogue/lists/supply", tags=TAGS, summary="What may be had (供给清单)", sync_to_thread=True)
def list_supply(
    request: AnyRequest, keeper: FromQuery[str] = "", after: FromQuery[str] = "", limit: Limit = 100
) -> list[SupplyLine]:
    """By resource; the next page is asked for with `after` = the last id."""
    return lists.supply(identity.open_context(request), keeper, after, limit)


@get("/api/catalogue/lists/responsibility", tags=TAGS, summary="Who answers for what (责任清单)", sync_to_thread=True)
def list_responsibility(
    request: AnyRequest, keeper: FromQuery[str] = "", after: FromQuery[str] = "", limit: Limit = 100
) -> list[ResponsibilityLine]:
    """By resource, with the items of which its keeper is the one source."""
    return lists.responsibility(identity.open_context(request), keeper, after, limit)


@get("/api/catalogue/lists/demand", tags=TAGS, summary="What is needed (需求清单)", sync_to_thread=True)
def list_demand(
    request: AnyRequest,
    organisation: FromQuery[str] = "",
    status: FromQuery[Literal["", "open", "met", "refused", "withdrawn"]] = "",
    after: FromQuery[str] = "",
    limit: Limit = 100,
) -> list[Demand]:
    """By id; the next page is asked for with `after` = the last id."""
    return lists.demands(identity.open_context(request), organisation, status, after, limit)


@post("/api/catalogue/demands", tags=TAGS, summary="Say what you need", status_code=201, sync_to_thread=True)
def post_demand(request: AnyRequest, data: JSONBody[DemandWish]) -> Demand:
    """The same again is the same demand."""
    return lists.demand(identity.open_context(request), data)


@delete(
    "/api/catalogue/demands/{demand:str}", tags=TAGS, summary="Take a demand back", status_code=200, sync_to_thread=True
)
def delete_demand(request: AnyRequest, demand: FromPath[str]) -> Demand:
    """It stays in the list as withdrawn."""
    return lists.withdraw(identity.open_context(request), demand)


@post(
    "/api/catalogue/demands/{demand:str}/answer",
    tags=TAGS,
    summary="Answer a demand for what you keep",
    status_code=200,
    sync_to_thread=True,
)
def post_answer(request: AnyRequest, demand: FromPath[str], data: JSONBody[DemandAnswer]) -> Demand:
    """Met, or refused with the reason."""
    return lists.settle(identity.open_context(request), demand, data)


@post(
    "/api/catalogue/form-checks",
    tags=TAGS,
    summary="Which fields of a form sharing gives already",
    description="Information that can be had by sharing is not collected again: a form with findings may not be published.",
    status_code=200,
    sync_to_thread=True,
)
def post_form_check(request: AnyRequest, data: JSONBody[Form]) -> FormCheck:
    """Who has each such field, and on which terms."""
    return lists.check_form(identity.open_context(request), data)


ROUTES = [list_supply, list_responsibility, list_demand, post_demand, delete_demand, post_answer, post_form_check]
