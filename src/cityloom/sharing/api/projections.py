"""Copies of queryable datasets in PostgreSQL, for questions about single records: they follow the change rows.

What a copy knows and its rows are written in one transaction, so a follower may die at any point and another goes on.
A rebuild fills a generation of its own beside the one that answers, and takes its place when it has caught up.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing

import pyarrow as pa

from cityloom.exchange.api import excerpts
from cityloom.exchange.contracts import DatasetFacts, Excerpt, Standing
from cityloom.kernel import jobs, lanes, log
from cityloom.kernel.access import Resource
from cityloom.kernel.context import Context
from cityloom.kernel.db import Transaction
from cityloom.kernel.errors import Gone, NotFound, Unavailable
from cityloom.sharing.api.requests import resource
from cityloom.sharing.contracts import Projection
from cityloom.sharing.rules import copies
from cityloom.sharing.store import projections as store
from cityloom.sharing.store.projections import ProjectionRow

logger = log.logger("sharing")

PAGE = 50_000
"""Change rows that are followed in one transaction."""
CLEAN = 20_000


def follow(ctx: Context) -> None:
    """Bring every copy up to its dataset; begin those that are missing. As the platform; safe to run twice.

    A copy that cannot follow falls behind by itself, and its lag is told; the others go on.
    """
    standings = excerpts.queryable(ctx)
    with ctx.begin() as tx:
        known = store.known(tx)
    now = ctx.clock.now()
    current = []
    for standing in standings:
        try:
            if _follow(ctx, standing, known.get(standing.name)):
                current.append(standing.name)
        except Unavailable:
            raise
        except Exception:
            logger.exception("projection_stuck", dataset=standing.name)
    with ctx.begin() as tx:
        store.current(tx, current, now)


def _follow(ctx: Context, standing: Standing, row: ProjectionRow | None) -> bool:
    """Bring one copy up, or have it built; whether it was up to date already."""
    if row is None or row.organisation != standing.keeper:
        with ctx.begin() as tx:
            store.add(tx, standing.name, standing.keeper)
            row = store.lock(tx, standing.name)
    if row.generation == 0 or row.sequence < standing.floor_sequence:
        begin(ctx, standing.name)
        return False
    if row.sequence >= standing.last_sequence:
        return True
    _catch_up(ctx, standing)
    return False


def begin(ctx: Context, dataset: str) -> None:
    """Have a copy built anew by a worker, unless one is at it."""
    with ctx.begin() as tx:
        _queue(tx, dataset)


def ask_rebuild(ctx: Context, dataset: str) -> None:
    """Have a copy built anew. Right `sharing.rebuild`. Raises NotFound `sharing.not_copied`."""
    facts = excerpts.facts(ctx, dataset)
    ctx.require("sharing.rebuild", resource(facts))
    if not facts.queryable:
        raise NotFound("sharing.not_copied", dataset=dataset)
    with ctx.begin() as tx:
        _queue(tx, dataset)
        ctx.record(tx, "sharing.rebuild_asked", f"dataset:{dataset}")


def _queue(tx: Transaction, dataset: str) -> None:
    arguments: dict[str, str | int | None] = {"dataset": dataset}
    if not jobs.queued(tx, "sharing.rebuild", arguments):
        jobs.enqueue(tx, "sharing.rebuild", arguments, lock=f"sharing/{dataset}")


def rebuild(ctx: Context, dataset: str) -> None:
    """Fill a new generation from the current state, catch up, and answer from it. As the platform."""
    facts = excerpts.facts(ctx, dataset)
    with ctx.begin() as tx:
        store.add(tx, dataset, facts.keeper)
        number = store.lock(tx, dataset).number
        generation = store.begin_build(tx, dataset)
    logger.info("projection_rebuild", dataset=dataset, generation=generation)
    with closing(excerpts.records(ctx, dataset, _whole(facts))) as feed:
        _fill(ctx, number, generation, (copies.records(facts.key, batch.to_pylist()) for batch in feed.batches()))
        sequence = feed.last_sequence
    with lanes.hold(ctx.parts.db, _lane(dataset)):
        sequence = _apply(ctx, facts, number, generation, sequence)
        with ctx.begin() as tx:
            store.end_build(tx, dataset, generation, sequence, ctx.clock.now())
    logger.info("projection_rebuilt", dataset=dataset, generation=generation)


def _fill(ctx: Context, number: int, generation: int, pages: Iterator[bytes]) -> None:
    """Write pages into a generation, each while the next is being made."""

    def write(page: bytes) -> None:
        with ctx.begin() as tx:
            store.put(tx, number, generation, page)

    with ThreadPoolExecutor(1, thread_name_prefix="sharing-fill") as writer:
        writing: Future[None] | None = None
        for page in pages:
            if writing is not None:
                writing.result()
            writing = writer.submit(write, page)
        if writing is not None:
            writing.result()


def _catch_up(ctx: Context, standing: Standing) -> None:
    """Follow the change rows of one dataset, unless somebody else is at it."""
    facts = excerpts.facts(ctx, standing.name)
    with lanes.try_hold(ctx.parts.db, _lane(standing.name)) as term:
        if term is None:
            return
        with ctx.begin() as tx:
            row = store.lock(tx, standing.name)
        if row.generation:
            try:
                _apply(ctx, facts, row.number, row.generation, row.sequence, keep=True)
            except Gone:
                begin(ctx, standing.name)


def _apply(
    ctx: Context, facts: DatasetFacts, number: int, generation: int, since: int, keep: bool = False
) -> int:  # fmt: skip
    """Write the changes after `since` into a generation; the sequence up to which it then goes."""
    now = ctx.clock.now()
    with closing(excerpts.changes(ctx, facts.name, _whole(facts), since, 1 << 62)) as feed:
        for page in _pages(feed.batches()):
            records, gone, last = copies.changes(facts.key, page)
            with ctx.begin() as tx:
                if records:
                    store.put(tx, number, generation, records)
                if gone:
                    store.drop(tx, number, generation, gone)
                if keep:
                    store.followed(tx, facts.name, last, now)
        upto = max(since, feed.last_sequence)
    if keep:
        with ctx.begin() as tx:
            store.followed(tx, facts.name, upto, now)
    return upto


def _pages(batches: Iterator[pa.RecordBatch]) -> Iterator[list[dict[str, object]]]:
    page: list[dict[str, object]] = []
    for batch in batches:
        page += batch.to_pylist()
        if len(page) >= PAGE:
            yield page
            page = []
    if page:
        yield page


def _whole(facts: DatasetFacts) -> Excerpt:
    return Excerpt(tuple(field.name for field in facts.fields))


def _lane(dataset: str) -> str:
    return f"sharing/{dataset}"


def clean(ctx: Context) -> None:
    """Remove generations that no longer answer, a little at a time. As the platform."""
    with ctx.begin() as tx:
        rows = list(store.known(tx).values())
    for row in rows:
        _clean(ctx, row)


def _clean(ctx: Context, row: ProjectionRow) -> None:
    stale = [one for one in range(row.oldest, (row.building or row.generation) + 1) if one not in _kept(row)]
    for generation in stale:
        while True:
            with ctx.begin() as tx:
                if store.clean(tx, row.number, generation, CLEAN) < CLEAN:
                    break
    if row.building is None and row.oldest < row.generation:
        with ctx.begin() as tx:
            store.cleaned(tx, row.dataset, row.generation)


def _kept(row: ProjectionRow) -> Sequence[int | None]:
    return (row.generation, row.building)


def listing(ctx: Context) -> list[Projection]:
    """How far the copies of the caller's own datasets follow. Those with right `sharing.read`."""
    standings = {standing.name: standing.last_sequence for standing in excerpts.queryable(ctx)}
    with ctx.begin() as tx:
        rows = store.known(tx)
    return [
        Projection(name, row.sequence, standings.get(name, 0), row.building is not None, row.followed_at)
        for name, row in sorted(rows.items())
        if ctx.permits("sharing.read", Resource("SharedDataset", name, {"keeper": row.organisation, "sharing": ""}))
    ]
