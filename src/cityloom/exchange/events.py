"""What the exchange announces."""

from typing import ClassVar

from cityloom.kernel.events import Event


class DeliveryAccepted(Event, frozen=True):
    """A delivery was decided; its change rows have sequence numbers first..last."""

    topic: ClassVar[str] = "exchange.delivery_accepted"
    dataset: str
    delivery: str
    accepted: int
    quarantined: int
    first_sequence: int
    last_sequence: int


class DeliveryWithdrawn(Event, frozen=True):
    """A delivery's effects were taken back by the change rows first..last."""

    topic: ClassVar[str] = "exchange.delivery_withdrawn"
    dataset: str
    delivery: str
    first_sequence: int
    last_sequence: int


class DatasetOverdue(Event, frozen=True):
    """A dataset was not delivered in time."""

    topic: ClassVar[str] = "exchange.dataset_overdue"
    dataset: str
    organisation: str
    period_end: str
