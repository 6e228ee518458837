"""Drafts and their review, disputes about who answers for an item, and what organisations are told."""

from datetime import datetime
from typing import Literal

import msgspec


class Message(msgspec.Struct, frozen=True):
    """What an organisation is told: a deadline, a source that moved, what the catalogue could not do by itself."""

    id: int
    kind: Literal["warning", "overdue", "escalation", "setback", "moved"]
    subject: str
    """Such as draft:…, dispute:… or resource:…."""
    state: str
    to: str
    due_at: datetime | None
    told: str
    at: datetime
