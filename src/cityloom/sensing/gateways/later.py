"""Frames of one device that is too fast, on a connection that others speak on too: heard at its rate, while nobody waits."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

MOST = 64
"""Frames of one device that wait."""
MOST_HELD = 512
"""Frames of all devices of a connection that wait."""


class Later:
    """Waiting frames by device. Bounded: what finds no room is not heard, so not answered, and devices send it again."""

    def __init__(self, hear: Callable[[Any], Awaitable[None]]) -> None:
        self._hear = hear
        self._queues: dict[str, deque[tuple[float, Any]]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._held = 0

    def __contains__(self, device: str) -> bool:
        """Whether frames of the device wait: then the next one waits behind them."""
        return device in self._queues

    def full(self, device: str) -> bool:
        """Whether there is no room for another frame of the device."""
        return self._held >= MOST_HELD or len(self._queues.get(device, ())) >= MOST

    def put(self, device: str, due: float, frame: Any) -> None:
        """A frame to be heard at that time of the loop's clock."""
        self._held += 1
        if device in self._queues:
            self._queues[device].append((due, frame))
            return
        self._queues[device] = deque([(due, frame)])
        task = asyncio.create_task(self._run(device))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, device: str) -> None:
        loop = asyncio.get_running_loop()
        queue = self._queues[device]
        try:
            while queue:
                due, frame = queue.popleft()
                await asyncio.sleep(max(0.0, due - loop.time()))
                self._held -= 1
                await self._hear(frame)
        except (ConnectionError, TimeoutError):
            return
        finally:
            self._held -= len(queue)
            self._queues.pop(device, None)

    def end(self) -> None:
        """The connection is gone."""
        for task in list(self._tasks):
            task.cancel()
