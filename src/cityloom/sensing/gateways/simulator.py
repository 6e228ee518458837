"""Devices that are not there: they speak the real protocol to the real port, wait for answers, and send again."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

import msgspec

from cityloom.kernel.clock import Clock
from cityloom.sensing.intake.actors import ACTORS, Actor, Simulated
from cityloom.sensing.intake.framing import Speech

CONNECTING = 200
"""Devices that connect at once."""
MOST_LATENCIES = 1_000_000


class Wish(msgspec.Struct, frozen=True):
    """What is to be simulated."""

    speech: Speech
    host: str
    port: int
    rate: float
    """Messages a second, of all devices together."""
    seconds: float
    patience: timedelta = timedelta(seconds=10)
    tries: int = 3
    """How long a device waits for an answer, and how often it sends a message."""
    spikes: float = 0.0
    """Share of values that leap past what is allowed, so that there is something to see."""
    seed: int = 1


class Tally(msgspec.Struct):
    """What came of it."""

    devices: int = 0
    """That were let in."""
    refused: int = 0
    sent: int = 0
    """Messages, each counted once."""
    acknowledged: int = 0
    again: int = 0
    """Times that a message was sent again."""
    lost: int = 0
    """Messages that nobody acknowledged, however often they were sent."""
    broken: int = 0
    """Connections that the other side ended."""
    seconds: float = 0.0
    latencies: list[float] = []
    """Seconds from the last sending to the answer."""


async def simulate(wish: Wish, devices: Sequence[Simulated], clock: Clock) -> Tally:
    """Runs for the wished time; ends earlier when every device was refused."""
    tally = Tally(latencies=[])
    gate = asyncio.Semaphore(CONNECTING)
    loop = asyncio.get_running_loop()
    started = loop.time()
    interval = len(devices) / wish.rate
    lives = [
        _live(wish, ACTORS[wish.speech](each, wish.seed + at, wish.spikes), tally, clock, gate, (at, len(devices), interval))
        for at, each in enumerate(devices)
    ]  # fmt: skip
    await asyncio.gather(*lives)
    tally.seconds = loop.time() - started
    return tally


class Wire:
    """The device's end of a connection, and what it has heard."""

    def __init__(self, actor: Actor, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.actor, self._reader, self.writer = actor, reader, writer
        self._rest = b""
        self._heard: list[str] = []

    async def say(self, raw: bytes) -> None:
        self.writer.write(raw)
        await self.writer.drain()

    async def answer(self, key: str, patience: float) -> bool:
        """Whether the answer of that name comes in time. What the other side asks meanwhile is answered."""
        try:
            async with asyncio.timeout(patience):
                while key not in self._heard:
                    await self._hear()
        except TimeoutError:
            return False
        self._heard.clear()
        return True

    async def _hear(self) -> None:
        data = await self._reader.read(8192)
        if not data:
            raise ConnectionResetError
        self._rest, keys, replies = self.actor.hear(self._rest + data)
        self._heard = (self._heard + keys)[-64:]
        if replies:
            await self.say(b"".join(replies))


async def _live(
    wish: Wish, actor: Actor, tally: Tally, clock: Clock, gate: asyncio.Semaphore, place: tuple[int, int, float]
) -> None:  # fmt: skip
    """One device from its connection to the end; it connects again when the other side ends it."""
    loop = asyncio.get_running_loop()
    at, devices, interval = place
    start = loop.time() + interval * at / devices
    end = loop.time() + wish.seconds
    turn = 0
    while loop.time() < end:
        try:
            async with gate:
                wire = Wire(actor, *await asyncio.open_connection(wish.host, wish.port))
                let_in = await _introduce(wish, wire, clock)
            if not let_in:
                tally.refused += 1
                wire.writer.close()
                return
            tally.devices += not turn
            turn = await _talk(wish, wire, tally, clock, (start, interval, end, turn))
            wire.writer.close()
        except OSError:
            tally.broken += 1
            await asyncio.sleep(min(1.0, max(0.0, end - loop.time())))


async def _introduce(wish: Wish, wire: Wire, clock: Clock) -> bool:
    """Registration and authentication, where the protocol has them."""
    for _step in range(4):
        hello = wire.actor.hello(clock.now())
        if hello is None:
            return True
        await wire.say(hello.raw)
        if not await wire.answer(hello.key, wish.patience.total_seconds()):
            return False
    return wire.actor.hello(clock.now()) is None


async def _talk(
    wish: Wish, wire: Wire, tally: Tally, clock: Clock, plan: tuple[float, float, float, int]
) -> int:  # fmt: skip
    """Messages at their times until the end; the number of the next one."""
    loop = asyncio.get_running_loop()
    start, interval, end, turn = plan
    while (due := start + turn * interval) < end:
        await asyncio.sleep(max(0.0, due - loop.time()))
        message = wire.actor.message(clock.now())
        turn += 1
        tally.sent += 1
        for attempt in range(wish.tries):
            tally.again += attempt > 0
            before = loop.time()
            await wire.say(message.raw)
            if await wire.answer(message.key, wish.patience.total_seconds()):
                tally.acknowledged += 1
                if len(tally.latencies) < MOST_LATENCIES:
                    tally.latencies.append(loop.time() - before)
                break
        else:
            tally.lost += 1
    return turn
