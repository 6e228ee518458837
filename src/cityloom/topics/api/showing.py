"""Libraries with their figures: what is missing, how the figures moved, and what each was counted from."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import date, timedelta

from cityloom.catalogue.api import resources
from cityloom.exchange.api import currency, excerpts, measures
from cityloom.exchange.contracts import Currency
from cityloom.kernel import jobs
from cityloom.kernel.access import Fact, Resource
from cityloom.kernel.context import Context
from cityloom.kernel.errors import NotFound
from cityloom.quality.api import parties
from cityloom.registers.api import agreement
from cityloom.registers.contracts import Difference
from cityloom.topics import spec, store
from cityloom.topics.api import declared
from cityloom.topics.contracts import Explained, Figure, Measure, PartState, Standing, Topic, TopicState
from cityloom.topics.spec import Part
from cityloom.topics.store import FigureRow

READ_FIGURES = "topics.read_figures"


def listing(ctx: Context) -> list[TopicState]:
    """Every library with the figures of the whole. What exists, and what is missing, is no secret between departments."""
    with ctx.begin() as tx:
        rows = store.wholes(tx)
    found: dict[str, list[FigureRow]] = defaultdict(list)
    for row in rows:
        found[row.topic].append(row)
    active = measures.datasets(ctx)
    return [_state(ctx, name, topic, found[name], active) for name, topic in declared.topics(ctx).items()]


def shown(ctx: Context, name: str, days: int) -> Topic:
    """One library, with the figures of those parts that the caller may see, and the last `days` days of the whole.

    Raises NotFound `topics.topic_unknown`.
    """
    topic = declared.topic(ctx, name)
    with ctx.begin() as tx:
        span = store.spans(tx).get(name)
        day = span.last if span else None
        rows = store.of_day(tx, name, day) if day else []
        curve = store.curve(tx, name, day - timedelta(days=days - 1), day) if day else []
    # how fresh another's dataset is stands in rows of its keeper; `_part` shows it to whoever may see the part's figures
    active = currency.currencies(jobs.platform_context(ctx.parts, "topics.show"))
    overseen = _overseen(ctx)
    wholes = [row for row in rows if not row.part]
    return Topic(
        state=_state(ctx, name, topic, wholes, active),
        summary=topic.summary.of(ctx.language),
        subjects=topic.subjects,
        parts=tuple(_part(ctx, name, topic, part, rows, active, overseen=overseen) for part in topic.parts),
        curve=tuple(curve),
    )


def explained(ctx: Context, name: str, day: date) -> list[Explained]:
    """The figures of a day in words, those of the whole and of the parts that the caller may see.

    Raises NotFound `topics.topic_unknown`, `topics.not_counted`.
    """
    topic = declared.topic(ctx, name)
    with ctx.begin() as tx:
        rows = store.of_day(tx, name, day)
    if not rows:
        raise NotFound("topics.not_counted", topic=name, day=day.isoformat())
    parts = {part.name: part for part in topic.parts}
    overseen = _overseen(ctx)
    open_parts = {
        part for part in {row.part for row in rows}
        if not part or _permits(ctx, name, topic, next(r.source for r in rows if r.part == part), overseen=overseen)
    }  # fmt: skip
    return [_explained(ctx, name, parts.get(row.part), row) for row in rows if row.part in open_parts]


def differences(
    ctx: Context, name: str, register: str, field: str, pair: str, after: str, limit: int
) -> list[Difference]:
    """The entities behind a figure of conflict, for stewards of the register (right `registers.steward`); no value is told.

    Raises NotFound `topics.topic_unknown`, `topics.register_unknown`, and what `registers.api.agreement` raises.
    """
    topic = declared.topic(ctx, name)
    registers = [part.register for part in topic.parts if part.register]
    chosen = register or (registers[0] if registers else "")
    if chosen not in registers:
        raise NotFound("topics.register_unknown", topic=name, register=chosen, known=", ".join(registers))
    left, _, right = pair.partition("/")
    return agreement.differences(ctx, chosen, field, left, right, after, limit)


def _state(
    ctx: Context, name: str, topic: spec.Topic, wholes: Sequence[FigureRow], active: Collection[str]
) -> TopicState:
    figures = {row.measure: row for row in wholes}
    delivered = figures.get(Measure.delivered)
    missing = tuple(_title(ctx, part, active) for part in topic.parts if part.dataset and part.dataset not in active)
    return TopicState(
        name, topic.title.of(ctx.language), topic.kind, topic.keeper, wholes[0].day if wholes else None,
        len(topic.parts), delivered.count if delivered else 0, missing, tuple(_figure(row) for row in wholes),
    )  # fmt: skip


def _part(
    ctx: Context, name: str, topic: spec.Topic, part: Part, rows: Sequence[FigureRow], active: Mapping[str, Currency], *,
    overseen: bool,
) -> PartState:  # fmt: skip
    own = [row for row in rows if row.part == part.name]
    there = active.get(part.dataset or "")
    keeper = agreement.shape(ctx, part.register).keeper if part.register else there.keeper if there else ""
    open_ = _permits(ctx, name, topic, keeper, overseen=overseen)
    return PartState(
        name=part.name,
        title=_title(ctx, part, active),
        kind="register" if part.register else "dataset",
        keeper=keeper,
        responsible=part.responsible.of(ctx.language) if part.responsible and not keeper else "",
        legal_basis=part.legal_basis.of(ctx.language) if part.legal_basis else "",
        state=_standing(ctx, part, own, missing=not keeper),
        fields=part.fields,
        required=part.required,
        last_accepted=there.last_accepted if there and open_ else None,
        open=open_,
        figures=tuple(_figure(row) for row in own) if open_ else (),
    )


def _standing(ctx: Context, part: Part, rows: Sequence[FigureRow], *, missing: bool) -> Standing:
    if missing:
        return "catalogued" if _catalogued(ctx, part.dataset or "") else "missing"
    delivered = [row.count for row in rows if row.measure == Measure.delivered]
    if not delivered:
        return "uncounted"
    return "delivered" if delivered[0] else "empty"


def _catalogued(ctx: Context, name: str) -> bool:
    try:
        return resources.find(ctx, name).retired_at is None
    except NotFound:
        return False


def _title(ctx: Context, part: Part, active: Collection[str]) -> str:
    if part.register:
        return agreement.shape(ctx, part.register).title.of(ctx.language)
    if part.dataset and part.dataset in active:
        return excerpts.facts(ctx, part.dataset).title.of(ctx.language)
    return part.title.of(ctx.language) if part.title else part.name


def _overseen(ctx: Context) -> bool:
    return ctx.principal.organisation in parties.overseers(ctx)


def _permits(ctx: Context, name: str, topic: spec.Topic, source: str, *, overseen: bool) -> bool:
    facts: dict[str, Fact] = {"keeper": topic.keeper, "source": source, "overseen": overseen}
    return ctx.permits(READ_FIGURES, Resource("TopicPart", name, facts))


def _figure(row: FigureRow) -> Figure:
    return Figure(row.part, Measure(row.measure), row.field, row.other, row.count, row.total)


def _explained(ctx: Context, name: str, part: Part | None, row: FigureRow) -> Explained:
    say = ctx.parts.words.say
    return Explained(
        _figure(row),
        say(f"topics.measure.{row.measure}", ctx.language),
        say(f"topics.measure.{row.measure}.means", ctx.language),
        row.counted_at,
        _evidence(name, part, row),
    )


def _evidence(name: str, part: Part | None, row: FigureRow) -> str:
    """Where whoever may see it finds what was counted; empty for the whole, which is the sum of its parts."""
    if part is None:
        return ""
    if part.register:
        if row.measure != Measure.conflict:
            return f"/api/registers/{part.register}"
        return f"/api/topics/{name}/differences?register={part.register}&field={row.field}&pair={row.other}"
    if row.measure in (Measure.filled, Measure.timely):
        return f"/api/quality/scores/{part.dataset}/{row.day - timedelta(days=1)}"
    return f"/api/exchange/datasets/{part.dataset}" if row.source else ""
