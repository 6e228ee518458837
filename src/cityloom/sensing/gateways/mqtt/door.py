"""The MQTT door: devices publish, subscribers of SensorThings are told; what is acknowledged is committed.

It is no broker between clients: nothing goes from one to the other but through the city's data. Why it is our own stands in
decision 0019.
"""

import asyncio
import ssl
from collections import OrderedDict
from contextlib import suppress
from functools import partial

from cityloom.kernel import log
from cityloom.kernel.clock import Clock
from cityloom.kernel.context import Context
from cityloom.kernel.errors import Unavailable
from cityloom.sensing.api import guests, watching
from cityloom.sensing.api.watching import Watch, Watching
from cityloom.sensing.contracts.mqtt import Guest
from cityloom.sensing.gateways.bucket import Bucket
from cityloom.sensing.gateways.mqtt.gathering import Figures, Gathering, Limits
from cityloom.sensing.gateways.mqtt.session import Session
from cityloom.sensing.intake.mqtt.fields import Reason

LOG = log.logger(__name__)


class MqttDoor:
    """A server for MQTT 3.1.1 and 5."""

    def __init__(self, ctx: Context, gathering: Gathering, figures: Figures, limits: Limits) -> None:
        self.ctx, self.gathering, self.figures, self.limits = ctx, gathering, figures, limits
        self._watching = Watching(ctx)
        self._entering = asyncio.Semaphore(limits.entering)
        self._present: dict[tuple[str, str], Session] = {}
        self._strangers: OrderedDict[Session, None] = OrderedDict()
        self._buckets: OrderedDict[int, Bucket] = OrderedDict()
        self._tasks: set[asyncio.Task[None]] = set()
        self._servers: list[asyncio.Server] = []
        self._looking: asyncio.Task[None] | None = None

    @property
    def clock(self) -> Clock:
        return self.ctx.clock

    async def start(self, host: str, port: int, tls: ssl.SSLContext | None = None) -> int:
        """Listen; the port, which the system chooses when it is 0. Raises OSError."""
        server = await asyncio.start_server(
            self._connected, host, port, ssl=tls, limit=65_536, backlog=4096, reuse_address=True
        )
        self._servers.append(server)
        if self._looking is None:
            self._looking = asyncio.create_task(self._look())
            with suppress(Unavailable):  # then it starts with the first look
                await asyncio.to_thread(self._watching.start)
        return int(server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Listen no more, and end every connection."""
        for server in self._servers:
            server.close()
        tasks = [*self._tasks, *([self._looking] if self._looking else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def enter(self, user: str, password: str, address: str) -> Guest | None:
        """Who that is; None: not let in. Raises Unavailable."""
        async with self._entering:
            return await asyncio.to_thread(guests.enter, self.ctx, user, password, address)

    async def watch(self, guest: Guest, topic: str) -> Watch:
        """A subscription. Raises Problem."""
        found = await asyncio.to_thread(watching.watch, self.ctx, guest, topic)
        await asyncio.to_thread(self._watching.remember, found)
        return found

    def bucket(self, device: int) -> Bucket:
        """The rate of a device, over all its connections."""
        found = self._buckets.get(device)
        if found is None:
            found = self._buckets[device] = Bucket(self.limits.per_second, self.limits.burst)
            while len(self._buckets) > 2 * self.limits.connections:
                self._buckets.popitem(last=False)
        self._buckets.move_to_end(device)
        return found

    def introduced(self, session: Session) -> None:
        """Somebody has said who he is; whether it is true is still to be seen."""
        self._strangers.pop(session, None)

    def present(self, session: Session) -> None:
        """A guest is known; an older connection of the same client ends (3.1.4)."""
        key = _key(session)
        before = self._present.get(key)
        self._present[key] = session
        if before is not None:
            before.close(Reason.taken_over)

    def recheck(self, devices: frozenset[int]) -> None:
        """Look these up anew before anything more is heard of them."""
        for session in self._present.values():
            if session.guest is not None and session.guest.device in devices:
                session.recheck()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None or self.figures.connections >= self.limits.connections:
            self.figures.turned_away += 1
            writer.close()
            return
        session = Session(self, reader, writer)
        self._tasks.add(task)
        self.figures.connections += 1
        self.figures.opened += 1
        self._strangers[session] = None
        if len(self._strangers) > self.limits.unknown:
            self.figures.turned_away += 1
            self._strangers.popitem(last=False)[0].close(Reason.quota)
        try:
            await session.run()
        except Exception as error:  # noqa: BLE001 - one guest's trouble is not the others'
            LOG.error("sensing.mqtt_failed", error=type(error).__name__)
        finally:
            self._strangers.pop(session, None)
            if session.guest is not None and self._present.get(_key(session)) is session:
                del self._present[_key(session)]
            self.figures.connections -= 1
            self._tasks.discard(task)

    async def _look(self) -> None:
        """Tell subscribers what is new, for ever."""
        while True:
            await asyncio.sleep(self.limits.look)
            meant = [
                (session, watch, qos) for session in self._present.values() for watch, qos in session.watches.values()
            ]
            for session in {id(each): each for each, _, _ in meant}.values():
                session.hurry()
            try:
                told = await asyncio.to_thread(partial(self._watching.look, [watch for _, watch, _ in meant]))
            except Unavailable:
                continue
            except Exception as error:  # noqa: BLE001 - the next look may be well
                LOG.error("sensing.mqtt_look_failed", error=type(error).__name__)
                continue
            for each in told:
                session, watch, qos = meant[each.place]
                session.tell(watch.topic, each.payload, qos)


def _key(session: Session) -> tuple[str, str]:
    guest = session.guest
    return (guest.principal.name if guest else "", session.client)
