"""What crosses the border of facts: lists as people read them, questions, signed answers, and what is kept of them."""

from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from cityloom.sharing.contracts import CASE

ANSWER: Final = "cityloom.facts.answer/1"
MOST_QUESTIONS: Final = 1_000
"""Questions in a batch."""
Value = Annotated[str, Meta(min_length=1, max_length=100, pattern=r"^[^\x00\x1f]*\Z")]
Case = Annotated[str, Meta(pattern=f"^{CASE}$")]
Name = Annotated[str, Meta(max_length=63)]


class Outcome(StrEnum):
    """What became of a fact.

    unknown: no source says it, or the one that does is stale. refused: the asker holds no grant that lets it be asked.
    """

    yes = "yes"
    no = "no"
    unknown = "unknown"
    refused = "refused"


class Consent(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """That somebody agreed to be asked about."""

    by: Value
    """The identifier of who consented; one of the subjects that the list says."""
    reference: Case
    """Where the consent is kept, such as the number of the application."""
    given_at: datetime
    """Aware."""


class Question(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whose facts, for which case. Identifiers only: nothing that a source could tell is asked for."""

    case: Case
    subjects: Annotated[dict[Name, Annotated[tuple[Value, ...], Meta(min_length=1, max_length=10)]], Meta(min_length=1)]
    consent: Consent
    given: dict[Name, Value] = {}
    facts: Annotated[tuple[Name, ...], Meta(max_length=100)] = ()
    """Only these facts; empty: all of the list."""
    day: date | None = None
    """The day for which the facts are asked, such as the last of the admission year's August; today, if left out."""


class Batch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Questions that are asked together; one that is refused does not stop the others."""

    questions: Annotated[tuple[Question, ...], Meta(min_length=1, max_length=MOST_QUESTIONS)]


class Dispute(msgspec.Struct, frozen=True):
    """What a correction ticket (校核) on this source needs: `PUT /api/quality/tickets/{id}` with these and the evidence."""

    address: str
    dataset: str
    fields: tuple[str, ...]
    grant: str
    use: str
    key: tuple[str, ...] | None
    """Null where the key would tell what the grant does not: whose record it is has it on the contract or certificate."""


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """The records of one source that a fact was judged by."""

    name: str
    dataset: str
    title: str
    keeper: str
    grant: str
    """Empty where the asker keeps the source itself."""
    records: int
    sequence: int
    """The newest change row of them."""
    known_since: datetime | None
    """Since when the newest of them is known; of a source that is read by key, up to when its copy follows."""
    as_of: date | None
    uses: tuple[str, ...]
    shown: tuple[dict[str, Any], ...] | None = None
    """The fields that were looked at; null under a grant that only verifies."""
    disputes: tuple[Dispute, ...] = ()


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """One condition. The sides of a comparison are told only where the asker may read the records."""

    holds: bool | None
    """Null: not known, because a field is empty."""
    otherwise: str
    """What is so where it does not hold."""
    unit: str = ""
    found: str | None = None
    wanted: str | None = None
    """Also told where it comes from the list's own parameters."""
    short: float | None = None
    """By how much `found` is short of, or over, `wanted`."""


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """A fact with its answer, why, and by what."""

    name: str
    title: str
    answer: Outcome
    code: str
    why: str
    persons: dict[str, int] = {}
    """By which of the persons named, from 0."""
    conditions: tuple[Judged, ...] = ()
    sources: tuple[Seen, ...] = ()
    paper: str = ""
    """What must be brought because no source can answer."""


class Statement(msgspec.Struct, frozen=True, kw_only=True):
    """What is answered and signed."""

    type: Literal["cityloom.facts.answer/1"] = ANSWER
    id: str
    list: str
    declaration: str
    """SHA-256 of the list with its parameters, as it was judged by."""
    organisation: str
    purpose: str
    case: str
    about: dict[str, tuple[str, ...]]
    """Of each subject, SHA-256 (hexadecimal) of this statement's id, U+001F and the identifier."""
    consent: str
    day: date
    parameters: dict[str, int | str]
    facts: tuple[Known, ...]
    papers_asked: int
    at: datetime
    audit_position: int


class Source(msgspec.Struct, frozen=True):
    """A dataset that a fact is judged by, and the fields that are looked at."""

    dataset: str
    title: str
    keeper: str
    fields: tuple[str, ...]


class DeclaredFact(msgspec.Struct, frozen=True):
    """A fact as people read it: what is asked, by which law, from which sources, and which paper it replaces."""

    name: str
    title: str
    law: str
    paper: str
    sources: tuple[Source, ...]
    conditions: tuple[tuple[str, ...], ...]
    """Of each way to know it, the conditions."""


class DeclaredSubject(msgspec.Struct, frozen=True):
    """Of whom is asked, by which identifier, and how many may be named."""

    name: str
    title: str
    identifier: str
    most: int


class DeclaredParameter(msgspec.Struct, frozen=True):
    """A value that the city set."""

    name: str
    title: str
    value: int | str
    unit: str


class Declared(msgspec.Struct, frozen=True):
    """A list as people read it."""

    name: str
    title: str
    keeper: str
    askers: tuple[str, ...]
    purpose: str
    law: str
    consent: str
    consent_days: int
    declaration: str
    subjects: tuple[DeclaredSubject, ...]
    given: tuple[str, ...]
    parameters: tuple[DeclaredParameter, ...]
    facts: tuple[DeclaredFact, ...]


class Asked(msgspec.Struct, frozen=True):
    """That facts were asked: by whom, why, with whose consent, and what the answers were. No value is kept."""

    id: str
    at: datetime
    list: str
    organisation: str
    account: str
    purpose: str
    case: str
    consent: str
    consent_at: datetime
    answers: dict[str, str]
    papers_asked: int
    statement: str
    """SHA-256 of the statement that was signed."""
    audit_position: int


class AskedAbout(msgspec.Struct, frozen=True):
    """That somebody was asked about; the answers are not told here."""

    id: str
    at: datetime
    list: str
    role: str
    """The subject that they were, such as child."""
    organisation: str
    account: str
    purpose: str
    case: str
    consent: str
    facts: tuple[str, ...]
    audit_position: int
