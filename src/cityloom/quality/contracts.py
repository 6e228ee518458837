"""What crosses the border of quality: correction tickets, corrections, scores."""

from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, Final, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

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
    value: Value | None | UnsetType = UNSET
    """What the record says (null: nothing). Left out by whoever may only verify the field, or sees it masked."""
    expected: Value | None | UnsetType = UNSET
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
