"""The libraries as packs declare them, against what the city has: what does not fit is refused at the start."""

from collections.abc import Mapping

from cityloom.exchange.api import excerpts, measures
from cityloom.kernel.context import Context
from cityloom.kernel.errors import NotFound
from cityloom.registers.api import agreement
from cityloom.topics import spec
from cityloom.topics.spec import Link, Part, Topic


def topics(ctx: Context) -> Mapping[str, Topic]:
    """Every library by name. What exists is no secret between departments."""
    return spec.topics(ctx.packs)


def topic(ctx: Context, name: str) -> Topic:
    """One library. Raises NotFound `topics.topic_unknown`."""
    found = topics(ctx)
    if name not in found:
        raise NotFound("topics.topic_unknown", topic=name, known=", ".join(found))
    return found[name]


def check(ctx: Context) -> None:
    """Raises Invalid `topics.topic_wrong` for registers, identifiers and fields that are not there. Safe to run twice."""
    active = frozenset(measures.datasets(ctx))
    for name, declared in topics(ctx).items():
        for register in declared.subjects:
            _register(ctx, name, register)
        for part in declared.parts:
            _check(ctx, name, part, active)


def _check(ctx: Context, topic: str, part: Part, active: frozenset[str]) -> None:
    if part.register:
        fields = set(_register(ctx, topic, part.register))
    elif part.dataset in active:
        fields = {field.name for field in excerpts.facts(ctx, part.dataset).fields}
    elif part.title is None or part.responsible is None:
        raise spec.wrong(topic, f"{part.name}: title, responsible")
    else:
        return
    for link in part.links:
        _link(ctx, topic, part, link)
    named = {*part.fields, *part.required, *(link.field for link in part.links)}
    if strange := sorted(named - fields):
        raise spec.wrong(topic, f"{part.name}: {', '.join(strange)}")


def _link(ctx: Context, topic: str, part: Part, link: Link) -> None:
    _register(ctx, topic, link.register)
    if link.identifier not in agreement.shape(ctx, link.register).kinds:
        raise spec.wrong(topic, f"{part.name}: {link.register}.{link.identifier}")


def _register(ctx: Context, topic: str, register: str) -> tuple[str, ...]:
    """The fields of a register."""
    try:
        return agreement.shape(ctx, register).fields
    except NotFound as problem:
        raise spec.wrong(topic, register) from problem
