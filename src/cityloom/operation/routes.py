"""The HTTP door of operation."""

from typing import Any

from litestar import Request, get

from cityloom.identity import api as identity
from cityloom.operation import api
from cityloom.operation.contracts import Health


@get(
    "/api/operation/health",
    tags=["operation"],
    summary="How the machinery is",
    description="Every gauge with its limits and its level, the worst first. For the system administrator.",
    sync_to_thread=True,
)
def read_health(request: Request[Any, Any, Any]) -> Health:
    """Right `operation.read`."""
    return api.health(identity.open_context(request))


ROUTES = [read_health]
