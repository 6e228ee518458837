"""The three-class population count (R05): computed by the pack `people`, published protected, explained to few.

What is kept and shown is protected by the pack's model `disclosure`; an explanation is computed anew for whoever may read
all that it rests on.
"""

from typing import Any

import msgspec
import pyarrow as pa

from cityloom.indicators import store
from cityloom.indicators.api import running
from cityloom.indicators.api.running import Outcome
from cityloom.indicators.contracts import CountWish, Explanation, Figure, Input, Member
from cityloom.indicators.store import ComputationRow
from cityloom.kernel import secrets
from cityloom.kernel.context import Context
from cityloom.kernel.errors import Invalid

PACK = "people"
DIGITS = {"city": 0, "district": 6, "street": 9, "community": 12}
LEVELS = (*DIGITS, "grid", "rules")
RULES = ("school", "payer", "rental", "linked", "transacted")


def count(ctx: Context, wish: CountWish) -> Outcome:
    """Count and protect."""
    model = running.model(ctx, PACK, "population")
    parameters = running.parameters(model.Parameters, wish.parameters, on=wish.on)
    found = running.states(running.everybodys(ctx), model.DATASETS)
    with ctx.lake.session() as cursor:
        counted = pieces(cursor, model, running.sources(cursor, found), parameters)
    return Outcome(parameters, found, _figures(ctx, counted))


def exact(ctx: Context, wish: CountWish) -> tuple[int, int]:
    """How many persons are counted, and of how many pieces that figure is made: for whoever runs a city made up of nobody, to
    hold what is published against. Never to be shown or kept. As the platform.
    """
    model = running.model(ctx, PACK, "population")
    parameters = running.parameters(model.Parameters, wish.parameters, on=wish.on)
    with ctx.lake.session() as cursor:
        counted = pieces(cursor, model, running.sources(cursor, running.states(ctx, model.DATASETS)), parameters)
        classes = running.run(
            cursor, model.classes(running.table("indicators_counted", counted)), {"indicators_counted": counted}
        )
    return sum(classes["persons"].to_pylist()), len(classes)


def pieces(cursor: Any, model: Any, given: Any, parameters: Any) -> pa.Table:
    """Exact counts of the smallest pieces of the city: for what is computed from them, never to be shown."""
    sources = model.from_datasets(given)
    return running.run(cursor, model.counts(model.persons(sources, parameters), sources.dwelling, parameters.grid))


def _figures(ctx: Context, counts: pa.Table) -> list[Figure]:
    """Everything that is published, protected by the city's own key."""
    model, disclosure = running.model(ctx, PACK, "population"), running.model(ctx, PACK, "disclosure")
    key, plain = bytes.fromhex(secrets.load_or_make(ctx.settings.secrets, "indicators")), disclosure.Parameters()
    counted = running.table("indicators_counted", counts)
    ours = {"indicators_counted": counts}
    with ctx.lake.session() as cursor:
        classes = running.run(cursor, model.classes(counted), ours)
        contributions = running.run(cursor, model.contributions(counted), ours)
    protected = disclosure.protect(classes, ("community", "cell", "class"), key, plain)
    found = [
        Figure(level, row["area"], row["class"], row["persons"])
        for level in (*DIGITS, "grid")
        for row in disclosure.figures(protected, level, plain).to_pylist()
    ]
    by = tuple(column for column in contributions.column_names if column != "persons")
    told = disclosure.shown(disclosure.protect(contributions, by, key, plain, "contributions"), by, plain)
    return found + [
        Figure("rules", row["area"], f"{row['class']}:{'+'.join(rule for rule in RULES if row[rule])}", row["persons"])
        for row in told.to_pylist()
    ]


def explain(
    ctx: Context, row: ComputationRow, level: str, area: str, kind: str, after: str = "", limit: int = 100
) -> Explanation:  # fmt: skip
    """Who a figure counts and why, by person; each dataset must be the caller's to read. Kept in the audit log.

    Raises Refused, Invalid `indicators.area_wrong`.
    """
    if (
        level not in (*DIGITS, "grid")
        or len(area) not in (DIGITS.get(level, len(area)), 0)
        or (level == "grid" and not area)
    ):
        raise Invalid("indicators.area_wrong", area=area or "–", level=level)
    model = running.model(ctx, PACK, "population")
    parameters = msgspec.json.decode(row.parameters, type=model.Parameters)
    found = running.states(ctx, model.DATASETS)
    with ctx.lake.session() as cursor:
        sources = model.from_datasets(running.sources(cursor, found))
        persons = model.located(model.persons(sources, parameters), sources.dwelling, parameters.grid)
        chosen = model.members(persons, level, area, kind)
        chosen = chosen.filter(chosen.person > after).order_by("person").limit(limit)
        counted = running.run(cursor, chosen).to_pylist()
    with ctx.begin() as tx:
        ctx.record(
            tx, "indicators.explained", f"indicator:{row.indicator}", id=row.id, level=level, area=area, kind=kind,
            persons=len(counted),
        )  # fmt: skip
    now = tuple(Input(each.dataset, each.last_sequence) for each in found)
    rules = (*RULES, "short", "collected")
    members = tuple(
        Member(each["person"], each["class"], tuple(rule for rule in rules if each[rule])) for each in counted
    )
    return Explanation(row.id, now == store.inputs(row), members)
