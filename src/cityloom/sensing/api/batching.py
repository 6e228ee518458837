"""`$batch`: each group of requests in a transaction of its own; one that fails does not stop the others."""

from collections.abc import Sequence

import msgspec

from cityloom.kernel.context import Context
from cityloom.kernel.errors import BadRequest, NotFound, Problem
from cityloom.kernel.http import PROBLEM_TYPE, ProblemDocument
from cityloom.sensing.api import bulk, ingest, serving
from cityloom.sensing.api.serving import METHODS, Asking
from cityloom.sensing.contracts import Answer, Body, Door
from cityloom.sensing.rules import batches
from cityloom.sensing.rules.batches import Group, Part, Told

UNDONE = 424
"""Failed Dependency (RFC 4918 11.4): another request of the group failed."""


def handle(ctx: Context, door: Door, asking: Asking) -> Answer:
    """Answer all requests. Raises BadRequest `sensing.batch_wrong`; then nothing was done."""
    in_parts = asking.body.media.lower().startswith("multipart/")
    groups = batches.multipart(asking.body) if in_parts else batches.json(asking.body.content)
    told: list[tuple[Group, Sequence[Told]]] = []
    made: dict[str, str] = {}
    for group in groups:
        if group.together:
            told.append((group, together(ctx, door, group, made, one_for_all=in_parts)))
        else:
            part = group.parts[0]
            answer = alone(ctx, door, part, made)
            note(door, part, answer, made)
            told.append((group, [Told(part, answer)]))
    return batches.as_multipart(told) if in_parts else batches.as_json(told)


def alone(ctx: Context, door: Door, part: Part, made: dict[str, str]) -> Answer:
    """One request in a transaction of its own."""
    try:
        asking = asked(part, made)
        if asking.path == "CreateObservations" and asking.method == "POST":
            return bulk.handle(ctx, door, asking)
        return serving.handle(ctx, door, asking)
    except Problem as problem:
        return refused(ctx, problem)


def together(ctx: Context, door: Door, group: Group, before: dict[str, str], *, one_for_all: bool) -> list[Told]:
    """All requests of a group, or none; `one_for_all`: where one fails, its problem is the only answer."""
    told: list[Told] = []
    made = dict(before)
    now = ctx.clock.now()
    partition = ingest.partition(ctx, now)
    try:
        with ctx.begin() as tx:
            for part in group.parts:
                asking = asked(part, made)
                serving.allow(ctx, asking)
                answer = serving.within(ctx, tx, door, asking, now, partition)
                note(door, part, answer, made)
                told.append(Told(part, answer))
    except Problem as problem:
        failed = Told(group.parts[len(told)], refused(ctx, problem))
        if one_for_all:
            return [failed]
        return [failed if part is failed.part else Told(part, Answer(UNDONE)) for part in group.parts]
    before.update(made)
    return told


def asked(part: Part, made: dict[str, str]) -> Asking:
    """The request that a part means. Raises NotFound, BadRequest."""
    path, query, content = batches.resolved(part, made)
    if part.method not in METHODS:
        raise BadRequest("sensing.batch_wrong", reason=part.method[:20])
    if path.startswith("$"):
        raise NotFound("sensing.path_unknown", path=path[:120])
    return Asking(part.method, path, query, Body(content, part.body.media))


def note(door: Door, part: Part, answer: Answer, made: dict[str, str]) -> None:
    """Know what was made under the part's name."""
    if part.name and answer.location:
        made[part.name] = answer.location.removeprefix(f"{door.root}/")


def refused(ctx: Context, problem: Problem) -> Answer:
    """The problem as the answer of one request."""
    detail, remedy = ctx.parts.words.problem(problem, ctx.language)
    document = ProblemDocument(
        type=f"urn:cityloom:problem:{problem.code}",
        title=ctx.parts.words.say(f"kernel.status_{problem.status}", ctx.language),
        status=problem.status,
        detail=detail,
        code=problem.code,
        remedy=remedy,
        params=problem.params,
    )
    return Answer(problem.status, msgspec.json.encode(document), PROBLEM_TYPE)
