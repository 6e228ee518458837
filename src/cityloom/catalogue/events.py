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


class CatalogueDraftMoved(Event, frozen=True):
    """A draft of a resource stands elsewhere: submitted, returned for editing, approved, published, withdrawn."""

    topic: ClassVar[str] = "catalogue.draft_moved"
    draft: str
    resource: str
    organisation: str
    state: str


class CatalogueDisputeMoved(Event, frozen=True):
    """A dispute about a source stands elsewhere; `moved`: the claimant's resource is the source of the item now."""

    topic: ClassVar[str] = "catalogue.dispute_moved"
    dispute: str
    subject: str
    item: str
    organisation: str
    holder: str
    resource: str
    held_by: str
    state: str
