"""The HTTP door of events: listed, followed, seen to, pushed; and of the rules that find them."""

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from litestar import Request, delete, get, post
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter
from litestar.response import Stream

from cityloom.identity import api as identity
from cityloom.kernel import http
from cityloom.sensing.api import entering, seeing, sending, streaming, trying
from cityloom.sensing.contracts.events import (
    SEVERITIES,
    Act,
    CityEvent,
    EventChange,
    EventWebhook,
    NewEventWebhook,
    RuleShown,
    RuleTrial,
    Severity,
    TrialReport,
)
from cityloom.sensing.store.happened import Wanted

AnyRequest = Request[Any, Any, Any]
TAGS = ["events"]
Number = Annotated[int, QueryParameter(ge=0, le=http.MOST_NUMBER)]
Limit = Annotated[int, QueryParameter(ge=1, le=1000)]
Word = Annotated[str, QueryParameter(max_length=200)]


@get(
    "/api/sensing/events",
    tags=TAGS,
    summary="Events that rules found in what was observed",
    description="The newest first; `before` an id pages back. From a severity on; of a district with all that lies in it.",
    sync_to_thread=True,
)
def list_events(
    request: AnyRequest, status: FromQuery[Literal["", "open", "closed"]] = "", rule: Word = "", severity: FromQuery[Severity] = "notice",
    district: Word = "", thing: Number = 0, since: FromQuery[datetime | None] = None, until: FromQuery[datetime | None] = None,
    acknowledged: FromQuery[bool | None] = None, before: Number = 0, limit: Limit = 100,
) -> list[CityEvent]:  # fmt: skip
    """Those of the caller's organisation, those that it is told, and those of Things that are for everybody."""
    least = SEVERITIES.index(severity)
    wanted = Wanted(status, rule, least, district, thing, since, until, acknowledged, before, limit)
    return seeing.listed(entering.context(request), wanted)


@get("/api/sensing/events/{id:int}", tags=TAGS, summary="One event", sync_to_thread=True)
def get_event(request: AnyRequest, id: FromPath[int]) -> CityEvent:
    """With its evidence, and what was done about it."""
    return seeing.read(entering.context(request), id)


@get(
    "/api/sensing/events/changes",
    tags=TAGS,
    summary="What was told of events after a number",
    description="In order; keep the last `sequence`, and ask again after it.",
    sync_to_thread=True,
)
def get_event_changes(
    request: AnyRequest, since: Number = 0, severity: FromQuery[Severity] = "notice", limit: Limit = 1000
) -> list[EventChange]:  # fmt: skip
    """Opened, raised, corrected, acknowledged, closed: each with the event as it was then."""
    return seeing.changes(entering.context(request), since, limit, severity)


@get(
    "/api/sensing/events/stream",
    media_type="text/event-stream",
    tags=TAGS,
    summary="Changes of events as they are told",
    description="Server-sent events; `id` is the sequence. A client that was away sends it as `Last-Event-ID` (browsers do so by "
    "themselves) or `since`, and gets all that it missed, in order, once. Without either it begins with what is told from now on. "
    "Ends after some minutes, or after `seconds`; clients connect again.",
    sync_to_thread=True,
)
def stream_events(
    request: AnyRequest, since: FromQuery[int | None] = None, severity: FromQuery[Severity] = "notice",
    seconds: Annotated[int, QueryParameter(ge=0, le=streaming.LONGEST)] = streaming.LONGEST,
) -> Stream:  # fmt: skip
    """One event of the stream for each change."""
    ctx = entering.context(request)
    begin = streaming.begin(ctx, request.headers.get("last-event-id", ""), since)
    headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
    return Stream(streaming.follow(ctx, begin, severity, seconds), media_type="text/event-stream", headers=headers)


@post(
    "/api/sensing/events/{id:int}/acknowledgement",
    tags=TAGS,
    summary="Somebody has seen it",
    status_code=200,
    sync_to_thread=True,
)
def post_acknowledgement(request: AnyRequest, id: FromPath[int], data: JSONBody[Act]) -> CityEvent:
    """With the reason, or what is done about it."""
    return seeing.acknowledge(identity.open_context(request), id, data)


@post(
    "/api/sensing/events/{id:int}/closure", tags=TAGS, summary="Close it by hand", status_code=200, sync_to_thread=True
)
def post_closure(request: AnyRequest, id: FromPath[int], data: JSONBody[Act]) -> CityEvent:
    """What still holds opens no other event before it was over once."""
    return seeing.close(identity.open_context(request), id, data)


@get("/api/sensing/rules", tags=TAGS, summary="The rules that are on", sync_to_thread=True)
def list_rules(request: AnyRequest) -> list[RuleShown]:
    """With their source, and how many of their events are open."""
    return seeing.rules_shown(entering.context(request))


@post(
    "/api/sensing/rules/{rule:str}/trial",
    tags=TAGS,
    summary="Try a rule on the past",
    status_code=200,
    sync_to_thread=True,
)
def post_trial(request: AnyRequest, rule: FromPath[str], data: JSONBody[RuleTrial]) -> TrialReport:
    """Which events it, or another wording of it, would have made of the caller's own observations. Nothing is kept."""
    return trying.attempt(identity.open_context(request), rule, data)


@post("/api/sensing/events/webhooks", tags=TAGS, summary="Have events sent to an address", sync_to_thread=True)
def post_event_webhook(request: AnyRequest, data: JSONBody[NewEventWebhook]) -> EventWebhook:
    """Pages of changes, signed, in order, again until they are taken."""
    return sending.add(identity.open_context(request), data)


@get("/api/sensing/events/webhooks", tags=TAGS, summary="Where events are sent to", sync_to_thread=True)
def list_event_webhooks(request: AnyRequest) -> list[EventWebhook]:
    """Those of the caller's organisation, with what was given up."""
    return sending.listing(identity.open_context(request))


@delete(
    "/api/sensing/events/webhooks/{id:str}",
    tags=TAGS,
    summary="Send nothing more",
    status_code=200,
    sync_to_thread=True,
)
def delete_event_webhook(request: AnyRequest, id: FromPath[str]) -> EventWebhook:
    """It stays listed, and a replay starts it again."""
    return sending.stop(identity.open_context(request), id)


class From(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """From where on."""

    since: Annotated[int, msgspec.Meta(ge=0, le=http.MOST_NUMBER)]


@post(
    "/api/sensing/events/webhooks/{id:str}/replay", tags=TAGS, summary="Send again from a number on", status_code=200,
    sync_to_thread=True,
)  # fmt: skip
def post_event_replay(request: AnyRequest, id: FromPath[str], data: JSONBody[From]) -> EventWebhook:
    """What was given up, and what was held behind it."""
    return sending.replay(identity.open_context(request), id, data.since)


ROUTES = (
    list_events, get_event, get_event_changes, stream_events, post_acknowledgement, post_closure, list_rules, post_trial,
    post_event_webhook, list_event_webhooks, delete_event_webhook, post_event_replay,
)  # fmt: skip
