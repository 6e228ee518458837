"""The HTTP door of sensing: OGC SensorThings 1.1 at `/v1.1`, and 1.0 for old clients at `/v1.0`."""

from typing import Any

from litestar import Request, Response, delete, get, patch, post, put
from litestar.handlers import BaseRouteHandler
from litestar.params import FromPath, JSONBody, RawBody

from cityloom.identity import api as identity
from cityloom.kernel import http
from cityloom.kernel.errors import Problem, Unauthorised
from cityloom.sensing.api import aggregating, batching, bulk, clearing, entering, serving
from cityloom.sensing.api.serving import Asking
from cityloom.sensing.contracts import Answer, Body, Clearance, Door
from cityloom.sensing.routes import aggregates, devices, events, pushing

AnyRequest = Request[Any, Any, Any]
TAGS = ["sensing"]
SUMMARY = "SensorThings (OGC 18-088)"
CHALLENGE = 'Basic realm="cityloom", charset="UTF-8", Bearer realm="cityloom"'
"""Clients of SensorThings know Basic (RFC 7617): name of the account, and a token of it as the password."""
ROOTS = ("/v1.1", "/v1.0")


def _door(request: AnyRequest) -> Door:
    version = request.scope["path"][2:5]
    base = http.parts_of(request).settings.public_url.rstrip("/") or str(request.base_url).rstrip("/")
    return Door(version, f"{base}/v{version}")


def _answer(request: AnyRequest, path: str = "", body: bytes = b"") -> Response[Any]:
    """Answer a request of any method; what goes wrong is a problem document, decided before the status is sent."""
    try:
        ctx = entering.context(request)
        asking = Asking(
            request.method, path, request.scope["query_string"].decode("latin-1"),
            Body(body, request.headers.get("content-type", "application/json")),
        )  # fmt: skip
        found = _dispatched(request.method, asking.path.strip("/"))(ctx, _door(request), asking)
    except Problem as problem:
        answer = http.answer_problem(request, problem)
        if isinstance(problem, Unauthorised):
            answer.headers["www-authenticate"] = CHALLENGE
        return answer
    return _response(found)


def _dispatched(method: str, path: str) -> Any:
    if method == "GET" and path.endswith(")/aggregates"):
        return aggregating.handle
    if method != "POST":
        return serving.handle
    return {"$batch": batching.handle, "CreateObservations": bulk.handle}.get(path, serving.handle)


def _response(found: Answer) -> Response[bytes]:
    headers = {"location": found.location} if found.location else {}
    return Response(found.body, status_code=found.status, media_type=found.media, headers=headers)


def _handlers(root: str) -> tuple[BaseRouteHandler, ...]:
    """The handlers of one version. Each has a path of its own: one with several would be wrapped once for each."""
    paths = f"{root}/{{path:path}}"

    @get(root, tags=TAGS, summary=f"{SUMMARY}: the root", sync_to_thread=True)
    def get_sensing_root(request: AnyRequest) -> Response[Any]:
        """The sets of entities, and the requirements of the standard that are met."""
        return _answer(request)

    @get(paths, tags=TAGS, summary=f"{SUMMARY}: read", sync_to_thread=True)
    def get_sensing(request: AnyRequest, path: FromPath[str]) -> Response[Any]:
        """Any resource path, with `$filter`, `$expand`, `$select`, `$orderby`, `$top`, `$skip`, `$count`, `$resultFormat`."""
        return _answer(request, path)

    @post(paths, tags=TAGS, summary=f"{SUMMARY}: make; CreateObservations; $batch", sync_to_thread=True)
    def post_sensing(request: AnyRequest, path: FromPath[str], body: RawBody) -> Response[Any]:
        """An entity with all that is in it, or nothing; many Observations at once; many requests at once."""
        return _answer(request, path, body)

    @patch(paths, tags=TAGS, summary=f"{SUMMARY}: change", sync_to_thread=True)
    def patch_sensing(request: AnyRequest, path: FromPath[str], body: RawBody) -> Response[Any]:
        """Some properties, or a JSON Patch (RFC 6902)."""
        return _answer(request, path, body)

    @put(paths, tags=TAGS, summary=f"{SUMMARY}: replace", sync_to_thread=True)
    def put_sensing(request: AnyRequest, path: FromPath[str], body: RawBody) -> Response[Any]:
        """All properties of an entity anew."""
        return _answer(request, path, body)

    @delete(paths, tags=TAGS, summary=f"{SUMMARY}: remove", status_code=200, sync_to_thread=True)
    def delete_sensing(request: AnyRequest, path: FromPath[str]) -> Response[Any]:
        """An entity and what belongs to it."""
        return _answer(request, path)

    return get_sensing_root, get_sensing, post_sensing, patch_sensing, put_sensing, delete_sensing


@put(
    "/api/sensing/things/{id:int}/clearance",
    tags=TAGS,
    summary="Show a Thing to everybody, or no longer",
    sync_to_thread=True,
)
def put_clearance(request: AnyRequest, id: FromPath[int], data: JSONBody[Clearance]) -> Clearance:
    """With its Datastreams and all that they observed. Seen without an account where the city opened the public door."""
    return clearing.clear(identity.open_context(request), id, data)


ROUTES = (
    *(each for root in ROOTS for each in _handlers(root)),
    put_clearance,
    *devices.ROUTES,
    *aggregates.ROUTES,
    *pushing.ROUTES,
    *events.ROUTES,
)
