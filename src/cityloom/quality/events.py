"""What quality announces; never a value of a record."""

from typing import ClassVar

from cityloom.kernel.events import Event


class TicketMoved(Event, frozen=True):
    """A correction ticket was opened, decided or ended."""

    topic: ClassVar[str] = "quality.ticket_moved"
    ticket: str
    organisation: str
    keeper: str
    dataset: str
    state: str


class Corrected(Event, frozen=True):
    """A disputed field of a record changed at its source, by the change row `sequence`, or the record was removed."""

    topic: ClassVar[str] = "quality.corrected"
    ticket: str
    dataset: str
    keeper: str
    field: str
    key_digest: str
    sequence: int
    removed: bool
    told: tuple[str, ...]
    """The organisations that were told."""
