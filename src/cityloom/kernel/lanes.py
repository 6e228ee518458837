"""Lanes: lake commits that must follow one another, each knowing what the one before it left.

One process at a time holds a lane, by a PostgreSQL advisory lock. Such a lock ends with its connection, which may break
while its holder goes on; so every holding is a term with a number, and the lake's catalogue refuses what comes from a
term that is over (migration 0005). Whoever holds a lane therefore sees all that any earlier holder will ever have
written.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import msgspec
import psycopg

from cityloom.kernel.db import Database

LOCK = "SELECT true FROM pg_advisory_lock(hashtextextended(%s, 0))"
TRY = "SELECT pg_try_advisory_lock(hashtextextended(%s, 0))"
UNLOCK = "SELECT pg_advisory_unlock(hashtextextended(%s, 0))"
# waits for a commit of the term before that is on its way: its trigger holds the row
BEGIN_TERM = """INSERT INTO kernel.lake_term (lane, term) VALUES (%s, 1)
    ON CONFLICT (lane) DO UPDATE SET term = lake_term.term + 1 RETURNING term"""
STILL = "SELECT FROM kernel.lake_term WHERE lane = %s AND term = %s FOR SHARE"


class Term(msgspec.Struct, frozen=True):
    """One holding of a lane."""

    lane: str
    number: int


@contextmanager
def hold(db: Database, lane: str) -> Iterator[Term]:
    """Wait for the lane and hold it for the block. Raises Unavailable `kernel.database_unreachable`."""
    with db.alone() as connection, _locked(connection, lane, LOCK):
        yield _begin_term(connection, lane)


@contextmanager
def try_hold(db: Database, lane: str) -> Iterator[Term | None]:
    """Hold the lane for the block, or None at once if somebody else does."""
    with db.alone() as connection, _locked(connection, lane, TRY) as ours:
        yield _begin_term(connection, lane) if ours else None


@contextmanager
def kept(db: Database, term: Term) -> Iterator[Callable[[], bool]]:
    """Let no other term begin while the block runs, which must be short. The function tells whether this one lasts.

    Once it has said so, it has lasted since the block began. Raises Unavailable when the connection breaks.
    """
    with db.alone() as connection, connection.transaction():
        asked = STILL.encode(), [term.lane, term.number]
        yield lambda: connection.execute(*asked).fetchone() is not None


@contextmanager
def _locked(connection: psycopg.Connection[Any], lane: str, how: str) -> Iterator[bool]:
    row = connection.execute(how.encode(), [lane]).fetchone()
    ours = row is not None and bool(row[0])
    try:
        yield ours
    finally:
        if ours:
            with suppress(psycopg.Error):
                connection.execute(UNLOCK.encode(), [lane])


def _begin_term(connection: psycopg.Connection[Any], lane: str) -> Term:
    row = connection.execute(BEGIN_TERM.encode(), [lane]).fetchone()
    if row is None:
        raise LookupError(f"lane {lane} has no term")
    return Term(lane, int(row[0]))
