"""The HTTP door of sharing: requests, grants, and the use of what was granted."""

from collections.abc import AsyncIterator
from typing import Annotated, Any

import msgspec
from anyio import to_thread
from litestar import Request, Response, delete, get, post, put
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter
from litestar.response import Stream

from cityloom.exchange.api.reading import Feed
from cityloom.identity import api as identity
from cityloom.kernel import http
from cityloom.kernel.straight import straight
from cityloom.sharing import contracts
from cityloom.sharing.api import grants, projections, questions, readers, reading, requests, webhooks
from cityloom.sharing.api.questions import Asked, QuestionDesk
from cityloom.sharing.api.sandbox import Twins
from cityloom.sharing.contracts import (
    CASE,
    Act,
    Answer,
    Claims,
    Counts,
    Grant,
    NewWebhook,
    Notice,
    Projection,
    Question,
    RecordAsked,
    RequestId,
    Use,
    Webhook,
    Wish,
)

ARROW = "application/vnd.apache.arrow.stream"
NDJSON = "application/x-ndjson"
ENCODER = msgspec.json.Encoder()

AnyRequest = Request[Any, Any, Any]
Number = Annotated[int, QueryParameter(ge=0, le=http.MOST_NUMBER)]
Limit = Annotated[int, QueryParameter(ge=1, le=1000)]
Case = Annotated[str, QueryParameter(pattern=f"^{CASE}$", description="number of the case or matter this is for")]


@put(
    "/api/sharing/requests/{id:str}",
    tags=["requests"],
    summary="Ask for data",
    description="Fields × rows × purpose × time of another department's dataset, or answers of yes and no, or counts. "
    "The same id with the same content is answered as the first time; with other content 409. The keeper answers "
    "within the time that the city's flow gives, counted in working days.",
    status_code=200,
    sync_to_thread=True,
)
def put_request(request: AnyRequest, id: FromPath[RequestId], data: JSONBody[Wish]) -> contracts.Request:
    """Ask; datasets for unconditional sharing are granted at once."""
    return requests.ask(identity.open_context(request), id, data)


@get("/api/sharing/requests", tags=["requests"], summary="Requests to and from us", sync_to_thread=True)
def list_requests(
    request: AnyRequest, status: FromQuery[str] = "", dataset: FromQuery[str] = "", after: FromQuery[str] = "",
    limit: Limit = 100,
) -> list[contracts.Request]:  # fmt: skip
    """By id; the next page is asked for with `after` = the last id."""
    return requests.listing(identity.open_context(request), status, dataset, after, limit)


@get("/api/sharing/requests/{id:str}", tags=["requests"], summary="One request", sync_to_thread=True)
def get_request(request: AnyRequest, id: FromPath[RequestId]) -> contracts.Request:
    """Where it stands, and every move with actor, reason, time and deadline."""
    return requests.find(identity.open_context(request), id)


@post(
    "/api/sharing/requests/{id:str}/moves",
    tags=["requests"],
    summary="Decide, answer or withdraw a request",
    description="The keeper: approve; offer (`terms`: less fields, masks, verify or aggregate only; with a reason); "
    "refuse (with a reason and the `law` that forbids sharing). Who asked: accept or decline an offer; withdraw.",
    status_code=200,
    sync_to_thread=True,
)
def post_request_move(request: AnyRequest, id: FromPath[RequestId], data: JSONBody[Act]) -> contracts.Request:
    """`version` is the one that was seen; another's move in between is answered with 409."""
    return requests.act(identity.open_context(request), id, data)


@get("/api/sharing/notices", tags=["requests"], summary="Deadlines of requests and grants", sync_to_thread=True)
def list_notices(request: AnyRequest, after: Number = 0, limit: Limit = 100) -> list[Notice]:
    """Warnings, overdue notices and escalations, by number."""
    return requests.notices(identity.open_context(request), after, limit)


@get("/api/sharing/grants", tags=["grants"], summary="Grants to and from us", sync_to_thread=True)
def list_grants(
    request: AnyRequest, status: FromQuery[str] = "", dataset: FromQuery[str] = "", after: FromQuery[str] = "",
    limit: Limit = 100,
) -> list[Grant]:  # fmt: skip
    """By id; the next page is asked for with `after` = the last id."""
    return grants.listing(identity.open_context(request), status, dataset, after, limit)


@get("/api/sharing/grants/{id:str}", tags=["grants"], summary="One grant", sync_to_thread=True)
def get_grant(request: AnyRequest, id: FromPath[RequestId]) -> Grant:
    """Its terms, where it stands, and every move."""
    return grants.find(identity.open_context(request), id)


@post(
    "/api/sharing/grants/{id:str}/moves",
    tags=["grants"],
    summary="Certify again, revoke, or give back a grant",
    description="The keeper: certify, revoke (with a reason). Its holder: give_back. What ends stops within a second, "
    "also for who is just reading.",
    status_code=200,
    sync_to_thread=True,
)
def post_grant_move(request: AnyRequest, id: FromPath[RequestId], data: JSONBody[Act]) -> Grant:
    """`version` is the one that was seen; another's move in between is answered with 409."""
    return grants.act(identity.open_context(request), id, data)


@get("/api/sharing/grants/{id:str}/uses", tags=["grants"], summary="Every use of a grant", sync_to_thread=True)
def list_uses(
    request: AnyRequest, id: FromPath[RequestId], after: FromQuery[str] = "", limit: Limit = 100
) -> list[Use]:
    """Oldest first, for both parties: who, when, for which case, which fields, and where the audit log proves it."""
    return grants.uses(identity.open_context(request), id, after, limit)


@post(
    "/api/sharing/readers",
    tags=["grants"],
    summary="Who read a record, and why",
    description="For the audit administrator: every question that was asked for one record of a dataset through a grant, the "
    "newest first, with the position of the audit entry that covers it. The key is in the body, so that no log has it.",
    status_code=200,
    sync_to_thread=True,
)
def post_readers(request: AnyRequest, data: JSONBody[RecordAsked], limit: Limit = 100) -> list[Use]:
    """Right `sharing.read_readers`; asking is an entry of the audit log itself."""
    return readers.readers(identity.open_context(request), data, limit)


@get(
    "/api/sharing/grants/{id:str}/changes",
    media_type=NDJSON,
    tags=["use"],
    summary="Change rows through a grant",
    sync_to_thread=True,
)
def get_changes(
    request: AnyRequest, id: FromPath[RequestId], case: Case, since: Number = 0,
    limit: Annotated[int, QueryParameter(ge=1, le=1_000_000)] = 100_000,
) -> Stream:  # fmt: skip
    """As `changes` of the exchange, with the grant's fields, masks and rows: a row that leaves the filter is a delete.
    The header X-Purpose names the grant's purpose. A grant that ends cuts the answer off."""
    return _stream(request, reading.changes(identity.open_context(request), id, case, since, limit))


@get(
    "/api/sharing/grants/{id:str}/records",
    media_type=NDJSON,
    tags=["use"],
    summary="The current state through a grant",
    sync_to_thread=True,
)
def get_records(request: AnyRequest, id: FromPath[RequestId], case: Case) -> Stream:
    """Arrow or NDJSON; `x-last-sequence` is where to go on with `changes`."""
    return _stream(request, reading.records(identity.open_context(request), id, case))


@get("/api/sharing/grants/{id:str}/counts", tags=["use"], summary="Counts through a grant", sync_to_thread=True)
def get_counts(request: AnyRequest, id: FromPath[RequestId], case: Case, by: FromQuery[list[str]]) -> Counts:
    """How many records have each combination of the fields `by`, in steps of the city's limit; smaller groups are left out."""
    return reading.counts(identity.open_context(request), id, case, tuple(by))


@post(
    "/api/sharing/grants/{id:str}/query",
    tags=["use"],
    summary="One record through a grant",
    description="`key` has the values of the dataset's key fields in order. The answer is a signed statement: the record "
    "with the grant's fields and masks, or that there is none; how far the copy knows the dataset; purpose, case, use "
    "and audit position. The header X-Purpose names the grant's purpose.",
    status_code=200,
    middleware=[straight],
)
async def post_query(request: AnyRequest, id: FromPath[RequestId], data: JSONBody[Question]) -> Answer:
    """The use is kept before it is answered; over the quota 429."""
    return await _desk(request).ask(_asked(request, id, "query", data))


@post(
    "/api/sharing/grants/{id:str}/verify",
    tags=["use"],
    summary="Verify claims about one record (核验)",
    description="Answers yes or no for each claim, and shows no value. Numbers are compared as numbers, everything else as "
    "its text (days as 2020-01-31).",
    status_code=200,
    middleware=[straight],
)
async def post_verify(request: AnyRequest, id: FromPath[RequestId], data: JSONBody[Claims]) -> Answer:
    """The use is kept before it is answered; over the quota 429."""
    return await _desk(request).ask(_asked(request, id, "verify", data))


@post(
    "/api/sharing/grants/{id:str}/batches",
    media_type=NDJSON,
    tags=["use"],
    summary="Many records by a file of keys",
    description="The body is CSV (UTF-8) whose header names the dataset's key fields. The answer is NDJSON, one line per "
    "record asked for, in order: `line`, and a signed statement as of `query`, or `code`, `detail` and `remedy` where it "
    "was refused. Each record counts towards the quotas and is kept as a use of its own.",
    status_code=200,
)
async def post_batch(request: AnyRequest, id: FromPath[RequestId], case: Case) -> Stream:
    """At most 10,000 lines."""
    ctx = await to_thread.run_sync(identity.open_context, request)
    keys = await to_thread.run_sync(questions.keys_of_file, ctx, id, await request.body())
    asked = [_asked(request, id, "query", Question(key, case)) for key in keys]

    async def send() -> AsyncIterator[bytes]:
        async for line in questions.answer_lines(_desk(request), asked, ctx.parts.words, ctx.language):
            yield ENCODER.encode(line) + b"\n"

    return Stream(send(), media_type=NDJSON)


@post(
    "/api/sharing/grants/{id:str}/webhooks",
    tags=["webhooks"],
    summary="Have change rows sent to an address",
    description="Pages of change rows are posted in order, signed by the city (header X-CityLoom-Signature). A page that is "
    "not answered with 2xx is sent again after pauses that double; given up at last, it becomes a dead letter and "
    "nothing after it is sent before a replay.",
    status_code=201,
    sync_to_thread=True,
)
def post_webhook(request: AnyRequest, id: FromPath[RequestId], data: JSONBody[NewWebhook]) -> Webhook:
    """https only, and no address of the private network, unless the operator allows it."""
    return webhooks.add(identity.open_context(request), id, data)


@get("/api/sharing/grants/{id:str}/webhooks", tags=["webhooks"], summary="Webhooks of a grant", sync_to_thread=True)
def list_webhooks(request: AnyRequest, id: FromPath[RequestId]) -> list[Webhook]:
    """How each stands, with its dead letters."""
    return webhooks.listing(identity.open_context(request), id)


@delete(
    "/api/sharing/grants/{id:str}/webhooks/{webhook:str}",
    tags=["webhooks"], summary="Send nothing more", status_code=200, sync_to_thread=True,
)  # fmt: skip
def delete_webhook(request: AnyRequest, id: FromPath[RequestId], webhook: FromPath[str]) -> Webhook:
    """What was sent, and its dead letters, stay on record."""
    return webhooks.stop(identity.open_context(request), id, webhook)


@post(
    "/api/sharing/grants/{id:str}/webhooks/{webhook:str}/replays",
    tags=["webhooks"],
    summary="Send everything after a sequence again",
    status_code=200,
    sync_to_thread=True,
)
def post_replay(request: AnyRequest, id: FromPath[RequestId], webhook: FromPath[str], since: Number) -> Webhook:
    """Also sets a held or stopped webhook going again."""
    return webhooks.replay(identity.open_context(request), id, webhook, since)


@get("/api/sharing/copies", tags=["operation"], summary="How far the copies for questions follow", sync_to_thread=True)
def list_copies(request: AnyRequest) -> list[Projection]:
    """Those of the datasets that the caller's organisation keeps."""
    return projections.listing(identity.open_context(request))


@post(
    "/api/sharing/copies/{dataset:str}/rebuilds",
    tags=["operation"],
    summary="Have a copy built anew, while it answers",
    status_code=202,
    sync_to_thread=True,
)
def post_rebuild(request: AnyRequest, dataset: FromPath[str]) -> None:
    """The old copy answers and follows until the new one has caught up."""
    projections.ask_rebuild(identity.open_context(request), dataset)


@get(
    "/api/sharing/sandbox/{dataset:str}/records",
    media_type=NDJSON,
    tags=["sandbox"],
    summary="Made-up records of a dataset, before there is a grant",
    sync_to_thread=True,
)
def get_sandbox_records(request: AnyRequest, dataset: FromPath[str]) -> Response[bytes]:
    """NDJSON with every field; the rows pass the dataset's own checks and are the same each time."""
    rows = _twins(request).records(identity.open_context(request), dataset)
    return Response(ENCODER.encode_lines(rows), media_type=NDJSON, headers={"x-last-sequence": str(len(rows))})


@get(
    "/api/sharing/sandbox/{dataset:str}/changes",
    media_type=NDJSON,
    tags=["sandbox"],
    summary="Made-up change rows of a dataset",
    sync_to_thread=True,
)
def get_sandbox_changes(
    request: AnyRequest, dataset: FromPath[str], since: Number = 0,
    limit: Annotated[int, QueryParameter(ge=1, le=1_000_000)] = 100_000,
) -> Response[bytes]:  # fmt: skip
    """NDJSON: each made-up record was inserted once."""
    rows = _twins(request).changes(identity.open_context(request), dataset, since, limit)
    return Response(ENCODER.encode_lines(rows), media_type=NDJSON)


@post(
    "/api/sharing/sandbox/{dataset:str}/query",
    tags=["sandbox"],
    summary="One made-up record",
    status_code=200,
    sync_to_thread=True,
)
def post_sandbox_query(request: AnyRequest, dataset: FromPath[str], data: JSONBody[Question]) -> Answer:
    """As `query` under a grant on every field; the statement's type is cityloom.sharing.sandbox/1."""
    return _twins(request).answer(identity.open_context(request), dataset, data)


@post(
    "/api/sharing/sandbox/{dataset:str}/verify",
    tags=["sandbox"],
    summary="Verify claims about a made-up record",
    status_code=200,
    sync_to_thread=True,
)
def post_sandbox_verify(request: AnyRequest, dataset: FromPath[str], data: JSONBody[Claims]) -> Answer:
    """As `verify` under a grant on every field."""
    return _twins(request).answer(identity.open_context(request), dataset, data)


def _twins(request: AnyRequest) -> Twins:
    """The made-up records of this process."""
    state = request.app.state
    if "sharing_twins" not in state:
        state["sharing_twins"] = Twins()
    twins: Twins = state["sharing_twins"]
    return twins


def _asked(request: AnyRequest, grant: str, way: str, question: Question) -> Asked:
    purpose = identity.purpose_of(request)
    shown, number = identity.credentials(request), http.request_number(request)
    return Asked(grant, way, question, shown, purpose, number, lambda who: identity.note_account(request, who))


def _desk(request: AnyRequest) -> QuestionDesk:
    """The desk of this process, made at the first question."""
    state = request.app.state
    if "sharing_desk" not in state:
        state["sharing_desk"] = questions.desk(http.parts_of(request))
    desk: QuestionDesk = state["sharing_desk"]
    return desk


def _stream(request: AnyRequest, feed: Feed) -> Stream:
    arrow = ARROW in request.headers.get("accept", "")
    chunks = feed.arrow() if arrow else feed.ndjson()

    async def send() -> AsyncIterator[bytes]:
        try:
            while chunk := await to_thread.run_sync(next, chunks, None):
                yield chunk
        finally:
            await to_thread.run_sync(feed.close)

    return Stream(send(), media_type=ARROW if arrow else NDJSON, headers={"x-last-sequence": str(feed.last_sequence)})


ROUTES = [
    put_request, list_requests, get_request, post_request_move, list_notices, list_grants, get_grant, post_grant_move,
    list_uses, post_readers, get_changes, get_records, get_counts, post_query, post_verify, post_batch, post_webhook, list_webhooks,
    delete_webhook, post_replay, list_copies, post_rebuild, get_sandbox_records, get_sandbox_changes, post_sandbox_query,
    post_sandbox_verify,
]  # fmt: skip
