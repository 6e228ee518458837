"""Follows the datasets of the library: each change row is taken in once, in order, and read by the next question.

A page of changes and the cursor that passes it are one transaction, so whoever dies leaves neither half.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from typing import Any, Final

from cityloom.addresses import spec
from cityloom.addresses.rules import rows
from cityloom.addresses.spec import FIELDS, Part
from cityloom.addresses.store import feeds as store
from cityloom.addresses.store.feeds import FeedRow
from cityloom.exchange.api import excerpts
from cityloom.exchange.contracts import DatasetFacts, Excerpt
from cityloom.kernel import lanes, log
from cityloom.kernel.context import Context
from cityloom.kernel.db import Transaction
from cityloom.kernel.errors import Gone, Invalid, NotFound, Unavailable

logger = log.logger("addresses")

PAGE = 20_000
"""Change rows that are taken in in one transaction."""


def install(ctx: Context) -> None:
    """Begin to follow what the packs declare. Safe to run twice.

    Raises Invalid `addresses.library_wrong` naming what does not fit its dataset.
    """
    declared = spec.library(ctx.packs)
    for part, dataset in declared.datasets.items() if declared else ():
        _check(ctx, part, dataset)
    with ctx.begin() as tx:
        for part, dataset in declared.datasets.items() if declared else ():
            store.add(tx, part, dataset)


def _check(ctx: Context, part: Part, dataset: str) -> None:
    try:
        facts = excerpts.facts(ctx, dataset)
    except NotFound as problem:
        raise Invalid("addresses.library_wrong", what=dataset) from problem
    for name in sorted({*FIELDS[part]} - {field.name for field in facts.fields}):
        raise Invalid("addresses.library_wrong", what=f"{dataset}.{name}")
    if {*facts.key} != {*rows.KEYS[part]}:
        raise Invalid("addresses.library_wrong", what=f"{dataset}: key")


def follow(ctx: Context) -> None:
    """Bring the library up to its datasets. As the platform; safe to run twice, and by several at once.

    A dataset that cannot be followed falls behind by itself, and its lag is told; the others go on.
    """
    declared = spec.library(ctx.packs)
    if declared is None:
        return
    with lanes.try_hold(ctx.parts.db, "addresses/follow") as term:
        if term is None:
            return
        with ctx.begin() as tx:
            known = {row.part: row for row in store.known(tx)}
        for part, dataset in declared.datasets.items():
            row = known.get(part)
            try:
                if row is not None and row.dataset == dataset:
                    _follow(ctx, part, row)
            except Unavailable:
                raise
            except Exception:
                logger.exception("feed_stuck", dataset=dataset)


def _follow(ctx: Context, part: Part, row: FeedRow) -> None:
    facts = excerpts.facts(ctx, row.dataset)
    if row.snapshot is not None:
        _snapshot(ctx, part, facts)
        return
    try:
        _changes(ctx, part, row, facts)
    except Gone:  # it was away for longer than change rows are kept
        _snapshot(ctx, part, facts)


def _changes(ctx: Context, part: Part, row: FeedRow, facts: DatasetFacts) -> None:
    if row.sequence < facts.last_sequence:
        with closing(excerpts.changes(ctx, facts.name, _excerpt(part), row.sequence, 1 << 62)) as found:
            for page in rows.pages((batch.to_pylist() for batch in found.batches()), PAGE):
                with ctx.begin() as tx:
                    _write(tx, part, page, row.generation)
                    store.follow(tx, part, page[-1]["_sequence"], ctx.clock.now())
            upto = max(row.sequence, found.last_sequence)
    else:
        upto = row.sequence
    with ctx.begin() as tx:
        store.follow(tx, part, upto, ctx.clock.now())


def _snapshot(ctx: Context, part: Part, facts: DatasetFacts) -> None:
    """Take the current state in, and then remove what is not in it; who dies in the midst of it begins anew.

    Questions are answered all the while, from what was there and what has come.
    """
    logger.info("snapshot", dataset=facts.name)
    with closing(excerpts.records(ctx, facts.name, _excerpt(part))) as found:
        with ctx.begin() as tx:
            generation = store.begin_snapshot(tx, part, found.last_sequence)
        for page in rows.pages((batch.to_pylist() for batch in found.batches()), PAGE):
            with ctx.begin() as tx:
                _write(tx, part, page, generation)
        with ctx.begin() as tx:
            store.end_snapshot(tx, part, generation)
            store.follow(tx, part, found.last_sequence, ctx.clock.now())


WRITERS: Final[Mapping[Part, Callable[[Transaction, Any, int], None]]] = {
    Part.addresses: store.write_entries,
    Part.divisions: lambda tx, new, generation: store.write_spans(tx, Part.divisions, new, generation),
    Part.cell_spans: lambda tx, new, generation: store.write_spans(tx, Part.cell_spans, new, generation),
    Part.cells: store.write_cells,
    Part.changes: store.write_changes,
}


def _write(tx: Transaction, part: Part, page: Sequence[Mapping[str, Any]], generation: int) -> None:
    store.lock(tx, part)
    made = rows.page(part, page)
    store.remove(tx, part, made.gone)
    WRITERS[part](tx, made.written, generation)


def _excerpt(part: Part) -> Excerpt:
    return Excerpt(FIELDS[part])


def tidy(ctx: Context) -> None:
    """Forget names that no address has any more. As the platform; safe to run twice."""
    with ctx.begin() as tx:
        if forgotten := store.forget_names(tx):
            logger.info("names_forgotten", names=forgotten)
