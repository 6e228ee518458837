"""Drafts and their review, disputes about who answers for an item, and what organisations are told."""

from datetime import date, datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from cityloom.catalogue.contracts.resources import Change, Name, ResourceId, ResourceWish
from cityloom.kernel.flow.contracts import Step

ReviewId = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:@~-]{0,127}$")]
"""The sender's own name of a draft or a dispute."""

Prose = Annotated[str, Meta(max_length=2000)]
Law = Annotated[str, Meta(max_length=500)]
Key = Annotated[str, Meta(min_length=1, max_length=100)]
DraftState = Literal["editing", "submitted", "approved", "published", "withdrawn"]
DisputeState = Literal["stated", "answered", "moved", "confirmed", "withdrawn"]


class DraftWish(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is to become of a resource."""

    resource: ResourceId
    record: ResourceWish | None = None
    """null: it is to be retired."""
    effective_on: date | None = None
    """When it comes into force; null: once it is approved."""
    reason: Prose = ""


class DraftAct(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A move of a draft. The same `key` does nothing a second time."""

    move: Literal["submit", "approve", "return", "withdraw"]
    version: int
    """The version that was seen."""
    key: Key
    reason: Prose = ""
    effective_on: date | None = None
    """With approve: another day than the draft has."""


class Draft(msgspec.Struct, frozen=True):
    """A draft and where it stands."""

    id: str
    organisation: str
    resource: str
    record: ResourceWish | None
    effective_on: date | None
    reason: str
    account: str
    state: DraftState
    version: int
    due_at: datetime | None
    made_at: datetime
    changed_at: datetime
    changes: list[Change] = []
    """What differs from what is in force now; empty in lists."""
    steps: tuple[Step, ...] = ()


class DisputeWish(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A department's claim that it, and not who does now, answers for an item."""

    resource: ResourceId
    """The claimant's own resource, which has the item and does not claim it yet."""
    item: Annotated[str, Meta(min_length=1, max_length=300)]
    law: Annotated[str, Meta(min_length=1, max_length=500)]
    """The law or duty (三定) by which it answers for the item."""
    reason: Annotated[str, Meta(min_length=1, max_length=2000)]
    qualifier: Name = ""


class DisputeAct(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A move of a dispute. The same `key` does nothing a second time."""

    move: Literal["answer", "concede", "move_source", "confirm", "withdraw"]
    version: int
    """The version that was seen."""
    key: Key
    reason: Prose = ""
    law: Law = ""
    """With answer, move_source and confirm: the law it rests on."""


class Dispute(msgspec.Struct, frozen=True):
    """A dispute about who answers for an item (数源争议), and where it stands."""

    id: str
    organisation: str
    """Who claims the item."""
    holder: str
    """Who answers for it when the dispute is filed."""
    resource: str
    held_by: str
    """The holder's resource."""
    subject: str
    item: str
    qualifier: str
    law: str
    reason: str
    answer_law: str
    answer: str
    ruling_law: str
    ruling: str
    state: DisputeState
    version: int
    due_at: datetime | None
    made_at: datetime
    decided_at: datetime | None
    steps: tuple[Step, ...] = ()


class Message(msgspec.Struct, frozen=True):
    """What an organisation is told: a deadline, a move, a source that moved, what the catalogue could not do by itself."""

    id: int
    kind: Literal["warning", "overdue", "escalation", "setback", "moved"]
    subject: str
    """Such as draft:…, dispute:… or resource:…."""
    state: str
    to: str
    due_at: datetime | None
    told: str
    at: datetime
