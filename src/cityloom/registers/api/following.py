"""Takes the change rows of the datasets that feed registers into claims, in order, each once.

A page of changes and the cursor that passes it are one transaction, so whoever dies leaves neither half. The feeds of one
register are followed one after the other: two that meet a new person at once would make two of him.
"""

from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import datetime, timedelta

import msgspec

from cityloom.exchange.api import excerpts
from cityloom.exchange.contracts import DatasetFacts, Excerpt
from cityloom.kernel import lanes, log
from cityloom.kernel.context import Context
from cityloom.kernel.db import Transaction
from cityloom.kernel.errors import Gone, Invalid, NotFound, Unavailable
from cityloom.registers import spec
from cityloom.registers.contracts import EVEN, Change, Scored
from cityloom.registers.rules import versions
from cityloom.registers.rules.identity import Company
from cityloom.registers.spec import Feed, Register
from cityloom.registers.store import decisions, sayings
from cityloom.registers.store import feeds as store
from cityloom.registers.store.feeds import FeedRow
from cityloom.registers.store.linkage import Column

logger = log.logger("registers")

PAGE = 20_000
"""Change rows that are taken in in one transaction."""
NOTED = timedelta(seconds=10)
"""How often it is noted of a feed that nothing new is there for it."""


def install(ctx: Context) -> None:
    """Begin to follow what the packs declare, and forget what they do not declare any more. Safe to run twice.

    Raises Invalid `registers.register_wrong` naming what does not fit its dataset.
    """
    declared = spec.registers(ctx.packs)
    for name, register in declared.items():
        for feed in register.sources:
            _check(ctx, name, feed)
    wanted = {(name, feed.dataset, feed.role or "") for name, each in declared.items() for feed in each.sources}
    with ctx.begin() as tx:
        for row in store.known(tx):
            if (row.register, row.dataset, row.role) not in wanted:
                store.forget(tx, row.number)
        for name, register in declared.items():
            for feed in register.sources:
                store.add(tx, name, feed.dataset, feed.role or "", excerpts.facts(ctx, feed.dataset).keeper)


def _check(ctx: Context, register: str, feed: Feed) -> None:
    try:
        facts = excerpts.facts(ctx, feed.dataset)
    except NotFound as problem:
        raise Invalid("registers.register_wrong", register=register, what=feed.dataset) from problem
    known = {field.name for field in facts.fields}
    for name in (*filter(None, [feed.by]), *feed.fields.values(), *(to.field for to in feed.links.values())):
        if name not in known:
            raise Invalid("registers.register_wrong", register=register, what=f"{feed.dataset}.{name}")


def follow(ctx: Context) -> None:
    """Bring every register up to its datasets. As the platform; safe to run twice, and by several at once.

    A feed that cannot be followed falls behind by itself, and its lag is told; the others go on. While nothing is new this
    is two reads.
    """
    declared = spec.registers(ctx.packs)
    for name in _behind(ctx):
        if name not in declared:
            continue
        with lanes.try_hold(ctx.parts.db, f"registers/{name}") as term:
            if term is not None:
                _follow_register(ctx, name, declared[name])


def _behind(ctx: Context) -> list[str]:
    """The registers with a feed that has something to take in; of the other feeds it is noted that they are up to date."""
    heights, now = excerpts.heights(ctx), ctx.clock.now()
    with ctx.begin() as tx:
        rows = store.known(tx)
        behind = [row for row in rows if row.snapshot is not None or row.sequence < heights.get(row.dataset, 0)]
        due = [
            row.number for row in rows
            if row not in behind and (row.followed_at is None or not now - NOTED < row.followed_at <= now)
        ]  # fmt: skip
        if due:
            store.current(tx, due, now)
    return list(dict.fromkeys(row.register for row in behind))


class _Following(msgspec.Struct, frozen=True):
    """A feed on its way."""

    register: Register
    feed: Feed
    row: FeedRow
    identity: tuple[Column, ...]
    """Where the register's feeds have what must fit."""


def _follow_register(ctx: Context, name: str, register: Register) -> None:
    with ctx.begin() as tx:
        rows = {(row.dataset, row.role): row for row in store.known(tx, name)}
    followed = [(feed, rows[place]) for feed in register.sources if (place := (feed.dataset, feed.role or "")) in rows]
    identity = tuple(
        Column(row.number, 0, versions.identity_fields(feed, register.identity))
        for feed, row in followed if register.identity and feed.by
    )  # fmt: skip
    for feed, row in followed:
        try:
            _follow(ctx, _Following(register, feed, row, identity))
        except Unavailable:
            raise
        except Exception:
            logger.exception("feed_stuck", register=name, dataset=feed.dataset)


def _follow(ctx: Context, on: _Following) -> None:
    facts = excerpts.facts(ctx, on.feed.dataset)
    if on.row.snapshot is not None:
        _snapshot(ctx, on, facts)
        return
    if on.row.sequence >= facts.last_sequence:
        return
    try:
        _changes(ctx, on, facts)
    except Gone:  # it was away for longer than change rows are kept
        _snapshot(ctx, on, facts)


def _changes(ctx: Context, on: _Following, facts: DatasetFacts) -> None:
    number, identity = on.row.number, on.register.identity
    with closing(excerpts.changes(ctx, facts.name, _whole(facts), on.row.sequence, 1 << 62)) as found:
        pages = versions.pages((batch.to_pylist() for batch in found.batches()), PAGE)
        made = (versions.changes(on.row.register, on.feed, facts.key, identity, page) for page in pages)
        with closing(_ahead(made)) as ready:
            for page in ready:
                with ctx.begin() as tx:
                    _write(tx, on, page, ctx.clock.now())
                    store.follow(tx, number, page[-1].sequence, ctx.clock.now())
        upto = max(on.row.sequence, found.last_sequence)
    with ctx.begin() as tx:
        store.follow(tx, number, upto, ctx.clock.now())


def _snapshot(ctx: Context, on: _Following, facts: DatasetFacts) -> None:
    """Take the current state in; who dies in the midst of it begins anew."""
    now, name, identity = ctx.clock.now(), on.row.register, on.register.identity
    logger.info("snapshot", register=name, dataset=facts.name)
    with closing(excerpts.records(ctx, facts.name, _whole(facts))) as found:
        upto = found.last_sequence
        with ctx.begin() as tx:
            store.begin_snapshot(tx, on.row.number, upto, now)
        pages = versions.pages((batch.to_pylist() for batch in found.batches()), PAGE)
        made = (versions.snapshot(name, on.feed, facts.key, identity, page, upto, now) for page in pages)
        with closing(_ahead(made)) as ready:
            for page in ready:
                with ctx.begin() as tx:
                    _write(tx, on, page, now)
        with ctx.begin() as tx:
            store.follow(tx, on.row.number, upto, now)


def _ahead(pages: Iterator[list[Change]]) -> Generator[list[Change], None, None]:
    """The same; each is made while the database is busy with the one before."""
    with ThreadPoolExecutor(1, thread_name_prefix="registers-ahead") as thread:
        coming = thread.submit(next, pages, None)
        while (page := coming.result()) is not None:
            coming = thread.submit(next, pages, None)
            yield page


def _write(tx: Transaction, on: _Following, page: list[Change], now: datetime) -> None:
    feed = on.row.number
    store.lock(tx, feed)  # a steward who moves records waits, or is waited for
    known = store.last_claims(tx, feed, list({change.key for change in page}))
    entities = store.entities(tx, list({change.identifier for change in page if change.identifier}))
    other = {
        before.identifier
        for change in page
        if (before := known.get(change.key)) is not None
        and before.identifier is not None
        and before.identifier != change.identifier
        and change.record is not None
    }
    shared = store.shared(tx, list(other)) if other else frozenset[str]()
    company = None
    if on.identity:
        company = Company(on.register.identity, feed, sayings.differing(tx, on.identity, page))
    plan = versions.plan(page, known, entities, shared, company)
    fresh = store.write(tx, feed, plan)
    if plan.doubts:
        pairs = [sorted(fresh[-each - 1] if each < 0 else each for each in pair) for pair in plan.doubts]
        doubts = [Scored(first, second, EVEN, "reused") for first, second in pairs]
        decisions.ask(tx, on.row.register, doubts, now)


def _whole(facts: DatasetFacts) -> Excerpt:
    return Excerpt(tuple(field.name for field in facts.fields))


def tidy(ctx: Context) -> None:
    """Forget what is past the retention of its change rows, and end doubts about what is not there any more.

    As the platform; safe to run twice.
    """
    with ctx.begin() as tx:
        rows = store.known(tx)
    for row in rows:
        before = excerpts.forgotten(ctx, row.dataset)
        while before is not None:
            with ctx.begin() as tx:
                if store.forget_ended(tx, row.number, before, PAGE) < PAGE:
                    break
    with ctx.begin() as tx:
        store.forget_moves(tx)
        decisions.settle_gone(tx, ctx.clock.now())
