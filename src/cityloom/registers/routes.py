"""The HTTP door of the registers: records under a purpose, who read them, doubts and decisions."""

from typing import Annotated, Any

from litestar import Request, get, post
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter

from cityloom.identity import api as identity
from cityloom.kernel import http
from cityloom.kernel.access import Principal
from cityloom.kernel.straight import straight
from cityloom.registers.api import linking, reading, states, stewarding
from cityloom.registers.api.reading import Asked, ReadingDesk
from cityloom.registers.contracts import (
    Decision,
    Doubt,
    FieldConflict,
    Lookup,
    Merge,
    Pair,
    Reading,
    Record,
    RegisterState,
    Ruling,
    SourceRecord,
    Split,
    Undo,
    Version,
)
from cityloom.sharing.contracts import CASE

AnyRequest = Request[Any, Any, Any]
Limit = Annotated[int, QueryParameter(ge=1, le=1000)]
Number = Annotated[int, QueryParameter(ge=0, le=http.MOST_NUMBER)]
Case = Annotated[str, QueryParameter(pattern=f"^{CASE}$", description="number of the case or matter this is for")]


@get("/api/registers", tags=["registers"], summary="Registers", sync_to_thread=True)
def list_registers(request: AnyRequest) -> list[RegisterState]:
    """What each holds, and how far it follows its datasets."""
    return states.listing(identity.open_context(request))


@get("/api/registers/{register:str}", tags=["registers"], summary="One register", sync_to_thread=True)
def get_register(request: AnyRequest, register: FromPath[str]) -> RegisterState:
    """What it holds, and how far it follows its datasets."""
    return states.state(identity.open_context(request), register)


@post(
    "/api/registers/{register:str}/read",
    tags=["registers"],
    summary="One record, for a purpose",
    description="By `id`, or by a verified identifier (`kind`, `value`), as known now or at a moment. The header X-Purpose "
    "names the purpose. A field is shown to the department that keeps its source, and to whoever holds a grant in force "
    "for this purpose that shows it; that is a use of the grant. Each field comes with its source, its time, and what "
    "other sources say. The reading is kept before it is answered. Where nothing is shown the answer is 404, whether or "
    "not there is such a record.",
    status_code=200,
    middleware=[straight],
)
async def post_read(request: AnyRequest, register: FromPath[str], data: JSONBody[Lookup]) -> Record:
    """Over the quota of a grant 429."""
    purpose, shown = identity.purpose_of(request), identity.credentials(request)
    language = http.language(request, http.parts_of(request).settings.language)

    def known(who: Principal) -> None:
        identity.note_account(request, who)

    asked = Asked(register, data, shown, purpose, http.request_number(request), language, known)
    return await _desk(request).ask(asked)


@get(
    "/api/registers/{register:str}/{id:str}/readings",
    tags=["registers"],
    summary="Who read a record, and why",
    sync_to_thread=True,
)
def list_readings(
    request: AnyRequest,
    register: FromPath[str],
    id: FromPath[str],
    before: Number = http.MOST_NUMBER,
    limit: Limit = 100,
) -> list[Reading]:
    """Newest first."""
    return reading.readings(identity.open_context(request), register, id, before, limit)


@get(
    "/api/registers/{register:str}/{id:str}/versions",
    tags=["registers"],
    summary="What our own datasets ever said of an entity",
    sync_to_thread=True,
)
def list_versions(request: AnyRequest, register: FromPath[str], id: FromPath[str], case: Case) -> list[Version]:
    """Oldest first, each with the time for which it was known. A reading like any other."""
    return reading.versions(identity.open_context(request), register, id, case)


@post(
    "/api/registers/{register:str}/{id:str}/conflicts",
    tags=["registers"],
    summary="Where sources contradict the authority of a field",
    description="With `tickets` each goes back to its keeper as a correction ticket of the platform; asking again opens no "
    "second one. No value is told.",
    status_code=200,
    sync_to_thread=True,
)
def post_conflicts(
    request: AnyRequest, register: FromPath[str], id: FromPath[str], tickets: FromQuery[bool] = False
) -> list[FieldConflict]:
    """For stewards of the register."""
    return states.conflicts(identity.open_context(request), register, id, open_tickets=tickets)


@get("/api/registers/{register:str}/doubts", tags=["stewards"], summary="Pairs that may be one", sync_to_thread=True)
def list_doubts(
    request: AnyRequest, register: FromPath[str], status: FromQuery[str] = "open", after: Number = 0, limit: Limit = 100
) -> list[Doubt]:
    """By number; the evidence comes with each by itself."""
    return stewarding.doubts(identity.open_context(request), register, status, after, limit)


@post(
    "/api/registers/{register:str}/doubts",
    tags=["stewards"],
    summary="Put a pair before the stewards",
    status_code=200,
    sync_to_thread=True,
)
def post_doubt(request: AnyRequest, register: FromPath[str], data: JSONBody[Pair]) -> Doubt:
    """A pair that was asked about before keeps its answer."""
    return stewarding.ask(identity.open_context(request), register, data)


@get(
    "/api/registers/{register:str}/doubts/{number:int}",
    tags=["stewards"],
    summary="One pair with its evidence",
    sync_to_thread=True,
)
def get_doubt(request: AnyRequest, register: FromPath[str], number: FromPath[int]) -> Doubt:
    """What the sources of both say of each field, side by side. A reading of both."""
    return stewarding.doubt(identity.open_context(request), register, number)


@post(
    "/api/registers/{register:str}/doubts/{number:int}/ruling",
    tags=["stewards"],
    summary="The same, or distinct",
    status_code=200,
    sync_to_thread=True,
)
def post_ruling(request: AnyRequest, register: FromPath[str], number: FromPath[int], data: JSONBody[Ruling]) -> Doubt:
    """The same: the later entity goes into the earlier. Distinct: the pair is not asked about again."""
    return stewarding.rule(identity.open_context(request), register, number, data)


@post(
    "/api/registers/{register:str}/doubts/{number:int}/undo",
    tags=["stewards"],
    summary="Take the answer to a pair back",
    status_code=200,
    sync_to_thread=True,
)
def post_doubt_undo(request: AnyRequest, register: FromPath[str], number: FromPath[int], data: JSONBody[Undo]) -> Doubt:
    """The pair waits again; if it was merged, the merge is taken back."""
    return stewarding.reopen(identity.open_context(request), register, number, data)


@get(
    "/api/registers/{register:str}/{id:str}/sources",
    tags=["stewards"],
    summary="The records that an entity is made of",
    sync_to_thread=True,
)
def list_sources(request: AnyRequest, register: FromPath[str], id: FromPath[str]) -> list[SourceRecord]:
    """Each with its key and what it says, so that a steward can tell which are about somebody else. A reading."""
    return stewarding.sources(identity.open_context(request), register, id)


@post(
    "/api/registers/{register:str}/merges",
    tags=["stewards"],
    summary="Two entities are one",
    status_code=200,
    sync_to_thread=True,
)
def post_merge(request: AnyRequest, register: FromPath[str], data: JSONBody[Merge]) -> Decision:
    """All records of `from_id` go to `into`; can be undone."""
    return stewarding.merge(identity.open_context(request), register, data)


@post(
    "/api/registers/{register:str}/splits",
    tags=["stewards"],
    summary="Some records are about somebody else",
    status_code=200,
    sync_to_thread=True,
)
def post_split(request: AnyRequest, register: FromPath[str], data: JSONBody[Split]) -> Decision:
    """They get an entity of their own; can be undone."""
    return stewarding.split(identity.open_context(request), register, data)


@post(
    "/api/registers/{register:str}/linkage",
    tags=["stewards"],
    summary="Link what is new now",
    status_code=202,
    sync_to_thread=True,
)
def post_linkage(request: AnyRequest, register: FromPath[str]) -> None:
    """A worker does it every hour by itself."""
    linking.ask(identity.open_context(request), register)


@get("/api/registers/{register:str}/decisions", tags=["stewards"], summary="Merges and splits", sync_to_thread=True)
def list_decisions(
    request: AnyRequest, register: FromPath[str], before: Number = http.MOST_NUMBER, limit: Limit = 100
) -> list[Decision]:
    """Newest first."""
    return stewarding.decisions(identity.open_context(request), register, before, limit)


@post(
    "/api/registers/{register:str}/decisions/{number:int}/undo",
    tags=["stewards"],
    summary="Take a merge or split back",
    status_code=200,
    sync_to_thread=True,
)
def post_undo(request: AnyRequest, register: FromPath[str], number: FromPath[int], data: JSONBody[Undo]) -> Decision:
    """Records that are still where the decision put them go back where they were."""
    return stewarding.undo(identity.open_context(request), register, number, data)


def _desk(request: AnyRequest) -> ReadingDesk:
    """The desk of this process, made at the first question."""
    state = request.app.state
    if "registers_desk" not in state:
        state["registers_desk"] = reading.desk(http.parts_of(request))
    desk: ReadingDesk = state["registers_desk"]
    return desk


ROUTES = [
    list_registers, get_register, post_read, list_readings, list_versions, post_conflicts, list_doubts, post_doubt, get_doubt,
    post_ruling, post_doubt_undo, list_sources, post_merge, post_split, post_linkage,
    list_decisions, post_undo,
]  # fmt: skip
