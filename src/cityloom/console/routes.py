"""The HTTP door of the console: its files, and what no other door tells it."""

from typing import Any

from litestar import Request, Response, get
from litestar.response import Redirect

from cityloom.console.api import frame, pages, today
from cityloom.console.contracts import Frame, Today
from cityloom.identity import api as identity

AnyRequest = Request[Any, Any, Any]
TAGS = ["console"]
POLICY = "; ".join(
    (
        "default-src 'self'",
        "img-src 'self' data: blob:",
        "style-src 'self' 'unsafe-inline'",  # Element Plus places its floating parts by style attributes
        "worker-src 'self' blob:",
        "frame-ancestors 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "object-src 'none'",
    )
)


@get("/", include_in_schema=False, exclude_from_auth=True, sync_to_thread=False)
def get_root() -> Redirect:
    """People who type the city's address want the console."""
    return Redirect("/console/", status_code=302)


@get(["/console", "/console/{path:path}"], include_in_schema=False, exclude_from_auth=True, sync_to_thread=False)
def get_page(request: AnyRequest, path: str = "") -> Response[bytes]:
    """A file of the console; every place of the console itself is its first page, which finds the rest."""
    found = pages.page(path, "gzip" in request.headers.get("accept-encoding", ""))
    headers = {
        "content-security-policy": POLICY,
        "cache-control": "public, max-age=31536000, immutable" if found.lasting else "no-cache",
        "vary": "accept-encoding",
    }
    if found.encoding:
        headers["content-encoding"] = found.encoding
    return Response(found.content, media_type=found.media, headers=headers)


@get("/api/console/frame", tags=TAGS, summary="What stands around every page", sync_to_thread=True)
def get_frame(request: AnyRequest) -> Frame:
    """The city, and the flows with the words for their states and moves."""
    return frame.frame(identity.open_context(request))


@get("/api/console/today", tags=TAGS, summary="What needs me today", sync_to_thread=True)
def get_today(request: AnyRequest) -> Today:
    """Work that waits for the caller's organisation, the most urgent first, and the datasets that it keeps."""
    return today.today(identity.open_context(request))


ROUTES = [get_root, get_page, get_frame, get_today]
