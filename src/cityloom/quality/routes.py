"""The HTTP door of quality: correction tickets, what was corrected, and scores over time."""

from datetime import date
from typing import Annotated, Any

from litestar import Request, get, post, put
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter

from cityloom.identity import api as identity
from cityloom.kernel import http
from cityloom.kernel.errors import BadRequest
from cityloom.quality.api import corrections, scores, tickets
from cityloom.quality.contracts import (
    Correction,
    Dimension,
    Measure,
    NewTicket,
    Score,
    Side,
    Ticket,
    TicketAct,
    TicketId,
    TicketNotice,
)

AnyRequest = Request[Any, Any, Any]
Limit = Annotated[int, QueryParameter(ge=1, le=1000)]
After = Annotated[int, QueryParameter(ge=0, le=http.MOST_NUMBER)]
Place = Annotated[str, QueryParameter(pattern=r"^(\d{4}-\d{2}-\d{2}/[a-z0-9_]{1,63})?$", description="day/dataset")]


@put(
    "/api/quality/tickets/{id:str}",
    tags=["tickets"],
    summary="Dispute a value (校核)",
    description="Whoever may read a field of a record says that its value is wrong, with evidence. The same id with the "
    "same content is answered as the first time; with other content 409. Under a grant the header X-Purpose names its "
    "purpose, and looking at the record is a use of it. The keeper answers within the time that the city's flow gives, "
    "in working days; the ticket ends as corrected only when the source changes.",
    status_code=200,
    sync_to_thread=True,
)
def put_ticket(request: AnyRequest, id: FromPath[TicketId], data: JSONBody[NewTicket]) -> Ticket:
    """`value` is left out under a grant that verifies only, or that masks the field."""
    return tickets.open(identity.open_context(request), id, data)


@get("/api/quality/tickets", tags=["tickets"], summary="Tickets of, to and before us", sync_to_thread=True)
def list_tickets(
    request: AnyRequest, side: FromQuery[Side] = "all", status: FromQuery[str] = "", dataset: FromQuery[str] = "",
    after: FromQuery[str] = "", limit: Limit = 100,
) -> list[Ticket]:  # fmt: skip
    """By id; the next page is asked for with `after` = the last id. The status `open` stands for all that have not ended."""
    return tickets.listing(identity.open_context(request), side, status, dataset, after, limit)


@get("/api/quality/tickets/{id:str}", tags=["tickets"], summary="One ticket", sync_to_thread=True)
def get_ticket(request: AnyRequest, id: FromPath[TicketId]) -> Ticket:
    """Where it stands, and every move with actor, reason, time and deadline."""
    return tickets.find(identity.open_context(request), id)


@post(
    "/api/quality/tickets/{id:str}/moves",
    tags=["tickets"],
    summary="Answer, contest, rule on or withdraw a ticket",
    description="The keeper: accept; reject (with a reason, and `evidence` or `law`). Who disputed: contest a rejection "
    "(with a reason); withdraw. Who rules: uphold, dismiss (with a reason). No move closes a ticket as corrected.",
    status_code=200,
    sync_to_thread=True,
)
def post_ticket_move(request: AnyRequest, id: FromPath[TicketId], data: JSONBody[TicketAct]) -> Ticket:
    """`version` is the one that was seen; another's move in between is answered with 409."""
    return tickets.act(identity.open_context(request), id, data)


@get("/api/quality/notices", tags=["tickets"], summary="Deadlines of tickets", sync_to_thread=True)
def list_ticket_notices(request: AnyRequest, after: After = 0, limit: Limit = 100) -> list[TicketNotice]:
    """Warnings, overdue notices and escalations, by number."""
    return tickets.notices(identity.open_context(request), after, limit)


@get("/api/quality/corrections", tags=["tickets"], summary="What was corrected in data we have", sync_to_thread=True)
def list_corrections(
    request: AnyRequest, dataset: FromQuery[str] = "", after: After = 0, limit: Limit = 100
) -> list[Correction]:
    """By number. Told to whoever has the field by a grant or asked for the record lately; read the new value there."""
    return corrections.listing(identity.open_context(request), dataset, after, limit)


def _place(after: str) -> tuple[date, str]:
    day, _, name = after.partition("/")
    try:
        return date.fromisoformat(day), name
    except ValueError as error:
        raise BadRequest("quality.day_wrong", day=day[:20]) from error


@get("/api/quality/scores", tags=["scores"], summary="Quality over time", sync_to_thread=True)
def list_scores(
    request: AnyRequest, start: FromQuery[date], end: FromQuery[date], organisation: FromQuery[str] = "",
    dataset: FromQuery[str] = "", after: Place = "", limit: Limit = 100,
) -> list[Measure]:  # fmt: skip
    """From `start` until before `end`, at most `limit` days of datasets; `after` = the last `day/dataset`."""
    place = _place(after) if after else None
    ctx, rows = identity.open_context(request), limit * len(Dimension)
    return scores.listing(ctx, start, end, organisation=organisation, dataset=dataset, after=place, limit=rows)


@get(
    "/api/quality/scores/{dataset:str}/{day:date}", tags=["scores"], summary="What a score was counted from",
    sync_to_thread=True,
)  # fmt: skip
def get_scores(request: AnyRequest, dataset: FromPath[str], day: FromPath[date]) -> list[Score]:
    """Each dimension with its definition in words and its parts."""
    return scores.shown(identity.open_context(request), dataset, day)


@post(
    "/api/quality/scores/{dataset:str}/{day:date}", tags=["scores"], summary="Measure a day that is over",
    status_code=200, sync_to_thread=True,
)  # fmt: skip
def post_scores(request: AnyRequest, dataset: FromPath[str], day: FromPath[date]) -> list[Score]:
    """In the place of an earlier measuring; the platform does it by itself once a day."""
    return scores.measure(identity.open_context(request), dataset, day)


ROUTES = [
    put_ticket, list_tickets, get_ticket, post_ticket_move, list_ticket_notices, list_corrections, list_scores, get_scores,
    post_scores,
]  # fmt: skip
