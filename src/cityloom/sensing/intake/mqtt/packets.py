"""Packets of MQTT 3.1.1 (level 4) and 5.0 (level 5): cut from a stream, read, and written."""

from collections.abc import Sequence
from enum import IntEnum

import msgspec

from cityloom.sensing.intake.mqtt import fields
from cityloom.sensing.intake.mqtt.fields import NOTHING, Malformed, Properties, Property, Reason, Value

LONGEST = 256 * 1024
"""Bytes of a packet that are taken."""
CLEAN, WILL, WILL_RETAIN, PASSWORD, USER = 0x02, 0x04, 0x20, 0x40, 0x80


class Type(IntEnum):
    """Types of packets (2.1.2)."""

    connect = 1
    connack = 2
    publish = 3
    puback = 4
    pubrec = 5
    pubrel = 6
    pubcomp = 7
    subscribe = 8
    suback = 9
    unsubscribe = 10
    unsuback = 11
    pingreq = 12
    pingresp = 13
    disconnect = 14
    auth = 15


_FLAGS = {Type.pubrel: 2, Type.subscribe: 2, Type.unsubscribe: 2}


class Raw(msgspec.Struct, frozen=True, gc=False):
    """A packet as it came: the first byte, and what follows the length."""

    head: int
    body: bytes

    @property
    def type(self) -> Type:
        """What it is. Raises Malformed."""
        if not self.head >> 4:
            raise Malformed("type_unknown")
        return Type(self.head >> 4)


class Message(msgspec.Struct, frozen=True):
    """What is published when a connection ends badly, or at all."""

    topic: str
    payload: bytes
    qos: int = 0


class Connect(msgspec.Struct, frozen=True):
    """The first packet of a client."""

    level: int
    client: str
    clean: bool
    keep_alive: int
    """Seconds; 0: none."""
    user: str = ""
    password: str = ""
    will: Message | None = None
    properties: Properties = NOTHING


class Publish(msgspec.Struct, frozen=True, gc=False):
    """A message; `packet` is 0 at QoS 0."""

    topic: str
    payload: bytes
    qos: int = 0
    packet: int = 0
    again: bool = False
    """DUP: it may have been sent before."""
    retain: bool = False
    properties: Properties = NOTHING


class Answer(msgspec.Struct, frozen=True, gc=False):
    """PUBACK, PUBREC, PUBREL, PUBCOMP; and of SUBACK and UNSUBACK the first of `reasons` is `reason`."""

    packet: int
    reason: int = 0
    reasons: tuple[int, ...] = ()


class Connack(msgspec.Struct, frozen=True):
    """The answer to CONNECT; other reasons than 0 refuse."""

    present: bool
    reason: int
    properties: Properties = NOTHING


class Filter(msgspec.Struct, frozen=True):
    """What is subscribed to, at most at which QoS."""

    topic: str
    qos: int = 0


class Subscribe(msgspec.Struct, frozen=True):
    """Filters; of UNSUBSCRIBE the QoS mean nothing."""

    packet: int
    filters: tuple[Filter, ...]


def cut(buffer: bytearray, most: int = LONGEST) -> list[Raw]:
    """The whole packets at the beginning of the buffer, which are taken from it. Raises Malformed: nothing after is known."""
    found: list[Raw] = []
    at, end = 0, len(buffer)
    while at + 2 <= end:
        size, shift, place = 0, 0, at + 1
        while place < end:
            byte = buffer[place]
            place += 1
            size |= (byte & 0x7F) << shift
            if byte < 0x80:
                break
            shift += 7
            if shift > 21:
                raise Malformed("length_wrong")
        else:
            break
        if size > most:
            raise Malformed("too_large", Reason.too_large)
        if place + size > end:
            break
        found.append(Raw(buffer[at], bytes(buffer[place : place + size])))
        at = place + size
    del buffer[:at]
    return found


def flags_right(raw: Raw) -> None:
    """The four low bits of a packet that is no PUBLISH (2.1.3). Raises Malformed."""
    if raw.type is not Type.publish and raw.head & 0x0F != _FLAGS.get(raw.type, 0):
        raise Malformed("flags_wrong")


def connect(raw: Raw) -> Connect:
    """CONNECT (3.1). Raises Malformed; `version` where it is no version that is spoken here."""
    body = raw.body
    name, at = fields.text(body, 0)
    if at + 4 > len(body):
        raise Malformed("too_short")
    level, flags, keep_alive = body[at], body[at + 1], fields.short(body, at + 2)
    if name != "MQTT" or level not in (4, 5):
        raise Malformed("version_unknown", Reason.version)
    if flags & 1 or (not flags & WILL and flags & 0x38) or flags & 0x18 == 0x18:
        raise Malformed("flags_wrong")
    at, said = at + 4, NOTHING
    if level == 5:
        said, at = fields.properties(body, at)
    client, at = fields.text(body, at)
    will = None
    if flags & WILL:
        if level == 5:
            _, at = fields.properties(body, at)
        topic, at = fields.text(body, at)
        payload, at = fields.blob(body, at)
        will = Message(topic, payload, flags >> 3 & 3)
    user = password = ""
    if flags & USER:
        user, at = fields.text(body, at)
    if flags & PASSWORD:
        secret, at = fields.blob(body, at)
        password = secret.decode("utf-8", "replace")
    if at != len(body):
        raise Malformed("too_long")
    return Connect(level, client, bool(flags & CLEAN), keep_alive, user, password, will, said)


def publish(raw: Raw, level: int) -> Publish:
    """PUBLISH (3.3). Raises Malformed."""
    head, body = raw.head, raw.body
    qos = head >> 1 & 3
    topic, at = fields.text(body, 0)
    packet, said = 0, NOTHING
    if qos == 3 or (not qos and head & 8):
        raise Malformed("flags_wrong")
    if qos:
        packet, at = fields.short(body, at), at + 2
        if not packet:
            raise Malformed("packet_id_wrong", Reason.protocol_error)
    if level == 5:
        said, at = fields.properties(body, at)
        if Property.alias in said.values:
            raise Malformed("alias_unannounced", Reason.alias_invalid)
    if not topic or "+" in topic or "#" in topic:
        raise Malformed("topic_wrong", Reason.topic_invalid)
    return Publish(topic, body[at:], qos, packet, bool(head & 8), bool(head & 1), said)


def answer(raw: Raw, level: int) -> Answer:
    """PUBACK, PUBREC, PUBREL, PUBCOMP. Raises Malformed."""
    packet = fields.short(raw.body, 0)
    return Answer(packet, raw.body[2] if level == 5 and len(raw.body) > 2 else 0)


def suback(raw: Raw, level: int) -> Answer:
    """SUBACK (3.9). Raises Malformed."""
    packet, at = fields.short(raw.body, 0), 2
    if level == 5:
        _, at = fields.properties(raw.body, at)
    reasons = tuple(raw.body[at:])
    if not reasons:
        raise Malformed("too_short")
    return Answer(packet, reasons[0], reasons)


def connack(raw: Raw, level: int) -> Connack:
    """CONNACK (3.2). Raises Malformed."""
    if len(raw.body) < 2:
        raise Malformed("too_short")
    said = fields.properties(raw.body, 2)[0] if level == 5 and len(raw.body) > 2 else NOTHING
    return Connack(bool(raw.body[0] & 1), raw.body[1], said)


def subscribe(raw: Raw, level: int) -> Subscribe:
    """SUBSCRIBE (3.8). Raises Malformed."""
    packet, at, body = fields.short(raw.body, 0), 2, raw.body
    if level == 5:
        _, at = fields.properties(body, at)
    found = []
    while at < len(body):
        topic, at = fields.text(body, at)
        if at >= len(body) or body[at] & 3 == 3 or not topic:
            raise Malformed("filter_wrong", Reason.protocol_error)
        found.append(Filter(topic, body[at] & 3))
        at += 1
    if not found or not packet:
        raise Malformed("filter_wrong", Reason.protocol_error)
    return Subscribe(packet, tuple(found))


def unsubscribe(raw: Raw, level: int) -> Subscribe:
    """UNSUBSCRIBE (3.10). Raises Malformed."""
    packet, at = fields.short(raw.body, 0), 2
    if level == 5:
        _, at = fields.properties(raw.body, at)
    found = []
    while at < len(raw.body):
        topic, at = fields.text(raw.body, at)
        found.append(Filter(topic))
    if not found or not packet:
        raise Malformed("filter_wrong", Reason.protocol_error)
    return Subscribe(packet, tuple(found))


def _whole(head: int, body: bytes) -> bytes:
    return bytes([head]) + fields.write_length(len(body)) + body


def write_connect(said: Connect, given: Sequence[tuple[Property, Value]] = ()) -> bytes:
    """CONNECT, with these properties at level 5."""
    flags = (CLEAN if said.clean else 0) | (USER if said.user else 0) | (PASSWORD if said.password else 0)
    last = b""
    if said.will is not None:
        flags |= WILL | said.will.qos << 3
        last = b"\x00" if said.level == 5 else b""
        last += fields.write_text(said.will.topic) + fields.write_text(said.will.payload)
    last += fields.write_text(said.user) if said.user else b""
    last += fields.write_text(said.password) if said.password else b""
    more = fields.write_properties(given) if said.level == 5 else b""
    start = b"\x00\x04MQTT" + bytes([said.level, flags]) + fields.write_short(said.keep_alive)
    return _whole(Type.connect << 4, start + more + fields.write_text(said.client) + last)


def write_connack(level: int, reason: int, given: Sequence[tuple[Property, Value]] = ()) -> bytes:
    """CONNACK without a session, with these properties at level 5."""
    return _whole(Type.connack << 4, bytes([0, reason]) + (fields.write_properties(given) if level == 5 else b""))


def write_publish(said: Publish, level: int) -> bytes:
    """PUBLISH without properties."""
    head = Type.publish << 4 | (8 if said.again else 0) | said.qos << 1 | (1 if said.retain else 0)
    packet = fields.write_short(said.packet) if said.qos else b""
    return _whole(head, fields.write_text(said.topic) + packet + (b"\x00" if level == 5 else b"") + said.payload)


def write_answer(type: Type, packet: int, reason: int, level: int) -> bytes:
    """PUBACK, PUBREC, PUBREL or PUBCOMP; the reason is said at level 5 only, where it is not success."""
    head = type << 4 | _FLAGS.get(type, 0)
    if level == 5 and reason:
        return bytes([head, 3, packet >> 8, packet & 0xFF, reason])
    return bytes([head, 2, packet >> 8, packet & 0xFF])


def write_subscribe(said: Subscribe, level: int) -> bytes:
    """SUBSCRIBE."""
    start = fields.write_short(said.packet) + (b"\x00" if level == 5 else b"")
    return _whole(
        Type.subscribe << 4 | 2,
        start + b"".join(fields.write_text(each.topic) + bytes([each.qos]) for each in said.filters),
    )


def write_suback(packet: int, reasons: Sequence[int], level: int, type: Type = Type.suback) -> bytes:
    """SUBACK, or UNSUBACK, which has reasons at level 5 only."""
    if level == 5:
        return _whole(type << 4, fields.write_short(packet) + b"\x00" + bytes(reasons))
    plain = bytes(0x80 if each >= 0x80 else each for each in reasons)
    return _whole(type << 4, fields.write_short(packet) + (plain if type is Type.suback else b""))


def write_disconnect(level: int, reason: int) -> bytes:
    """DISCONNECT; a server says it at level 5 only."""
    return bytes([Type.disconnect << 4, 1, reason]) if level == 5 else b""


PINGREQ = bytes([Type.pingreq << 4, 0])
PINGRESP = bytes([Type.pingresp << 4, 0])
LEAVE = bytes([Type.disconnect << 4, 0])
