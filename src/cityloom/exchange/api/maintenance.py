"""Keeps the lake in good order, and takes deleted rows out of its files for good.

What changes a dataset's tables is done in its lane, like a delivery. What removes files waits while somebody copies them.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta
from functools import partial

import duckdb
import msgspec

from cityloom.exchange.api import deletions, deliveries, gate, retention
from cityloom.exchange.store import evidence, ledger, upkeep
from cityloom.exchange.store.evidence import DeletionRow
from cityloom.exchange.store.shape import Shape
from cityloom.kernel import lanes, log
from cityloom.kernel.context import Context
from cityloom.kernel.db import PLATFORM, Database
from cityloom.kernel.lake import Lake

logger = log.logger("exchange")

SHARE = 0.3
"""A file is rewritten when more than this share of its rows is deleted."""
KEEP = timedelta(days=1)
"""How long snapshots stay that nothing needs any more."""
READERS = timedelta(hours=1)
"""How long a file stays after its last snapshot went: a reader that began before must be done by then."""
ORPHANS = timedelta(days=1)
"""How old a file is that no commit names before it counts as left by a dead writer."""
MARGIN = timedelta(minutes=1)
FILES = "lake/files"
"""The lane of those who remove files, or need them to stay."""


def maintain(ctx: Context) -> None:
    """Tidy every dataset that needs it, rewrite files with deleted rows, and remove files that nothing needs."""
    with ctx.begin() as tx:
        names = [row.name for row in ledger.datasets(tx)]
        to_rewrite = evidence.to_rewrite(tx)
    with ctx.lake.session() as cursor:
        untidy = upkeep.untidy(cursor, SHARE)
    for name in names:
        if name in to_rewrite:
            rewrite(ctx, name)
        elif untidy.intersection(upkeep.names(_shape(ctx, name))):
            tidy(ctx, name)
    clean(ctx)


def tidy(ctx: Context, dataset: str) -> None:
    """Bring a dataset's rows out of PostgreSQL into files, rewrite worn files, merge small ones."""
    with _lane(ctx, dataset) as (cursor, term):
        untidy = upkeep.untidy(cursor, SHARE)
        for table in upkeep.names(_shape(ctx, dataset)):
            if table in untidy:
                _work(ctx, cursor, term, partial(upkeep.flush, cursor, table))
                _work(ctx, cursor, term, partial(upkeep.rewrite, cursor, table, SHARE))
                _work(ctx, cursor, term, partial(upkeep.merge, cursor, table))


def rewrite(ctx: Context, dataset: str) -> None:
    """Take the rows of all deletions so far out of the dataset's current files, and note in which files they were."""
    with _lane(ctx, dataset) as (cursor, term):
        deletions.finish(ctx, cursor, dataset)
        with ctx.begin() as tx:
            if dataset not in evidence.to_rewrite(tx):
                return
            upto = evidence.last_deletion(tx, dataset)
        shape = _shape(ctx, dataset)
        tables = upkeep.names(shape)
        for table in tables:
            _work(ctx, cursor, term, partial(upkeep.flush, cursor, table))
        files = upkeep.files_with_deleted_rows(cursor, shape)
        for table in tables:
            _work(ctx, cursor, term, partial(upkeep.rewrite, cursor, table, 0))
        upkeep.forget_bounds(cursor, shape)
        _work(ctx, cursor, term, partial(upkeep.mark, cursor))
        with ctx.begin() as tx:
            evidence.rewritten(tx, dataset, upto, sorted(files), ctx.clock.now())


def clean(ctx: Context, keep: timedelta = KEEP, readers: timedelta = READERS, orphans: timedelta = ORPHANS) -> None:
    """Forget old snapshots, remove the files that only they had and those of dead writers, and prove deletions.

    Snapshots that an unfinished delivery, withdrawal or deletion may be known by stay, whatever `keep` says; while rows
    of a deletion are in them, no more than `readers` of the others. Does nothing while files are being copied.
    """
    with lanes.try_hold(ctx.parts.db, FILES) as term:
        if term is None:
            return
        with ctx.begin() as tx:
            to_prove = evidence.to_prove(tx)
            unfinished = evidence.oldest_unfinished(tx)
        with ctx.lake.session() as cursor:
            expired = upkeep.expire(cursor, _keep(ctx, min(keep, readers) if to_prove else keep, unfinished))
            removed = upkeep.remove_files(cursor, readers)
            left = upkeep.remove_orphans(cursor, orphans)
            logger.info("lake_cleaned", snapshots=expired, files=removed, orphans=left)
            for dataset in sorted({each.dataset for each in to_prove}):
                _prove(ctx, cursor, dataset, [each for each in to_prove if each.dataset == dataset])


def _keep(ctx: Context, keep: timedelta, unfinished: datetime | None) -> timedelta:
    return keep if unfinished is None else max(keep, ctx.clock.now() - unfinished + MARGIN)


def _prove(ctx: Context, cursor: duckdb.DuckDBPyConnection, dataset: str, pending: list[DeletionRow]) -> None:
    """Note the deletions none of whose files exists any more. A file that nobody names could hold anything, so with one
    in the dataset's folders nothing is proved; in its lane no writer is at work whose file it could be."""
    shape = _shape(ctx, dataset)
    with lanes.try_hold(ctx.parts.db, deliveries.lane(dataset)) as term:
        if term is None:
            return
        existing = upkeep.existing(cursor, shape, ctx.settings.lake_files)
        if existing - upkeep.named(cursor, shape):
            return
        upkeep.vacuum(cursor, shape)
    for deletion in pending:
        if existing.isdisjoint(deletion.paths):
            with ctx.begin() as tx:
                if evidence.gone(tx, deletion.id, ctx.clock.now()):
                    facts = {"deletion": deletion.id, "files": len(deletion.paths), "of": deletion.audit_position}
                    ctx.record(tx, "exchange.deletion_proved", f"dataset:{dataset}", **facts)


@contextmanager
def files_stay(db: Database) -> Iterator[None]:
    """No file of the lake is removed while the block runs; waits for a removal that is under way."""
    with lanes.hold(db, FILES):
        yield


@contextmanager
def undecided(db: Database) -> Iterator[list[str]]:
    """Spooled files of the undecided deliveries; none is decided, and no file goes, while the block runs. Keep it short."""
    with db.begin(PLATFORM) as tx:
        ledger.hold_still(tx)
        yield ledger.spooled_paths(tx)


def move_spool(db: Database, folder: str) -> int:
    """The spooled files lie in this folder now; how many deliveries wait for theirs."""
    with db.begin(PLATFORM) as tx:
        ledger.move_spool(tx, folder)
        return len(ledger.spooled_paths(tx))


class Census(msgspec.Struct, frozen=True):
    """How much there is."""

    datasets: int
    deliveries: int
    records: int
    unreconciled: int
    """Deliveries whose rows in are not accepted + quarantined + duplicates."""


def census(db: Database, lake: Lake) -> Census:
    """Count datasets, deliveries and records, the last in the lake itself."""
    with db.begin(PLATFORM) as tx:
        names, deliveries_kept = [row.name for row in ledger.datasets(tx)], ledger.count(tx)
        unreconciled = ledger.unreconciled(tx)
    with lake.session() as cursor:
        return Census(len(names), deliveries_kept, upkeep.count_records(cursor, names), unreconciled)


def _work(ctx: Context, cursor: duckdb.DuckDBPyConnection, term: lanes.Term, step: Callable[[], None]) -> None:
    with ctx.lake.commit(cursor, "upkeep", {}, term):
        step()


@contextmanager
def _lane(ctx: Context, dataset: str) -> Iterator[tuple[duckdb.DuckDBPyConnection, lanes.Term]]:
    with ExitStack() as stack:
        stack.enter_context(ctx.lake.turn())
        cursor = stack.enter_context(ctx.lake.session())
        yield cursor, stack.enter_context(lanes.hold(ctx.parts.db, deliveries.lane(dataset)))


def _shape(ctx: Context, dataset: str) -> Shape:
    return gate.shape_of(retention.declaration(ctx, dataset))
