"""The gateway of JT/T 808: terminals register, authenticate and report; every message is answered after it is kept."""

from typing import Any

import msgspec

from cityloom.sensing.gateways.contracts import Denied, Device
from cityloom.sensing.gateways.server import Gateway, Session, Talk
from cityloom.sensing.gateways.waiting import Absent, Waiting
from cityloom.sensing.intake import bcd
from cityloom.sensing.intake.framing import Fault, Fed, Speech, Unreadable
from cityloom.sensing.intake.heard import Batch, Place
from cityloom.sensing.intake.jt808 import bodies, frames, positions
from cityloom.sensing.intake.jt808.bodies import Answer, Id, RegisterAnswer, Result
from cityloom.sensing.intake.jt808.frames import Message
from cityloom.sensing.intake.parts import Parts

_BEFORE = frozenset({Id.register, Id.authenticate})
"""What a terminal may say that has not authenticated."""
_ASKED_AGAIN = 3


class Jt808(Talk):
    """One connection of one terminal."""

    speech = Speech.jt808

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.waiting = Waiting[Message]()
        self._parts = Parts[Message](session.gateway.budget)
        self._device: Device | None = None
        self._phone, self._code = "", ""
        self._edition: frames.Edition = 2019
        self._serial = 0

    def cut(self, buffer: bytes) -> Fed[Any]:
        """Messages and sub-packets."""
        return frames.feed(buffer)

    async def hear(self, messages: list[Message]) -> None:
        """Keep the positions of all messages at once, then answer each of their packets."""
        batches: list[Batch] = []
        replies: list[bytes] = []
        for message in messages:
            await self._one(message, batches, replies)
        await self.session.put(batches)
        if replies:
            await self.session.send(*replies)

    async def _one(self, message: Message, batches: list[Batch], replies: list[bytes]) -> None:
        self._edition = message.edition
        device = None if message.id in _BEFORE else await self._allowed(message)
        if device is None:  # nothing is held for somebody unknown, so packets are not put together either
            said = await self._introduction(message)
            replies += said if isinstance(said, list) else self._answers(message, [message.serial], said)
            return
        whole, serials = self._join(message)
        if whole is None:
            return
        await self.session.pace(device, len(serials))
        result = await self._kept(whole, device, batches, replies)
        if result is not None:
            replies += self._answers(whole, serials, result)

    def _join(self, message: Message) -> tuple[Message | None, list[int]]:
        """The whole message, and the serials of its packets, each of which is answered."""
        if message.packet is None:
            return message, [message.serial]
        key = (message.id, (message.serial - message.packet.number + 1) & 0xFFFF)
        parts = self._parts.add(key, message.packet, message, len(message.raw), self.session.gateway.clock.now())
        return (None, []) if parts is None else (frames.whole(parts), [each.serial for each in parts])

    async def _allowed(self, message: Message) -> Device | None:
        """The terminal if it has authenticated; asked anew from time to time."""
        if self._device is None or message.phone != self._phone:
            return None
        device = await self.session.identify(_number(self._phone), self._code)
        self._device = None if isinstance(device, Denied) else device
        return self._device

    async def _introduction(self, message: Message) -> Result | list[bytes]:
        """Registration and authentication; anything else is refused."""
        try:
            if message.id == Id.register:
                said = bodies.registration(message)
                async with self.session.gateway.identifying:
                    answer = await self.session.gateway.devices.register(
                        _number(message.phone), said, self.session.address
                    )
                body = bodies.write_register_answer(RegisterAnswer(message.serial, answer.result, answer.code))
                return [self._write(message.phone, Id.register_answer, body)]
            if message.id == Id.authenticate:
                return await self._authenticate(message)
        except Unreadable as error:
            await self.session.quarantine([Fault(error.code, message.raw)])
            return Result.wrong
        await self.session.quarantine([Fault("not_authenticated", message.raw)])
        self.session.refuse()
        return Result.failed

    async def _authenticate(self, message: Message) -> Result:
        code = bodies.authentication(message).code
        device = await self.session.identify(_number(message.phone), code)
        if isinstance(device, Denied):
            await self.session.quarantine([Fault(device, message.raw)])
            return Result.failed
        self._device, self._phone, self._code = device, message.phone, code
        return Result.done

    async def _kept(
        self, message: Message, device: Device, batches: list[Batch], replies: list[bytes]
    ) -> Result | None:  # fmt: skip
        """What is said to the terminal; None where the message is an answer itself."""
        if message.encryption:
            await self.session.quarantine([Fault("encrypted", message.raw)], device.id)
            return Result.unsupported
        try:
            batch = self._batch(message, device)
        except Unreadable as error:
            await self.session.quarantine([Fault(error.code, message.raw)], device.id)
            return Result.wrong
        if batch is not None:
            batches.append(msgspec.structs.replace(batch, deviations=self.session.marks(batch)))
        if message.id == Id.query_time:
            clock = bcd.encode(bcd.stamp_utc(self.session.gateway.clock.now()), 6)
            replies.append(self._write(message.phone, Id.time_answer, clock))
            return None
        if message.id in (Id.terminal_answer, Id.locate_answer):
            return None if message.id == Id.terminal_answer else Result.done
        if batch is None:
            await self.session.quarantine([Fault("message_unsupported", message.raw)], device.id)
            return Result.unsupported
        return Result.done

    def _batch(self, message: Message, device: Device) -> Batch | None:
        """What is kept of a message; None when it is not understood. Raises Unreadable."""
        now = self.session.gateway.clock.now()
        base = Batch(device.id, self.speech, f"{message.id:04X}", now, message.raw, deviations=message.deviations)
        match message.id:
            case Id.location:
                return _with(base, [Place(positions.position(message.body), False)])
            case Id.locations:
                said = positions.positions(message.body)
                base = msgspec.structs.replace(base, deviations=base.deviations + said.faults)
                return _with(base, [Place(each, said.backfill) for each in said.positions])
            case Id.locate_answer:
                self.waiting.hear(int.from_bytes(message.body[:2], "big"), message)
                return _with(base, [Place(positions.position(message.body[2:]), False)])
            case Id.terminal_answer:
                self.waiting.hear(bodies.answer(message.body).serial, message)
                return None
            case Id.heartbeat | Id.unregister | Id.query_time:
                return base
        return None

    def _answers(self, message: Message, serials: list[int], result: Result) -> list[bytes]:
        return [
            self._write(
                message.phone, Id.platform_answer, bodies.write_answer(Answer(serial, message.id, int(result)))
            )
            for serial in serials
        ]  # fmt: skip

    def _write(self, phone: str, number: Id, body: bytes) -> bytes:
        self._serial = (self._serial + 1) & 0xFFFF
        return frames.write(number, phone, self._serial, body, self._edition)

    async def tick(self) -> None:
        """Ask for sub-packets that did not come; give up what never will."""
        before = self.session.gateway.clock.now() - self.session.limits.tick
        for key, held in self._parts.open():
            if held.since > before:
                continue
            held.asked += 1
            if held.asked > _ASKED_AGAIN:
                self._parts.give_up(key)
                continue
            first = next(iter(held.parts.values()))
            serial = (first.serial - (first.packet.number if first.packet else 1) + 1) & 0xFFFF
            body = bodies.write_missing_packets(serial, held.missing()[:255], first.edition)
            await self.session.send(self._write(first.phone, Id.ask_sub_packets, body))
        await self.session.lost(self._parts)

    async def locate(self) -> positions.Position:
        """Ask the terminal where it is now (0x8201). Raises NoAnswer, Absent, Busy, Unreadable."""
        if self._device is None:
            raise Absent
        raw = self._write(self._phone, Id.locate, b"")
        key, limits = self._serial, self.session.limits
        self.waiting.open(key)
        try:
            answer = await self.waiting.ask(
                key, lambda: self.session.send(raw), limits.answer.total_seconds(), limits.tries
            )
            while answer.id != Id.locate_answer:
                answer = await self.waiting.next(key, limits.answer.total_seconds())
            return positions.position(answer.body[2:])
        finally:
            self.waiting.close(key)

    def end(self) -> None:
        """Nobody waits for a terminal that is gone, and its unfinished messages free their room."""
        self._parts.close()
        self.session.gateway.figures.lost += len(self._parts.lost)
        self.waiting.end()


def _number(phone: str) -> str:
    """Without zeros in front, so that a terminal is the same in both editions."""
    return phone.lstrip("0") or "0"


def _with(batch: Batch, places: list[Place]) -> Batch:
    found = tuple(name for each in places for name in each.position.deviations)
    return msgspec.structs.replace(batch, places=places, deviations=batch.deviations + found)


async def locate(gateway: Gateway, device: str) -> positions.Position:
    """Ask a connected terminal where it is. Raises Absent, NoAnswer, Busy, Unreadable."""
    session = gateway.session(device)
    if session is None or not isinstance(session.talk, Jt808):
        raise Absent
    return await session.talk.locate()
