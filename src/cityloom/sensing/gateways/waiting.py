"""Commands that wait for a device to answer."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

A = TypeVar("A")
MOST = 64
"""Commands under way on one connection."""


class NoAnswer(Exception):
    """The device has not answered, as often as it was asked."""


class Absent(Exception):
    """The device is not connected, or went while it was asked."""


class Busy(Exception):
    """Too many commands wait for this connection already, or the same one does."""


class Waiting(Generic[A]):
    """Answers by what names them."""

    def __init__(self) -> None:
        self._queues: dict[Hashable, asyncio.Queue[A | None]] = {}

    def open(self, key: Hashable) -> None:
        """An answer of that name is expected from now on. Raises Busy."""
        if key in self._queues or len(self._queues) >= MOST:
            raise Busy
        self._queues[key] = asyncio.Queue(256)

    def close(self, key: Hashable) -> None:
        """No answer of that name is expected any more."""
        self._queues.pop(key, None)

    def hear(self, key: Hashable, answer: A) -> bool:
        """Whether somebody waits for it; a device that answers without end is cut off by the queue."""
        queue = self._queues.get(key)
        if queue is None or queue.full():
            return False
        queue.put_nowait(answer)
        return True

    def end(self) -> None:
        """The connection is gone: everybody who waits hears so."""
        for queue in self._queues.values():
            if not queue.full():
                queue.put_nowait(None)

    async def next(self, key: Hashable, seconds: float) -> A:
        """The next answer. Raises NoAnswer in the end, Absent when the connection goes."""
        try:
            async with asyncio.timeout(seconds):
                answer = await self._queues[key].get()
        except TimeoutError:
            raise NoAnswer from None
        if answer is None:
            raise Absent
        return answer

    async def ask(self, key: Hashable, send: Callable[[], Awaitable[None]], seconds: float, tries: int) -> A:
        """Send, wait, send again. Raises NoAnswer after the last try, Absent."""
        for _try in range(tries):
            await send()
            try:
                return await self.next(key, seconds)
            except NoAnswer:
                continue
        raise NoAnswer
