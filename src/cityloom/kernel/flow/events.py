"""What the flow engine's timed work announces; modules hear of their own kinds of flows."""

from datetime import datetime
from typing import ClassVar

from cityloom.kernel.events import Event


class FlowNotice(Event, frozen=True):
    """Somebody must be told about a deadline: `notice` is warning, overdue or escalation, `to` whom it escalates to."""

    topic: ClassVar[str] = "flow.notice"
    flow: int
    kind: str
    subject: str
    organisation: str
    state: str
    notice: str
    step: int
    to: str
    due: datetime
    at: datetime


class FlowsRecounted(Event, frozen=True):
    """The calendar changed, and with it deadlines of flows that are running."""

    topic: ClassVar[str] = "flow.recounted"
    flows: int
