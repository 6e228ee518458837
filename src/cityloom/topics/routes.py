"""The HTTP door of topics: libraries, their figures, what stands behind these, and one subject's records."""

import asyncio
from datetime import date
from typing import Annotated, Any

from litestar import Request, get, post
from litestar.params import FromPath, JSONBody, QueryParameter

from cityloom.identity import api as identity
from cityloom.kernel import http
from cityloom.registers.api import reading as registers
from cityloom.registers.contracts import Difference
from cityloom.topics.api import reading, showing
from cityloom.topics.contracts import Explained, SubjectsWish, Topic, TopicRecords, TopicState

AnyRequest = Request[Any, Any, Any]
Limit = Annotated[int, QueryParameter(ge=1, le=1000)]
Days = Annotated[int, QueryParameter(ge=1, le=366)]
Name = Annotated[str, QueryParameter(pattern=r"^[a-z0-9_]{0,63}$")]
Pair = Annotated[str, QueryParameter(pattern=r"^([a-z0-9_]{1,63}/[a-z0-9_]{1,63})?$", description="two datasets")]
After = Annotated[str, QueryParameter(pattern=r"^([A-Z]\d{12})?$", description="the last id")]


@get("/api/topics", tags=["topics"], summary="Topic libraries (基础库、主题库)", sync_to_thread=True)
def list_topics(request: AnyRequest) -> list[TopicState]:
    """Each with the figures of the whole, and the titles of what is missing."""
    return showing.listing(identity.open_context(request))


@get("/api/topics/{topic:str}", tags=["topics"], summary="One library", sync_to_thread=True)
def get_topic(request: AnyRequest, topic: FromPath[str], days: Days = 31) -> Topic:
    """Its parts, those that nobody delivers with them, and the figures of the whole over the last `days` days.

    The figures of a part are for who keeps its data or the library, and for the platform's own organisation.
    """
    return showing.shown(identity.open_context(request), topic, days)


@get(
    "/api/topics/{topic:str}/days/{day:date}", tags=["topics"], summary="The figures of a day in words",
    sync_to_thread=True,
)  # fmt: skip
def get_topic_day(request: AnyRequest, topic: FromPath[str], day: FromPath[date]) -> list[Explained]:
    """Each with its definition and the address of what it was counted from, for whoever may see that."""
    return showing.explained(identity.open_context(request), topic, day)


@get(
    "/api/topics/{topic:str}/differences", tags=["topics"], summary="On whom two sources contradict each other",
    sync_to_thread=True,
)  # fmt: skip
def list_differences(
    request: AnyRequest, topic: FromPath[str], register: Name = "", field: Name = "", pair: Pair = "",
    after: After = "", limit: Limit = 100,
) -> list[Difference]:  # fmt: skip
    """For stewards of the register, by id; no value is told. What each entity's sources say, its conflicts show."""
    ctx = identity.open_context(request)
    return showing.differences(ctx, topic, register, field, pair, after, limit)


@post(
    "/api/topics/{topic:str}/records/read",
    tags=["topics"],
    summary="Subjects' records in a library, for a purpose",
    description="Up to 20 subjects, each by the register's `id` or by a verified identifier. The header X-Purpose names the "
    "purpose. Of each: the register's record, and its records in every dataset of the library that the caller keeps or "
    "holds a grant in force on, for this purpose, that shows the field by which they are found; at most 200 of each. Each "
    "that a grant shows is a use of it. Where nothing is shown of anybody the answer is 404, whether or not there is "
    "anything.",
    status_code=200,
)
async def post_read(request: AnyRequest, topic: FromPath[str], data: JSONBody[SubjectsWish]) -> TopicRecords:
    """Over the quota of a grant 429, and then nothing is told."""
    ctx = await asyncio.to_thread(identity.open_context, request)
    state = request.app.state
    if "topics_desks" not in state:
        state["topics_desks"] = registers.desk(http.parts_of(request)), reading.desk(http.parts_of(request))
    first, second = state["topics_desks"]
    return await reading.read(ctx, identity.credentials(request), topic, data, first, second)


ROUTES = (list_topics, get_topic, get_topic_day, list_differences, post_read)
