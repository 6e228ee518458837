"""The HTTP door of the addresses: texts read and matched, one address with its life, addresses by what is typed."""

from datetime import date
from typing import Annotated, Any

from litestar import Request, get, post
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter

from cityloom.addresses.api import finding, matching
from cityloom.addresses.contracts import (
    MOST_TEXTS,
    Address,
    Found,
    LibraryState,
    MatchedText,
    MatchWish,
    ParseWish,
    ReadText,
)
from cityloom.identity import api as identity

AnyRequest = Request[Any, Any, Any]
Limit = Annotated[int, QueryParameter(ge=1, le=200)]
Typed = Annotated[str, QueryParameter(max_length=200, description="what somebody has typed so far")]
Within = Annotated[
    str,
    QueryParameter(
        pattern="^([0-9]{2}|[0-9]{4}|[0-9]{6}|[0-9]{9}|[0-9]{12}|[0-9]{21})?$",
        description="code of a division, or of an address in which they lie",
    ),
]
After = Annotated[str, QueryParameter(pattern="^([0-9]{21})?$", description="the last code of the page before")]


@post(
    "/api/addresses/parse",
    tags=["addresses"],
    summary="What texts say",
    description=f"Up to {MOST_TEXTS:,} texts, each read into levels from the province to the room. What a text does not "
    "say is not filled in.",
    status_code=200,
    sync_to_thread=True,
)
def post_parse(request: AnyRequest, data: JSONBody[ParseWish]) -> list[ReadText]:
    """In the order of the texts."""
    return matching.parse(identity.open_context(request), data)


@post(
    "/api/addresses/match",
    tags=["addresses"],
    summary="Which standard addresses texts mean",
    description=f"Up to {MOST_TEXTS:,} texts. Each is `matched`, `doubtful` (somebody has to look) or `unmatched`, with a "
    "score of agreement, the best candidates, and what became of each level of the text. A former address leads to what "
    "holds on the day `on`. The audit log keeps how many texts were asked, and never a text.",
    status_code=200,
    sync_to_thread=True,
)
def post_match(request: AnyRequest, data: JSONBody[MatchWish]) -> list[MatchedText]:
    """In the order of the texts."""
    return matching.match(identity.open_context(request), data)


@get("/api/addresses/library", tags=["addresses"], summary="How far the library follows", sync_to_thread=True)
def get_library(request: AnyRequest) -> LibraryState:
    """Its datasets, and up to which change row each was taken in."""
    return finding.state(identity.open_context(request))


@get(
    "/api/addresses",
    tags=["addresses"],
    summary="Addresses by what is typed",
    description="By the beginning of a code (six digits and more), by a part of a name of a road or estate, or by a text "
    "whose last door is not written to its end, such as 科技路1. With `within` an address and no text: all that lies "
    "directly in it. By code; the next page is asked for with `after`.",
    sync_to_thread=True,
)
def list_addresses(
    request: AnyRequest, q: Typed = "", within: Within = "", after: After = "", limit: Limit = 20
) -> list[Found]:
    """An empty list where nothing begins so."""
    return finding.search(identity.open_context(request), q, within, after, limit)


@get(
    "/api/addresses/{code:str}",
    tags=["addresses"],
    summary="One address: its way, its life",
    description="On a day, today when none is named: whether it holds, the way from the province to it, the division and "
    "the cell of the grid in which it lay, all that it became and came from, and what happened to its divisions.",
    sync_to_thread=True,
)
def get_address(request: AnyRequest, code: FromPath[str], on: FromQuery[date | None] = None) -> Address:
    """404 where no address has the code."""
    return finding.one(identity.open_context(request), code, on)


ROUTES = [post_parse, post_match, get_library, list_addresses, get_address]
