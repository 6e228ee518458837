"""Counting the figures of a day: once a day, over whole registers and datasets, and never while somebody waits."""

from collections.abc import Iterable, Mapping
from datetime import date, datetime

from cityloom.exchange.api import currency, tables
from cityloom.exchange.contracts import Currency, StateTable
from cityloom.kernel import lanes, log
from cityloom.kernel.context import Context
from cityloom.quality.api import recent
from cityloom.registers.api import agreement
from cityloom.topics import rules, store
from cityloom.topics.api import declared
from cityloom.topics.contracts import Met
from cityloom.topics.rules import Dataset, Known, Register
from cityloom.topics.spec import Topic
from cityloom.topics.store import Numbers, Span

logger = log.logger("topics")

HOUR = 3
"""Of the day, from which on it is counted: quality has measured the day before by then."""


def count_due(ctx: Context) -> None:
    """Count today in every library that was not counted today yet. As the platform; safe to run twice.

    A library that was never counted is counted at once, and again and again until its first day ends: data is coming in.
    Days on which no worker ran stay empty: what stood then is not known.
    """
    local = ctx.clock.now().astimezone(ctx.parts.calendars.city.table.zone)
    with ctx.begin() as tx:
        spans = store.spans(tx)
    due = [name for name in declared.topics(ctx) if name not in spans or _due(spans[name], local)]
    if due:
        count(ctx, due)


def _due(span: Span, local: datetime) -> bool:
    today = local.date()
    return span.first == today or (span.last < today and local.hour >= HOUR)


def count(ctx: Context, names: Iterable[str] = ()) -> date:
    """Count these libraries, or all, as they stand now, in the place of an earlier count of today; the day. As the platform."""
    everything = declared.topics(ctx)
    wanted = {name: everything[name] for name in names or everything}
    day = ctx.clock.now().astimezone(ctx.parts.calendars.city.table.zone).date()
    with lanes.hold(ctx.parts.db, "topics/count"):
        known = _known(ctx, wanted, day)
        for name, topic in wanted.items():
            figures = rules.figures(topic, known)
            with ctx.begin() as tx:
                store.put(tx, name, day, figures, known.now)
                ctx.record(tx, "topics.counted", f"topic:{name}", day=day.isoformat(), figures=len(figures))
    logger.info("counted", topics=len(wanted))
    return day


def _known(ctx: Context, topics: Mapping[str, Topic], day: date) -> Known:
    currencies = currency.currencies(ctx)
    parts = [part for topic in topics.values() for part in topic.parts]
    names = sorted({part.dataset for part in parts if part.dataset and part.dataset in currencies})
    linked = {link.register for part in parts for link in part.links}
    registers = {name: _register(ctx, name) for name in sorted({p.register for p in parts if p.register} | linked)}
    states = {each.dataset: each for each in tables.states(ctx, names)}
    met = {}
    for (register, kind), fields in _numbers(topics, frozenset(names), registers).items():
        for name, found in _met(ctx, register, kind, fields, states).items():
            met[name, register] = found
    return Known(_datasets(ctx, currencies, states, day), registers, met, ctx.clock.now())


def _register(ctx: Context, name: str) -> Register:
    agreement.count(ctx, name)
    return Register(agreement.shape(ctx, name), agreement.counted(ctx, name))


def _datasets(
    ctx: Context, currencies: Mapping[str, Currency], states: Mapping[str, StateTable], day: date
) -> dict[str, Dataset]:
    measured = recent.recent(ctx, list(states), day)
    with ctx.lake.turn(), ctx.lake.session() as cursor:
        return {
            name: Dataset(currencies[name], measured[name], store.records(cursor, state.table))
            for name, state in states.items()
        }


def _numbers(
    topics: Mapping[str, Topic], active: frozenset[str], registers: Mapping[str, Register]
) -> dict[tuple[str, str], dict[str, set[str]]]:
    """By register and kind of number, the fields of datasets that have such numbers and do not feed the register."""
    found: dict[tuple[str, str], dict[str, set[str]]] = {}
    for topic in topics.values():
        for part in topic.parts:
            for link in part.links:
                if part.dataset in active and part.dataset not in registers[link.register].shape.datasets:
                    fields = found.setdefault((link.register, link.identifier), {})
                    fields.setdefault(part.dataset, set()).add(link.field)
    return found


def _met(
    ctx: Context, register: str, kind: str, fields: Mapping[str, set[str]], states: Mapping[str, StateTable]
) -> dict[str, Met]:
    wanted = [Numbers(name, states[name].table, tuple(sorted(each))) for name, each in fields.items()]
    with ctx.lake.turn(), ctx.lake.session() as cursor:
        return store.met(cursor, wanted, agreement.identifiers(ctx, register, kind))
