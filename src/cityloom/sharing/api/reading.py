"""Change rows, current state and counts of another's dataset, through a grant."""

import time
from collections.abc import Iterator
from contextlib import ExitStack

import msgspec
import pyarrow as pa

from cityloom.exchange.api import excerpts
from cityloom.exchange.api.reading import Feed
from cityloom.exchange.contracts import Excerpt
from cityloom.kernel.context import Context
from cityloom.kernel.errors import BadRequest, Problem, Refused
from cityloom.sharing import spec
from cityloom.sharing.api import grants, logbook, parties
from cityloom.sharing.api.held import Held
from cityloom.sharing.contracts import Counts, Group, Terms
from cityloom.sharing.rules import terms as term_rules
from cityloom.sharing.rules import using
from cityloom.sharing.rules.using import Live
from cityloom.sharing.store import grants as store
from cityloom.sharing.store import uses as use_store
from cityloom.sharing.store.uses import NewUse

LOOK = 0.3
"""Seconds between two looks at whether the grant that is being read through still stands."""


def changes(ctx: Context, id: str, case: str, since: int, limit: int) -> Feed:
    """Change rows after `since` as the grant shows them; a row that leaves its filter is a delete.

    The use is kept first. While it is read the grant is looked at again and again: once it ends, so does the feed.
    Raises NotFound, Refused, Conflict `sharing.grant_…`, Gone `exchange.changes_gone`.
    """
    grant, excerpt = enter(ctx, id, "changes", case)
    feed = excerpts.changes(ctx, grant.dataset, excerpt, since, limit)
    return _begin(ctx, grant, "changes", case, feed)


def records(ctx: Context, id: str, case: str) -> Feed:
    """The current state as the grant shows it. Raises what `changes` raises."""
    grant, excerpt = enter(ctx, id, "records", case)
    return _begin(ctx, grant, "records", case, excerpts.records(ctx, grant.dataset, excerpt))


def counts(ctx: Context, id: str, case: str, by: tuple[str, ...]) -> Counts:
    """How many records have each combination of these fields of the grant; small groups are left out."""
    grant, excerpt = enter(ctx, id, "counts", case)
    missing = [name for name in by if name not in grant.terms.fields]
    if missing:
        raise Refused("sharing.field_not_granted", grant=id, field=missing[0], known=", ".join(grant.terms.fields))
    chosen = msgspec.structs.replace(
        excerpt, fields=by, masks=tuple(mask for mask in excerpt.masks if mask.field in by)
    )
    smallest = spec.limits(ctx.packs).smallest_group
    found = excerpts.counts(ctx, grant.dataset, chosen, smallest)
    groups = tuple(_group(row) for row in found)
    shown = msgspec.structs.replace(grant, terms=msgspec.structs.replace(grant.terms, fields=by))
    keep(ctx, shown, "counts", case, excerpts.facts(ctx, grant.dataset).last_sequence, len(groups))
    return Counts(id, grant.dataset, smallest, groups)


def _group(row: dict[str, str | int | None]) -> Group:
    rows = row.pop("rows")
    return Group({name: None if value is None else str(value) for name, value in row.items()}, int(rows or 0))


def enter(ctx: Context, id: str, way: str, case: str) -> tuple[Live, Excerpt]:
    """A grant that the caller may use in this way now, and what it lets through. Right `sharing.use`."""
    if not case:
        raise BadRequest("sharing.case_missing")
    row = grants.asked(ctx, "sharing.use", id)
    with parties.everywhere(ctx) as tx:
        grant = Held(ctx.parts).grants(tx, {row.id})[row.id]
    problem = using.refusal(grant, way, ctx.clock.now())
    if problem:
        raise problem
    return grant, term_rules.excerpt(grant.terms, logbook.salt(ctx.parts, id))


def _begin(ctx: Context, grant: Live, way: str, case: str, feed: Feed) -> Feed:
    stack = ExitStack()
    stack.callback(feed.close)
    try:
        use = keep(ctx, grant, way, case, feed.last_sequence, None)
    except BaseException:
        stack.close()
        raise
    sent = Sent()
    stack.callback(_end, ctx, use, sent)
    return Feed(_guarded(ctx, grant, way, feed.batches(), sent), feed.last_sequence, stack)


class Sent:
    """How far a stream has come."""

    rows = 0
    complete = False


def _guarded(
    ctx: Context, grant: Live, way: str, batches: Iterator[pa.RecordBatch], sent: Sent
) -> Iterator[pa.RecordBatch]:
    """The batches while the grant stands."""
    looked = time.monotonic()
    for batch in batches:
        if time.monotonic() - looked >= LOOK:
            problem = _ended(ctx, grant, way)
            if problem:
                raise problem
            looked = time.monotonic()
        sent.rows += batch.num_rows
        yield batch
    sent.complete = True


def _end(ctx: Context, use: NewUse, sent: Sent) -> None:
    with parties.everywhere(ctx) as tx:
        logbook.end(tx, use, sent.rows, sent.complete, ctx.clock.now())


def _ended(ctx: Context, grant: Live, way: str) -> Problem | None:
    """Why what is being read must stop; changed terms stop it too, since they may give less."""
    with ctx.begin() as tx:
        row = store.find(tx, grant.id)
    if row is None:
        return Refused("sharing.grant_changed", grant=grant.id)
    now = msgspec.structs.replace(grant, state=row.state, valid_until=row.valid_until)
    problem = using.refusal(now, way, ctx.clock.now())
    if problem is None and msgspec.json.decode(row.terms, type=Terms) != grant.terms:
        return Refused("sharing.grant_changed", grant=grant.id)
    return problem


def keep(ctx: Context, grant: Live, way: str, case: str, sequence: int, rows: int | None) -> NewUse:
    """Keep a use of a grant, before it is answered."""
    now = ctx.clock.now()
    use = NewUse(
        grant.id, logbook.new_id(), ctx.principal.organisation, grant.keeper, grant.dataset, ctx.principal.name, way,
        ctx.purpose, case, ",".join(grant.terms.fields), "", None, rows, sequence, ctx.request,
    )  # fmt: skip
    with parties.everywhere(ctx) as tx:
        use_store.touch(tx, grant.id, grant.organisation, grant.keeper, now)
        logbook.keep(tx, [use], [], now)
    return use
