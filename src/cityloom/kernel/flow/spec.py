"""A flow as data: its states, the moves between them, who may make them, and what each does to the clock."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from cityloom.kernel.calendar.spec import Period
from cityloom.kernel.words import Text

Name = Annotated[str, Meta(pattern="^[a-z][a-z0-9_]*$", max_length=60)]
Effect = Literal["set", "keep", "suspend", "resume", "extend", "stop"]


class Escalation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whom to tell (a role or an office, the reader's business) so long after the deadline has passed."""

    after: Period
    to: str


class ExtensionRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who may lengthen a deadline, by how much in all, and how many times (行政许可法 art. 42: once, ten days)."""

    most: Period
    roles: tuple[str, ...]
    times: Annotated[int, Meta(ge=1)] = 1


class SuspensionRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who may stop the clock and let it run again without a move (行政许可法 art. 45)."""

    roles: tuple[str, ...]


class Deadline(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How long a state may last, when to warn before the end, and whom to tell after it."""

    within: Period
    warn: tuple[Period, ...] = ()
    escalate: tuple[Escalation, ...] = ()
    extension: ExtensionRule | None = None
    suspension: SuspensionRule | None = None


class State(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a flow can stand."""

    name: Name
    title: Text
    deadline: Deadline | None = None
    final: bool = False


class Move(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A step that people of these roles may take. Without `to` the flow stays where it is.

    `clock`: set (a new clock for the deadline of the state entered), keep (the clock runs or stands on, unchanged),
    suspend, resume, extend (`by`), stop (there is no deadline any more). Unsaid, it is keep for a move that stays,
    else set if the state entered has a deadline, else stop.
    """

    name: Name
    title: Text
    sources: Annotated[tuple[Name, ...], Meta(min_length=1)] = msgspec.field(name="from")
    roles: Annotated[tuple[str, ...], Meta(min_length=1)]
    to: Name | None = None
    needs_reason: bool = False
    clock: Effect | None = None
    by: Period | None = None


class Definition(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One kind of flow. A running flow keeps the definition with which it started."""

    kind: Name
    title: Text
    initial: Name
    states: Annotated[tuple[State, ...], Meta(min_length=1)]
    moves: tuple[Move, ...]

    def state(self, name: str) -> State:
        """The state of that name. Raises LookupError."""
        for state in self.states:
            if state.name == name:
                return state
        raise LookupError(name)

    def moves_from(self, state: str) -> tuple[Move, ...]:
        """The moves that leave this state, or that are made in it."""
        return tuple(move for move in self.moves if state in move.sources)
