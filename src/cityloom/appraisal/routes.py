"""The HTTP door of appraisal: sets, scores with their evidence, published results, filings, appeals."""

from datetime import date
from typing import Annotated, Any

import msgspec
from litestar import Request, get, post, put
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter

from cityloom.appraisal import spec
from cityloom.appraisal.api import appeals, filings, publications, scores
from cityloom.appraisal.contracts import (
    Appeal,
    AppealAct,
    AppealWish,
    Appraised,
    EvidencePage,
    Fileable,
    Filing,
    FilingAct,
    FilingId,
    FilingWish,
    Matrix,
    Notice,
    Publication,
    Ranking,
    Release,
)
from cityloom.appraisal.spec import IndicatorSet
from cityloom.identity import api as identity
from cityloom.kernel import http

AnyRequest = Request[Any, Any, Any]
Limit = Annotated[int, QueryParameter(ge=1, le=1000)]
Offset = Annotated[int, QueryParameter(ge=0, le=10**9)]
Revision = Annotated[int, QueryParameter(ge=0, le=10**6, description="0: the last one.")]


class SetLine(msgspec.Struct, frozen=True):
    """A version of the indicators, with the digest under which results name it."""

    name: str
    digest: str
    set: IndicatorSet
    fileable: tuple[Fileable, ...]
    """What departments can file for its indicators."""


def _line(name: str, found: IndicatorSet) -> SetLine:
    return SetLine(name, found.digest, found, filings.fileable(found))


@get("/api/appraisal/sets", tags=["appraisal"], summary="Versions of the indicators (指标体系)", sync_to_thread=True)
def list_sets(request: AnyRequest) -> list[SetLine]:
    """The city's sets, the oldest first: weights, formulas with their parameters, listed documents."""
    found = spec.sets(identity.open_context(request).packs)
    return [_line(name, each) for name, each in found.items()]


@get("/api/appraisal/sets/{name:str}", tags=["appraisal"], summary="One version of the indicators", sync_to_thread=True)
def get_set(request: AnyRequest, name: FromPath[str]) -> SetLine:
    """As it is in force in this city."""
    found = spec.named(identity.open_context(request).packs, name)
    return _line(name, found)


@get(
    "/api/appraisal/scores/{organisation:str}",
    tags=["appraisal"],
    summary="A department's points by the logs as they are now",
    description="For its own people, the platform's, and those whom the set names. Without `set`: the newest version that is "
    "valid for the period. `end` is the last day.",
    sync_to_thread=True,
)
def get_score(
    request: AnyRequest, organisation: FromPath[str], start: FromQuery[date], end: FromQuery[date],
    set: FromQuery[str] = "",
) -> Appraised:  # fmt: skip
    """Per indicator: points to 0.01, the formula with its numbers, and what could not be assessed."""
    return scores.compute(identity.open_context(request), organisation, start, end, set)


@get(
    "/api/appraisal/scores/{organisation:str}/evidence/{indicator:str}",
    tags=["appraisal"],
    summary="The rows that an indicator rests on now",
    sync_to_thread=True,
)
def get_evidence(
    request: AnyRequest, organisation: FromPath[str], indicator: FromPath[str], start: FromQuery[date],
    end: FromQuery[date], set: FromQuery[str] = "", offset: Offset = 0, limit: Limit = 100,
) -> EvidencePage:  # fmt: skip
    """Each with the address where it is read itself; they sum to what the measures came to."""
    ctx = identity.open_context(request)
    return scores.evidence(ctx, organisation, indicator, start, end, set, offset, limit)


@get(
    "/api/appraisal/ranking",
    tags=["appraisal"],
    summary="The points of all departments by the logs as they are now",
    description="For the platform's people and those whom the set names; what all may see is published.",
    sync_to_thread=True,
)
def get_ranking(request: AnyRequest, start: FromQuery[date], end: FromQuery[date], set: FromQuery[str] = "") -> Ranking:
    """By points."""
    return scores.ranking(identity.open_context(request), start, end, set)


@get(
    "/api/appraisal/matrix",
    tags=["appraisal"],
    summary="Departments by indicators, by the logs as they are now",
    description="For the platform's people and those whom the set names.",
    sync_to_thread=True,
)
def get_matrix(request: AnyRequest, start: FromQuery[date], end: FromQuery[date], set: FromQuery[str] = "") -> Matrix:
    """In the order of their points."""
    return scores.matrix(identity.open_context(request), start, end, set)


@get(
    "/api/appraisal/publications/{id:str}/matrix",
    tags=["appraisal results"],
    summary="Departments by indicators, as they were published",
    description="For the platform's people and those whom the set names.",
    sync_to_thread=True,
)
def get_published_matrix(request: AnyRequest, id: FromPath[str], revision: Revision = 0) -> Matrix:
    """In the order of their points."""
    return publications.matrix(identity.open_context(request), id, revision)


@post(
    "/api/appraisal/publications",
    tags=["appraisal results"],
    summary="Publish a result",
    description="Counts all departments and freezes the result with its set, facts and evidence. Once published, another "
    "revision needs a reason and stands beside the former ones. `show` says what all see of the ranking.",
    status_code=201,
    sync_to_thread=True,
)
def post_publication(request: AnyRequest, data: JSONBody[Release]) -> Publication:
    """The same `key` publishes nothing a second time."""
    return publications.publish(identity.open_context(request), data)


@get("/api/appraisal/publications", tags=["appraisal results"], summary="What was published", sync_to_thread=True)
def list_publications(request: AnyRequest) -> list[Publication]:
    """Every revision, the newest period first."""
    return publications.listing(identity.open_context(request))


@get(
    "/api/appraisal/publications/{id:str}/ranking",
    tags=["appraisal results"],
    summary="The ranking as it was published",
    sync_to_thread=True,
)
def get_published_ranking(request: AnyRequest, id: FromPath[str], revision: Revision = 0) -> Ranking:
    """With points or places only, as the platform published it."""
    return publications.ranking(identity.open_context(request), id, revision)


@get(
    "/api/appraisal/publications/{id:str}/results/{organisation:str}",
    tags=["appraisal results"],
    summary="A department's result as it was published",
    sync_to_thread=True,
)
def get_result(
    request: AnyRequest, id: FromPath[str], organisation: FromPath[str], revision: Revision = 0
) -> Appraised:
    """For its own people, the platform's, and those whom the set names."""
    return publications.result(identity.open_context(request), id, organisation, revision)


@get(
    "/api/appraisal/publications/{id:str}/results/{organisation:str}/evidence/{indicator:str}",
    tags=["appraisal results"],
    summary="The rows that a published indicator rests on",
    sync_to_thread=True,
)
def get_published_evidence(
    request: AnyRequest, id: FromPath[str], organisation: FromPath[str], indicator: FromPath[str],
    revision: Revision = 0, offset: Offset = 0, limit: Limit = 100,
) -> EvidencePage:  # fmt: skip
    """As they were when it was published."""
    ctx = identity.open_context(request)
    return publications.evidence(ctx, id, organisation, indicator, revision, offset, limit)


@put(
    "/api/appraisal/filings/{id:str}",
    tags=["appraisal filings"],
    summary="File material for an indicator (申报)",
    description="Claims: `points` for an indicator that reviewers assess; counts that no log has, such as `apply` (good of "
    "total); `asked.<document>`: how often applicants were asked for a listed document. The same id with the same content is "
    "answered as the first time; with other content 409.",
    status_code=200,
    sync_to_thread=True,
)
def put_filing(request: AnyRequest, id: FromPath[FilingId], data: JSONBody[FilingWish]) -> Filing:
    """Counts for nothing until the platform accepts it."""
    return filings.file(identity.open_context(request), id, data)


@get("/api/appraisal/filings", tags=["appraisal filings"], summary="What was filed", sync_to_thread=True)
def list_filings(
    request: AnyRequest, organisation: FromQuery[str] = "", status: FromQuery[str] = "", after: FromQuery[str] = "",
    limit: Limit = 100,
) -> list[Filing]:  # fmt: skip
    """By id; the next page is asked for with `after` = the last id."""
    return filings.listing(identity.open_context(request), organisation, status, after, limit)


@get("/api/appraisal/filings/{id:str}", tags=["appraisal filings"], summary="One filing", sync_to_thread=True)
def get_filing(request: AnyRequest, id: FromPath[FilingId]) -> Filing:
    """Where it stands, and every move."""
    return filings.find(identity.open_context(request), id)


@post(
    "/api/appraisal/filings/{id:str}/moves",
    tags=["appraisal filings"],
    summary="Decide on a filing, or withdraw it",
    description="The platform: accept (as claimed, or `claims` instead) or reject, with a reason; never what the same account "
    "filed. The department: withdraw.",
    status_code=200,
    sync_to_thread=True,
)
def post_filing_move(request: AnyRequest, id: FromPath[FilingId], data: JSONBody[FilingAct]) -> Filing:
    """`version` is the one that was seen; another's move in between is answered with 409."""
    return filings.act(identity.open_context(request), id, data)


@put(
    "/api/appraisal/appeals/{id:str}",
    tags=["appeals"],
    summary="Appeal an indicator of your published result (申诉)",
    status_code=200,
    sync_to_thread=True,
)
def put_appeal(request: AnyRequest, id: FromPath[FilingId], data: JSONBody[AppealWish]) -> Appeal:
    """Answered within the time that the city's flow gives, counted in working days."""
    return appeals.appeal(identity.open_context(request), id, data)


@get("/api/appraisal/appeals", tags=["appeals"], summary="Appeals", sync_to_thread=True)
def list_appeals(
    request: AnyRequest, organisation: FromQuery[str] = "", status: FromQuery[str] = "", after: FromQuery[str] = "",
    limit: Limit = 100,
) -> list[Appeal]:  # fmt: skip
    """By id; the next page is asked for with `after` = the last id."""
    return appeals.listing(identity.open_context(request), organisation, status, after, limit)


@get("/api/appraisal/appeals/{id:str}", tags=["appeals"], summary="One appeal", sync_to_thread=True)
def get_appeal(request: AnyRequest, id: FromPath[FilingId]) -> Appeal:
    """Where it stands, and every move."""
    return appeals.find(identity.open_context(request), id)


@post(
    "/api/appraisal/appeals/{id:str}/moves",
    tags=["appeals"],
    summary="Decide on an appeal, or withdraw it",
    description="The platform: uphold (with the corrected `points`; another revision of the result has them) or dismiss, with "
    "a reason. The department: withdraw.",
    status_code=200,
    sync_to_thread=True,
)
def post_appeal_move(request: AnyRequest, id: FromPath[FilingId], data: JSONBody[AppealAct]) -> Appeal:
    """`version` is the one that was seen; another's move in between is answered with 409."""
    return appeals.act(identity.open_context(request), id, data)


@get("/api/appraisal/notices", tags=["appeals"], summary="Deadlines of filings and appeals", sync_to_thread=True)
def list_notices(
    request: AnyRequest, after: Annotated[int, QueryParameter(ge=0, le=http.MOST_NUMBER)] = 0, limit: Limit = 100
) -> list[Notice]:
    """Warnings, overdue notices and escalations, by number."""
    return filings.notices(identity.open_context(request), after, limit)


ROUTES = [
    list_sets, get_set, get_score, get_evidence, get_ranking, get_matrix, get_published_matrix, post_publication,
    list_publications, get_published_ranking, get_result, get_published_evidence, put_filing, list_filings, get_filing,
    post_filing_move, put_appeal, list_appeals, get_appeal, post_appeal_move, list_notices,
]  # fmt: skip
