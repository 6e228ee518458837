"""One connection of the MQTT door: a device that sends, or somebody who subscribes."""

import asyncio
from collections import deque
from typing import Protocol
from uuid import uuid4

from cityloom.kernel.clock import Clock
from cityloom.kernel.errors import NotFound, Problem, Unavailable
from cityloom.sensing.api.watching import Watch
from cityloom.sensing.contracts.mqtt import Arrived, Guest, Outcome
from cityloom.sensing.gateways.bucket import Bucket
from cityloom.sensing.gateways.mqtt.gathering import Figures, Gathering, Limits
from cityloom.sensing.intake.mqtt import packets
from cityloom.sensing.intake.mqtt.fields import Malformed, Property, Reason, Value
from cityloom.sensing.intake.mqtt.packets import Connect, Filter, Message, Publish, Raw, Type
from cityloom.sensing.rules import topics

REASONS = {
    Outcome.kept: Reason.success, Outcome.repeated: Reason.success, Outcome.refused: Reason.not_authorised,
    Outcome.unknown: Reason.topic_invalid, Outcome.unreadable: Reason.payload_invalid,
}  # fmt: skip
_OLD = {Reason.credentials: 5, Reason.version: 1, Reason.client_id: 2, Reason.unavailable: 3, Reason.not_authorised: 5}
"""Return codes of CONNACK at level 4 (MQTT 3.1.1, 3.2.2.3)."""


class Ended(Exception):
    """The connection is over; `reason` is what the other side is told, and the will is published unless it is success."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.name)
        self.reason = reason


class Host(Protocol):
    """What a connection needs of the door."""

    limits: Limits
    figures: Figures
    gathering: Gathering

    @property
    def clock(self) -> Clock: ...

    async def enter(self, user: str, password: str, address: str) -> Guest | None:
        """Who that is; None: not let in. Raises Unavailable."""
        ...

    async def watch(self, guest: Guest, topic: str) -> Watch:
        """A subscription. Raises Problem."""
        ...

    def bucket(self, device: int) -> Bucket:
        """The rate of a device."""
        ...

    def introduced(self, session: "Session") -> None:
        """Somebody has said who he is; whether it is true is still to be seen."""
        ...

    def present(self, session: "Session") -> None:
        """A guest is known."""
        ...


class Session:
    """Reads packets, hands messages over, and writes what it is told."""

    def __init__(self, door: Host, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.door, self._reader, self._writer = door, reader, writer
        peer = writer.get_extra_info("peername")
        self.address = str(peer[0]) if peer else ""
        self.guest: Guest | None = None
        self.client = ""
        self.level = 4
        self.watches: dict[str, tuple[Watch, int]] = {}
        """By topic, with the QoS."""
        self._connect: Connect | None = None
        self._bucket: Bucket | None = None
        self._inflight = 0
        self._settled = asyncio.Event()
        self._second: dict[int, Outcome | None] = {}
        """Packets of QoS 2 that are not released; None: not kept yet."""
        self._ahead: deque[Publish] = deque()
        """Messages to the subscriber that may not be sent yet."""
        self._sent: set[int] = set()
        self._most_sent = 65_535
        self._packet = 0
        self._checked = 0.0

    async def run(self) -> None:
        """Until the connection ends."""
        buffer = bytearray()
        reason = Reason.unspecified
        try:
            async with asyncio.timeout(self.door.limits.introduction):
                said, rest = await self._introduction(buffer)
            self.door.introduced(self)
            await self._enter(said)  # many who come at once wait for one another here, however long
            for raw in rest:
                await self._hear(raw)
            await self._talk(buffer)
        except Ended as ended:
            reason = ended.reason
        except Malformed as error:
            self.door.figures.malformed += 1
            reason = error.reason
        except (TimeoutError, ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self._end(reason)

    async def _introduction(self, buffer: bytearray) -> tuple[Connect, list[Raw]]:
        """CONNECT, and what came behind it. Raises Ended, Malformed."""
        while True:
            if buffer and buffer[0] != Type.connect << 4:
                raise Malformed("connect_missing", Reason.protocol_error)
            found = packets.cut(buffer, self.door.limits.longest_connect)
            if found:
                break
            await self._more(buffer)
        try:
            said = packets.connect(found[0])
        except Malformed as error:
            if error.reason is Reason.version:
                self._write(packets.write_connack(4, 1))
            raise
        return said, found[1:]

    async def _enter(self, said: Connect) -> None:
        self.level, self._connect = said.level, said
        self.client = said.client or f"c{uuid4().hex[:22]}"
        try:
            guest = await self.door.enter(said.user, said.password, self.address)
        except Unavailable:
            self._refuse(Reason.unavailable)
        if guest is None:
            self.door.figures.denied += 1
            self._refuse(Reason.credentials)
        if not said.client and said.level == 4 and not said.clean:
            self._refuse(Reason.client_id)
        self.guest = guest
        limits = self.door.limits
        if guest and guest.device:
            self._bucket = self.door.bucket(guest.device)
        self._most_sent = said.properties.number(Property.receive_maximum, 65_535) or 1
        self._checked = asyncio.get_running_loop().time()
        self.door.present(self)
        given: list[tuple[Property, Value]] = [
            (Property.session_expiry, 0), (Property.receive_maximum, limits.inflight),
            (Property.packet_maximum, limits.longest), (Property.retain_available, 0), (Property.wildcards, 0),
            (Property.subscription_ids, 0), (Property.shared, 0),
        ]  # fmt: skip
        if not said.client:
            given.append((Property.assigned_id, self.client))
        self._write(packets.write_connack(self.level, 0, given))

    def _refuse(self, reason: Reason) -> None:
        """Raises Ended."""
        self._write(packets.write_connack(self.level, reason if self.level == 5 else _OLD.get(reason, 5)))
        raise Ended(Reason.success)

    async def _more(self, buffer: bytearray) -> None:
        """Read on. Raises Ended where there is no more."""
        data = await self._reader.read(65_536)
        if not data:
            raise Ended(Reason.unspecified)
        buffer += data

    async def _talk(self, buffer: bytearray) -> None:
        """Packet by packet; a client that says nothing for one and a half keep-alives is gone (3.1.2.10)."""
        keep_alive = self._connect.keep_alive if self._connect else 0
        while True:
            await self._recheck()
            for raw in packets.cut(buffer, self.door.limits.longest):
                await self._hear(raw)
            await self.door.gathering.room()
            async with asyncio.timeout(keep_alive * 1.5 if keep_alive else None):
                await self._more(buffer)

    def recheck(self) -> None:
        """Look the guest up anew before the next packet."""
        self._checked = -self.door.limits.recheck

    async def _recheck(self) -> None:
        now, said = asyncio.get_running_loop().time(), self._connect
        if said is None or now - self._checked < self.door.limits.recheck:
            return
        self._checked = now
        try:
            guest = await self.door.enter(said.user, said.password, self.address)
        except Unavailable:
            return
        if guest is None:
            raise Ended(Reason.not_authorised)
        self.guest = guest

    async def _hear(self, raw: Raw) -> None:
        """One packet. Raises Ended, Malformed."""
        type = raw.type
        if type is Type.publish:
            await self._published(packets.publish(raw, self.level))
            return
        packets.flags_right(raw)
        if type is Type.puback or type is Type.pubcomp:
            self._sent.discard(packets.answer(raw, self.level).packet)
            self._send_ahead()
        elif type is Type.pubrel:
            packet = packets.answer(raw, self.level).packet
            self._second.pop(packet, None)
            self._write(packets.write_answer(Type.pubcomp, packet, 0, self.level))
        elif type is Type.subscribe:
            await self._subscribe(packets.subscribe(raw, self.level))
        elif type is Type.unsubscribe:
            self._unsubscribe(packets.unsubscribe(raw, self.level))
        elif type is Type.pingreq:
            self._write(packets.PINGRESP)
        elif type is Type.disconnect:
            with_will = self.level == 5 and raw.body[:1] == b"\x04"
            raise Ended(Reason.unspecified if with_will else Reason.success)
        else:
            raise Malformed("packet_unexpected", Reason.protocol_error)

    async def _published(self, said: Publish) -> None:
        """Hand a message over; it is acknowledged when it is kept."""
        if said.qos == 2 and said.packet in self._second:  # it came before on this connection
            if self._second[said.packet] is not None:
                self._write(packets.write_answer(Type.pubrec, said.packet, 0, self.level))
            return
        if self._bucket is not None:
            pause = self._bucket.take(1, asyncio.get_running_loop().time())
            if pause:
                self.door.figures.slowed += 1
                await asyncio.sleep(pause)
        while said.qos and self._inflight >= self.door.limits.inflight:
            self._settled.clear()
            await self._settled.wait()
        if not said.qos:
            self.door.gathering.put(self._arrived(said, ""))
            return
        self._inflight += 1
        if said.qos == 2:
            self._second[said.packet] = None
        mark = f"{self.guest.number or self.guest.principal.name if self.guest else ''}/{self.client}/{said.packet}"
        self.door.gathering.put(self._arrived(said, mark), lambda outcome: self._done(said.packet, said.qos, outcome))

    def _arrived(self, said: Publish, mark: str) -> Arrived:
        return Arrived(said.topic, said.payload, self.door.clock.now(), self.guest, said.again, mark, self.address)

    def _done(self, packet: int, qos: int, outcome: Outcome) -> None:
        self._inflight -= 1
        self._settled.set()
        reason = REASONS[outcome]
        if qos == 1:
            self._write(packets.write_answer(Type.puback, packet, reason, self.level))
            return
        if self.level == 5 and reason:
            self._second.pop(packet, None)  # a PUBREC with an error ends the exchange (4.3.3)
        else:
            self._second[packet] = outcome
        self._write(packets.write_answer(Type.pubrec, packet, reason, self.level))

    async def _subscribe(self, said: packets.Subscribe) -> None:
        reasons = [await self._subscribed(each) for each in said.filters]
        self._write(packets.write_suback(said.packet, reasons, self.level))

    async def _subscribed(self, wish: Filter) -> int:
        """The reason for one filter: the QoS that is granted, or why there is none."""
        if wish.topic.startswith(topics.SHARE):
            return Reason.shared_unsupported
        if "+" in wish.topic or "#" in wish.topic:
            return Reason.wildcards_unsupported
        if self.guest is None or (
            len(self.watches) >= self.door.limits.subscriptions and wish.topic not in self.watches
        ):
            return Reason.quota
        try:
            watch = await self.door.watch(self.guest, wish.topic)
        except Unavailable:
            return Reason.unspecified
        except NotFound as problem:
            return Reason.filter_invalid if problem.code == "sensing.path_unknown" else Reason.not_authorised
        except Problem as problem:
            return Reason.not_authorised if problem.status in (401, 403) else Reason.filter_invalid
        qos = min(wish.qos, 1)
        self.watches[wish.topic] = (watch, qos)
        return qos

    def _unsubscribe(self, said: packets.Subscribe) -> None:
        reasons = [
            Reason.success if self.watches.pop(each.topic, None) else Reason.no_subscription for each in said.filters
        ]
        self._write(packets.write_suback(said.packet, reasons, self.level, Type.unsuback))

    def tell(self, topic: str, payload: bytes, qos: int) -> None:
        """Send to the subscriber; what it is too slow for is dropped and counted."""
        if len(self._ahead) >= self.door.limits.outgoing or self._writer.is_closing():
            self.door.figures.unsent += 1
            return
        self._ahead.append(Publish(topic, payload, qos))
        self._send_ahead()

    def _send_ahead(self) -> None:
        """As much as the subscriber takes at once."""
        while self._ahead and not self._writer.is_closing():
            first = self._ahead[0]
            full = self._writer.transport.get_write_buffer_size() > self.door.limits.longest
            if full or (first.qos and len(self._sent) >= min(self._most_sent, self.door.limits.inflight)):
                return
            self._ahead.popleft()
            packet = self._next() if first.qos else 0
            self._write(packets.write_publish(Publish(first.topic, first.payload, first.qos, packet), self.level))
            self.door.figures.sent += 1

    def hurry(self) -> None:
        """Send on what waited for the network."""
        self._send_ahead()

    def _next(self) -> int:
        while True:
            self._packet = self._packet % 65_535 + 1
            if self._packet not in self._sent:
                self._sent.add(self._packet)
                return self._packet

    def _write(self, data: bytes) -> None:
        if not self._writer.is_closing():
            self._writer.write(data)

    def close(self, reason: Reason) -> None:
        """Show the client out."""
        if self.guest is not None:
            self._write(packets.write_disconnect(self.level, reason))
        self._writer.close()

    def _end(self, reason: Reason) -> None:
        """The will goes out where the client did not say goodbye (3.1.2.5)."""
        self.watches.clear()
        will: Message | None = self._connect.will if self._connect else None
        if will is not None and self.guest is not None and reason is not Reason.success:
            self.door.gathering.put(self._arrived(Publish(will.topic, will.payload), ""))
        if reason not in (Reason.success, Reason.unspecified):
            self.close(reason)
        self._writer.close()
