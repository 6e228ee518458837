"""级联: reports to and from other catalogues."""

from typing import Annotated, Any

from litestar import Request, get, post
from litestar.params import JSONBody, QueryParameter

from cityloom.catalogue.api import cascade
from cityloom.catalogue.contracts import Heard, Report
from cityloom.identity import api as identity
from cityloom.kernel import http

AnyRequest = Request[Any, Any, Any]
Number = Annotated[int, QueryParameter(ge=0, le=http.MOST_NUMBER)]


@get("/api/catalogue/report", tags=["cascade"], summary="What changed here after a sequence", sync_to_thread=True)
def get_report(
    request: AnyRequest,
    since: Number = 0,
    limit: Annotated[int, QueryParameter(ge=1, le=10_000)] = 1000,
) -> Report:
    """For the catalogue above, or below. Ask again with `since` = `until` while there is `more`."""
    return cascade.report(identity.open_context(request), since, limit)


@post(
    "/api/catalogue/reports",
    tags=["cascade"],
    summary="Hear another catalogue's report",
    description="Its resources stand here under the name of their catalogue, kept by the organisation that reports. "
    "The same report again changes nothing; one with a gap before it is refused with the sequence to go on from.",
    status_code=200,
    sync_to_thread=True,
)
def post_report(request: AnyRequest, data: JSONBody[Report]) -> Heard:
    """How many were added, changed, retired, or said nothing new."""
    return cascade.hear(identity.open_context(request), data)


ROUTES = [get_report, post_report]
