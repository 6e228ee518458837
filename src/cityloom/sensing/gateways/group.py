"""Batches of all devices, committed together: what a thousand devices say at once is one transaction, and one COPY."""

import asyncio
from collections.abc import Callable, Sequence

from cityloom.sensing.gateways.contracts import Unavailable
from cityloom.sensing.intake.heard import Batch

PAUSE = 0.05
"""Seconds for which the first of a group waits for others."""
MOST = 4_000
"""Batches of one commit."""

Keep = Callable[[Sequence[Batch]], list[bool]]


class Group:
    """Hands batches to a thread that commits them. Bounded by its callers, each of whom waits for what he put."""

    def __init__(self, keep: Keep, pause: float = PAUSE) -> None:
        self._keep, self._pause = keep, pause
        self._waiting: list[tuple[Batch, asyncio.Future[bool]]] = []
        self._arrived = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.commits = 0

    def start(self) -> None:
        """Begin to commit."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """End; whoever waits is told that nothing was kept."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        for _batch, kept in self._waiting:
            if not kept.done():
                kept.set_result(False)

    async def put(self, batches: Sequence[Batch]) -> None:
        """Returns when all of them are committed. Raises Unavailable."""
        loop = asyncio.get_running_loop()
        futures = [loop.create_future() for _ in batches]
        self._waiting += zip(batches, futures, strict=True)
        self._arrived.set()
        if not all(await asyncio.gather(*futures)):
            raise Unavailable

    async def _run(self) -> None:
        while True:
            await self._arrived.wait()
            if len(self._waiting) < MOST:
                await asyncio.sleep(self._pause)
            taken, self._waiting = self._waiting[:MOST], self._waiting[MOST:]
            if not self._waiting:
                self._arrived.clear()
            await self._commit(taken)

    async def _commit(self, taken: list[tuple[Batch, "asyncio.Future[bool]"]]) -> None:
        kept = [False] * len(taken)
        try:
            kept = await asyncio.to_thread(self._keep, [batch for batch, _ in taken])
            self.commits += 1
        finally:
            for (_batch, future), found in zip(taken, kept, strict=True):
                if not future.done():
                    future.set_result(found)
