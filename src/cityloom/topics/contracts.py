"""What crosses the border of topics: libraries, their parts and figures, and one subject's records in them."""

from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from cityloom.registers.contracts import Record
from cityloom.sharing.contracts import CASE

MOST_SUBJECTS: Final = 20
"""Subjects in one reading."""
MOST_RECORDS: Final = 200
"""Records of one part that are shown of one subject."""
Kind = Literal["base", "topic"]
"""基础库, 主题库."""


Standing = Literal["delivered", "empty", "catalogued", "missing", "uncounted"]


class Measure(StrEnum):
    """What a figure says: `count` of `total`."""

    delivered = "delivered"
    """Parts of which there are records, of all that ought to be there."""
    records = "records"
    """Records that the part has now (count and total are the same)."""
    filled = "filled"
    """Required fields with a value. Of a dataset as quality measured them last; of a register, entities of which a source says it."""
    coverage = "coverage"
    """Entities of a register (`field`) that have a record in the part, of all of them."""
    known = "known"
    """Identifiers in the part that the register (`field`) knows, of all that stand in it."""
    fresh = "fresh"
    """Parts for whose last due period something came, however late, of those with a rhythm."""
    age = "age"
    """Whole days since something was last accepted for the part; total is 0."""
    timely = "timely"
    """Periods of the last year that came in time, as quality measured them."""
    conflict = "conflict"
    """Entities on which two sources contradict each other, of those of which two say something: of a `field`, between two datasets
    (`other`: both names, a stroke between)."""


class Figure(msgspec.Struct, frozen=True):
    """One figure of a topic (part '') or of one part, as it stood on the day on which it was counted."""

    part: str
    measure: Measure
    field: str
    other: str
    count: int
    total: int


class Counted(msgspec.Struct, frozen=True):
    """A figure, and the keeper of the data that it is of; empty for the whole topic, and for what is missing."""

    figure: Figure
    source: str


class Met(msgspec.Struct, frozen=True):
    """Of the numbers that stand in a dataset: how many entities of a register have one, how many the register knows, how many
    there are."""

    entities: int
    known: int
    named: int


class Point(msgspec.Struct, frozen=True):
    """A figure of a whole topic on one day."""

    day: date
    measure: Measure
    count: int
    total: int


class Explained(msgspec.Struct, frozen=True):
    """A figure in words, and the address of what it was counted from, for whoever may see that."""

    figure: Figure
    title: str
    definition: str
    counted_at: datetime
    evidence: str


class PartState(msgspec.Struct, frozen=True):
    """A part of a library: what it is, whose, on which ground, and how it stands."""

    name: str
    title: str
    kind: Literal["register", "dataset"]
    keeper: str
    """Empty where nobody delivers it yet."""
    responsible: str
    """Who ought to deliver it, in words, where nobody does."""
    legal_basis: str
    state: Standing
    """catalogued: described in the catalogue, and no dataset delivers it; missing: not even that."""
    fields: tuple[str, ...]
    required: tuple[str, ...]
    last_accepted: datetime | None
    open: bool
    """Whether the caller may see the part's own figures."""
    figures: tuple[Figure, ...]


class TopicState(msgspec.Struct, frozen=True):
    """A library with the figures of the whole, as they were counted last."""

    name: str
    title: str
    kind: Kind
    keeper: str
    day: date | None
    """On which it was counted; null before the first time."""
    parts: int
    delivered: int
    missing: tuple[str, ...]
    """Titles of the parts of which there is nothing."""
    figures: tuple[Figure, ...]


class Topic(msgspec.Struct, frozen=True):
    """A library with its parts, and how its figures moved."""

    state: TopicState
    summary: str
    subjects: tuple[str, ...]
    """Registers of which one subject's records can be read."""
    parts: tuple[PartState, ...]
    curve: tuple[Point, ...]
    """By day and measure; days on which nothing was counted are left out."""


class Subject(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Of whom to read: by the register's `id`, or by a verified identifier."""

    register: Annotated[str, Meta(max_length=63)] = ""
    """Empty: the first of the topic's."""
    id: Annotated[str, Meta(max_length=20)] = ""
    kind: Annotated[str, Meta(max_length=63)] = ""
    value: Annotated[str, Meta(max_length=100)] = ""


class SubjectsWish(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whose records of a library to read, for which case."""

    case: Annotated[str, Meta(pattern=f"^{CASE}$")]
    """Number of the case or matter that they are needed for."""
    subjects: Annotated[tuple[Subject, ...], Meta(min_length=1, max_length=MOST_SUBJECTS)]


class PartRecord(msgspec.Struct, frozen=True):
    """One record as its keeper sees it, or as one grant shows it."""

    fields: dict[str, Any]
    masked: tuple[str, ...]
    grant: str
    """Empty: the reader keeps it."""


class PartRecords(msgspec.Struct, frozen=True):
    """What the reader sees of a subject in one dataset."""

    part: str
    title: str
    keeper: str
    access: Literal["own", "grant", "none"]
    """none: for this purpose no grant shows the field by which records are found. It says nothing of whether there are any."""
    records: tuple[PartRecord, ...]
    more: bool
    """Whether there are more than are shown here."""


class SubjectRecords(msgspec.Struct, frozen=True):
    """One subject in a library."""

    place: int
    """In the wish, from 0."""
    register: str
    record: Record | None
    """The register's record; null where it shows nothing."""
    parts: tuple[PartRecords, ...]


class TopicRecords(msgspec.Struct, frozen=True):
    """The subjects in the order of the wish."""

    topic: str
    purpose: str
    case: str
    subjects: tuple[SubjectRecords, ...]
    audit_position: int
    """Of the entry that says what was shown of the datasets; 0 where nothing was."""
