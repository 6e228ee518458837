"""Events as a stream (WHATWG server-sent events): each change once, in order, from the number on that the client has.

One task of a process asks the database whether there is something new, however many listen.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from weakref import WeakKeyDictionary

import msgspec
from anyio import to_thread

from cityloom.kernel import log
from cityloom.kernel.context import Context
from cityloom.kernel.db import Database
from cityloom.kernel.errors import BadRequest, Problem, Unavailable
from cityloom.sensing.api import seeing
from cityloom.sensing.contracts.events import EventChange, Severity

logger = log.logger("sensing")

LONGEST = 900
"""Seconds of one connection: then who listens is asked again who it is."""
PAUSE = 0.5
"""Between two looks for something new."""
ALIVE = 15.0
"""A comment so often, or proxies take the connection for dead."""
PAGE = 500
MOST = 1_000
"""Who may listen to one process at once."""


class Pulse:
    """Tells all listeners of a process when there is something new."""

    def __init__(self, ctx: Context) -> None:
        self.ctx = ctx
        self.listeners = 0
        self.number = -1
        self._changed = asyncio.Condition()
        self._task: asyncio.Task[None] | None = None

    async def wait(self, after: int, seconds: float) -> bool:
        """Until a change has a higher number, or so long; whether there is one."""
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._look())
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds), self._changed:
                await self._changed.wait_for(lambda: self.number > after)
        return self.number > after

    async def _look(self) -> None:
        while self.listeners:
            try:
                number = await to_thread.run_sync(seeing.last, self.ctx)
            except Problem as problem:
                logger.info("pulse_waits", code=problem.code)
                number = self.number
            if number != self.number:
                async with self._changed:
                    self.number = number
                    self._changed.notify_all()
            await asyncio.sleep(PAUSE)


_pulses: WeakKeyDictionary[Database, Pulse] = WeakKeyDictionary()


def begin(ctx: Context, last_event_id: str, since: int | None) -> int:
    """After which number to go on. Right `sensing.read`, asked before the status is sent.

    Raises BadRequest `sensing.stream_from`, Unavailable `sensing.stream_full`.
    """
    pulse = _pulses.get(ctx.parts.db)
    if pulse is not None and pulse.listeners >= MOST:
        raise Unavailable("sensing.stream_full")
    if last_event_id:
        if not (last_event_id.isascii() and last_event_id.isdigit() and len(last_event_id) < 17):
            raise BadRequest("sensing.stream_from", value=last_event_id[:40])
        since = int(last_event_id)
    now = seeing.last(ctx)
    seeing.changes(ctx, now, 1)
    return now if since is None else max(since, 0)


async def follow(ctx: Context, after: int, severity: Severity, seconds: float) -> AsyncIterator[bytes]:
    """The bytes of the stream."""
    pulse = _pulses.setdefault(ctx.parts.db, Pulse(ctx))
    ends = time.monotonic() + min(seconds, LONGEST)
    pulse.listeners += 1
    try:
        yield b"retry: 2000\n\n"
        while True:
            changes, upto = await to_thread.run_sync(_page, ctx, after, severity)
            for each in changes:
                yield written(each)
            after = upto
            left = ends - time.monotonic()
            if len(changes) == PAGE:
                continue
            if left <= 0:
                return
            if not await pulse.wait(after, min(ALIVE, left)):
                yield b": alive\n\n"
    finally:
        pulse.listeners -= 1


def _page(ctx: Context, after: int, severity: Severity) -> tuple[list[EventChange], int]:
    """The next changes, and up to where that goes: what others alone may see is passed over."""
    last = seeing.last(ctx)
    found = seeing.changes(ctx, after, PAGE, severity)
    if len(found) == PAGE:
        return found, found[-1].sequence
    return found, max(after, last, *(each.sequence for each in found))


def written(change: EventChange) -> bytes:
    """One change as an event of the stream."""
    body = msgspec.json.encode(change)
    return b"id: %d\nevent: %b\ndata: %b\n\n" % (change.sequence, change.change.encode(), body)
