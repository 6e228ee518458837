"""What appraisal announces."""

from typing import ClassVar

from cityloom.kernel.events import Event


class ResultPublished(Event, frozen=True):
    """An appraisal was published, or a later revision of one."""

    topic: ClassVar[str] = "appraisal.result_published"
    publication: str
    revision: int
    set: str
    appeal: str


class FilingMoved(Event, frozen=True):
    """Material was filed, decided on or taken back."""

    topic: ClassVar[str] = "appraisal.filing_moved"
    filing: str
    organisation: str
    indicator: str
    state: str


class AppealMoved(Event, frozen=True):
    """An appeal was made, decided or taken back."""

    topic: ClassVar[str] = "appraisal.appeal_moved"
    appeal: str
    organisation: str
    publication: str
    indicator: str
    state: str
