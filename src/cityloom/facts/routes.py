"""The HTTP door of facts: what is asked of whom, asking, and what was asked."""

from typing import Annotated, Any

from litestar import Request, get, post
from litestar.params import FromPath, JSONBody, QueryParameter

from cityloom.facts.api import asking, lists, records
from cityloom.facts.api.asking import Asked as Question
from cityloom.facts.api.asking import FactDesk
from cityloom.facts.contracts import MOST_QUESTIONS, Asked, AskedAbout, Batch, Declared
from cityloom.identity import api as identity
from cityloom.kernel import http
from cityloom.kernel.access import Principal
from cityloom.sharing.contracts import LineAnswer

AnyRequest = Request[Any, Any, Any]
Limit = Annotated[int, QueryParameter(ge=1, le=1000)]
Before = Annotated[str, QueryParameter(pattern=r"^(f[0-9a-f]{32})?$", description="id that the last page ended with")]


@get("/api/facts", tags=["facts"], summary="Lists of facts that departments verify", sync_to_thread=True)
def list_lists(request: AnyRequest) -> list[Declared]:
    """For anybody: what is asked, of whom, by which law, from which sources, and which paper it replaces."""
    parts = http.parts_of(request)
    return lists.listing(parts, http.language(request, parts.settings.language))


@get("/api/facts/{list:str}", tags=["facts"], summary="One list of facts", sync_to_thread=True)
def get_list(request: AnyRequest, list: FromPath[str]) -> Declared:
    """For anybody, with the values that the city set."""
    parts = http.parts_of(request)
    return lists.describe(parts, list, http.language(request, parts.settings.language))


@post(
    "/api/facts/{list:str}/ask",
    tags=["facts"],
    summary="Ask facts about people",
    description=f"At most {MOST_QUESTIONS:,} questions, each with the identifiers of those it is about, a case, and the "
    "consent that was given. The header X-Purpose names the list's purpose. Each source is asked under a grant of the "
    "caller's organisation for that purpose: what no grant gives is refused by name, the rest is answered with yes, no "
    "or unknown, and why. Under grants that verify, no value is told. Every record looked at is a use of its grant, "
    "metered and kept before it is answered. Lines are answered in order; one that is refused does not stop the others.",
    status_code=200,
)
async def post_ask(request: AnyRequest, list: FromPath[str], data: JSONBody[Batch]) -> tuple[LineAnswer, ...]:
    """A single question that is refused is answered with its problem."""
    asked = _asked(request, list, data)
    if len(asked) == 1:
        answer = await _desk(request).ask(asked[0])
        return (LineAnswer(1, answer.statement, answer.signature),)
    parts = http.parts_of(request)
    words, language = parts.words, asked[0].language
    return tuple([line async for line in asking.answer_lines(_desk(request), asked, words, language)])


@get("/api/facts/asked/{id:str}", tags=["facts"], summary="What was asked, and answered", sync_to_thread=True)
def get_asked(request: AnyRequest, id: FromPath[str]) -> Asked:
    """For the organisation that asked; without any value."""
    return records.find(identity.open_context(request), id)


@get(
    "/api/facts/asked-about/{register:str}/{id:str}",
    tags=["facts"],
    summary="Who asked about somebody, and why",
    sync_to_thread=True,
)
def list_asked_about(
    request: AnyRequest, register: FromPath[str], id: FromPath[str], before: Before = "", limit: Limit = 100
) -> list[AskedAbout]:
    """Newest first; for who answers for the register, and who oversees the log. The answers are not told."""
    return records.about(identity.open_context(request), register, id, before, limit)


def _asked(request: AnyRequest, list: str, batch: Batch) -> tuple[Question, ...]:
    purpose, shown, number = identity.purpose_of(request), identity.credentials(request), http.request_number(request)
    language = http.language(request, http.parts_of(request).settings.language)

    def known(who: Principal) -> None:
        identity.note_account(request, who)

    return tuple(Question(list, each, shown, purpose, number, language, known) for each in batch.questions)


def _desk(request: AnyRequest) -> FactDesk:
    """The desk of this process, made at the first question."""
    state = request.app.state
    if "facts_desk" not in state:
        state["facts_desk"] = asking.desk(http.parts_of(request))
    desk: FactDesk = state["facts_desk"]
    return desk


ROUTES = (list_lists, get_list, post_ask, get_asked, list_asked_about)
