"""What the console is told that no other door tells."""

from datetime import date, datetime
from typing import Literal

import msgspec

from cityloom.kernel.flow.spec import Definition
from cityloom.kernel.words import Text

TaskKind = Literal[
    "decide_requests", "answer_offers", "deliver", "decide_pairs", "answer_tickets", "answer_rejections", "rule_on_tickets",
    "certify_grants", "renew_grants", "mend", "alarms", "decide_filings", "decide_appeals", "answer_disputes",
    "rule_on_disputes", "review_drafts",
]  # fmt: skip


class Frame(msgspec.Struct, frozen=True):
    """What stands around every page: the city, and the flows with the words for their states and moves."""

    city: Text
    flows: tuple[Definition, ...]
    registers: tuple[str, ...]
    """Those that the caller's organisation keeps."""
    earliest: date
    """The first day on which what breaks others may come into force, when it is announced today."""
    appraises: bool
    """Whether the caller sees the appraisal of every department."""
    reviewed: bool = False
    """Whether what departments describe in the catalogue is reviewed before it comes into force."""


class Task(msgspec.Struct, frozen=True):
    """Work of one kind that waits for the caller's organisation."""

    kind: TaskKind
    count: int
    due_at: datetime | None
    """The earliest deadline among them."""
    place: str = ""
    """What it is about where it is one thing alone: `dataset/delivery` of the rows to mend."""


class KeptDataset(msgspec.Struct, frozen=True):
    """A dataset of the caller's organisation, and what was accepted last."""

    name: str
    title: str
    delivery: str
    received_at: datetime | None


class Today(msgspec.Struct, frozen=True):
    """What needs the caller, the most urgent first, and what the organisation keeps."""

    tasks: tuple[Task, ...]
    datasets: tuple[KeptDataset, ...]


class Page(msgspec.Struct, frozen=True):
    """A built file of the console."""

    content: bytes
    media: str
    encoding: str
    """gzip, or empty."""
    lasting: bool
    """Whether its name changes with its content, so that a browser may keep it."""
