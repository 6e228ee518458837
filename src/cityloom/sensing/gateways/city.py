"""The city behind its gateways: who a device is, by the city's list; and what devices say, kept by the city."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import TypeVar

from cityloom.kernel import errors, log
from cityloom.kernel.context import Context
from cityloom.sensing.api import admitting, joining
from cityloom.sensing.api.hearing import Hearing
from cityloom.sensing.contracts.devices import Denial, Known
from cityloom.sensing.gateways.contracts import Claim, Denied, Device, Registered, Unavailable
from cityloom.sensing.gateways.group import Group
from cityloom.sensing.intake.heard import Batch, Quarantined
from cityloom.sensing.intake.hj212.frames import Profile
from cityloom.sensing.intake.jt808.bodies import Registration
from cityloom.sensing.spec import Gate

LOG = log.logger(__name__)
MOST = 100_000
"""Devices whose secret is remembered."""
LOOK = 1.0
"""Seconds between two looks at what was changed in the list."""
OVERLAP = timedelta(seconds=30)
"""A change may be committed so much later than it says."""

A = TypeVar("A")


async def _asked(what: Callable[[], A]) -> A:
    """What the database says, asked in a thread. Raises the gateways' Unavailable."""
    try:
        return await asyncio.to_thread(what)
    except errors.Unavailable as error:
        raise Unavailable from error


class City:
    """One for all gateways of a process."""

    def __init__(self, ctx: Context) -> None:
        self.ctx = ctx
        self.hearing = Hearing(ctx)
        self.group = Group(self.hearing.keep)
        self.changed: Callable[[Iterable[int]], None] = lambda _: None
        """Told of devices that are others now, so that their connections ask again."""
        self._known: OrderedDict[tuple[str, str], Known] = OrderedDict()
        self._seen: dict[int, datetime] = {}
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to commit, and to look at what changes."""
        self.group.start()
        self._task = asyncio.create_task(self._look())

    async def stop(self) -> None:
        """End both."""
        await self.group.stop()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def identify(self, protocol: str, number: str, secret: str) -> Known | Denial:
        """The device of that number and secret. Raises Unavailable."""
        found = self._known.get((protocol, number))
        if found is None:
            said = await _asked(lambda: admitting.identify(self.ctx, protocol, number, secret))
            if isinstance(said, Known):
                self._known[protocol, number] = said
                while len(self._known) > MOST:
                    self._known.popitem(last=False)
            return said
        return admitting.judged(self.ctx, found, protocol, number, secret)

    async def join(self, gate: Gate, number: str, said: Registration, address: str) -> Registered:
        """A terminal registers. Raises Unavailable."""
        result, code = await _asked(lambda: joining.join(self.ctx, gate, number, said, address))
        self._known.pop((gate.protocol.value, number), None)
        return Registered(int(result), code)

    async def set_aside(self, keeper: str, kept: list[Quarantined]) -> None:
        """Into quarantine. Raises Unavailable."""
        await _asked(lambda: self.hearing.set_aside(keeper, kept))

    async def _look(self) -> None:
        """Forget devices that were changed, within a second or so."""
        since = self.ctx.clock.now()
        while True:
            await asyncio.sleep(LOOK)
            now = self.ctx.clock.now()
            moment = since - OVERLAP
            try:
                found = await asyncio.to_thread(admitting.changed_since, self.ctx, moment)
            except errors.Unavailable:
                continue
            since = now
            fresh = {each.id for each in found if self._seen.get(each.id) != each.changed}
            self._seen = {each.id: each.changed for each in found}
            if fresh:
                self.forget(fresh)

    def forget(self, ids: set[int]) -> None:
        """Devices that are others now."""
        self.hearing.forget(ids)
        for key in [key for key, each in self._known.items() if each.id in ids]:
            del self._known[key]
        self.changed(ids)


class Door:
    """The city as one gateway sees it: its devices, and where what they say goes."""

    def __init__(self, city: City, gate: Gate) -> None:
        self.city, self.gate = city, gate

    async def identify(self, claim: Claim) -> Device | Denied:
        """The device that says so of itself. Raises Unavailable."""
        found = await self.city.identify(self.gate.protocol.value, claim.number, claim.secret)
        if isinstance(found, Denial):
            return Denied(found.value)
        said = found.traits
        return Device(
            str(found.id), Profile(wrong_crc=said.wrong_crc, minutes=said.minutes or None), said.answers, said.stay
        )

    async def register(self, number: str, said: Registration, address: str) -> Registered:
        """A terminal that has no code yet. Raises Unavailable."""
        return await self.city.join(self.gate, number, said, address)

    async def put(self, batches: list[Batch]) -> None:
        """Returns when they are committed. Raises Unavailable."""
        await self.city.group.put(batches)

    async def quarantine(self, kept: list[Quarantined]) -> None:
        """Keeps what could not be read. Raises Unavailable."""
        await self.city.set_aside(self.gate.keeper, kept)
