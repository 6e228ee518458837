"""Drafts and their review; disputes about who answers for an item."""

from typing import Annotated, Any, Literal

from litestar import Request, get, post, put
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter

from cityloom.catalogue.api import disputes, drafts
from cityloom.catalogue.contracts import (
    Dispute,
    DisputeAct,
    DisputeWish,
    Draft,
    DraftAct,
    DraftWish,
    ReviewId,
)
from cityloom.identity import api as identity

AnyRequest = Request[Any, Any, Any]
DRAFTS = ["catalogue drafts"]
DISPUTES = ["catalogue disputes"]
Limit = Annotated[int, QueryParameter(ge=1, le=1000)]


@put(
    "/api/catalogue/drafts/{id:str}",
    tags=DRAFTS,
    summary="Draft what is to become of a resource (编制)",
    description="Nobody else sees it before it is submitted. `record` null: the resource is to be retired. The same again "
    "changes nothing; another text takes the place of the first until it is submitted, and after it was returned.",
    status_code=200,
    sync_to_thread=True,
)
def put_draft(request: AnyRequest, id: FromPath[ReviewId], data: JSONBody[DraftWish]) -> Draft:
    """What is in force stays as it is."""
    return drafts.write(identity.open_context(request), id, data)


@get("/api/catalogue/drafts", tags=DRAFTS, summary="Our drafts, and those to review", sync_to_thread=True)
def list_drafts(
    request: AnyRequest,
    status: FromQuery[Literal["", "editing", "submitted", "approved", "published", "withdrawn"]] = "",
    resource: FromQuery[str] = "",
    after: FromQuery[str] = "",
    limit: Limit = 100,
) -> list[Draft]:
    """By id; the next page is asked for with `after` = the last id."""
    return drafts.listing(identity.open_context(request), status, resource, after, limit)


@get("/api/catalogue/drafts/{id:str}", tags=DRAFTS, summary="One draft", sync_to_thread=True)
def get_draft(request: AnyRequest, id: FromPath[ReviewId]) -> Draft:
    """What differs from what is in force, and every move with actor, reason, time and deadline."""
    return drafts.find(identity.open_context(request), id)


@post(
    "/api/catalogue/drafts/{id:str}/moves",
    tags=DRAFTS,
    summary="Submit, approve, return or withdraw a draft",
    description="The keeper: submit (it is checked as if it came into force), withdraw. The platform's people: approve; "
    "return with a reason. Who wrote a draft does not review it. Approved, it is in force on `effective_on`, or at once; "
    "what breaks others is announced until then.",
    status_code=200,
    sync_to_thread=True,
)
def post_draft_move(request: AnyRequest, id: FromPath[ReviewId], data: JSONBody[DraftAct]) -> Draft:
    """`version` is the one that was seen; another's move in between is answered with 409."""
    return drafts.act(identity.open_context(request), id, data)


@put(
    "/api/catalogue/disputes/{id:str}",
    tags=DISPUTES,
    summary="Claim an item that another answers for (数源争议)",
    description="For a resource that has the item without claiming it. Law and reason are stated by both sides; the "
    "platform rules. The same again is the same dispute.",
    status_code=200,
    sync_to_thread=True,
)
def put_dispute(request: AnyRequest, id: FromPath[ReviewId], data: JSONBody[DisputeWish]) -> Dispute:
    """Until it is ruled on, whoever answers for the item goes on."""
    return disputes.file(identity.open_context(request), id, data)


@get("/api/catalogue/disputes", tags=DISPUTES, summary="Disputes we are a party to", sync_to_thread=True)
def list_disputes(
    request: AnyRequest,
    status: FromQuery[Literal["", "stated", "answered", "moved", "confirmed", "withdrawn"]] = "",
    after: FromQuery[str] = "",
    limit: Limit = 100,
) -> list[Dispute]:
    """By id; the next page is asked for with `after` = the last id."""
    return disputes.listing(identity.open_context(request), status, after, limit)


@get("/api/catalogue/disputes/{id:str}", tags=DISPUTES, summary="One dispute", sync_to_thread=True)
def get_dispute(request: AnyRequest, id: FromPath[ReviewId]) -> Dispute:
    """What both sides say, what was ruled, and every move."""
    return disputes.find(identity.open_context(request), id)


@post(
    "/api/catalogue/disputes/{id:str}/moves",
    tags=DISPUTES,
    summary="Answer, concede, withdraw or rule",
    description="Who answers for the item: answer with `law` and reason, or concede. Who claims it: withdraw. The platform, "
    "once the other side has spoken or its time is over: move_source or confirm, with `law` and reason.",
    status_code=200,
    sync_to_thread=True,
)
def post_dispute_move(request: AnyRequest, id: FromPath[ReviewId], data: JSONBody[DisputeAct]) -> Dispute:
    """A source that moves is a revision of both resources; their followers are told."""
    return disputes.act(identity.open_context(request), id, data)


ROUTES = [
    put_draft, list_drafts, get_draft, post_draft_move, put_dispute, list_disputes, get_dispute, post_dispute_move,
]  # fmt: skip
