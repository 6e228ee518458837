"""Removes the files that a lake commit began to write before its process died, or its disk was full."""

from datetime import datetime, timedelta
from pathlib import Path

import duckdb

from cityloom.exchange.api import gate
from cityloom.exchange.store import upkeep
from cityloom.kernel import lanes, log
from cityloom.kernel.context import Context

logger = log.logger("exchange")

SKEW = timedelta(minutes=5)


def drop(ctx: Context, cursor: duckdb.DuckDBPyConnection, dataset: str, term: lanes.Term, since: datetime) -> int:
    """Remove the dataset's files written after `since` that no commit names; how many.

    They count as dead only because nobody else may write to the dataset: the term is kept while they are removed, and
    a writer of an earlier term can no longer commit. On S3 they stay for a day, until `maintenance.clean`.
    """
    files = ctx.settings.lake_files
    if "://" in files:
        return 0
    shape = gate.shape_of(gate.dataset(ctx, dataset))
    with lanes.kept(ctx.parts.db, term) as lasts:
        if not lasts():
            return 0
        existing, named = upkeep.existing(cursor, shape, files), upkeep.named(cursor, shape)
        if not named <= existing:
            return 0  # what is there is not called as we think it is, so nothing is known to be dead
        dead = [Path(files) / name for name in existing - named]
        dead = [path for path in dead if path.stat().st_mtime >= (since - SKEW).timestamp()]
        if not lasts():
            return 0
        for path in dead:
            path.unlink(missing_ok=True)
    logger.info("leftovers_removed", dataset=dataset, files=len(dead))
    return len(dead)
