"""What crosses the border of appraisal: facts, scores, evidence, publications, filings, appeals."""

from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from cityloom.exchange.contracts import DELIVERY_ID
from cityloom.kernel.flow.contracts import Step
from cityloom.kernel.words import Text

FilingId = Annotated[str, Meta(pattern=f"^{DELIVERY_ID.pattern}$")]
"""Chosen by who files or appeals, as of a delivery."""

Name = Annotated[str, Meta(pattern="^[a-z][a-z0-9_]*$", max_length=60)]
Prose = Annotated[str, Meta(max_length=4000)]
Said = Annotated[str, Meta(min_length=1, max_length=4000)]
Count = Annotated[int, Meta(ge=0, le=10**15)]
Absent = Literal["full", "none", "spread"]
"""What becomes of points that nothing can be said about: given, not given, or spread over what can be assessed."""

Show = Literal["points", "places", "own"]
"""What all see of a published ranking: places with points, places only, or each only its own."""


class Measure(StrEnum):
    """What is counted of a department in a period; `measures.yaml` says each in words."""

    described = "described"
    catalogued = "catalogued"
    renewed = "renewed"
    provided = "provided"
    answered = "answered"
    approved = "approved"
    lawful = "lawful"
    on_time = "on_time"
    taken = "taken"
    quality = "quality"
    corrected = "corrected"
    grants_used = "grants_used"
    uses = "uses"
    forms = "forms"
    open_offered = "open_offered"
    open_described = "open_described"
    open_provided = "open_provided"
    open_consistent = "open_consistent"
    feedback = "feedback"
    apply = "apply"
    query = "query"
    process = "process"
    documents = "documents"


FILED = frozenset({Measure.catalogued, Measure.forms, Measure.feedback, Measure.apply, Measure.query, Measure.process})
"""Measures that no log has: their counts are filed with a document and confirmed by the platform."""

DIMENSIONS = ("completeness", "validity", "uniqueness", "consistency", "timeliness")


class Ratio(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`good` of `total`. A total of 0 means that there was nothing to count."""

    good: Count
    total: Count


class DimensionFacts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Records that were good in one dimension of quality, of those that were measured."""

    dimension: Literal["completeness", "validity", "uniqueness", "consistency", "timeliness"]
    good: Count
    total: Count


class DocumentFacts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A document that a department needs: how often it had it by sharing (`good`), of how often in all (`total`)."""

    document: Name
    good: Count
    total: Count


class ReviewedFacts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Points that reviewers gave to one filing for an indicator."""

    indicator: Name
    points: Decimal


class Facts(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What is known of one department in one period. A measure that is left out is not known."""

    described: Ratio | None = None
    catalogued: Ratio | None = None
    renewed: Ratio | None = None
    provided: Ratio | None = None
    answered: Ratio | None = None
    approved: Ratio | None = None
    lawful: Ratio | None = None
    on_time: Ratio | None = None
    taken: Ratio | None = None
    quality: tuple[DimensionFacts, ...] = ()
    corrected: Ratio | None = None
    grants_used: Ratio | None = None
    uses: Ratio | None = None
    forms: Ratio | None = None
    open_offered: Ratio | None = None
    open_described: Ratio | None = None
    open_provided: Ratio | None = None
    open_consistent: Ratio | None = None
    feedback: Ratio | None = None
    apply: Ratio | None = None
    query: Ratio | None = None
    process: Ratio | None = None
    documents: tuple[DocumentFacts, ...] | None = None
    """The set's documents that the department needs; empty: it needs none."""
    reviewed: tuple[ReviewedFacts, ...] = ()


class FactsFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Facts of departments by their codes, to compute points from without a city."""

    departments: dict[str, Facts]


class PartScore(msgspec.Struct, frozen=True):
    """One measure of an indicator and what it came to."""

    measure: str
    title: Text
    share: Decimal
    """Percent of the indicator's weight, after spreading; to 0.01."""
    value: str
    """The number as it was counted, such as 3/4; empty where there is none."""
    reached: Decimal
    """0 to 1 between floor and target; to 0.0001."""
    absent: Literal["", "unknown", "nothing"]
    """Why there is no number: no log or filing has it, or there was nothing to count."""
    treatment: Literal["", "full", "none", "spread"]
    """What the set says of that."""


class IndicatorScore(msgspec.Struct, frozen=True):
    """One second-level indicator (二级指标) and what it came to."""

    name: str
    title: Text
    group: str
    weight: Decimal
    effective: Decimal
    """The weight after what could not be assessed was spread; to 0.01."""
    bonus: bool
    assessable: bool
    treatment: Literal["", "full", "none", "spread"]
    points: Decimal
    """To 0.01, half up."""
    formula: Text
    """The formula with its numbers put in."""
    parts: tuple[PartScore, ...]


class Score(msgspec.Struct, frozen=True):
    """The appraisal of one department: base points to 100, bonus points, and their sum."""

    organisation: str
    points: Decimal
    base: Decimal
    bonus: Decimal
    indicators: tuple[IndicatorScore, ...]


class Evidence(msgspec.Struct, frozen=True):
    """A row that a number rests on. The rows of a measure sum to it: good to good, total to total."""

    measure: str
    """A measure, `quality.<dimension>`, `documents.<document>` or `points.<indicator>`."""
    kind: str
    """resource, request, grant, delivery, deadline, quality, ticket, demand or filing."""
    id: str
    good: Decimal
    total: Decimal
    href: str
    """Where the row itself is read."""
    note: str = ""


class EvidencePage(msgspec.Struct, frozen=True):
    """Evidence rows of one indicator, from `offset` on."""

    organisation: str
    indicator: str
    total: int
    offset: int
    rows: list[Evidence]


class Appraised(msgspec.Struct, frozen=True):
    """A department's score with the set and the period it is for."""

    set: str
    digest: str
    """SHA-256 of the set, so that it cannot change unseen."""
    start: date
    end: date
    """The last day."""
    score: Score
    facts: Facts
    publication: str = ""
    revision: int = 0
    place: int = 0


class Ranked(msgspec.Struct, frozen=True):
    """A line of a ranking (排名); equal points share a place."""

    place: int
    organisation: str
    points: Decimal | None
    """None where the platform published places only."""


class Ranking(msgspec.Struct, frozen=True):
    """All departments in the order of their points."""

    set: str
    start: date
    end: date
    show: Show
    lines: tuple[Ranked, ...]
    publication: str = ""
    revision: int = 0


class MatrixCell(msgspec.Struct, frozen=True):
    """What one department came to in one indicator."""

    indicator: str
    points: Decimal
    effective: Decimal
    """The weight after what could not be assessed was spread."""
    assessable: bool


class MatrixLine(msgspec.Struct, frozen=True):
    """One department with all its indicators, in the order of the set."""

    organisation: str
    place: int
    points: Decimal
    cells: tuple[MatrixCell, ...]


class Matrix(msgspec.Struct, frozen=True):
    """Departments by indicators, in the order of their points."""

    set: str
    start: date
    end: date
    lines: tuple[MatrixLine, ...]
    publication: str = ""
    revision: int = 0


class Fileable(msgspec.Struct, frozen=True):
    """What a department can file for an indicator."""

    indicator: str
    of: str
    """What a claim names it."""
    title: Text
    whole: bool
    """Whether it is so many of a total, and not a number alone."""
    most: Decimal | None
    """The most that can be claimed; null: any number."""


class Release(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the platform publishes: an appraisal of all departments by a set for a period."""

    set: Annotated[str, Meta(pattern="^[a-z0-9][a-z0-9_-]{0,59}$")]
    start: date
    end: date
    key: Annotated[str, Meta(min_length=1, max_length=100)]
    """The same key publishes nothing a second time."""
    show: Show = "points"
    reason: Prose = ""
    """Needed for another revision of what was published already."""


class Publication(msgspec.Struct, frozen=True):
    """A result as it was frozen. A later revision stands beside it; none is ever changed."""

    id: str
    revision: int
    set: str
    digest: str
    start: date
    end: date
    show: Show
    reason: str
    appeal: str
    """The appeal that led to this revision; empty where it was computed from the logs."""
    actor: str
    at: datetime
    appeals_until: datetime | None
    """Until when its results may be appealed; null while the year's holidays are not announced."""


class Document(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A document that proves what is filed: its title, where it is kept, and its SHA-256."""

    title: Annotated[str, Meta(min_length=1, max_length=300)]
    where: Annotated[str, Meta(min_length=1, max_length=1000)]
    sha256: Annotated[str, Meta(pattern="^([0-9a-f]{64})?$")] = ""


class Claim(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is claimed: `points` (good) for a reviewed indicator, a filed measure (good of total), or `asked.<document>`:
    how often applicants were asked for it (good)."""

    of: Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)?$", max_length=130)]
    good: Decimal
    total: Decimal = Decimal(0)


class FilingWish(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Material that a department files (申报) for an indicator and a period."""

    organisation: str
    set: Annotated[str, Meta(pattern="^[a-z0-9][a-z0-9_-]{0,59}$")]
    indicator: Name
    start: date
    end: date
    statement: Said
    documents: Annotated[tuple[Document, ...], Meta(min_length=1, max_length=50)]
    claims: Annotated[tuple[Claim, ...], Meta(min_length=1, max_length=100)]


class Act(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A move of a filing or an appeal. The same `key` does nothing a second time."""

    move: Annotated[str, Meta(pattern="^[a-z_]{1,60}$")]
    version: int
    """The version that the decision was made on."""
    key: Annotated[str, Meta(min_length=1, max_length=100)]
    reason: Prose = ""


class FilingAct(Act, frozen=True, forbid_unknown_fields=True):
    """A move of a filing."""

    claims: Annotated[tuple[Claim, ...], Meta(max_length=100)] = ()
    """For `accept`: what is given instead of what was claimed; empty: as claimed."""


class AppealAct(Act, frozen=True, forbid_unknown_fields=True):
    """A move of an appeal."""

    points: Decimal | None = None
    """For `uphold`: the indicator's points as corrected, to 0.01."""


class Filing(msgspec.Struct, frozen=True):
    """What was filed, and what the platform gave for it."""

    id: str
    wish: FilingWish
    state: str
    version: int
    due_at: datetime | None
    given: tuple[Claim, ...]
    answer: str
    account: str
    filed_at: datetime
    decided_at: datetime | None
    steps: tuple[Step, ...] = ()


class AppealWish(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An appeal (申诉) against one indicator of a published result."""

    publication: str
    revision: Annotated[int, Meta(ge=1)]
    indicator: Name
    reason: Said
    documents: Annotated[tuple[Document, ...], Meta(min_length=1, max_length=50)]


class Appeal(msgspec.Struct, frozen=True):
    """An appeal and where it stands."""

    id: str
    organisation: str
    wish: AppealWish
    before: Decimal
    """The points that it is about."""
    state: str
    version: int
    due_at: datetime | None
    points: Decimal | None
    answer: str
    revision: int | None
    """The revision that the decision led to."""
    appealed_at: datetime
    decided_at: datetime | None
    steps: tuple[Step, ...] = ()


class Notice(msgspec.Struct, frozen=True):
    """Something that somebody must see to in time, or has not."""

    id: int
    kind: str
    subject: str
    state: str
    to: str
    due_at: datetime
    at: datetime
