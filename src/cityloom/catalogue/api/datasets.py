"""Datasets of the catalogue: declarations by revision, and lineage."""

import hashlib
from collections.abc import Sequence

import msgspec

from cityloom.catalogue.api import resources
from cityloom.catalogue.contracts import Entry, EntryDetail, EntrySummary, Graph, Line
from cityloom.catalogue.rules import lineage
from cityloom.catalogue.store import entries as store
from cityloom.kernel.context import Context
from cityloom.kernel.db import Transaction
from cityloom.kernel.errors import NotFound
from cityloom.kernel.words import Text


def register(ctx: Context, tx: Transaction, entry: Entry, lines: Sequence[Line]) -> bool:
    """Make a dataset known, or its new declaration; False when that is as it was. Earlier revisions stay readable.

    Where the entry is described, it is a resource too, from now on or with a new revision.
    """
    if entry.described is not None:
        resources.adopt(ctx, tx, entry.name, entry.described)
    digest = hashlib.sha256(entry.spec).hexdigest()
    newest = store.newest(tx, entry.name)
    if newest is not None and newest.digest == digest and not newest.retired:
        return False
    store.add_entry(tx, entry, newest.revision + 1 if newest else 1, digest, ctx.clock.now())
    store.set_lineage(tx, entry.name, list(lines))
    return True


def entries(ctx: Context) -> list[EntrySummary]:
    """The entries in force. What exists is no secret between departments."""
    with ctx.begin() as tx:
        return [_summary(row, ctx.language) for row in store.entries(tx)]


def entry(ctx: Context, name: str) -> EntryDetail:
    """One entry with its declaration and lineage. Raises NotFound `catalogue.entry_unknown`."""
    with ctx.begin() as tx:
        rows = store.revisions(tx, name)
        lines = store.lineage(tx, name)
    if not rows:
        raise NotFound("catalogue.entry_unknown", dataset=name)
    newest = rows[0]
    return EntryDetail(
        _summary(newest, ctx.language), msgspec.Raw(newest.spec.encode()), lines, [row.revision for row in rows]
    )


def _summary(row: store.EntryRow, language: str) -> EntrySummary:
    title = msgspec.json.decode(row.title, type=Text).of(language)
    return EntrySummary(row.name, title, row.keeper, row.pack, row.grade, row.revision, row.installed_at)


def graph(ctx: Context, name: str, depth: int) -> Graph:
    """Lineage of a dataset or resource in both directions, `depth` steps far."""
    with ctx.begin() as tx:
        lines = store.lines_between(tx)
    return Graph(name, lineage.around(name, lines, depth))
