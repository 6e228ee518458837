"""The HTTP door of the exchange: deliveries, trials, receipts, quarantine, changes, reconciliation, templates."""

from collections.abc import AsyncIterator
from datetime import date
from typing import Annotated, Any

from anyio import to_thread
from litestar import Request, Response, delete, get, post, put
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter
from litestar.response import Stream

from cityloom.exchange.api import deliveries, pulls, reading, retention, spool, upkeep, withdrawals
from cityloom.exchange.contracts import (
    DatasetState,
    Declaration,
    DeliveryId,
    HeldBack,
    HeldPage,
    Mode,
    Overdue,
    PullState,
    Receipt,
    ReconciledDay,
    State,
    Trial,
)
from cityloom.identity import api as identity
from cityloom.kernel import http
from cityloom.kernel.audit.entry import InclusionProof
from cityloom.kernel.errors import BadRequest, Problem

ARROW = "application/vnd.apache.arrow.stream"
NDJSON = "application/x-ndjson"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"

UNDECIDED = {
    202: ResponseSpec(Receipt, generate_examples=False, description="not decided yet"),
    422: ResponseSpec(Receipt, generate_examples=False, description="refused whole"),
}

AnyRequest = Request[Any, Any, Any]
Number = Annotated[int, QueryParameter(ge=0, le=http.MOST_NUMBER)]


def declaration(request: AnyRequest, query: Declaration) -> Declaration:
    """What the sender said in the address and in the headers (Content-Type, Content-Encoding, Content-Disposition)."""
    media, _, rest = request.headers.get("content-type", "").partition(";")
    charset = next((part.split("=", 1)[1].strip(' "') for part in rest.split(";") if "charset=" in part.lower()), "")
    return Declaration(
        mode=query.mode,
        media=media.strip().lower(),
        encoding=request.headers.get("content-encoding", "").strip().lower(),
        charset=charset,
        file_name=query.file_name,
        rows=query.rows,
        sha256=query.sha256.lower() if query.sha256 else None,
        corrects=query.corrects,
        as_of=query.as_of,
    )


@put(
    "/api/exchange/datasets/{dataset:str}/deliveries/{delivery_id:str}",
    tags=["deliveries"],
    summary="Deliver a file",
    description="The body is the file itself: CSV, NDJSON, Parquet or .xlsx, also gzipped (Content-Encoding: gzip). "
    "The same id with the same content answers the same receipt; with other content 409. Small deliveries are decided "
    "while you wait (200); larger ones answer 202, and the receipt is fetched from the same address.",
    status_code=200,
    responses=UNDECIDED,
    request_max_body_size=None,
)
async def put_delivery(
    request: AnyRequest,
    dataset: FromPath[str],
    delivery_id: FromPath[DeliveryId],
    mode: Annotated[
        Mode | None, QueryParameter(description="append, upsert, replace or delete; the dataset's first mode if absent")
    ] = None,
    rows: Annotated[
        int | None, QueryParameter(ge=0, description="how many records you sent; a difference refuses the delivery")
    ] = None,
    sha256: Annotated[
        str | None, QueryParameter(pattern="^[0-9A-Fa-f]{64}$", description="SHA-256 of the body")
    ] = None,
    file_name: Annotated[str, QueryParameter(max_length=255, description="name of the file, for people")] = "",
    corrects: Annotated[
        DeliveryId | None, QueryParameter(description="delivery whose quarantined rows come back corrected")
    ] = None,
    as_of: Annotated[date | None, QueryParameter(description="day that the records describe (valid time)")] = None,
) -> Response[Receipt]:
    """Receive, check, keep, and answer with a signed receipt."""
    ctx = await to_thread.run_sync(identity.open_context, request)
    query = Declaration(mode=mode, rows=rows, sha256=sha256, file_name=file_name, corrects=corrects, as_of=as_of)
    declared = declaration(request, query)
    try:
        delivery = await to_thread.run_sync(deliveries.claim, ctx, dataset, delivery_id, declared)
    except Problem:
        await spool.pass_over(ctx, request.stream())
        raise
    if delivery.state != State.receiving and sha256:
        await spool.pass_over(ctx, request.stream())
        return answer(await to_thread.run_sync(deliveries.repeat, ctx, delivery, sha256.lower()))
    spooled = await spool.receive(ctx, delivery, request.stream(), _length(request))
    if delivery.state != State.receiving:
        await to_thread.run_sync(spool.discard, spooled)
        return answer(await to_thread.run_sync(deliveries.repeat, ctx, delivery, spooled.sha256))
    delivery = await to_thread.run_sync(deliveries.received, ctx, delivery, spooled)
    if spooled.bytes > ctx.settings.inline_mib << 20:
        return answer(await to_thread.run_sync(deliveries.receipt_of, ctx, delivery))
    return answer(await to_thread.run_sync(deliveries.process, ctx, dataset, delivery_id))


def answer(receipt: Receipt) -> Response[Receipt]:
    """200 when decided, 202 while not, 422 when refused whole."""
    decided = receipt.state in (State.accepted, State.withdrawn, State.withdrawing)
    status = 200 if decided else 422 if receipt.state == State.refused else 202
    where = f"/api/exchange/datasets/{receipt.dataset}/deliveries/{receipt.delivery}"
    headers = {"location": where} | ({"retry-after": "2"} if status == 202 else {})
    return Response(receipt, status_code=status, headers=headers)


def _length(request: AnyRequest) -> int | None:
    text = request.headers.get("content-length")
    if text is None:
        return None
    if not text.isdigit():
        raise BadRequest("kernel.header_wrong", name="Content-Length")
    return int(text)


@post(
    "/api/exchange/datasets/{dataset:str}/trials",
    tags=["deliveries"],
    summary="Try a file without effect (试校验)",
    status_code=200,
    request_max_body_size=None,
)
async def post_trial(
    request: AnyRequest,
    dataset: FromPath[str],
    mode: FromQuery[Mode | None] = None,
    file_name: FromQuery[str] = "",
    rows: FromQuery[int | None] = None,
) -> Trial:
    """The same checks and comparison as a delivery; nothing is kept."""
    ctx = await to_thread.run_sync(identity.open_context, request)
    declared = declaration(request, Declaration(mode=mode, file_name=file_name, rows=rows))
    spooled = await spool.receive(ctx, None, request.stream(), _length(request))
    try:
        return await to_thread.run_sync(deliveries.trial, ctx, dataset, declared, spooled)
    finally:
        await to_thread.run_sync(spool.discard, spooled)


@get(
    "/api/exchange/datasets/{dataset:str}/deliveries/{delivery_id:str}",
    tags=["deliveries"],
    summary="Receipt of a delivery",
    responses=UNDECIDED,
    sync_to_thread=True,
)
def get_delivery(request: AnyRequest, dataset: FromPath[str], delivery_id: FromPath[DeliveryId]) -> Response[Receipt]:
    """The receipt as it stands now."""
    return answer(deliveries.receipt(identity.open_context(request), dataset, delivery_id))


@get(
    "/api/exchange/datasets/{dataset:str}/deliveries",
    tags=["deliveries"],
    summary="Receipts of a dataset",
    sync_to_thread=True,
)
def list_deliveries(
    request: AnyRequest,
    dataset: FromPath[str],
    after: FromQuery[str] = "",
    limit: Annotated[int, QueryParameter(ge=1, le=1000)] = 100,
    newest: Annotated[bool, QueryParameter(description="the newest first, instead of by id")] = False,
) -> list[Receipt]:
    """The next page is asked for with `after` = the last id."""
    ctx = identity.open_context(request)
    return (reading.newest if newest else deliveries.receipts)(ctx, dataset, after, limit)


@delete(
    "/api/exchange/datasets/{dataset:str}/deliveries/{delivery_id:str}",
    tags=["deliveries"], summary="Withdraw a delivery with all its effects", status_code=200, sync_to_thread=True,
)  # fmt: skip
def withdraw_delivery(
    request: AnyRequest,
    dataset: FromPath[str],
    delivery_id: FromPath[DeliveryId],
    reason: Annotated[str, QueryParameter(min_length=1, max_length=500)],
) -> Receipt:
    """Every record gets the state that the deliveries still standing say it has; change rows tell it onward."""
    return withdrawals.withdraw(identity.open_context(request), dataset, delivery_id, reason)


@get(
    "/api/exchange/datasets/{dataset:str}/deliveries/{delivery_id:str}/quarantine",
    media_type="text/csv",
    tags=["deliveries"], summary="Quarantined rows, in the file's own columns with the reasons beside", sync_to_thread=True,
)  # fmt: skip
def get_quarantine(
    request: AnyRequest, dataset: FromPath[str], delivery_id: FromPath[DeliveryId], format: FromQuery[str] = "csv"
) -> Response[bytes]:
    """As csv (UTF-8 with BOM), xlsx, or ndjson; corrected, it can be delivered as it is."""
    file = reading.quarantine(identity.open_context(request), dataset, delivery_id, format)
    headers = {"content-disposition": f'attachment; filename="{file.name}"'}
    return Response(file.content, media_type=file.media, headers=headers)


@get(
    "/api/exchange/datasets/{dataset:str}/deliveries/{delivery_id:str}/held",
    tags=["deliveries"],
    summary="Quarantined rows to mend in place",
    description="Each with its faults in words, in the columns of the file. Mended, they are delivered in these columns with "
    "`corrects` = this delivery, and with the `mode` and `as_of` that are said here.",
    sync_to_thread=True,
)
def get_held(
    request: AnyRequest, dataset: FromPath[str], delivery_id: FromPath[DeliveryId], after: Number = 0,
    limit: Annotated[int, QueryParameter(ge=1, le=1000)] = 50,
) -> HeldPage:  # fmt: skip
    """By row number; the next page is asked for with `after` = the last row's."""
    return reading.held(identity.open_context(request), dataset, delivery_id, after, limit)


@get(
    "/api/exchange/datasets/{dataset:str}/deliveries/{delivery_id:str}/proof",
    tags=["deliveries"],
    summary="Proof that the decision stands in the audit log",
    description="The audit entry of the decision, the path of hashes from it to the last signed head (RFC 9162, 2.1.3), and "
    "the head. `cityloom audit verify` checks it without the city.",
    sync_to_thread=True,
)
def get_proof(request: AnyRequest, dataset: FromPath[str], delivery_id: FromPath[DeliveryId]) -> InclusionProof:
    """404 for a second or so after the decision, until the next head is signed."""
    return reading.proof(identity.open_context(request), dataset, delivery_id)


@get(
    "/api/exchange/datasets/{dataset:str}/deliveries/{delivery_id:str}/faults",
    media_type=NDJSON,
    tags=["deliveries"],
    summary="What is wrong with the quarantined rows, for programs",
    sync_to_thread=True,
)
def get_faults(request: AnyRequest, dataset: FromPath[str], delivery_id: FromPath[DeliveryId]) -> Stream:
    """NDJSON, one line per fault: row, field, rule, value, and in words the problem and the remedy."""
    chunks = reading.faults(identity.open_context(request), dataset, delivery_id)

    async def send() -> AsyncIterator[bytes]:
        while chunk := await to_thread.run_sync(next, chunks, None):
            yield chunk

    return Stream(send(), media_type=NDJSON)


@get(
    "/api/exchange/datasets/{dataset:str}/changes",
    media_type=NDJSON,
    tags=["reading"],
    summary="Change rows after a sequence number",
    sync_to_thread=True,
)
def get_changes(
    request: AnyRequest, dataset: FromPath[str], since: Number = 0,
    limit: Annotated[int, QueryParameter(ge=1, le=1_000_000)] = 100_000,
) -> Stream:  # fmt: skip
    """Arrow (Accept: application/vnd.apache.arrow.stream) or NDJSON, in order of `_sequence`. Ask again with `since` =
    the last `_sequence` you kept. 410 when `since` lies before what is still kept: begin anew from `records`.
    The header `x-last-sequence` names the dataset's last number at this moment."""
    ctx = identity.open_context(request)
    feed = reading.changes(ctx, dataset, since, limit)
    return _stream(request, feed)


@get(
    "/api/exchange/datasets/{dataset:str}/records",
    media_type=NDJSON,
    tags=["reading"],
    summary="The current state",
    sync_to_thread=True,
)
def get_records(request: AnyRequest, dataset: FromPath[str]) -> Stream:
    """Arrow or NDJSON; `x-last-sequence` is where to go on with `changes`."""
    return _stream(request, reading.records(identity.open_context(request), dataset))


def _stream(request: AnyRequest, feed: reading.Feed) -> Stream:
    arrow = ARROW in request.headers.get("accept", "")
    chunks = feed.arrow() if arrow else feed.ndjson()

    async def send() -> AsyncIterator[bytes]:
        try:
            while chunk := await to_thread.run_sync(next, chunks, None):
                yield chunk
        finally:
            await to_thread.run_sync(feed.close)

    return Stream(send(), media_type=ARROW if arrow else NDJSON, headers={"x-last-sequence": str(feed.last_sequence)})


@get("/api/exchange/datasets", tags=["datasets"], summary="Datasets and where they stand", sync_to_thread=True)
def list_datasets(request: AnyRequest) -> list[DatasetState]:
    """Every dataset that some active pack declares."""
    return reading.datasets(identity.open_context(request))


@get(
    "/api/exchange/datasets/{dataset:str}",
    tags=["datasets"],
    summary="One dataset and its record count",
    sync_to_thread=True,
)
def get_dataset(request: AnyRequest, dataset: FromPath[str]) -> DatasetState:
    """Where it stands."""
    return reading.dataset(identity.open_context(request), dataset)


@get(
    "/api/exchange/datasets/{dataset:str}/template.xlsx",
    media_type=XLSX,
    tags=["datasets"],
    summary="The .xlsx to fill in",
    sync_to_thread=True,
)
def get_template(request: AnyRequest, dataset: FromPath[str]) -> Response[bytes]:
    """A workbook with the right columns, drop-downs for codes, and an explanation of every field."""
    content = reading.template(identity.open_context(request), dataset)
    return Response(content, media_type=XLSX, headers={"content-disposition": f'attachment; filename="{dataset}.xlsx"'})


@get(
    "/api/exchange/reconciliation",
    tags=["operation"],
    summary="Sent = accepted + quarantined + duplicates, per dataset and day",
    sync_to_thread=True,
)
def get_reconciliation(request: AnyRequest, day: FromQuery[date]) -> list[ReconciledDay]:
    """One line per dataset that received something on that day (the city's time zone)."""
    return upkeep.reconcile(identity.open_context(request), day)


@get("/api/exchange/held", tags=["operation"], summary="Deliveries with rows to mend", sync_to_thread=True)
def list_held(request: AnyRequest) -> list[HeldBack]:
    """Those of the caller's organisation whose quarantined rows were not handed in again, the newest first."""
    return reading.held_back(identity.open_context(request))


@get("/api/exchange/overdue", tags=["operation"], summary="Datasets not delivered in time", sync_to_thread=True)
def get_overdue(request: AnyRequest) -> list[Overdue]:
    """Those that the caller's organisation keeps."""
    return upkeep.overdue(identity.open_context(request))


@post(
    "/api/exchange/datasets/{dataset:str}/erasures",
    tags=["retention"],
    summary="Erase everything held under some keys, because a law asks for it",
    description="Current state, change rows with what was before them, confirmations and quarantined rows of each key go; "
    "one change row with the key alone tells subscribers. The answer is the evidence; `files_gone_at` follows when none "
    "of the files that held the rows exists any more, usually within hours.",
    status_code=200,
    sync_to_thread=True,
)
def post_erasure(request: AnyRequest, dataset: FromPath[str], data: JSONBody[retention.Erasure]) -> retention.Deletion:
    """At most 1000 keys at once, each the list of the key fields' values as text."""
    return retention.erase(identity.open_context(request), dataset, data.keys, data.legal_basis)


@get(
    "/api/exchange/datasets/{dataset:str}/deletions",
    tags=["retention"],
    summary="Evidence of what was deleted for good",
    sync_to_thread=True,
)
def list_deletions(
    request: AnyRequest,
    dataset: FromPath[str],
    after: Number = 0,
    limit: Annotated[int, QueryParameter(ge=1, le=1000)] = 100,
) -> list[retention.Deletion]:
    """By number; the next page is asked for with `after` = the last one."""
    return retention.evidence_of(identity.open_context(request), dataset, after, limit)


@get("/api/exchange/pulls", tags=["operation"], summary="Scheduled pulls and how each last ended", sync_to_thread=True)
def list_pulls(request: AnyRequest) -> list[PullState]:
    """Those of the caller's organisation."""
    return pulls.listed(identity.open_context(request))


@post(
    "/api/exchange/pulls/{pull:str}/runs",
    tags=["operation"],
    summary="Run a pull now",
    status_code=202,
    sync_to_thread=True,
)
def run_pull(request: AnyRequest, pull: FromPath[str]) -> None:
    """It runs within seconds; its outcome is told by the list."""
    pulls.hasten(identity.open_context(request), pull)


ROUTES = [
    list_pulls,
    run_pull,
    put_delivery, post_trial, get_delivery, list_deliveries, withdraw_delivery, get_quarantine, get_faults, get_held, list_held,
    get_proof, get_changes, get_records,
    list_datasets, get_dataset, get_template, get_reconciliation, get_overdue, post_erasure, list_deletions,
]  # fmt: skip
