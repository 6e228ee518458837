"""The gateway of HJ 212: uploads are kept and acknowledged, devices are commanded and their answers awaited."""

from datetime import datetime
from typing import Any, Final

import msgspec

from cityloom.sensing.gateways.contracts import Denied, Device
from cityloom.sensing.gateways.server import Gateway, Session, Talk
from cityloom.sensing.gateways.waiting import Absent, Waiting
from cityloom.sensing.intake.framing import Fault, Fed, Speech, Unreadable
from cityloom.sensing.intake.heard import Batch
from cityloom.sensing.intake.hj212 import answers, frames, reports
from cityloom.sensing.intake.hj212.answers import Items, Outcome, Readiness
from cityloom.sensing.intake.hj212.frames import Frame

REQUEST_ANSWER: Final = "9011"
RESULT: Final = "9012"
NOTICE_ANSWER: Final = "9013"
DATA_ANSWER: Final = "9014"
ASKS_FOR_TIME = "1013"
HEARTBEAT = "9015"
SET_TIME = "1012"
_NOTICES = frozenset({ASKS_FOR_TIME, HEARTBEAT})
_MOST_TIMES = 64


class Done(msgspec.Struct, frozen=True):
    """What came of a command."""

    readiness: int
    """QnRtn of 9011: 1 is ready; everything else says why not."""
    outcome: int | None
    """ExeRtn of 9012; None when the device was not ready."""
    frames: list[Frame]
    """What the device sent in between: the values or settings that were asked for."""


class Hj212(Talk):
    """One connection of HJ 212; a logger may speak for several MN."""

    speech = Speech.hj212

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.waiting = Waiting[Frame]()
        self._times: dict[tuple[str, str], datetime] = {}
        """DataTime of the first packet, for later ones that do not repeat it."""
        self._asked: dict[str, Frame] = {}
        """The last frame of each device: how it wants to be spoken to."""

    def cut(self, buffer: bytes) -> Fed[Any]:
        """Frames; those with a wrong checksum too where all devices behind the connection are known for it."""
        known = [device.profile.wrong_crc for device, _since in self.session.known.values()]
        return frames.feed(buffer, frames.Profile(wrong_crc=bool(known) and all(known)))

    async def hear(self, frames: list[Frame]) -> None:
        """Keep the uploads of all frames at once, then answer each."""
        heard: list[tuple[Frame, Device]] = []
        for frame in frames:
            device = await self._who(frame)
            if device is not None and await self.session.may(device, frame):
                heard.append((frame, device))
        await self._keep(heard)

    async def again(self, frame: Frame) -> None:
        """A frame that has waited for its device's rate."""
        device = await self._who(frame)
        if device is not None:
            await self._keep([(frame, device)])

    async def _keep(self, heard: list[tuple[Frame, Device]]) -> None:
        batches: list[Batch] = []
        replies: list[bytes] = []
        for frame, device in heard:
            try:
                batch = self._batch(frame, device)
            except Unreadable as error:
                await self.session.quarantine([Fault(error.code, frame.raw)], device.id)
                continue
            replies += self._replies(frame, batch)
            if batch is not None:
                batches.append(msgspec.structs.replace(batch, deviations=self.session.marks(batch)))
        await self.session.put(batches)
        if replies:
            await self.session.send(*replies)

    async def _who(self, frame: Frame) -> Device | None:
        device = await self.session.identify(frame.mn, frame.password)
        if not isinstance(device, Denied):
            if len(self._asked) < _MOST_TIMES or frame.mn in self._asked:
                self._asked[frame.mn] = frame
            return device
        await self.session.quarantine([Fault(device, frame.raw)])
        if frame.wants_answer and frame.cn in _NOTICES:
            wrong = Readiness.password_wrong if device is Denied.secret else Readiness.mn_wrong
            await self.session.send(answers.answer(frame, REQUEST_ANSWER, wrong))
        return None

    def _batch(self, frame: Frame, device: Device) -> Batch | None:
        """What is kept of a frame; None for the answers to our own commands. Raises Unreadable."""
        now = self.session.gateway.clock.now()
        base = Batch(device.id, self.speech, frame.cn, now, frame.raw, deviations=frame.deviations)
        if frame.cn in (REQUEST_ANSWER, RESULT, NOTICE_ANSWER, DATA_ANSWER):
            self.waiting.hear((frame.mn, frame.qn), frame)
            return None
        expected = self.waiting.hear((frame.mn, frame.qn), frame)
        if frame.cn in reports.DATA | reports.OTHER_DATA:
            said = reports.report(frame, device.profile, self._before(frame))
            if frame.packet and len(self._times) < _MOST_TIMES:
                self._times[frame.mn, frame.cn] = said.start
            return msgspec.structs.replace(
                base, readings=said.readings, facts=said.facts, deviations=frame.deviations + said.deviations
            )
        if frame.cn not in _NOTICES and not expected:
            raise Unreadable("command_unknown")
        return msgspec.structs.replace(base, facts=tuple(pair for item in frame.items for pair in item))

    def _before(self, frame: Frame) -> datetime | None:
        if frame.packet is None or frame.packet.number == 1:
            self._times.pop((frame.mn, frame.cn), None)
            return None
        return self._times.get((frame.mn, frame.cn))

    def _replies(self, frame: Frame, batch: Batch | None) -> list[bytes]:
        """9014 for data, 9013 for notices; a device that asks for the time gets it besides."""
        if batch is None:
            return []
        replies = []
        if frame.wants_answer:
            replies.append(answers.answer(frame, NOTICE_ANSWER if frame.cn in _NOTICES else DATA_ANSWER))
        if frame.cn == ASKS_FOR_TIME:
            now = self.session.gateway.clock.now()
            replies.append(self._command(frame, answers.number(now), SET_TIME, answers.set_time(now)))
        return replies

    def _command(self, like: Frame, qn: str, cn: str, items: Items) -> bytes:
        return answers.command(qn, like.st, cn, like.password, like.mn, items, like.version)

    async def command(self, mn: str, cn: str, items: Items = ()) -> Done:
        """Ask a device: 9011 is awaited, with tries; then what it sends, up to 9012. Raises NoAnswer, Absent, Busy."""
        like = self._asked.get(mn)
        if like is None:
            raise Absent
        limits = self.session.limits
        qn = answers.number(self.session.gateway.clock.now())
        key = (mn, qn)
        raw = self._command(like, qn, cn, items)
        self.waiting.open(key)
        try:
            first = await self.waiting.ask(
                key, lambda: self.session.send(raw), limits.answer.total_seconds(), limits.tries
            )
            return await self._execution(key, first)
        finally:
            self.waiting.close(key)

    async def _execution(self, key: tuple[str, str], first: Frame) -> Done:
        """A device that says the result at once, or sends the values before it says that it is ready, is understood."""
        readiness = int(Readiness.ready)
        found: list[Frame] = []
        frame = first
        while True:
            if frame.cn == REQUEST_ANSWER:
                readiness = _code(frame, "QnRtn")
                if readiness != Readiness.ready:
                    return Done(readiness, None, found)
            elif frame.cn == RESULT:
                return Done(readiness, _code(frame, "ExeRtn"), found)
            elif frame.cn not in (NOTICE_ANSWER, DATA_ANSWER):
                found.append(frame)
            elif frame.cn == NOTICE_ANSWER:
                return Done(readiness, int(Outcome.done), found)
            frame = await self.waiting.next(key, self.session.limits.execution.total_seconds())

    def end(self) -> None:
        """Nobody waits for a device that is gone."""
        self.waiting.end()


def _code(frame: Frame, name: str) -> int:
    value = frame.value(name) or ""
    return int(value) if value.isascii() and value.isdecimal() and len(value) <= 4 else int(Readiness.unknown)


async def command(gateway: Gateway, device: str, mn: str, cn: str, items: Items = ()) -> Done:
    """Command a device that is connected. Raises Absent, NoAnswer, Busy."""
    session = gateway.session(device)
    if session is None or not isinstance(session.talk, Hj212):
        raise Absent
    return await session.talk.command(mn, cn, items)
