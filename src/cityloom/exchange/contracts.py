"""What crosses the border of the exchange: declarations, receipts, changes, reconciliation."""

import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from cityloom.catalogue.contracts import Kind
from cityloom.kernel.words import Text

DELIVERY_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@-]{0,127}")
DeliveryId = Annotated[str, Meta(pattern=f"^{DELIVERY_ID.pattern}$")]


class Mode(StrEnum):
    """What a delivery does to the current state."""

    append = "append"
    upsert = "upsert"
    replace = "replace"  # type: ignore[assignment] # hides str.replace, which nobody calls on a mode
    delete = "delete"


class State(StrEnum):
    """How far a delivery is."""

    receiving = "receiving"
    received = "received"
    committing = "committing"
    accepted = "accepted"
    refused = "refused"
    withdrawing = "withdrawing"
    withdrawn = "withdrawn"


class Declaration(msgspec.Struct, frozen=True):
    """What the sender says of a delivery before its bytes come."""

    mode: Mode | None = None
    media: str = ""
    encoding: str = ""
    charset: str = ""
    file_name: str = ""
    rows: int | None = None
    sha256: str | None = None
    corrects: str | None = None
    as_of: date | None = None


class Spooled(msgspec.Struct, frozen=True):
    """Bytes that arrived and lie in the spool, whole and hashed."""

    path: str
    bytes: int
    sha256: str


class Signature(msgspec.Struct, frozen=True):
    """A signature over the exact bytes of the receipt's `statement`, with its algorithm named."""

    algorithm: str
    key_id: str
    value: str


class Counts(msgspec.Struct, frozen=True):
    """rows_in = accepted + quarantined + duplicates, always."""

    rows_in: int = 0
    accepted: int = 0
    quarantined: int = 0
    duplicates: int = 0
    inserted: int = 0
    updated: int = 0
    deleted: int = 0
    """Rows removed from the current state, derived deletes of a replacement included."""


class Refusal(msgspec.Struct, frozen=True):
    """Why a delivery was refused whole; nothing of it was kept."""

    code: str
    detail: str
    remedy: str = ""


class Receipt(msgspec.Struct, frozen=True, omit_defaults=True):
    """The answer to a delivery: what was done with every row, and where that stands in the proof."""

    dataset: str
    delivery: str
    state: State
    mode: Mode
    organisation: str
    bytes: int | None = None
    sha256: str | None = None
    received_at: datetime | None = None
    decided_at: datetime | None = None
    counts: Counts | None = None
    deletes_held_back: bool = False
    """True when a replacement had rows whose key could not be read, so that no absent record was deleted."""
    first_sequence: int | None = None
    last_sequence: int | None = None
    audit_position: int | None = None
    statement: str | None = None
    """The signed text (JSON): everything above, as decided."""
    signature: Signature | None = None
    refusal: Refusal | None = None
    quarantine: str | None = None
    """Where the quarantined rows can be fetched, when there are any."""
    withdrawn_at: datetime | None = None
    withdrawn_why: str | None = None
    corrects: str | None = None


class Fault(msgspec.Struct, frozen=True):
    """One thing wrong with one field of one row, said in the reader's language."""

    row: int
    field: str
    rule: str
    value: str | None
    problem: str
    remedy: str
    title: str = ""
    """Of the field; empty where the fault is the whole row's."""


class HeldColumn(msgspec.Struct, frozen=True):
    """A column of a delivered file, and the field that it holds; a column of nobody's has neither field nor title."""

    name: str
    field: str
    title: str


class HeldRow(msgspec.Struct, frozen=True):
    """A quarantined row as it came, one text a column, and everything wrong with it."""

    row: int
    texts: tuple[str, ...]
    faults: tuple[Fault, ...]


class HeldPage(msgspec.Struct, frozen=True):
    """Quarantined rows of a delivery from one row number on, in the columns of its file: mended, they are a file again."""

    columns: tuple[HeldColumn, ...]
    rows: tuple[HeldRow, ...]
    total: int
    """Quarantined rows of the delivery."""
    mode: Mode | None
    """How the mended rows are to be delivered; None where the dataset takes whole files only."""
    as_of: date | None
    """The day that the delivery described, which its correction describes too."""
    corrections: tuple[Receipt, ...]
    """Deliveries that brought rows of this one back."""


class HeldBack(msgspec.Struct, frozen=True):
    """A delivery some of whose rows wait in the quarantine: neither handed in again nor made moot by a replacement."""

    dataset: str
    delivery: str
    rows: int
    received_at: datetime


class Trial(msgspec.Struct, frozen=True):
    """What a delivery would do (试校验); nothing was kept."""

    dataset: str
    counts: Counts
    faults: list[Fault]
    faults_total: int
    deletes_held_back: bool = False


class DatasetState(msgspec.Struct, frozen=True):
    """Where a dataset stands."""

    name: str
    title: str
    keeper: str
    modes: list[str]
    last_sequence: int
    floor_sequence: int
    records: int | None = None


class ReconciledDay(msgspec.Struct, frozen=True):
    """One dataset on one day (in the city's time zone): sent = accepted + quarantined + duplicates."""

    dataset: str
    day: date
    deliveries: int
    sent: int
    accepted: int
    quarantined: int
    duplicates: int
    declared: int
    """Sum of the row counts that senders declared; deliveries without one count as sent."""
    difference: int
    """sent - accepted - quarantined - duplicates, plus any gap to what was declared: 0 when all is well."""
    hashes_differ: int
    """Deliveries whose declared SHA-256 is not that of the bytes kept on record (always 0: such are refused)."""
    digest: str
    """SHA-256 over the day's lines `id sha256 rows`, sorted by id: a sender computes the same from its own list."""


class PullState(msgspec.Struct, frozen=True):
    """A scheduled pull and how its last run ended."""

    name: str
    dataset: str
    next_at: datetime
    last_at: datetime | None
    last_outcome: str
    failures: int


class Overdue(msgspec.Struct, frozen=True):
    """A dataset that was not delivered for a period by its deadline."""

    dataset: str
    organisation: str
    period_end: date
    due_at: datetime
    settled_at: datetime | None


class Handed(msgspec.Struct, frozen=True):
    """A delivery of a keeper's dataset and what became of it."""

    dataset: str
    id: str
    state: Literal["accepted", "refused", "withdrawn"]
    received_at: datetime


class Deadline(msgspec.Struct, frozen=True):
    """A period of a dataset whose delivery was due, and whether one was accepted by then."""

    dataset: str
    ends_on: date
    due_at: datetime
    on_time: bool


class FieldFacts(msgspec.Struct, frozen=True):
    """What others must know of a field to ask for it."""

    name: str
    title: Text
    type: Kind
    grade: int
    personal: bool
    authoritative: bool
    """Whether this dataset decides on what the field means (一数一源)."""


class DatasetFacts(msgspec.Struct, frozen=True):
    """What others must know of a dataset to ask for it, and where it stands."""

    name: str
    title: Text
    keeper: str
    sharing: Literal["unconditional", "conditional", "refused"]
    refusal_law: Text | None
    queryable: bool
    key: tuple[str, ...]
    fields: tuple[FieldFacts, ...]
    last_sequence: int
    floor_sequence: int


class Standing(msgspec.Struct, frozen=True):
    """How far a dataset's change rows go, and below which they are past their retention."""

    name: str
    keeper: str
    last_sequence: int
    floor_sequence: int


class Mask(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is shown instead of a field's value.

    keep: its `first` and `last` characters and stars between them; year: the year of a day or moment; pseudonym: 32
    hexadecimal digits that are the same for the same value within one grant, and tell nothing outside of it.
    """

    field: str
    kind: Literal["keep", "year", "pseudonym"]
    first: Annotated[int, Meta(ge=0, le=100)] = 0
    last: Annotated[int, Meta(ge=0, le=100)] = 0


class Excerpt(msgspec.Struct, frozen=True):
    """What a reader other than the keeper may see of a dataset.

    `rows` is a condition in the language of row filters ("" for all rows), `salt` a secret for pseudonyms.
    """

    fields: tuple[str, ...]
    rows: str = ""
    masks: tuple[Mask, ...] = ()
    salt: str = ""


class Watched(msgspec.Struct, frozen=True):
    """A record whose changes are asked for, by the values of its key fields as text, and after which sequence."""

    key: tuple[str, ...]
    since: int


class RecordChange(msgspec.Struct, frozen=True):
    """One change of a watched record, as JSON says its rows; `place` is that of the record among those watched.

    `after` is None when the record was removed. `before` is None when it was new, and after an erasure.
    """

    place: int
    sequence: int
    cause: str
    delivery: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None


class FaultCount(msgspec.Struct, frozen=True):
    """How many rows broke a rule in a field."""

    rule: str
    field: str
    rows: int


class Probe(msgspec.Struct, frozen=True):
    """One look at every record of a dataset: of `total` that have something to judge, `good` are as declared."""

    kind: Literal["filled", "keys", "unique", "codes", "reference", "check"]
    name: str
    good: int
    total: int


class DueDelivery(msgspec.Struct, frozen=True):
    """A period whose deadline fell on the day, and whether it was delivered by then."""

    ends_on: date
    due_at: datetime
    on_time: bool


class DatasetDay(msgspec.Struct, frozen=True):
    """What one day brought to a dataset, and its state at the end of it. Deliveries of deletes bring no values."""

    dataset: str
    keeper: str
    required: int
    """How many of its fields every record must have."""
    rows_in: int
    quarantined: int
    repeats: int
    """Rows that another row of their delivery had already said."""
    inconsistent: int
    """Rows with a value that is in no code list, no other dataset, or at odds with another field."""
    ambiguous: int
    """Rows with a key, or a value that must be unique, that other rows or records have too."""
    faults: tuple[FaultCount, ...]
    probes: tuple[Probe, ...]
    due: tuple[DueDelivery, ...]


class Currency(msgspec.Struct, frozen=True):
    """How fresh an active dataset is at a moment.

    `rhythmic`: whether it has an update cycle. `missed`: last day of the latest period that was due and after whose end
    nothing was accepted; None where it is up to date.
    """

    dataset: str
    keeper: str
    last_accepted: datetime | None
    rhythmic: bool
    missed: date | None


class StateTable(msgspec.Struct, frozen=True):
    """The current state of a dataset as a table of the lake: catalogue, schema and table; fields and key; how far it goes.

    Its change rows lie in the table of this name with `__changes` after it.
    """

    dataset: str
    table: tuple[str, str, str]
    fields: tuple[str, ...]
    key: tuple[str, ...]
    last_sequence: int


KEY_SEPARATOR: Final = "\x1f"


def key_text(key: Sequence[str]) -> str:
    """A record's key as one text: its parts separated by U+001F."""
    return KEY_SEPARATOR.join(key)


def key_parts(text: str) -> tuple[str, ...]:
    """The parts of a key that `key_text` made."""
    return tuple(text.split(KEY_SEPARATOR))


def record_key(key: Sequence[str], row: Mapping[str, Any]) -> str:
    """The key of a record as one text."""
    return key_text([plain(row[name]) for name in key])


def plain(value: Any) -> str:
    """A value as it stands in JSON, without quotes: this is how a question writes a key."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return value.isoformat() if isinstance(value, date | datetime) else str(value)
