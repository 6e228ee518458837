"""What crosses the border of the registers: entities, their records with the source of each field, doubts, decisions."""

import re
from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from cityloom.kernel.words import Text
from cityloom.sharing.contracts import CASE

ENTITY: Final = re.compile(r"[A-Z]\d{12}")
"""A letter for the register, and a number that is never given twice."""
EntityId = Annotated[str, Meta(pattern=f"^{ENTITY.pattern}$")]
Reason = Annotated[str, Meta(min_length=1, max_length=2000)]
KeyPart = Annotated[str, Meta(min_length=1, max_length=200)]


class How(StrEnum):
    """Why a source record belongs to its entity."""

    identifier = "identifier"
    alone = "alone"
    """It has no verified identifier, and was not linked to anybody."""
    linkage = "linkage"
    steward = "steward"
    apart = "apart"
    """It has somebody's identifier and does not fit that one, so it is kept apart until a steward decides."""


HOWS: Final = (How.identifier, How.alone, How.linkage, How.steward, How.apart)
IDENTIFIER, ALONE, LINKAGE, STEWARD, APART = range(5)
"""As the database has them."""


class Source(msgspec.Struct, frozen=True):
    """The version of a source record that a value comes from."""

    dataset: str
    keeper: str
    sequence: int
    """Of the change row that brought it."""
    delivery: str
    known_since: datetime
    as_of: date | None
    how: How


class Disputable(msgspec.Struct, frozen=True):
    """How the reader disputes a value at its source (校核); only where he is shown which record it is of."""

    key: tuple[str, ...]
    """The values of the dataset's key fields, in order."""
    field: str
    """The dataset's name of the field."""
    grant: str
    """By which it is shown."""
    whole: bool
    """False where it is masked."""


class Value(msgspec.Struct, frozen=True):
    """What one source says of a field."""

    value: Any
    source: Source
    authority: bool
    """Whether this dataset is the one that decides on this field (一数一源)."""
    dispute: Disputable | None = None


class FieldValue(msgspec.Struct, frozen=True):
    """One field of a record: the value that stands, and what other sources say."""

    name: str
    title: str
    value: Any
    source: Source
    authority: bool
    agree: bool
    """Whether all sources that the reader may see say the same."""
    others: tuple[Value, ...]
    dispute: Disputable | None = None


class Link(msgspec.Struct, frozen=True):
    """From this entity to another one."""

    name: str
    register: str
    id: str
    """Empty where the register does not know the other one yet."""
    identifier: str
    """Kind and value by which the source names it."""
    source: Source
    title: str
    """What it says, such as lives in."""


class Lookup(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which record to read: by `id`, or by a verified identifier."""

    case: Annotated[str, Meta(pattern=f"^{CASE}$")]
    """Number of the case or matter that the record is needed for."""
    id: Annotated[str, Meta(max_length=20)] = ""
    kind: Annotated[str, Meta(max_length=63)] = ""
    """Kind of identifier, such as citizen_id."""
    value: Annotated[str, Meta(max_length=100)] = ""
    known_on: datetime | None = None
    """Read what was known at this moment, instead of now."""


class Record(msgspec.Struct, frozen=True):
    """One entity as the reader may see it now."""

    register: str
    id: str
    known_on: datetime
    fields: tuple[FieldValue, ...]
    links: tuple[Link, ...]
    sources: tuple[Source, ...]
    """The source records of which something is shown."""
    hidden: int
    """Source records of which the reader may see nothing under this purpose."""
    purpose: str
    case: str
    reading: int
    """Number of this reading, as the person will see it."""
    audit_position: int


class Reading(msgspec.Struct, frozen=True):
    """Who read a record, why, and what was shown."""

    id: int
    at: datetime
    organisation: str
    account: str
    purpose: str
    case: str
    fields: tuple[str, ...]
    audit_position: int


class Version(msgspec.Struct, frozen=True):
    """What one source record said, from when it was known to when it was not any more, and to whom it belonged."""

    source: Source
    known_until: datetime | None
    values: dict[str, Any]


class Evidence(msgspec.Struct, frozen=True):
    """One field of two entities, side by side."""

    name: str
    title: str
    left: tuple[Any, ...]
    right: tuple[Any, ...]
    agree: bool
    level: str = ""
    """How far the two agree, in words, where the linkage compared them."""
    weight: float | None = None
    """Bits for (positive) or against (negative) their being one: each doubles or halves the odds."""


class Sign(msgspec.Struct, frozen=True, array_like=True):
    """What one field said to the linkage about a pair."""

    field: str
    level: str
    weight: float


EVEN: Final = 0.5
"""The probability of a pair of which no linkage speaks: it may be one, or not."""


class Scored(msgspec.Struct, frozen=True):
    """A pair that may be one, why it is asked about, and what each field said."""

    left: int
    right: int
    probability: float
    why: str
    signs: tuple[Sign, ...] = ()


class DoubtState(StrEnum):
    """What became of a doubt."""

    open = "open"
    merged = "merged"
    distinct = "distinct"
    gone = "gone"
    """One of the two is not there any more."""


class Doubt(msgspec.Struct, frozen=True):
    """Two entities that may be one; a steward decides."""

    id: int
    register: str
    left: str
    right: str
    probability: float
    why: Literal["linkage", "identifier", "steward", "reused"]
    """linkage: they are alike; identifier: alike as one, with two verified numbers; reused: one number, and they do not
    fit; steward: somebody put them forward."""
    state: DoubtState
    opened_at: datetime
    decided_at: datetime | None = None
    decided_by: str = ""
    reason: str = ""
    evidence: tuple[Evidence, ...] = ()


class Ruling(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A steward's answer to a doubt."""

    answer: Literal["same", "distinct"]
    reason: Reason


class Pair(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Two entities that somebody believes to be one."""

    left: EntityId
    right: EntityId
    reason: Reason


class SourceKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A record of a dataset."""

    dataset: str
    key: Annotated[tuple[KeyPart, ...], Meta(min_length=1, max_length=10)]


class Statement(msgspec.Struct, frozen=True):
    """What a source record says of one field of the register."""

    field: str
    title: str
    value: str


class SourceRecord(msgspec.Struct, frozen=True):
    """One of the records that an entity is made of, for a steward who decides whether it belongs there."""

    dataset: str
    keeper: str
    key: tuple[str, ...]
    known_since: datetime
    delivery: str
    says: tuple[Statement, ...]


class Merge(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Two entities are one: everything of `from_id` goes to `into`."""

    from_id: EntityId
    into: EntityId
    reason: Reason


class Split(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Some source records of an entity are about somebody else: they get an entity of their own."""

    entity: EntityId
    records: Annotated[tuple[SourceKey, ...], Meta(min_length=1, max_length=1000)]
    reason: Reason


class Undo(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Take a decision back."""

    reason: Reason


class Decision(msgspec.Struct, frozen=True):
    """A merge, a split, or the undoing of one."""

    id: int
    register: str
    kind: Literal["merge", "split", "undo"]
    from_id: str
    into: str
    records: int
    at: datetime
    by: str
    reason: str
    undoes: int | None
    undone_by: int | None


class FieldConflict(msgspec.Struct, frozen=True):
    """A source contradicts the authority of a field."""

    register: str
    id: str
    field: str
    authority: str
    """Dataset."""
    dataset: str
    """Dataset that says otherwise."""
    ticket: str
    """The correction ticket that was opened for it; empty while there is none."""


class Shape(msgspec.Struct, frozen=True):
    """What a register is declared to be: its fields, the kinds of identifiers, and the datasets that feed it."""

    name: str
    title: Text
    keeper: str
    fields: tuple[str, ...]
    kinds: tuple[str, ...]
    datasets: tuple[str, ...]


What = Literal["held", "filled", "compared"]


class Tally(msgspec.Struct, frozen=True):
    """One number of an agreement.

    `held`: entities of which the dataset `left` has a record (of which any has: empty). `filled`: entities of which some source
    has a value in the field. `compared`: entities of which both sources of the pair have a value in the field (any two, any
    field: empty), and on how many of them these contradict each other.
    """

    what: What
    field: str
    left: str
    right: str
    entities: int
    differing: int


class Agreement(msgspec.Struct, frozen=True):
    """How far the sources of a register agree, as it was counted last."""

    register: str
    counted_at: datetime
    tallies: tuple[Tally, ...]


class Difference(msgspec.Struct, frozen=True):
    """An entity on which two sources contradict each other; no value is told."""

    register: str
    id: str
    field: str
    left: str
    right: str


class IdentifierKind(msgspec.Struct, frozen=True):
    """A kind of identifier by which a record is found."""

    name: str
    title: str


class RegisterState(msgspec.Struct, frozen=True):
    """How far a register knows its sources."""

    name: str
    title: str
    keeper: str
    size: "Size | None"
    """As it was counted last; null before the first time."""
    unlinked: bool
    """Whether there are entities that the linkage has not compared yet."""
    doubts: int
    feeds: tuple["FeedState", ...]
    identifiers: tuple[IdentifierKind, ...]
    """By which its records are found."""
    personal: bool
    """Whether it is about people."""


class Size(msgspec.Struct, frozen=True):
    """What a register holds."""

    entities: int
    records: int
    alone: int
    """Records without an identifier that were linked to nobody."""
    linked: int
    """Records that the linkage put where they are."""
    counted_at: datetime


class Member(msgspec.Struct, frozen=True):
    """A record of a dataset and the entity that it belongs to."""

    key: str
    """Parts of the key, separated by U+001F."""
    entity: int
    how: int
    identifier: str | None
    """Register, kind and value by which other records of the entity are known, if any."""


class FeedState(msgspec.Struct, frozen=True):
    """How far the register follows one dataset."""

    dataset: str
    sequence: int
    last_sequence: int
    followed_at: datetime | None


# what rules plan and the store keeps


class Change(msgspec.Struct, frozen=True):
    """What happened to one source record."""

    key: str
    sequence: int
    at: datetime
    as_of: date | None
    delivery: str
    identifier: str | None
    links: tuple[str, ...]
    record: str | None
    """As JSON; None when there is no such record any more."""
    erased: bool = False
    identity: tuple[str | None, ...] = ()
    """What it says of the fields by which the register tells whether it is about who has its identifier."""


class Known(msgspec.Struct, frozen=True):
    """The last claim of a source record."""

    key: str
    id: int
    standing: bool
    entity: int
    how: int
    decision: int | None
    identifier: str | None


class NewClaim(msgspec.Struct, frozen=True):
    """A claim to be written. A negative entity is the so-many-th new one of the page."""

    entity: int
    how: int
    decision: int | None
    change: Change
    until: datetime | None


class Saying(msgspec.Struct, frozen=True):
    """What a standing record says of the one who has its identifier."""

    identifier: str
    entity: int
    feed: int
    key: str
    values: tuple[str | None, ...]


class Changing(msgspec.Struct, frozen=True):
    """A record that goes on: what it said until then, and what stands now."""

    id: int
    until: datetime
    claim: NewClaim


class Plan(msgspec.Struct, frozen=True):
    """What a page of changes comes to."""

    ending: tuple[tuple[int, datetime], ...]
    """Claims that end with their record, and when."""
    changing: tuple[Changing, ...]
    beginning: tuple[NewClaim, ...]
    entities: int
    """How many new ones there are."""
    erased: tuple[str, ...]
    """Keys of which nothing may stay."""
    doubts: tuple[tuple[int, int], ...] = ()
    """Who has an identifier, and who is kept apart from that one. Negative as in NewClaim."""
