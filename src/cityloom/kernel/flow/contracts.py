"""What callers of the flow engine hand in and get back."""

from datetime import datetime
from typing import Literal

import msgspec

from cityloom.kernel.calendar.spec import Period, Term
from cityloom.kernel.flow.spec import Effect

NoticeKind = Literal["warning", "overdue", "escalation"]


class Act(msgspec.Struct, frozen=True):
    """Who acts, with which roles, when (aware), why. The same `key` on the same flow does nothing a second time."""

    actor: str
    roles: frozenset[str]
    at: datetime
    key: str
    reason: str = ""

    def __post_init__(self) -> None:
        if self.at.tzinfo is None:
            raise ValueError("the time of an act has no zone")


class Record(msgspec.Struct, frozen=True):
    """One move as it was made; records are only ever appended. `due` is the deadline as it was then known."""

    version: int
    move: str
    source: str
    target: str
    clock: Effect
    actor: str
    role: str
    reason: str
    at: datetime
    key: str
    by: Period | None = None
    due: datetime | None = None


class Step(msgspec.Struct, frozen=True):
    """One move as its parties see it."""

    version: int
    move: str
    state: str
    """The state that it led to."""
    actor: str
    role: str
    reason: str
    at: datetime
    due: datetime | None
    """The deadline as it was then known."""


class Clock(msgspec.Struct, frozen=True):
    """The deadline of `state`, set by the move with version `version`.

    `suspended_by` is the move that stopped it and "" while it runs; `ended` says when it was taken away.
    """

    state: str
    version: int
    term: Term
    suspended_by: str = ""
    ended: datetime | None = None

    @property
    def is_running(self) -> bool:
        return self.ended is None and not self.suspended_by


class Standing(msgspec.Struct, frozen=True):
    """Where a flow stands after its move `version`.

    `due` is None without a clock, while it is suspended, and while the state has not announced the holidays that the
    deadline depends on (the clock is running then). `allowed` names the moves of this state, whoever may make them.
    """

    flow: int
    kind: str
    subject: str
    organisation: str
    version: int
    state: str
    is_final: bool
    at: datetime
    allowed: tuple[str, ...]
    clock: Clock | None
    due: datetime | None
    repeated: bool = False


class Alarm(msgspec.Struct, frozen=True):
    """A moment at which somebody must be told about a deadline; `step` counts the warnings or the escalations."""

    kind: NoticeKind
    step: int
    at: datetime
    to: str = ""


class Notice(msgspec.Struct, frozen=True):
    """An alarm that has come: the caller emits it in the same transaction, once."""

    flow: int
    kind: str
    subject: str
    organisation: str
    state: str
    due: datetime
    alarm: Alarm


class Line(msgspec.Struct, frozen=True):
    """One flow in a list."""

    flow: int
    subject: str
    organisation: str
    version: int
    state: str
    suspended: bool
    due: datetime | None
