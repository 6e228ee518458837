"""What crosses the border of quality: correction tickets, corrections, scores."""

from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, Final, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from cityloom.kernel.flow.contracts import Step
from cityloom.sharing.contracts import KeyPart, Prose, RequestId

CORRECTED: Final = "corrected"
"""The state in which a ticket ends when its source changed; no move made by hand leads there."""
TicketId = RequestId
Value = Annotated[str, Meta(max_length=2000)]
"""A field's value as JSON has it, without quotes: 2020-01-31, 12.50, true."""


class Dimension(StrEnum):
    """What a measure says of a dataset (docs/guides/quality.md has each in words)."""

    completeness = "completeness"
    validity = "validity"
    uniqueness = "uniqueness"
    consistency = "consistency"
    timeliness = "timeliness"


class Measure(msgspec.Struct, frozen=True):
    """One dimension of one dataset on one day (in the city's time zone): `good` of `total`.

    A total of 0 says that there was nothing to measure. `organisation` is the keeper.
    """

    dataset: str
    organisation: str
    day: date
    dimension: Dimension
    good: int
    total: int


class Closure(msgspec.Struct, frozen=True):
    """How the keeper of a dataset came to the end of a ticket, or did not.

    `organisation` is the keeper, `due_at` the deadline of its last answer; `in_time` is whether it had answered by then (an
    open ticket before its deadline is in time).
    """

    organisation: str
    ticket: str
    dataset: str
    state: str
    opened_at: datetime
    closed_at: datetime | None
    due_at: datetime | None
    in_time: bool


class NewTicket(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A value that somebody disputes."""

    dataset: str
    key: Annotated[tuple[KeyPart, ...], Meta(min_length=1, max_length=10)]
    """The values of the dataset's key fields, in order."""
    field: str
    evidence: Annotated[str, Meta(min_length=1, max_length=2000)]
    value: Value | UnsetType | None = UNSET
    """What the record says (null: nothing). Left out by whoever may only verify the field, or sees it masked."""
    expected: Value | UnsetType | None = UNSET
    """What it should say, if that is known."""
    grant: Annotated[str, Meta(max_length=128)] = ""
    """The grant that shows the field; needed unless the dataset is shared unconditionally and the field not personal."""
    use: Annotated[str, Meta(max_length=128)] = ""
    """The use of that grant in which the value was seen: changes since then count too."""


class TicketAct(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A move of a ticket. The same `key` does nothing a second time."""

    move: Annotated[str, Meta(pattern="^[a-z_]{1,60}$")]
    version: int
    """The version that the decision was made on."""
    key: Annotated[str, Meta(min_length=1, max_length=100)]
    reason: Prose = ""
    law: Annotated[str, Meta(max_length=500)] = ""
    """For a rejection, where a law says that the value is right."""
    evidence: Annotated[str, Meta(max_length=2000)] = ""
    """For a rejection: what proves that the value is right. It needs this or a law."""


class Ticket(msgspec.Struct, frozen=True, kw_only=True):
    """A dispute over one field of one record, and where it stands. Its parties see it, and who rules once it is contested.

    Some time after its end, and when the record was erased, `key`, `value`, `expected` and `evidence` are blank.
    """

    id: str
    organisation: str
    keeper: str
    arbiter: str
    """Who rules on it; empty until it is contested."""
    dataset: str
    key: tuple[str, ...]
    field: str
    value: str | UnsetType | None = UNSET
    expected: str | UnsetType | None = UNSET
    evidence: str
    grant: str
    use: str
    state: str
    version: int
    opened_at: datetime
    sequence: int
    """The change row up to which the disputer knew the record; what came after it can close the ticket."""
    due_at: datetime | None
    """When the next answer is due; null while there is none, and while the year's holidays are not announced."""
    answer: str
    law: str
    answer_evidence: str
    closed_at: datetime | None
    closed_sequence: int | None
    """The change row that corrected it."""
    delivery: str
    """The delivery (or withdrawal, erasure) that corrected it."""
    removed: bool
    """The record itself was removed."""
    steps: tuple[Step, ...] = ()


class TicketNotice(msgspec.Struct, frozen=True):
    """Something about a ticket that somebody must see to in time, or has not."""

    id: int
    kind: str
    ticket: str
    state: str
    to: str
    due_at: datetime
    at: datetime


class Correction(msgspec.Struct, frozen=True):
    """A field of a record that the organisation has, or lately had, was corrected at its source. It tells no value.

    `key_digest` is that of the uses of the record (`cityloom sharing uses`); `key` is there if a grant lets it be read.
    """

    id: int
    organisation: str
    keeper: str
    dataset: str
    field: str
    key_digest: str
    key: tuple[str, ...] | None
    sequence: int
    removed: bool
    at: datetime


class Part(msgspec.Struct, frozen=True):
    """What a measure was counted from."""

    name: str
    title: str
    good: int
    total: int


class Recent(msgspec.Struct, frozen=True):
    """How good a dataset was lately: how many of its records had a value in each field on the latest day that was measured,
    and how many periods of the last year were delivered in time."""

    dataset: str
    day: date | None
    filled: tuple[tuple[str, int, int], ...]
    """Field, records with a value, records."""
    timely: int
    periods: int


class Score(msgspec.Struct, frozen=True):
    """A measure in words, with what it was counted from."""

    dataset: str
    organisation: str
    day: date
    dimension: Dimension
    title: str
    definition: str
    good: int
    total: int
    parts: tuple[Part, ...]


Side = Literal["all", "mine", "keeper", "arbiter"]
"""Tickets that the organisation opened, that are on its data, that it rules on."""
