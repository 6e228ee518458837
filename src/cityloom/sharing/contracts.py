"""What crosses the border of sharing: wishes, requests, grants, uses, answers."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from cityloom.exchange.contracts import DELIVERY_ID, Mask
from cityloom.kernel.flow.contracts import Step

ANSWER: Final = "cityloom.sharing.answer/1"
SANDBOX: Final = "cityloom.sharing.sandbox/1"
PUSH: Final = "cityloom.sharing.push/1"
RequestId = Annotated[str, Meta(pattern=f"^{DELIVERY_ID.pattern}$")]
PURPOSE = r"[a-z0-9][a-z0-9_.:-]{0,99}"
CASE = r"[!-~]{1,100}"
Purpose = Annotated[str, Meta(pattern=f"^{PURPOSE}$")]
Prose = Annotated[str, Meta(max_length=2000)]


class Kind(StrEnum):
    """What a grant gives: records, only whether a claim is true (核验), or only counts."""

    read = "read"
    verify = "verify"
    aggregate = "aggregate"


class Terms(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Fields × rows × time, with masks, quotas and kind: what is asked for, offered, or granted."""

    fields: Annotated[tuple[str, ...], Meta(min_length=1, max_length=500)]
    kind: Kind = Kind.read
    rows: Annotated[str, Meta(max_length=2000)] = ""
    """A row filter in the language of checks; empty: every row."""
    masks: tuple[Mask, ...] = ()
    days: Annotated[int, Meta(ge=1, le=3660)] = 365
    per_minute: Annotated[int, Meta(ge=1)] = 600
    """Single-record questions a minute."""
    per_day: Annotated[int, Meta(ge=1)] = 10_000
    """Single-record questions a day (in the city's time zone)."""


class Wish(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A request for data as its department writes it."""

    dataset: str
    purpose: Purpose
    legal_basis: Annotated[str, Meta(min_length=1, max_length=500)]
    """The law or duty that lets the department ask."""
    reason: Annotated[str, Meta(min_length=1, max_length=2000)]
    terms: Terms
    renews: str = ""
    """The grant that this would renew, with these terms."""


class Act(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A move of a request or of a grant. The same `key` does nothing a second time."""

    move: Annotated[str, Meta(pattern="^[a-z_]{1,60}$")]
    version: int
    """The version that the decision was made on."""
    key: Annotated[str, Meta(min_length=1, max_length=100)]
    reason: Prose = ""
    law: Annotated[str, Meta(max_length=500)] = ""
    """For a refusal: the law, regulation or rule that forbids sharing."""
    terms: Terms | None = None
    """For a counter-offer: what the keeper would grant."""


class Request(msgspec.Struct, frozen=True):
    """A request for data and where it stands."""

    id: str
    organisation: str
    keeper: str
    dataset: str
    purpose: str
    legal_basis: str
    reason: str
    wish: Terms
    offer: Terms | None
    state: str
    version: int
    due_at: datetime | None
    """When its next answer is due; null while there is none, and while the year's holidays are not announced."""
    answer: str
    law: str
    renews: str
    grant: str
    asked_at: datetime
    decided_at: datetime | None
    steps: tuple[Step, ...] = ()


class Grant(msgspec.Struct, frozen=True):
    """What one organisation may read of another's dataset."""

    id: str
    request: str
    organisation: str
    keeper: str
    dataset: str
    purpose: str
    legal_basis: str
    terms: Terms
    state: str
    version: int
    valid_from: datetime
    valid_until: datetime
    certify_by: datetime | None
    last_used_at: datetime | None
    used_today: int
    """Single-record questions of this day (in the city's time zone), those over the quota included."""
    ended_at: datetime | None
    ended_why: str
    steps: tuple[Step, ...] = ()


class Use(msgspec.Struct, frozen=True):
    """One use of a grant, kept before it was answered."""

    id: str
    grant: str
    at: datetime
    organisation: str
    account: str
    way: str
    purpose: str
    case: str
    fields: tuple[str, ...]
    key_digest: str
    found: bool | None
    rows: int | None
    """How many rows were sent; null for single records, and of a stream until it ends or when its process died."""
    complete: bool | None
    """Of a stream that ended: whether all was sent, or it was given up or cut off."""
    sequence: int
    request: str
    audit_position: int


class Answered(msgspec.Struct, frozen=True):
    """One answer that a keeper had to give to a request; `move` is empty and `at` null where none was given."""

    request: str
    organisation: str
    dataset: str
    move: str
    law: str
    due_at: datetime | None
    at: datetime | None
    in_time: bool
    """An answer whose deadline could not be counted yet is in time."""


class Asked(msgspec.Struct, frozen=True):
    """That a request was made for a dataset."""

    id: str
    dataset: str


class HeldGrant(msgspec.Struct, frozen=True):
    """A grant as its holder had it in a period, and how often it was used in it."""

    id: str
    dataset: str
    keeper: str
    valid_from: datetime
    ended_at: datetime
    uses: int


class Notice(msgspec.Struct, frozen=True):
    """Something that somebody must see to in time, or has not."""

    id: int
    kind: str
    subject: str
    state: str
    to: str
    due_at: datetime
    at: datetime


KeyPart = Annotated[str, Meta(max_length=500, pattern=r"^[^\x00\x1f]*\Z")]
"""Any text but NUL, which PostgreSQL has not, and the separator of a key's parts."""


class Question(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which record is asked for, and for which case. `key` has the values of the dataset's key fields, in order."""

    key: Annotated[tuple[KeyPart, ...], Meta(min_length=1, max_length=10)]
    case: Annotated[str, Meta(pattern=f"^{CASE}$")]


class RecordAsked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The record whose readers are asked for, by the values of its dataset's key fields as text, in order."""

    dataset: Annotated[str, Meta(max_length=100)]
    key: Annotated[tuple[KeyPart, ...], Meta(min_length=1, max_length=10)]


class Claims(Question, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is claimed of a record, field by field; the answer is yes or no for each."""

    claims: Annotated[dict[str, str | int | float | bool | None], Meta(min_length=1, max_length=100)]


class Signature(msgspec.Struct, frozen=True):
    """A signature over the exact bytes of `statement`, in base64, with its algorithm named."""

    algorithm: str
    key_id: str
    value: str


class Statement(msgspec.Struct, frozen=True, kw_only=True):
    """What is answered and signed."""

    type: Literal["cityloom.sharing.answer/1", "cityloom.sharing.sandbox/1"] = ANSWER
    use: str
    grant: str
    dataset: str
    organisation: str
    purpose: str
    case: str
    fields: tuple[str, ...]
    found: bool
    record: dict[str, Any] | None = None
    matches: dict[str, bool] | None = None
    sequence: int
    """The change row up to which this answer knows the dataset."""
    lag_seconds: float
    """How long ago nothing newer was known."""
    at: datetime
    audit_position: int


class Answer(msgspec.Struct, frozen=True):
    """A statement with its signature; `statement` is the text that was signed."""

    statement: str
    signature: Signature


class LineAnswer(msgspec.Struct, frozen=True, omit_defaults=True):
    """The answer to one line of a file of keys: a signed statement, or why there is none."""

    line: int
    statement: str | None = None
    signature: Signature | None = None
    code: str = ""
    detail: str = ""
    remedy: str = ""


class Group(msgspec.Struct, frozen=True):
    """How many records have these values, at least."""

    values: dict[str, str | None]
    rows: int


class Counts(msgspec.Struct, frozen=True):
    """Counts by group, rounded down to steps of `smallest`, smaller groups left out: nobody is singled out.

    Neither by a count itself nor by the difference of two whose groups overlap.
    """

    grant: str
    dataset: str
    smallest: int
    groups: tuple[Group, ...]


class Projection(msgspec.Struct, frozen=True):
    """How far the copy for single-record questions follows a dataset."""

    dataset: str
    sequence: int
    last_sequence: int
    """The dataset's last change row now."""
    rebuilding: bool
    followed_at: datetime | None


class NewWebhook(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the change rows of a grant shall be sent, for which case, and after which sequence."""

    url: Annotated[str, Meta(min_length=8, max_length=500)]
    case: Annotated[str, Meta(pattern=f"^{CASE}$")]
    since: Annotated[int, Meta(ge=0, le=2**53 - 1)] = 0


class DeadLetter(msgspec.Struct, frozen=True):
    """The page after `since` was sent `tries` times and never taken."""

    since: int
    tries: int
    error: str
    at: datetime


class Webhook(msgspec.Struct, frozen=True):
    """A subscription that is pushed.

    active: what is new is sent; held: a page was not taken time and again, and waits for a replay; stopped: by its
    holder, or because the grant ended.
    """

    id: str
    grant: str
    url: str
    case: str
    state: Literal["active", "held", "stopped"]
    cursor: int
    failures: int
    next_at: datetime
    sent_at: datetime | None
    last_error: str
    dead_letters: tuple[DeadLetter, ...] = ()


class Pushed(msgspec.Struct, frozen=True, kw_only=True):
    """What is sent, in JSON; the header X-CityLoom-Signature signs exactly these bytes.

    The same page may come twice, with the same `since`: take what is after the sequence you have.
    """

    type: Literal["cityloom.sharing.push/1"] = PUSH
    webhook: str
    grant: str
    dataset: str
    purpose: str
    case: str
    since: int
    upto: int
    sent_at: datetime
    rows: tuple[dict[str, Any], ...]


class Sight(msgspec.Struct, frozen=True):
    """One field of one record as a grant shows it, for whoever disputes it."""

    key: tuple[str, ...]
    """As the record itself writes it."""
    keeper: str
    since: int
    """The change row up to which its holder knew the record."""
    values: tuple[Any, ...] | None
    """What it has been shown to say since; None if the value is not shown: the grant only verifies, or masks the field."""


class Consumer(msgspec.Struct, frozen=True):
    """An organisation that has, or lately had, a field of a record; whether a grant lets it read the record's key."""

    organisation: str
    reads_key: bool
