"""The one shape of all gateways: connections with limits, devices with a rate, frames answered after they are kept."""

import asyncio
from abc import ABC, abstractmethod
from collections import Counter, OrderedDict
from collections.abc import Collection
from typing import Any

from cityloom.kernel import log
from cityloom.kernel.clock import Clock
from cityloom.sensing.gateways.bucket import Bucket
from cityloom.sensing.gateways.contracts import Claim, Denied, Device, Devices, Figures, Limits, Sink, Unavailable
from cityloom.sensing.gateways.later import Later
from cityloom.sensing.intake.framing import Fault, Fed, Speech, clock_wrong
from cityloom.sensing.intake.heard import Batch, Quarantined
from cityloom.sensing.intake.parts import Budget, Parts

LOG = log.logger(__name__)


class Talk(ABC):
    """The conversation with one connection in one protocol."""

    speech: Speech

    def __init__(self, session: "Session") -> None:
        self.session = session

    @abstractmethod
    def cut(self, buffer: bytes) -> Fed[Any]:
        """Whole frames of what has come."""

    @abstractmethod
    async def hear(self, frames: list[Any]) -> None:
        """Keep what the frames say, then answer them. Raises Unavailable."""

    async def again(self, frame: Any) -> None:
        """Hear a frame that had to wait for its device's rate. Raises Unavailable."""
        await self.hear([frame])

    async def tick(self) -> None:
        """Called every few seconds."""
        return

    def end(self) -> None:
        """The connection is gone."""
        return


class Session:
    """One connection."""

    def __init__(self, gateway: "Gateway", reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.gateway = gateway
        self.limits = gateway.limits
        self._reader, self._writer = reader, writer
        peer = writer.get_extra_info("peername")
        self.address = f"{peer[0]}:{peer[1]}" if peer else ""
        self.known: OrderedDict[tuple[str, str], tuple[Device, float]] = OrderedDict()
        """Devices behind the connection by number and secret, and when each was identified."""
        self._bytes = Bucket(self.limits.bytes_per_second, self.limits.bytes_per_second * self.limits.burst)
        self._kept = Bucket(self.limits.quarantine_per_second, self.limits.quarantine_per_second * 10)
        self._faults = 0
        self.talk = gateway.talk(self)
        self._later = Later(self._again)

    @property
    def loop_time(self) -> float:
        """Seconds of a clock that only goes forward."""
        return asyncio.get_running_loop().time()

    async def run(self) -> None:
        """Read and answer until one side has enough."""
        rest = b""
        started = heard = self.loop_time
        try:
            while True:
                data = await self._read()
                now = self.loop_time
                if data is None:
                    await self.talk.tick()
                elif not data:
                    return
                else:
                    heard = now
                    rest = await self._take(rest + data, len(data))
                if now - heard > self.limits.idle.total_seconds():
                    return
                if not self.known and now - started > self.limits.introduction.total_seconds():
                    self.gateway.figures.turned_away += 1
                    return
                if self._faults > self.limits.faults:
                    return
        except (ConnectionError, TimeoutError):
            return
        finally:
            self._later.end()
            self.talk.end()

    async def _read(self) -> bytes | None:
        """Bytes, none at the end, None when nothing came for a while."""
        try:
            async with asyncio.timeout(self.limits.tick.total_seconds()):
                return await self._reader.read(self.limits.read)
        except TimeoutError:
            return None

    async def _take(self, buffer: bytes, size: int) -> bytes:
        wait = self._bytes.take(size, self.loop_time)
        if wait:
            self.gateway.figures.slowed += 1
            await asyncio.sleep(wait)
        fed = self.talk.cut(buffer)
        self._faults += len(fed.faults)
        if fed.faults:
            await self.quarantine(fed.faults)
        if fed.frames:
            self.gateway.figures.frames += len(fed.frames)
            try:
                await self.talk.hear(fed.frames)
            except Unavailable:
                self.gateway.figures.unavailable += 1
        return fed.rest

    async def identify(self, number: str, secret: str) -> Device | Denied:
        """The device of that number, remembered for a while."""
        now = self.loop_time
        found = self.known.get((number, secret))
        if found and now - found[1] < self.limits.recheck.total_seconds():
            self._faults = 0
            return found[0]
        async with self.gateway.identifying:
            device = await self.gateway.devices.identify(Claim(self.talk.speech, number, secret, self.address))
        if isinstance(device, Denied):
            self.known.pop((number, secret), None)
            self.refuse()
            return device
        self._faults = 0
        self.known[number, secret] = (device, now)
        if len(self.known) > self.limits.numbers:
            old, _since = self.known.popitem(last=False)[1]
            self.gateway.forget(old.id, self)
        self.gateway.present(device.id, self)
        return device

    def refuse(self) -> None:
        """A frame of somebody who may not speak: as bad as a fault."""
        self.gateway.figures.denied += 1
        self._faults += 1

    async def may(self, device: Device, frame: Any) -> bool:
        """Whether a frame may be heard now.

        A device alone on its connection is waited for: what it sends waits in the network. Where others speak on it too,
        its frame is heard later, so that nobody else waits; one too many is dropped without an answer, and counted.
        """
        if device.id in self._later and self._later.full(device.id):
            self.gateway.figures.dropped += 1
            return False
        wait = self.gateway.bucket(device.id).take(1, self.loop_time)
        if not wait and device.id not in self._later:
            return True
        self.gateway.figures.slowed += 1
        if len(self.known) == 1:
            await asyncio.sleep(wait)
            return True
        self._later.put(device.id, self.loop_time + wait, frame)
        return False

    async def _again(self, frame: Any) -> None:
        try:
            await self.talk.again(frame)
        except Unavailable:
            self.gateway.figures.unavailable += 1

    async def pace(self, device: Device, frames: int = 1) -> None:
        """Wait until a device may have said so much."""
        wait = self.gateway.bucket(device.id).take(frames, self.loop_time)
        if wait:
            self.gateway.figures.slowed += 1
            await asyncio.sleep(wait)

    async def put(self, batches: list[Batch]) -> None:
        """Keep them. Raises Unavailable."""
        if batches:
            await self.gateway.sink.put(batches)
            self.gateway.figures.readings += sum(len(each.readings) + len(each.places) for each in batches)
            self.gateway.deviations.update(name for each in batches for name in each.deviations)

    async def quarantine(self, faults: list[Fault], device: str = "") -> None:
        """Keep what could not be read, as far as the connection's rate allows; the rest is counted."""
        figures, now = self.gateway.figures, self.gateway.clock.now()
        figures.faults += len(faults)
        self.gateway.faults.update(each.code for each in faults)
        kept = [
            Quarantined(self.talk.speech, device, self.address, each.code, each.raw[: self.limits.kept], now)
            for each in faults
            if self._kept.allows(1, self.loop_time)
        ]
        figures.unkept += len(faults) - len(kept)
        if kept:
            try:
                await self.gateway.sink.quarantine(kept)
            except Unavailable:
                figures.unavailable += 1
                figures.unkept += len(kept)

    async def lost(self, parts: Parts[Any]) -> None:
        """Keep what came of messages that never became whole."""
        given_up, parts.lost = parts.lost, []
        if given_up:
            self.gateway.figures.lost += len(given_up)
            raws = [b"".join(each.raw for each in held.whole()) for held in given_up]
            await self.quarantine([Fault("packets_missing", raw) for raw in raws])

    def marks(self, batch: Batch) -> tuple[str, ...]:
        """The batch's deviations, and `clock_wrong` where one of its times cannot be."""
        limits = self.limits
        times = [each.start for each in batch.readings] + [each.position.at for each in batch.places]
        wrong = any(clock_wrong(each, batch.received, limits.ahead, limits.behind) for each in times)
        return (*batch.deviations, "clock_wrong") if wrong else batch.deviations

    async def send(self, *frames: bytes) -> None:
        """Answer; waits while the other side does not read, and gives it up in the end."""
        self._writer.write(b"".join(frames))
        async with asyncio.timeout(self.limits.answer.total_seconds()):
            await self._writer.drain()

    def close(self) -> None:
        """End the connection."""
        self._writer.close()


class Gateway:
    """A TCP server for devices of one protocol."""

    def __init__(
        self, talk: type[Talk], devices: Devices, sink: Sink, clock: Clock, limits: Limits | None = None
    ) -> None:  # fmt: skip
        self._talk = talk
        self.speech = talk.speech
        self.devices, self.sink, self.clock = devices, sink, clock
        self.limits = limits or Limits()
        self.identifying = asyncio.Semaphore(self.limits.identifying)
        self.budget = Budget(self.limits.held)
        self.figures = Figures()
        self.deviations: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()
        self._strangers: OrderedDict[Session, None] = OrderedDict()
        self._present: dict[str, Session] = {}
        self._sessions: set[Session] = set()
        self._buckets: OrderedDict[str, Bucket] = OrderedDict()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._stopping = False

    def talk(self, session: Session) -> Talk:
        """A conversation for a new connection."""
        return self._talk(session)

    async def start(self, host: str, port: int) -> int:
        """Listen; the port, which the system chooses when it is 0."""
        self._server = await asyncio.start_server(
            self._connected, host, port, limit=self.limits.read, backlog=4096, reuse_address=True
        )
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Listen no more, and end every connection."""
        self._stopping = True
        if self._server is not None:
            self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None or self.figures.connections >= self.limits.connections:
            self.figures.turned_away += 1
            writer.close()
            return
        self._tasks.add(task)
        self.figures.connections += 1
        self.figures.opened += 1
        session = Session(self, reader, writer)
        self._sessions.add(session)
        self._strangers[session] = None
        if len(self._strangers) > self.limits.unknown:
            self.figures.turned_away += 1
            self._strangers.popitem(last=False)[0].close()
        try:
            await session.run()
        except Exception as error:  # noqa: BLE001 - one device's trouble is not the others'
            LOG.error("sensing.gateway_failed", speech=self.speech, error=type(error).__name__)
        except asyncio.CancelledError:
            if not self._stopping:  # else it was us, and streams of Python 3.11 complain of it
                raise
        finally:
            self._ended(session, task)

    def _ended(self, session: Session, task: "asyncio.Task[None]") -> None:
        self._strangers.pop(session, None)
        self._sessions.discard(session)
        for device, _since in session.known.values():
            self.forget(device.id, session)
        session.close()
        self.figures.connections -= 1
        self._tasks.discard(task)

    def present(self, device: str, session: Session) -> None:
        """A device speaks on this connection; an older one of the same device is closed, for it is dead."""
        self._strangers.pop(session, None)
        before = self._present.get(device)
        self._present[device] = session
        if before is not None and before is not session and len(before.known) == 1:
            before.close()

    def forget(self, device: str, session: Session) -> None:
        """A device has left this connection."""
        if self._present.get(device) is session:
            del self._present[device]

    def recheck(self, devices: Collection[str]) -> None:
        """These devices were changed: each is identified anew with its next frame."""
        for session in self._sessions:
            for key in [key for key, (each, _since) in session.known.items() if each.id in devices]:
                device, _since = session.known[key]
                session.known[key] = (device, -session.limits.recheck.total_seconds())

    def session(self, device: str) -> Session | None:
        """The connection on which a device speaks now."""
        return self._present.get(device)

    def devices_present(self) -> int:
        """How many devices speak now."""
        return len(self._present)

    def bucket(self, device: str) -> Bucket:
        """The rate of a device, over all its connections; remembered longer than it can help to reconnect."""
        rate = self.limits.frames_per_second
        found = self._buckets.get(device)
        if found is None:
            found = self._buckets[device] = Bucket(rate, rate * self.limits.burst)
            while len(self._buckets) > 2 * self.limits.connections:
                self._buckets.popitem(last=False)
        self._buckets.move_to_end(device)
        return found
