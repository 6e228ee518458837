"""Messages of all connections gathered into batches: one commit each, and only then their senders hear of it."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import msgspec

from cityloom.kernel import log
from cityloom.sensing.contracts.mqtt import Arrived, Outcome

LOG = log.logger(__name__)
Done = Callable[[Outcome], None]
Keep = Callable[[Sequence[Arrived]], list[Outcome]]


class Limits(msgspec.Struct, frozen=True):
    """How messages are gathered, and what one connection may do."""

    batch: int = 20_000
    """Messages of one commit, at most."""
    wait: float = 0.01
    """Seconds that the first message of a batch waits for others."""
    queue: int = 50_000
    """Messages that wait; of those nobody waits for (QoS 0) more are dropped, senders of others are not read meanwhile."""
    first_pause: float = 0.2
    longest_pause: float = 10.0
    """Seconds between tries while the database is away."""
    connections: int = 20_000
    unknown: int = 2_000
    """Connections that have not said who they are."""
    entering: int = 16
    """Guests looked up at once; others wait."""
    introduction: float = 10.0
    """Seconds until a connection must have said who it is."""
    recheck: float = 300.0
    """After so many seconds a guest is looked up anew, and shown out where it is not let in any more."""
    longest: int = 256 * 1024
    """Bytes of a packet."""
    longest_connect: int = 32 * 1024
    """Bytes of the first one, with which somebody says who it is."""
    inflight: int = 256
    """Messages of one connection that are not acknowledged yet; its socket is not read beyond (MQTT 5 is told so)."""
    per_second: float = 100.0
    """Messages of a device; a faster one is slowed down, and nothing of it is lost."""
    burst: float = 400.0
    outgoing: int = 1_000
    """Messages that wait for one subscriber; more are dropped and counted."""
    subscriptions: int = 200
    look: float = 0.2
    """Seconds between two looks for what subscribers want to know."""


class Figures(msgspec.Struct):
    """Counts since the process started."""

    connections: int = 0
    opened: int = 0
    turned_away: int = 0
    denied: int = 0
    received: int = 0
    kept: int = 0
    repeated: int = 0
    put_aside: int = 0
    dropped: int = 0
    """Of QoS 0, while too many waited."""
    waited: int = 0
    """Times that a batch could not be kept at once."""
    slowed: int = 0
    sent: int = 0
    unsent: int = 0
    """Dropped because a subscriber was too slow."""
    malformed: int = 0


class Gathering:
    """One a process. `put` and `run` belong to one event loop; `keep` runs in a thread, one at a time."""

    def __init__(self, keep: Keep, figures: Figures, limits: Limits) -> None:
        self._keep, self.figures, self.limits = keep, figures, limits
        self._waiting: deque[tuple[Arrived, Done | None]] = deque()
        self._some = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._thread = ThreadPoolExecutor(1, "keep")
        """Of its own: thousands of guests that are looked up at once hold up no message."""

    def put(self, said: Arrived, done: Done | None = None) -> None:
        """Take a message; `done` is called when it is known what became of it, which may take as long as the database is away.

        Without `done` it is dropped where there is no room.
        """
        self.figures.received += 1
        if len(self._waiting) >= self.limits.queue:
            self._room.clear()
            if done is None:
                self.figures.dropped += 1
                return
        self._waiting.append((said, done))
        self._some.set()

    async def room(self) -> None:
        """Until there is room for more."""
        await self._room.wait()

    async def run(self) -> None:
        """Until it is cancelled; what is not kept then is not acknowledged."""
        pause = self.limits.first_pause
        while True:
            await self._some.wait()
            if len(self._waiting) < self.limits.batch:
                await asyncio.sleep(self.limits.wait)
            batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), self.limits.batch))]
            left = await self._kept(batch)
            if left:
                self.figures.waited += 1
                self._waiting.extendleft(reversed(left))
                await asyncio.sleep(pause)
                pause = min(pause * 2, self.limits.longest_pause)
            else:
                pause = self.limits.first_pause
            if not self._waiting:
                self._some.clear()
            if len(self._waiting) < self.limits.queue // 2:
                self._room.set()

    async def _kept(self, batch: list[tuple[Arrived, Done | None]]) -> list[tuple[Arrived, Done | None]]:
        """Keep a batch; those of it that could not be kept now."""
        try:
            loop = asyncio.get_running_loop()
            outcomes = await loop.run_in_executor(self._thread, self._keep, [said for said, _ in batch])
        except Exception:
            LOG.exception("sensing.messages_failed", messages=len(batch))
            return batch
        left: list[tuple[Arrived, Done | None]] = []
        figures = self.figures
        for entry, outcome in zip(batch, outcomes, strict=True):
            if outcome is Outcome.unavailable:
                left.append(entry)
                continue
            if outcome is Outcome.kept:
                figures.kept += 1
            elif outcome is Outcome.repeated:
                figures.repeated += 1
            else:
                figures.put_aside += 1
            if entry[1] is not None:
                entry[1](outcome)
        return left
