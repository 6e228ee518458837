"""What sharing announces."""

from typing import ClassVar

from cityloom.kernel.events import Event


class RequestMoved(Event, frozen=True):
    """A request for data was asked, answered or taken back."""

    topic: ClassVar[str] = "sharing.request_moved"
    request: str
    organisation: str
    keeper: str
    dataset: str
    state: str


class GrantChanged(Event, frozen=True):
    """A grant was given, renewed or ended."""

    topic: ClassVar[str] = "sharing.grant_changed"
    grant: str
    organisation: str
    keeper: str
    dataset: str
    state: str
