"""Sub-packets of JT/T 808 put together again, within bounds."""

from collections import OrderedDict
from datetime import datetime

import msgspec

from cityloom.sensing.intake.jt808.frames import Message

MOST_BYTES = 1 << 20
MOST_SETS = 4
"""Unfinished messages that one terminal may have under way."""


class _Set(msgspec.Struct):
    total: int
    since: datetime
    parts: dict[int, Message]
    size: int = 0


class Missing(msgspec.Struct, frozen=True):
    """Sub-packets that did not come: what 0x8003 asks for."""

    first: int
    """Serial of the first sub-packet."""
    numbers: tuple[int, ...]


class Parts:
    """What one terminal has sent in pieces. The oldest set goes when there are too many or too large ones."""

    def __init__(self) -> None:
        self._sets: OrderedDict[tuple[int, int], _Set] = OrderedDict()
        self.dropped = 0
        """Sets that were given up."""

    def add(self, message: Message, now: datetime) -> Message | None:
        """The whole message when this was the last sub-packet of it; a message without packets passes as it is."""
        if message.packet is None:
            return message
        first = (message.serial - message.packet.number + 1) & 0xFFFF
        key = (message.id, first)
        held = self._sets.get(key)
        if held is None or held.total != message.packet.total:
            held = self._sets[key] = _Set(message.packet.total, now, {})
        if message.packet.number not in held.parts:
            held.parts[message.packet.number] = message
            held.size += len(message.raw)
        if len(held.parts) == held.total:
            del self._sets[key]
            return _whole(held)
        self._bound()
        return None

    def _bound(self) -> None:
        while len(self._sets) > MOST_SETS or sum(each.size for each in self._sets.values()) > MOST_BYTES:
            self._sets.popitem(last=False)
            self.dropped += 1

    def missing(self, before: datetime) -> list[Missing]:
        """Of each set that began before, what is missing; the first sub-packet's serial names it."""
        return [
            Missing(first, tuple(number for number in range(1, held.total + 1) if number not in held.parts)[:255])
            for (_id, first), held in self._sets.items()
            if held.since < before
        ]

    def forget(self, first: int) -> list[Message]:
        """Give up the set of that first serial: the parts that were there."""
        for key in [each for each in self._sets if each[1] == first]:
            self.dropped += 1
            return list(self._sets.pop(key).parts.values())
        return []


def _whole(held: _Set) -> Message:
    parts = [held.parts[number] for number in range(1, held.total + 1)]
    return msgspec.structs.replace(
        parts[0], raw=b"".join(each.raw for each in parts), body=b"".join(each.body for each in parts), packet=None
    )
