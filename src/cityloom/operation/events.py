"""What operation announces."""

from typing import ClassVar

from cityloom.kernel.events import Event


class AlarmChanged(Event, frozen=True):
    """A gauge has another level: ok, warning or alarm."""

    topic: ClassVar[str] = "operation.alarm"
    gauge: str
    level: str
    before: str
    value: float
    subject: str
