"""The only source of the present moment, so that tests and replays can choose it."""

from datetime import UTC, datetime
from typing import Protocol

import msgspec


class Clock(Protocol):
    """Tells the present moment as an aware UTC datetime."""

    def now(self) -> datetime: ...


class SystemClock(msgspec.Struct, frozen=True):
    """The machine's own clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)  # noqa: TID251 - the one place


class FixedClock(msgspec.Struct, frozen=True):
    """A clock that stands still, for tests and trial runs."""

    moment: datetime

    def now(self) -> datetime:
        return self.moment
