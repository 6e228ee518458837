"""What the catalogue announces."""

from typing import ClassVar

from cityloom.kernel.events import Event


class CatalogueChangeAnnounced(Event, frozen=True):
    """A breaking change of a resource will come into force; whoever uses it has until then."""

    topic: ClassVar[str] = "catalogue.change_announced"
    resource: str
    organisation: str
    effective_on: str
    paths: tuple[str, ...]
    """What breaks: paths such as sharing or items.address."""
    reason: str


class CatalogueChanged(Event, frozen=True):
    """A resource has a new revision in force; `retired` when it is gone."""

    topic: ClassVar[str] = "catalogue.changed"
    resource: str
    organisation: str
    revision: int
    sequence: int
    grade: int
    breaking: bool
    retired: bool
    paths: tuple[str, ...]
