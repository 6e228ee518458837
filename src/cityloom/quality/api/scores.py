"""Quality over time: what was measured, by dataset, day and dimension, and the measuring itself."""

from datetime import date, datetime, time, timedelta

from cityloom.exchange.api import histories, measures
from cityloom.kernel import log
from cityloom.kernel.access import Resource
from cityloom.kernel.context import Context
from cityloom.kernel.errors import Invalid, NotFound, Unavailable
from cityloom.kernel.jobs import platform_context
from cityloom.quality.api import parties
from cityloom.quality.contracts import Dimension, Measure, Part, Score
from cityloom.quality.rules import disputes
from cityloom.quality.rules import measures as rules
from cityloom.quality.store import scores as store
from cityloom.quality.store import tickets as ticket_store
from cityloom.quality.store.scores import ScoreRow

logger = log.logger("quality")

CATCH_UP = 31
"""Days that are measured afterwards when nobody was there to measure them."""
MOST = 1_000_000


def measured(ctx: Context, start: date, end: date, organisation: str = "") -> tuple[Measure, ...]:
    """What was measured from `start` until before `end`, of one keeper's datasets or of all, by day and dataset.

    The platform and its own organisation see all, a department its own. Right `quality.read_scores`.
    """
    return tuple(listing(ctx, start, end, organisation=organisation))


def listing(
    ctx: Context, start: date, end: date, *, organisation: str = "", dataset: str = "",
    after: tuple[date, str] | None = None, limit: int = MOST,
) -> list[Measure]:  # fmt: skip
    """A page of what `measured` gives, behind a day and dataset."""
    ours = ctx.principal.organisation
    overseen = ours == disputes.EVERYBODY or ours in parties.overseers(ctx)
    wanted = organisation if organisation or overseen else ours
    ctx.require("quality.read_scores", _resource(wanted, dataset or "*", overseen=overseen))
    with parties.everywhere(ctx) as tx:
        return store.measured(tx, start, end, wanted, dataset, after, limit)


def shown(ctx: Context, dataset: str, day: date) -> list[Score]:
    """The scores of one dataset and day in words, each with what it was counted from.

    Right `quality.read_scores`. Raises NotFound `quality.not_measured`.
    """
    with parties.everywhere(ctx) as tx:
        rows = store.parts(tx, dataset, day)
    if not rows:
        raise NotFound("quality.not_measured", dataset=dataset, day=day.isoformat())
    overseen = ctx.principal.organisation in parties.overseers(ctx)
    ctx.require("quality.read_scores", _resource(rows[0].organisation, dataset, overseen=overseen))
    return [_score(ctx, dimension, [row for row in rows if row.dimension == dimension]) for dimension in Dimension]


def _score(ctx: Context, dimension: Dimension, rows: list[ScoreRow]) -> Score:
    whole, *parts = rows
    say = ctx.parts.words.say
    return Score(
        dataset=whole.dataset,
        organisation=whole.organisation,
        day=whole.day,
        dimension=dimension,
        title=say(f"quality.dimension.{dimension}", ctx.language),
        definition=say(f"quality.dimension.{dimension}.means", ctx.language),
        good=whole.good,
        total=whole.total,
        parts=tuple(_part(ctx, row) for row in parts),
    )


def _part(ctx: Context, row: ScoreRow) -> Part:
    kind, _, name = row.part.partition(":")
    title = ctx.parts.words.say(f"quality.part.{kind}", ctx.language, name=name)
    return Part(row.part, title, row.good, row.total)


def measure(ctx: Context, dataset: str, day: date) -> list[Score]:
    """Measure a dataset's day, in the place of an earlier measuring. Right `quality.measure`.

    Raises NotFound, Refused, Invalid `quality.day_not_over`.
    """
    keeper = histories.standing(ctx, dataset).keeper
    overseen = ctx.principal.organisation in parties.overseers(ctx)
    ctx.require("quality.measure", _resource(keeper, dataset, overseen=overseen))
    zone = ctx.parts.calendars.city.table.zone
    if day >= ctx.clock.now().astimezone(zone).date():
        raise Invalid("quality.day_not_over", day=day.isoformat())
    end = datetime.combine(day + timedelta(days=1), time.min, zone)
    # whoever may have it measured, all deliveries count
    found = measures.measure(platform_context(ctx.parts, "quality.measure"), dataset, day)
    with parties.everywhere(ctx) as tx:
        scored = rules.scores(found, ticket_store.standing(tx, dataset, end))
        rows = [
            ScoreRow(dataset, day, each.dimension, each.part, found.keeper, each.good, each.total) for each in scored
        ]
        store.put(tx, dataset, day, rows, ctx.clock.now())
        ctx.record(tx, "quality.measured", f"dataset:{dataset}", day=day.isoformat())
    return shown(ctx, dataset, day)


def measure_due(ctx: Context) -> None:
    """Measure yesterday in every dataset, and the days before it since a dataset was last measured. As the platform.

    One that was never measured has no yesterday before the day on which it was installed.
    """
    zone = ctx.parts.calendars.city.table.zone
    today = ctx.clock.now().astimezone(zone).date()
    with ctx.begin() as tx:
        last = store.last_days(tx, today)
    installed = measures.installed(ctx)
    for dataset in measures.datasets(ctx):
        new = max(installed[dataset].astimezone(zone).date() - timedelta(days=1), today - timedelta(days=2))
        first = max(last.get(dataset, new), today - timedelta(days=CATCH_UP + 1))
        for day in range(1, (today - first).days):
            _measure(ctx, dataset, first + timedelta(days=day))


def _measure(ctx: Context, dataset: str, day: date) -> None:
    try:
        measure(ctx, dataset, day)
    except Unavailable:
        raise
    except Exception:
        logger.exception("measuring_failed", dataset=dataset, day=day.isoformat())  # and the others go on


def _resource(keeper: str, dataset: str, *, overseen: bool) -> Resource:
    return Resource("QualityScores", dataset, {"keeper": keeper, "overseen": overseen})
