"""Information resources: search, describe, announce, retire, compare, follow."""

from datetime import date
from typing import Annotated, Any, Literal

from litestar import Request, delete, get, post, put
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter

from cityloom.catalogue.api import datasets, messages, resources, search, trials
from cityloom.catalogue.contracts import (
    Announced,
    Diff,
    Facets,
    Filter,
    Graph,
    ItemSource,
    Message,
    Resource,
    ResourceId,
    ResourcePage,
    ResourceTrial,
    ResourceWish,
    Revision,
)
from cityloom.identity import api as identity
from cityloom.kernel import http

AnyRequest = Request[Any, Any, Any]
TAGS = ["catalogue"]
EffectiveOn = Annotated[
    date | None, QueryParameter(description="for a change that breaks what others use: when it comes into force")
]
Reason = Annotated[str, QueryParameter(max_length=500)]


@get("/api/catalogue/resources", tags=TAGS, summary="Search the catalogue", sync_to_thread=True)
def list_resources(
    request: AnyRequest,
    q: Annotated[str, QueryParameter(max_length=200, description="what to look for, in Chinese or English")] = "",
    keeper: FromQuery[str] = "",
    sharing: FromQuery[str] = "",
    openness: FromQuery[str] = "",
    subject: FromQuery[str] = "",
    category: Annotated[str, QueryParameter(description="the beginning of the category, such as 101")] = "",
    grade: Annotated[int, QueryParameter(ge=0, le=4)] = 0,
    offset: Annotated[int, QueryParameter(ge=0, le=1_000_000)] = 0,
    limit: Annotated[int, QueryParameter(ge=1, le=1000)] = 20,
) -> ResourcePage:
    """Those that have all that is asked for come first, then those that are like it; without `q`, all by id."""
    wanted = Filter(keeper, sharing, openness, subject, category, grade)
    return search.find(identity.open_context(request), q, wanted, offset, limit)


@get("/api/catalogue/facets", tags=TAGS, summary="What the search can be narrowed to", sync_to_thread=True)
def list_facets(
    request: AnyRequest,
    q: Annotated[str, QueryParameter(max_length=200, description="as for the search")] = "",
    keeper: FromQuery[str] = "",
    sharing: FromQuery[str] = "",
    openness: FromQuery[str] = "",
    subject: FromQuery[str] = "",
    category: Annotated[str, QueryParameter(description="the beginning of the category, such as 101")] = "",
    grade: Annotated[int, QueryParameter(ge=0, le=4)] = 0,
) -> Facets:
    """Of the resources that the search finds with these filters, how many have which keeper, sharing, category, …"""
    wanted = Filter(keeper, sharing, openness, subject, category, grade)
    return search.facets(identity.open_context(request), q, wanted)


@get("/api/catalogue/resources/{resource:str}", tags=TAGS, summary="One resource", sync_to_thread=True)
def get_resource(request: AnyRequest, resource: FromPath[str]) -> Resource:
    """Every element of the compilation guide, its items, its grade, and what is announced for it."""
    return resources.find(identity.open_context(request), resource)


@put(
    "/api/catalogue/resources/{resource:str}",
    tags=TAGS,
    summary="Describe a resource that your organisation keeps",
    description="A change that breaks what others use needs `effective_on`: it is announced now and comes into force on "
    "that day. The answer is the resource as it is in force, with what is announced.",
    status_code=200,
    sync_to_thread=True,
)
def put_resource(
    request: AnyRequest,
    resource: FromPath[ResourceId],
    data: JSONBody[ResourceWish],
    effective_on: EffectiveOn = None,
    reason: Reason = "",
) -> Resource:
    """A refusal to share must cite its law; an item that another keeper answers for cannot be claimed."""
    ctx = identity.open_context(request)
    resources.put(ctx, resource, data, effective_on, reason)
    return resources.find(ctx, resource)


@post(
    "/api/catalogue/resources/{resource:str}/trials",
    tags=TAGS,
    summary="Try a description before it is put",
    description="Everything that is wrong with it, each at its field and with the remedy; what it would change, and whether "
    "that breaks what others use; which of its items others share already. Nothing is kept.",
    status_code=200,
    sync_to_thread=True,
)
def post_trial(
    request: AnyRequest, resource: FromPath[ResourceId], data: JSONBody[ResourceWish], effective_on: EffectiveOn = None
) -> ResourceTrial:
    """Whoever may put it may try it."""
    return trials.attempt(identity.open_context(request), resource, data, effective_on)


@delete(
    "/api/catalogue/resources/{resource:str}",
    tags=TAGS,
    summary="Announce that a resource goes",
    status_code=200,
    sync_to_thread=True,
)
def retire_resource(
    request: AnyRequest,
    resource: FromPath[str],
    reason: Annotated[str, QueryParameter(min_length=1, max_length=500)],
    effective_on: EffectiveOn = None,
) -> Resource:
    """Its revisions stay readable."""
    return resources.retire(identity.open_context(request), resource, reason, effective_on)


@delete(
    "/api/catalogue/resources/{resource:str}/announcement",
    tags=TAGS,
    summary="Take an announcement back",
    status_code=200,
    sync_to_thread=True,
)
def delete_announcement(request: AnyRequest, resource: FromPath[str]) -> Resource:
    """The resource stays as it is in force."""
    return resources.take_back(identity.open_context(request), resource)


@get("/api/catalogue/resources/{resource:str}/revisions", tags=TAGS, summary="Its revisions", sync_to_thread=True)
def list_revisions(request: AnyRequest, resource: FromPath[str]) -> list[Revision]:
    """Newest first."""
    return resources.revisions(identity.open_context(request), resource)


@get(
    "/api/catalogue/resources/{resource:str}/diff", tags=TAGS, summary="What differs between two revisions", sync_to_thread=True
)  # fmt: skip
def get_diff(
    request: AnyRequest,
    resource: FromPath[str],
    first: Annotated[int, QueryParameter(ge=1)],
    second: Annotated[int, QueryParameter(ge=1)],
) -> Diff:
    """Field by field and item by item, and whether it broke what others used."""
    return resources.compare(identity.open_context(request), resource, first, second)


@get("/api/catalogue/resources/{resource:str}/lineage", tags=TAGS, summary="Its lineage", sync_to_thread=True)
def get_lineage(
    request: AnyRequest,
    resource: FromPath[str],
    depth: Annotated[int, QueryParameter(ge=1, le=20)] = 3,
    way: FromQuery[Literal["up", "down", "both"]] = "both",
) -> Graph:
    """What it is made from and checked against (up), and what is made from it (down), `depth` steps far, as a graph."""
    return datasets.graph(identity.open_context(request), resource, depth, way)


@put(
    "/api/catalogue/resources/{resource:str}/following",
    tags=TAGS,
    summary="Hear of what is to come for a resource",
    status_code=204,
    sync_to_thread=True,
)
def put_following(request: AnyRequest, resource: FromPath[str]) -> None:
    """For the caller's organisation."""
    resources.follow(identity.open_context(request), resource, True)


@delete(
    "/api/catalogue/resources/{resource:str}/following",
    tags=TAGS,
    summary="Hear no more of it",
    status_code=204,
    sync_to_thread=True,
)
def delete_following(request: AnyRequest, resource: FromPath[str]) -> None:
    """For the caller's organisation."""
    resources.follow(identity.open_context(request), resource, False)


@get("/api/catalogue/notices", tags=TAGS, summary="What is to come for what you follow", sync_to_thread=True)
def list_notices(request: AnyRequest) -> list[Announced]:
    """Soonest first."""
    return resources.notices(identity.open_context(request))


@get(
    "/api/catalogue/messages",
    tags=TAGS,
    summary="Deadlines, moved sources, and what could not be done for what you keep",
    sync_to_thread=True,
)
def list_messages(
    request: AnyRequest,
    after: Annotated[int, QueryParameter(ge=0, le=http.MOST_NUMBER)] = 0,
    limit: Annotated[int, QueryParameter(ge=1, le=1000)] = 100,
) -> list[Message]:
    """To the caller's organisation, about what the account may see, by number; the next page is asked for with `after` = the last id."""
    return messages.listing(identity.open_context(request), after, limit)


@get("/api/catalogue/sources", tags=TAGS, summary="Who answers for which item (一数一源)", sync_to_thread=True)
def list_sources(request: AnyRequest, subject: FromQuery[str] = "") -> list[ItemSource]:
    """Of one subject, or all."""
    return resources.sources(identity.open_context(request), subject)


ROUTES = [
    list_resources, list_facets, get_resource, put_resource, post_trial, retire_resource, delete_announcement, list_revisions, get_diff,
    get_lineage, put_following, delete_following, list_notices, list_messages, list_sources,
]  # fmt: skip
