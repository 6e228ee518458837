"""The HTTP door of operation."""

from typing import Annotated, Any

from litestar import Request, get
from litestar.params import QueryParameter

from cityloom.identity import api as identity
from cityloom.operation import api
from cityloom.operation.contracts import Health, LogLine, TimedJob, Versions

AnyRequest = Request[Any, Any, Any]


@get(
    "/api/operation/health",
    tags=["operation"],
    summary="How the machinery is",
    description="Every gauge with its limits and its level, the worst first. For the system administrator.",
    sync_to_thread=True,
)
def read_health(request: AnyRequest) -> Health:
    """Right `operation.read`."""
    return api.health(identity.open_context(request))


@get("/api/operation/jobs", tags=["operation"], summary="Timed jobs and their last runs", sync_to_thread=True)
def read_jobs(request: AnyRequest) -> list[TimedJob]:
    """Of this machine, since its processes were started. Right `operation.read`."""
    return api.jobs(identity.open_context(request))


@get("/api/operation/versions", tags=["operation"], summary="What runs here", sync_to_thread=True)
def read_versions(request: AnyRequest) -> Versions:
    """CityLoom, what it stands on, and the packs. Right `operation.read`."""
    return api.versions(identity.open_context(request))


@get("/api/operation/logs", tags=["operation"], summary="What the logs say of a request", sync_to_thread=True)
def read_logs(
    request: AnyRequest,
    number: Annotated[str, QueryParameter(pattern="^[A-Za-z0-9-]{1,80}$", description="as a problem names it")],
    days: Annotated[int, QueryParameter(ge=1, le=400, description="how far back")] = 7,
) -> list[LogLine]:
    """In order of time, from all processes of this machine. Right `operation.read`."""
    return api.lines(identity.open_context(request), number, days)


ROUTES = [read_health, read_jobs, read_versions, read_logs]
