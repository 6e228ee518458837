"""What every HTTP door shares: problems (RFC 9457), the caller's language, request numbers, health and figures."""

import time
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import msgspec
import psycopg
from litestar import MediaType, Request, Response, get
from litestar.datastructures import State
from litestar.enums import ScopeType
from litestar.exceptions import (
    HTTPException,
    InternalServerException,
    MethodNotAllowedException,
    NotFoundException,
)
from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send

from cityloom.kernel import log, metrics, misread
from cityloom.kernel.audit.keys import Jwk
from cityloom.kernel.context import Parts
from cityloom.kernel.db import PLATFORM
from cityloom.kernel.errors import BadRequest, NotFound, Problem, Throttled, TooLarge, Unavailable
from cityloom.kernel.words import Words

logger = log.logger("http")

PROBLEM_TYPE = "application/problem+json"
MOST_BODY_MIB = 40
"""Largest body that is read into memory; what is streamed to a file has a limit of its own."""
LEFT = "client disconnected prematurely"
"""How Litestar tells of a body that breaks off; whoever sent it is mostly gone."""
MOST_NUMBER = 2**53 - 1
"""The highest number that every reader of JSON takes as it is (RFC 8259, 6); no sequence comes near it."""
UNFIT = (None, "22003", "22021", "22P05")
"""What PostgreSQL, or psycopg before it, says of NUL in a text and of a number beyond its type."""
CALLER = "caller"
LONGEST_TOLD = 120
"""Characters that are logged of what a stranger sent."""
HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cache-control", b"no-store"),
]


class ProblemDocument(msgspec.Struct, frozen=True, omit_defaults=True):
    """RFC 9457 problem details. `code` is stable; `detail` and `remedy` are in the caller's language."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    remedy: str = ""
    instance: str = ""
    params: dict[str, str | int] = {}


def language(request: Request[Any, Any, Any], default: str) -> str:
    """zh or en, from Accept-Language (RFC 9110 12.5.4); the city's own language when neither is asked for."""
    best, weight = default, 0.0
    for part in request.headers.get("accept-language", "").split(","):
        name, _, quality = part.strip().partition(";q=")
        try:
            value = float(quality) if quality else 1.0
        except ValueError:
            continue
        short = name.strip().lower()[:2]
        if short in ("zh", "en") and value > weight:
            best, weight = short, value
    return best


def parts_of(request: Request[Any, Any, Any]) -> Parts:
    """The running parts that the server was started with."""
    parts: Parts = request.app.state.parts
    return parts


def request_number(request: Request[Any, Any, Any]) -> str:
    """The number under which this request stands in logs, problems and the audit log."""
    return str(request.scope.get("state", {}).get("request_number", ""))


def answer_problem(request: Request[Any, Any, Any], problem: Exception) -> Response[ProblemDocument]:
    """Turn what was raised into a problem document; what is not a Problem is logged and told without its inside."""
    number = request_number(request)
    parts = parts_of(request)
    tongue = language(request, parts.settings.language)
    known = problem if isinstance(problem, Problem) else _translate(problem, request, parts.words, tongue)
    if known is not problem and known.status >= 500:
        logger.error("request_failed", request=number, path=request.url.path, exc_info=problem)
    detail, remedy = parts.words.problem(known, tongue)
    document = ProblemDocument(
        type=f"urn:cityloom:problem:{known.code}",
        title=parts.words.say(f"kernel.status_{known.status}", tongue),
        status=known.status,
        detail=detail,
        code=known.code,
        remedy=remedy,
        instance=f"urn:cityloom:request:{number}",
        params=known.params,
    )
    headers = {"content-language": tongue}
    if isinstance(known, Throttled):
        headers["retry-after"] = str(known.params.get("seconds", 1))
    elif isinstance(known, Unavailable):
        headers["retry-after"] = "5"
    if isinstance(problem, MethodNotAllowedException):
        headers["allow"] = (problem.headers or {}).get("allow", "")
    if known.status == 401:
        headers["www-authenticate"] = 'Bearer realm="cityloom"'
    return Response(document, status_code=known.status, media_type=PROBLEM_TYPE, headers=headers)


def _translate(error: Exception, request: Request[Any, Any, Any], words: Words, tongue: str) -> Problem:
    if isinstance(error, NotFoundException):
        return NotFound("kernel.not_found")
    if isinstance(error, MethodNotAllowedException):
        return MethodNotAllowed("kernel.method_not_allowed")
    if isinstance(error, HTTPException) and error.status_code == 413:
        return TooLarge("kernel.body_too_large", limit=MOST_BODY_MIB)
    if isinstance(error, HTTPException) and error.status_code < 500:
        reason = misread.reason(error, request.scope.get("route_handler"), words, tongue)
        return BadRequest("kernel.request_wrong", reason=reason)
    unreadable = _unreadable(error)
    if unreadable:
        return BadRequest("kernel.request_wrong", reason=words.say(unreadable, tongue))
    return Problem("kernel.internal", request=request_number(request))


def _unreadable(error: Exception) -> str:
    """The words for what only broke when it was used; empty where the request is not to blame."""
    if isinstance(error, psycopg.DataError) and error.sqlstate in UNFIT:
        return "kernel.misread_unfit"
    if isinstance(error, InternalServerException) and error.detail == LEFT:
        return "kernel.misread_cut_off"
    if isinstance(error, OverflowError):  # the day after the last, or the first one in another zone
        return "kernel.misread_beyond"
    return "kernel.misread_deep" if isinstance(error, RecursionError) else ""


class MethodNotAllowed(Problem):
    """The address exists and does not take this method."""

    status = 405


def number_requests(app: ASGIApp) -> ASGIApp:
    """Around the application: numbers, times, counts and logs every request, and adds the headers that browsers heed."""

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP:
            await app(scope, receive, send)
            return
        number = uuid4().hex[:16]
        scope.setdefault("state", {})["request_number"] = number
        caller: dict[str, str] = {}
        scope["state"][CALLER] = caller
        started, status = time.perf_counter(), 0

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                present = {name for name, _ in message["headers"]}
                extra = [(b"x-request-id", number.encode()), *HEADERS]
                message["headers"] = [*message["headers"], *(pair for pair in extra if pair[0] not in present)]
            await send(message)

        try:
            await app(scope, receive, sending)
        finally:
            seconds = time.perf_counter() - started
            metrics.REQUESTS.labels(scope["method"], str(status)).inc()
            metrics.REQUEST_SECONDS.observe(seconds)
            log.access(request=number, status=status, milliseconds=round(seconds * 1000, 1), **_told(scope, caller))

    return wrapped


def note_caller(request: Request[Any, Any, Any], **facts: str) -> None:
    """Let the log of this request know its account, organisation or address."""
    request.scope["state"][CALLER].update(facts)


def _told(scope: HTTPScope, known: dict[str, str]) -> dict[str, str]:
    """What the log keeps of a request: no query, no body, and of an address of ours only its pattern."""
    peer = scope.get("client")
    told = {"account": "", "organisation": "", "address": peer[0] if peer else "", **known}
    if "address" not in known:
        forwarded = dict(scope["headers"]).get(b"x-forwarded-for", b"").rpartition(b",")[2].decode("latin-1").strip()
        if forwarded:
            told["forwarded"] = forwarded[:LONGEST_TOLD]
    told["path"] = scope.get("path_template") or scope["path"][:LONGEST_TOLD]
    told["method"] = scope["method"][:16]
    return told


class Health(msgspec.Struct, frozen=True):
    """How the parts are."""

    status: str
    database: bool
    lake: bool


@get(
    "/healthz",
    media_type=MediaType.TEXT,
    tags=["operation"],
    security=[{}],
    sync_to_thread=False,
    exclude_from_auth=True,
)
def healthz() -> str:
    """This process answers."""
    return "ok\n"


@get("/readyz", tags=["operation"], security=[{}], sync_to_thread=True, exclude_from_auth=True)
def readyz(state: State) -> Response[Health]:
    """Whether the database and the lake answer too; 503 when one does not."""
    parts: Parts = state.parts
    database = _answers(lambda: _ask_database(parts))
    lake = _answers(lambda: _ask_lake(parts))
    ready = database and lake
    return Response(Health("ready" if ready else "not ready", database, lake), status_code=200 if ready else 503)


@get(
    "/metrics",
    media_type="text/plain; version=0.0.4",
    tags=["operation"],
    security=[{}],
    sync_to_thread=True,
    exclude_from_auth=True,
)
def figures() -> bytes:
    """Figures for Prometheus. Reached only from the machine itself unless a proxy lets others through."""
    return metrics.exposition()


class JwkSet(msgspec.Struct, frozen=True):
    """The keys that check what this city signs (RFC 7517, clause 5)."""

    keys: tuple[Jwk, ...]


@get("/.well-known/jwks.json", tags=["operation"], security=[{}], sync_to_thread=False, exclude_from_auth=True)
def public_keys(state: State) -> JwkSet:
    """For receipts, answers, webhooks and heads of the audit log. Whoever doubts the city itself keeps the key from a day
    when nothing was in dispute."""
    parts: Parts = state.parts
    return JwkSet((parts.signer.public.jwk(),))


def _ask_database(parts: Parts) -> None:
    with parts.db.begin(PLATFORM) as tx:
        tx.scalar(str, "SELECT kernel.organisation()")


def _ask_lake(parts: Parts) -> None:
    with parts.lake.session() as cursor:
        cursor.execute("SELECT count(*) FROM ducklake_table_info('lake')").fetchone()


def _answers(ask: Callable[[], None]) -> bool:
    try:
        ask()
    except Exception:  # noqa: BLE001 - any failure means the same here: it does not answer
        return False
    return True


ROUTES = [healthz, readyz, figures, public_keys]
