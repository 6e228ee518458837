"""Who is at the door: an account, or anybody where the city lets anybody read what was cleared."""

from typing import Any

from litestar import Request

from cityloom.identity import api as identity
from cityloom.kernel import http
from cityloom.kernel.access import Principal
from cityloom.kernel.context import Context
from cityloom.sensing import spec

ANYBODY = Principal("anonymous", "")


def context(request: Request[Any, Any, Any]) -> Context:
    """The context of a request. Raises what `identity.open_context` raises; anybody only ever reads."""
    shown = identity.credentials(request)
    parts = http.parts_of(request)
    if shown.authorization or shown.session or request.method != "GET" or not spec.doors(parts.packs).public:
        return identity.open_context(request)
    tongue = http.language(request, parts.settings.language)
    return Context(parts, ANYBODY, language=tongue, request=http.request_number(request))
