"""Messages that come in packets, put together again, within bounds for each connection and for all together."""

from collections import OrderedDict
from collections.abc import Hashable
from datetime import datetime
from typing import Generic, TypeVar

import msgspec

from cityloom.sensing.intake.framing import Packet

F = TypeVar("F")


class Budget:
    """Bytes that all connections of a gateway may hold in unfinished messages."""

    def __init__(self, most: int) -> None:
        self.left = most

    def take(self, size: int) -> bool:
        """Whether there is still room, which is then taken."""
        if size > self.left:
            return False
        self.left -= size
        return True


class Held(msgspec.Struct, Generic[F]):
    """An unfinished message."""

    total: int
    since: datetime
    parts: dict[int, F]
    size: int = 0
    asked: int = 0
    """How often missing packets were asked for."""

    def missing(self) -> tuple[int, ...]:
        """Numbers of the packets that did not come."""
        return tuple(number for number in range(1, self.total + 1) if number not in self.parts)

    def whole(self) -> list[F]:
        """Its packets in order."""
        return [self.parts[number] for number in sorted(self.parts)]


class Parts(Generic[F]):
    """What one connection has sent in pieces. The oldest message goes when there are too many or too large ones."""

    def __init__(self, budget: Budget, sets: int = 4, most: int = 1 << 20) -> None:
        self._budget, self._sets, self._most = budget, sets, most
        self._held: OrderedDict[Hashable, Held[F]] = OrderedDict()
        self.lost: list[Held[F]] = []
        """Messages that were given up since somebody looked."""

    def add(self, key: Hashable, packet: Packet, part: F, size: int, now: datetime) -> list[F] | None:
        """The packets of the message in order when this was the last one that was missing. A repeated one is ignored."""
        held = self._held.get(key)
        if held is not None and held.total != packet.total:
            self._lose(key)
            held = None
        if held is None:
            held = self._held[key] = Held[F](packet.total, now, {})
        if packet.number in held.parts:
            return None
        if held.size + size > self._most or not self._budget.take(size):
            self._lose(key)
            return None
        held.parts[packet.number] = part
        held.size += size
        if len(held.parts) == held.total:
            self._drop(key)
            return held.whole()
        while len(self._held) > self._sets:
            self._lose(next(iter(self._held)))
        return None

    def get(self, key: Hashable) -> Held[F] | None:
        """The unfinished message of that key."""
        return self._held.get(key)

    def open(self) -> list[tuple[Hashable, Held[F]]]:
        """Every unfinished message, the oldest first."""
        return list(self._held.items())

    def give_up(self, key: Hashable) -> None:
        """Wait no longer for what is missing of a message."""
        if key in self._held:
            self._lose(key)

    def close(self) -> None:
        """Give up everything."""
        for key in list(self._held):
            self._lose(key)

    def _lose(self, key: Hashable) -> None:
        self.lost.append(self._drop(key))

    def _drop(self, key: Hashable) -> Held[F]:
        held = self._held.pop(key)
        self._budget.left += held.size
        return held
