"""Rounds over subscribers: each is sent its pages in order, again until they are taken.

A page that is not taken is sent again after pauses that double. Given up at last it is a dead letter, and the subscription is
held: nothing after it is sent before its owner asks for a replay, so no change is ever skipped.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any, Generic, Literal, Protocol, TypeVar

import msgspec

from cityloom.kernel import log
from cityloom.kernel.context import Context
from cityloom.kernel.db import Transaction
from cityloom.kernel.errors import Problem

FIRST_PAUSE = timedelta(seconds=5)
LONGEST_PAUSE = timedelta(hours=1)
MOST_TRIES = 15
"""Over some six hours."""
AT_ONCE = 8
QUIET = timedelta(seconds=2)
"""Until one that had nothing new is looked at again."""
MOST_PAGES = 10
"""Pages to one in a round."""


def pause(failures: int) -> timedelta:
    """How long to wait after so many failures in a row: each time twice as long."""
    times: int = 2 ** min(failures - 1, 20)
    return min(FIRST_PAUSE * times, LONGEST_PAUSE)


class Subscription(Protocol):
    """A subscriber, how far it has taken everything, and how often in a row it has not."""

    @property
    def id(self) -> str: ...
    @property
    def cursor(self) -> int: ...
    @property
    def failures(self) -> int: ...


Row = TypeVar("Row", bound=Subscription)


class Kept(Protocol[Row]):
    """Where subscriptions are kept. What changes one says False if it was changed meanwhile."""

    def due(self, tx: Transaction, now: datetime, limit: int) -> list[Row]: ...
    def taken(self, tx: Transaction, row: Row, upto: int, sent: bool, now: datetime, next_at: datetime) -> bool: ...
    def failed(self, tx: Transaction, row: Row, failures: int, error: str, next_at: datetime) -> bool: ...
    def bury(self, tx: Transaction, row: Row, tries: int, error: str, now: datetime) -> None: ...
    def set_state(self, tx: Transaction, id: str, state: Literal["held", "stopped"], error: str) -> None: ...


class Rounds(msgspec.Struct, Generic[Row], frozen=True):
    """What a module sends to its subscribers."""

    part: str
    """The module, for the log."""
    kept: Kept[Row]
    page: Callable[[Context, Row], tuple[bytes, int, bool]]
    """The next page, up to where it goes, and whether there is anything in it."""
    send: Callable[[Context, Row, bytes], str]
    """"" when it was taken, else why not."""
    over: tuple[type[Problem], ...]
    """Problems that do not pass: the subscription is stopped. Everything else is a page that was not taken."""

    def push(self, ctx: Context) -> None:
        """Send what is due. As the platform; safe to run twice: a page may then come twice, and says which it is."""
        with ctx.begin() as tx:
            due = self.kept.due(tx, ctx.clock.now(), 10 * AT_ONCE)
        if not due:
            return
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix=f"{self.part}-push") as threads:
            for row, failure in zip(due, threads.map(lambda each: self._push(ctx, each), due), strict=True):
                if failure is not None:
                    log.logger(self.part).warning("push_failed", webhook=row.id, kind=type(failure).__name__)

    def _push(self, ctx: Context, row: Row) -> Exception | None:
        """One page, or several while there are more; a failure of ours is told and stops no other subscription."""
        try:
            for _ in range(MOST_PAGES):
                after = self._page(ctx, row)
                if after is None:
                    break
                row = after
        except Exception as failure:  # noqa: BLE001 - told by the caller
            return failure
        return None

    def _page(self, ctx: Context, row: Row) -> Row | None:
        """Send one page; the subscription as it is then, if there is more to send."""
        now = ctx.clock.now()
        try:
            body, upto, sends = self.page(ctx, row)
            error = self.send(ctx, row, body) if sends else ""
        except self.over as problem:
            with ctx.begin() as tx:
                self.kept.set_state(tx, row.id, "stopped", problem.code)
            return None
        except Exception as failure:  # noqa: BLE001 - kept with the webhook
            upto, sends = row.cursor, False
            error = failure.code if isinstance(failure, Problem) else type(failure).__name__
            log.logger(self.part).warning("push_missed", webhook=row.id, kind=error)
        with ctx.begin() as tx:
            if error:
                self._missed(ctx, tx, row, error)
                return None
            ours = self.kept.taken(tx, row, upto, sends, now, now if sends else now + QUIET)
        if not (ours and sends):
            return None
        struct: Any = row  # no type says both struct and protocol
        further: Row = msgspec.structs.replace(struct, cursor=upto, failures=0)
        return further

    def _missed(self, ctx: Context, tx: Transaction, row: Row, error: str) -> None:
        failures, now = row.failures + 1, ctx.clock.now()
        ours = self.kept.failed(tx, row, failures, error, now + pause(failures))
        if ours and failures >= MOST_TRIES:
            self.kept.bury(tx, row, failures, error, now)
            self.kept.set_state(tx, row.id, "held", error)
