"""Reading a part of a dataset for somebody who is not its keeper: fields, rows and masks that a grant gives.

Nothing here asks the policies or writes to the audit log. The floor above holds the grant, and has decided and recorded
before it calls (decision 0007).
"""

from collections.abc import Callable
from contextlib import ExitStack
from datetime import datetime
from typing import Any

from cityloom.exchange.api import deliveries, gate
from cityloom.exchange.api.reading import Feed
from cityloom.exchange.contracts import DatasetFacts, Excerpt, FieldFacts, Standing
from cityloom.exchange.rules import excerpts as rules
from cityloom.exchange.spec import ResolvedDataset
from cityloom.exchange.store import changes as change_store
from cityloom.exchange.store import evidence, ledger, told
from cityloom.kernel.context import Context
from cityloom.kernel.db import EVERY_ORGANISATION, Scope
from cityloom.kernel.errors import Gone


def facts(ctx: Context, dataset: str) -> DatasetFacts:
    """What others must know of a dataset to ask for it. Raises NotFound `exchange.dataset_unknown`."""
    row = deliveries.describe(ctx, dataset)
    declared = gate.dataset(ctx, dataset)
    fields = tuple(
        FieldFacts(each.name, each.title, each.type, each.grade, each.personal, each.authoritative)
        for each in declared.fields
    )
    return DatasetFacts(
        dataset, declared.title, row.organisation, declared.sharing, declared.refusal_law, declared.queryable,
        declared.key, fields, row.last_sequence, row.floor_sequence,
    )  # fmt: skip


def queryable(ctx: Context) -> list[Standing]:
    """Datasets whose single records may be asked for, and where each stands."""
    with ctx.begin() as tx:
        rows = ledger.queryable(tx)
    return [Standing(row.name, row.organisation, row.last_sequence, row.floor_sequence) for row in rows]


def heights(ctx: Context) -> dict[str, int]:
    """The last change row's sequence of every dataset, at the cost of one small statement: for those who follow many."""
    with ctx.begin() as tx:
        return {row.name: row.last_sequence for row in ledger.datasets(tx)}


def forgotten(ctx: Context, dataset: str) -> datetime | None:
    """The moment before which change rows are past their retention and gone: whoever copied them forgets them too."""
    with ctx.begin() as tx:
        return evidence.changes_before(tx, dataset)


def check(ctx: Context, dataset: str, excerpt: Excerpt) -> None:
    """Raises Invalid `exchange.excerpt_…` for fields, masks or a row filter that do not fit the dataset."""
    rules.check(gate.dataset(ctx, dataset), excerpt)


def asked_of(ctx: Context, dataset: str, rows: str) -> tuple[str, ...]:
    """The fields that a row filter looks at. Raises Invalid `exchange.excerpt_rows`."""
    return rules.asked_of(gate.dataset(ctx, dataset), rows)


def shower(ctx: Context, dataset: str, excerpt: Excerpt) -> Callable[[dict[str, Any]], dict[str, Any] | None]:
    """A function that shows one record (as its JSON says it) as the excerpt does; None if it is not let through."""
    return rules.shower(gate.dataset(ctx, dataset), excerpt)


def changes(ctx: Context, dataset: str, excerpt: Excerpt, since: int, limit: int) -> Feed:
    """Change rows after `since` as the excerpt shows them; a row that leaves it is a delete.

    Raises Gone `exchange.changes_gone` when some of them are past their retention.
    """
    row = deliveries.describe(ctx, dataset)
    if since < row.floor_sequence:
        raise Gone("exchange.changes_gone", since=since, floor=row.floor_sequence, dataset=dataset)
    declared = gate.dataset(ctx, dataset)
    upto = row.last_sequence
    view, shape = _view(declared, excerpt, _told(ctx, row, excerpt, since)), gate.shape_of(declared)
    stack = ExitStack()
    cursor = stack.enter_context(ctx.lake.session())
    return Feed(change_store.changes(cursor, shape, view, since, upto, limit), upto, stack)


def records(ctx: Context, dataset: str, excerpt: Excerpt) -> Feed:
    """The current state as the excerpt shows it; `last_sequence` is where to go on with `changes`."""
    row = deliveries.describe(ctx, dataset)
    declared = gate.dataset(ctx, dataset)
    _told(ctx, row, excerpt, row.last_sequence)
    view, shape = _view(declared, excerpt), gate.shape_of(declared)
    stack = ExitStack()
    cursor = stack.enter_context(ctx.lake.session())
    return Feed(change_store.records(cursor, shape, view), row.last_sequence, stack)


def counts(ctx: Context, dataset: str, excerpt: Excerpt, smallest: int) -> list[dict[str, str | int | None]]:
    """How many records have each combination of the excerpt's fields: in steps of `smallest`, smaller groups left out."""
    declared = gate.dataset(ctx, dataset)
    with ctx.lake.session() as cursor:
        return change_store.counts(cursor, gate.shape_of(declared), _view(declared, excerpt), smallest)


def told_of(ctx: Context, dataset: str, rows: str, erasure: int) -> bool:
    """Whether readers through a row filter are told of the erasure with this sequence: they may have seen the record."""
    if not rows.strip():
        return True
    with ctx.begin() as tx:
        return told.was_told(tx, dataset, rows, erasure)


def _told(ctx: Context, row: ledger.DatasetRow, excerpt: Excerpt, since: int) -> tuple[int, ...]:
    """Erasures after `since` that readers through this row filter are told of; the filter is kept, to be asked at the next."""
    if not excerpt.rows.strip():
        return ()
    with ctx.parts.db.begin(Scope(EVERY_ORGANISATION, ctx.principal.name)) as tx:
        id = told.note(tx, row.name, row.organisation, excerpt.rows, ctx.clock.now())
        return tuple(told.told(tx, row.name, id, since, row.last_sequence))


def _view(declared: ResolvedDataset, excerpt: Excerpt, erasures: tuple[int, ...] = ()) -> change_store.View:
    lens = rules.lens(declared, excerpt)
    return change_store.View(excerpt.fields, lens.rows, lens.was, lens.masked, erasures)
