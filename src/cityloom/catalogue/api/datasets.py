"""Datasets of the catalogue: declarations by revision, and lineage."""

import hashlib
from collections.abc import Sequence
from typing import Literal

import msgspec

from cityloom.catalogue.api import resources
from cityloom.catalogue.contracts import Entry, EntryDetail, EntrySummary, Graph, GraphLine, GraphNode, Line
from cityloom.catalogue.store import entries as store
from cityloom.catalogue.store.resources import several as rows_of
from cityloom.kernel.context import Context
from cityloom.kernel.db import Transaction
from cityloom.kernel.errors import NotFound
from cityloom.kernel.words import Text

Way = Literal["up", "down", "both"]
WALKS: dict[Way, tuple[bool, ...]] = {"up": (True,), "down": (False,), "both": (True, False)}
MOST_LINES = 2000


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


def graph(ctx: Context, name: str, depth: int, way: Way = "both") -> Graph:
    """Lineage of a dataset or resource, `depth` steps far, up to its sources, down to what is made from it, or both.

    Raises NotFound `catalogue.resource_unknown`.
    """
    with ctx.begin() as tx:
        resources.existing(tx, name)
        found = [line for upward in WALKS[way] for line in _walk(tx, name, depth, upward)]
        lines = sorted(found, key=lambda line: (abs(line.distance), line.source, line.target))[:MOST_LINES]
        distances = _distances(name, lines)
        rows = rows_of(tx, list(distances))
    nodes = [
        GraphNode(
            row.id, row.wish.title.of(ctx.language) or row.wish.title.zh or row.wish.title.en, row.keeper, row.grade,
            distances[row.id], row.retired_at is not None,
        )
        for row in rows
    ]  # fmt: skip
    return Graph(name, lines, sorted(nodes, key=lambda node: (node.distance, node.id)), len(found) > MOST_LINES)


def _walk(tx: Transaction, centre: str, depth: int, upward: bool) -> list[GraphLine]:
    """The lines in one direction, each once; what was reached is not gone to again, so that a circle ends."""
    reached, front = {centre}, [centre]
    found: list[GraphLine] = []
    for step in range(1, depth + 1):
        lines = store.lines_at(tx, front, upward, MOST_LINES + 1) if front else []
        found += [GraphLine(each.source, each.target, each.kind, -step if upward else step) for each in lines]
        front = sorted({_whole(each.source if upward else each.target) for each in lines} - reached)
        reached |= set(front)
    return found


def _whole(name: str) -> str:
    """The dataset of a field."""
    return name.partition(".")[0]


def _distances(centre: str, lines: Sequence[GraphLine]) -> dict[str, int]:
    found = {centre: 0}
    for line in lines:
        far = line.source if line.distance < 0 else line.target
        found.setdefault(_whole(far), line.distance)
    return found
