"""The gateway of SL 651: stations report (M1, M2), send pictures in packets (M3), and are asked (M4)."""

from typing import Any

import msgspec

from cityloom.sensing.gateways.contracts import Denied, Device
from cityloom.sensing.gateways.server import Gateway, Session, Talk
from cityloom.sensing.gateways.waiting import Absent, Waiting
from cityloom.sensing.intake.framing import Fault, Fed, Speech, Unreadable
from cityloom.sensing.intake.heard import Batch
from cityloom.sensing.intake.hj212.frames import Pair
from cityloom.sensing.intake.parts import Parts
from cityloom.sensing.intake.sl651 import bodies, elements, frames
from cityloom.sensing.intake.sl651.frames import LINK, Frame, Header
from cityloom.sensing.intake.sl651.reports import Report

_ASKED_AGAIN = 3


class Sl651(Talk):
    """One connection of SL 651; a relay may speak for several stations."""

    speech = Speech.sl651

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.waiting = Waiting[Report]()
        self._parts = Parts[Frame](session.gateway.budget, most=1 << 22)
        self._serials: dict[tuple[str, int], int] = {}
        """Serial number of a message in packets: the first packet has it, the answers repeat it."""
        self._headers: dict[str, Header] = {}
        """How each station is spoken to."""

    def cut(self, buffer: bytes) -> Fed[Any]:
        """Frames of either encoding."""
        return frames.feed(buffer)

    async def hear(self, heard: list[Frame]) -> None:
        """Keep what all frames say at once, then answer each."""
        let: list[tuple[Frame, Device]] = []
        for frame in heard:
            device = await self._who(frame)
            if device is not None and await self.session.may(device, frame):
                let.append((frame, device))
        await self._keep(let)

    async def again(self, frame: Frame) -> None:
        """A frame that has waited for its station's rate."""
        device = await self._who(frame)
        if device is not None:
            await self._keep([(frame, device)])

    async def _keep(self, heard: list[tuple[Frame, Device]]) -> None:
        batches: list[Batch] = []
        replies: list[bytes] = []
        for frame, device in heard:
            whole = self._join(frame, replies)
            if whole is not None:
                await self._kept(whole, device, batches, replies)
        await self.session.lost(self._parts)
        await self.session.put(batches)
        if replies:
            await self.session.send(*replies)

    async def _who(self, frame: Frame) -> Device | None:
        if not frame.upward:
            await self.session.quarantine([Fault("direction_wrong", frame.raw)])
            return None
        device = await self.session.identify(frame.station, f"{frame.password:04X}")
        if isinstance(device, Denied):
            await self.session.quarantine([Fault(device, frame.raw)])
            return None
        if len(self._headers) < self.session.limits.numbers or frame.station in self._headers:
            self._headers[frame.station] = bodies.header(frame)
        return device

    def _join(self, frame: Frame, replies: list[bytes]) -> Frame | None:
        """The whole frame; when the last packet came and others are missing, one of them is asked for (NAK)."""
        if frame.packet is None:
            return frame
        key = (frame.station, frame.function)
        now = self.session.gateway.clock.now()
        if frame.packet.number == 1:
            self._serials[key] = _serial(frame)
        parts = self._parts.add(key, frame.packet, frame, len(frame.raw), now)
        if parts is not None:
            return bodies.whole(parts)
        held = self._parts.get(key)
        if held is not None and (frame.last or held.asked):
            self._ask_again(frame, replies)
        return None

    def _ask_again(self, frame: Frame, replies: list[bytes]) -> None:
        key = (frame.station, frame.function)
        held = self._parts.get(key)
        if held is None:
            return
        missing = held.missing()
        held.asked += 1
        if held.asked > _ASKED_AGAIN + len(held.parts):
            self._parts.give_up(key)
            self._serials.pop(key, None)
        else:
            now = self.session.gateway.clock.now()
            replies.append(bodies.ask_again(frame, self._serials.get(key, 0), missing[0], now))

    async def _kept(self, frame: Frame, device: Device, batches: list[Batch], replies: list[bytes]) -> None:
        now = self.session.gateway.clock.now()
        try:
            said = bodies.read(frame)
        except Unreadable as error:
            await self.session.quarantine([Fault(error.code, frame.raw)], device.id)
            return
        self._serials.pop((frame.station, frame.function), None)
        batch = Batch(
            device.id, self.speech, f"{frame.function:02X}", now, frame.raw, said.readings,
            pictures=[said.picture] if said.picture else [], facts=_facts(said),
            deviations=tuple(dict.fromkeys((*frame.deviations, *said.deviations))),
        )  # fmt: skip
        batches.append(msgspec.structs.replace(batch, deviations=self.session.marks(batch)))
        self.waiting.hear((frame.station, frame.function), said)
        if frame.function != LINK and device.answers:
            replies.append(bodies.confirm(frame, said.serial, now, device.stay))

    async def tick(self) -> None:
        """Ask for packets of messages whose end did not come."""
        before = self.session.gateway.clock.now() - self.session.limits.tick
        replies: list[bytes] = []
        for _key, held in self._parts.open():
            if held.since < before:
                self._ask_again(next(iter(held.parts.values())), replies)
        await self.session.lost(self._parts)
        if replies:
            await self.session.send(*replies)

    async def query(self, station: str, function: int, content: bytes = b"") -> Report:
        """Ask a station (M4), with tries; what it answers is kept as its reports are. Raises NoAnswer, Absent, Busy."""
        header = self._headers.get(station)
        if header is None:
            raise Absent
        key, limits = (station, function), self.session.limits

        async def send() -> None:
            await self.session.send(bodies.query(header, function, self.session.gateway.clock.now(), content))

        self.waiting.open(key)
        try:
            return await self.waiting.ask(key, send, limits.answer.total_seconds(), limits.tries)
        finally:
            self.waiting.close(key)

    def end(self) -> None:
        """Nobody waits for a station that is gone, and its unfinished messages free their room."""
        self._parts.close()
        self.session.gateway.figures.lost += len(self._parts.lost)
        self.waiting.end()


def _serial(frame: Frame) -> int:
    """Of the first packet, which alone has it."""
    if frame.encoding == "hex":
        return int.from_bytes(frame.body[:2], "big")
    try:
        return int(frame.body[:4], 16)
    except ValueError:
        return 0


def _facts(said: Report) -> tuple[Pair, ...]:
    """What a report says that is no value of a quantity."""
    facts: list[Pair] = [(f"parameter_{each.id:02X}", each.data.hex().upper()) for each in said.parameters]
    if said.manual is not None:
        facts.append(("manual", said.manual))
    if said.status is not None:
        facts.append(("status", " ".join(elements.status(said.status))))
    if said.rest:
        facts.append(("rest", said.rest.hex().upper()))
    return tuple(facts)


async def query(gateway: Gateway, device: str, station: str, function: int, content: bytes = b"") -> Report:
    """Ask a connected station. Raises Absent, NoAnswer, Busy."""
    session = gateway.session(device)
    if session is None or not isinstance(session.talk, Sl651):
        raise Absent
    return await session.talk.query(station, function, content)
