"""The HTTP door of what observations come to by time."""

from typing import Annotated, Any

from litestar import Request, get
from litestar.params import FromQuery, QueryParameter

from cityloom.sensing.api import aggregating, entering
from cityloom.sensing.contracts.aggregates import Areas

From = Annotated[
    str, QueryParameter(name="from", description="A moment of ISO 8601; the bucket that it lies in is the first.")
]
To = Annotated[str, QueryParameter(description="The bucket before this moment is the last; nothing: now.")]


@get("/api/sensing/aggregates", tags=["sensing"], summary="Districts by time", sync_to_thread=True)
def list_aggregates(
    request: Request[Any, Any, Any], start: From = "", to: To = "", by: FromQuery[str] = "day",
    district: FromQuery[str] = "", property: FromQuery[str] = "",
) -> Areas:  # fmt: skip
    """What all Datastreams of each district, ObservedProperty and unit come to, by minute, hour or day of the city."""
    return aggregating.areas(entering.context(request), by, start, to, district or None, property or None)


ROUTES = (list_aggregates,)
