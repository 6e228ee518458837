"""What the tests of gateways share: a city in memory, and devices on real sockets."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

import msgspec

from cityloom.kernel.clock import Clock, FixedClock
from cityloom.sensing.gateways.contracts import Claim, Denied, Device, Limits, Registered, Unavailable
from cityloom.sensing.gateways.server import Gateway, Talk
from cityloom.sensing.intake.framing import CHINA
from cityloom.sensing.intake.heard import Batch, Quarantined
from cityloom.sensing.intake.jt808.bodies import Registration

NOW = datetime(2026, 7, 18, 11, 0, 16, tzinfo=CHINA)
QUICK = Limits(
    tick=timedelta(milliseconds=50), answer=timedelta(milliseconds=500), execution=timedelta(milliseconds=500)
)


class City:
    """A list of devices and a keeper, as the store will be: what is put is there, or nothing is."""

    def __init__(self, known: dict[str, str], **devices: Device) -> None:
        self.known, self.devices = known, devices
        self.batches: list[Batch] = []
        self.kept: list[Quarantined] = []
        self.registered: list[Registration] = []
        self.down = False
        self.committing = asyncio.Event()
        self.committing.set()
        self.asked = self.at_once = self.most_at_once = 0

    async def identify(self, claim: Claim) -> Device | Denied:
        self.asked += 1
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await asyncio.sleep(0)
        self.at_once -= 1
        if claim.number not in self.known:
            return Denied.unknown
        if self.known[claim.number] != claim.secret:
            return Denied.secret
        return self.devices.get(f"d{claim.number}", Device(f"d{claim.number}"))

    async def register(self, number: str, said: Registration, address: str) -> Registered:
        self.registered.append(said)
        return Registered(0, self.known[number]) if number in self.known else Registered(4)

    async def put(self, batches: list[Batch]) -> None:
        await self.committing.wait()
        if self.down:
            raise Unavailable
        self.batches += batches

    async def quarantine(self, kept: list[Quarantined]) -> None:
        self.kept += kept


class Line:
    """A device's end of a connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def say(self, *frames: bytes) -> None:
        self.writer.write(b"".join(frames))
        await self.writer.drain()

    async def hear(self, feed: Callable[[bytes], Any], number: int = 1) -> list[Any]:
        """So many frames, or fewer when the other side closes."""
        frames: list[Any] = []
        rest = b""
        async with asyncio.timeout(10):
            while len(frames) < number:
                data = await self.reader.read(4096)
                if not data:
                    return frames
                fed = feed(rest + data)
                assert fed.faults == []
                frames, rest = frames + fed.frames, fed.rest
        assert len(frames) == number
        return frames

    async def silent(self, seconds: float = 0.15) -> bool:
        """Whether nothing comes for a while."""
        try:
            async with asyncio.timeout(seconds):
                return not await self.reader.read(1)
        except TimeoutError:
            return True

    async def closed(self) -> bool:
        """Whether the other side ends the connection."""
        try:
            async with asyncio.timeout(5):
                while await self.reader.read(4096):
                    pass
        except ConnectionError:
            pass
        return True


class Running(msgspec.Struct):
    """A gateway that listens."""

    gateway: Gateway
    port: int
    lines: list[Line] = []

    async def dial(self) -> Line:
        line = Line(*await asyncio.open_connection("127.0.0.1", self.port))
        self.lines.append(line)
        return line


@asynccontextmanager
async def running(
    talk: type[Talk], city: City, limits: Limits = QUICK, clock: Clock | None = None
) -> AsyncIterator[Running]:
    gateway = Gateway(talk, city, city, clock or FixedClock(NOW), limits)
    found = Running(gateway, await gateway.start("127.0.0.1", 0))
    try:
        yield found
    finally:
        for line in found.lines:
            line.writer.close()
        await gateway.stop()
        assert gateway.budget.left == limits.held
        assert gateway.devices_present() == gateway.figures.connections == 0


async def until(true: Callable[[], bool]) -> None:
    """Wait for something that happens on the other side."""
    async with asyncio.timeout(10):
        while not true():
            await asyncio.sleep(0.005)


def run(scene: Coroutine[Any, Any, None]) -> None:
    """Play a scene."""
    asyncio.run(scene)
