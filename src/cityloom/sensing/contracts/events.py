"""Events that rules found in what was observed: as they are read, told and seen to."""

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from cityloom.kernel.words import Text

SEVERITIES = ("notice", "blue", "yellow", "orange", "red")
"""From the least to the worst (突发事件应对法: 蓝、黄、橙、红, IV to I)."""
Severity = Literal["notice", "blue", "yellow", "orange", "red"]
ClosedBy = Literal["", "data", "gap", "late", "rule_changed", "rule_gone", "thing_gone", "hand"]
ChangeKind = Literal["opened", "raised", "corrected", "acknowledged", "closed"]
Reason = Annotated[str, Meta(min_length=2, max_length=1000)]


class CityEvent(msgspec.Struct, frozen=True):
    """One event. `first`, `last`, `peak_at` and `opened` are times of what was observed."""

    id: int
    rule: str
    version: str
    """Of the rule: a digest of all that it said."""
    title: Text
    severity: Severity
    level: int
    """The highest class that was reached, from 1."""
    state: Literal["open", "closed"]
    keeper: str
    place: str
    """What it is about: `datastream:5`, `thing:7`, `district:440304`, `group:…` or `city`."""
    datastream: int | None
    thing: int | None
    thing_name: str
    district: str
    longitude: float | None
    latitude: float | None
    first: datetime
    last: datetime
    opened: datetime
    """When it had held for long enough."""
    peak: float | None
    """The value farthest beyond the limit, in `unit`; of silence and constant values their seconds."""
    peak_at: datetime
    unit: str
    count: int
    """Values that held."""
    evidence: tuple[int, ...]
    """Ids of Observations: the first ones that held, the highest and the last one."""
    parts: tuple[int, ...] = ()
    """Ids of the events that it is made of."""
    late: bool = False
    """It was found in values that came late."""
    closed: datetime | None = None
    closed_by: ClosedBy = ""
    closed_who: str = ""
    closed_reason: str = ""
    acknowledged: datetime | None = None
    acknowledged_who: str = ""
    acknowledged_reason: str = ""


class EventChange(msgspec.Struct, frozen=True):
    """What was told, with the event as it was then. Sequences ascend with time; each reader sees those of its events."""

    sequence: int
    change: ChangeKind
    at: datetime
    event: CityEvent


class Act(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Somebody sees to an event, and says why."""

    reason: Reason


class RuleShown(msgspec.Struct, frozen=True):
    """A rule as it holds in this city."""

    name: str
    version: str
    title: Text
    source: str
    severity: Severity
    kind: str
    quiet: bool
    told: tuple[str, ...]
    open: int
    """Open events that the reader sees."""


class RuleTrial(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which past a rule is tried on; `rule` may be another wording of it, as in its file (JSON)."""

    since: datetime
    until: datetime | None = None
    rule: dict[str, Any] = {}


class Tried(msgspec.Struct, frozen=True):
    """An event that the rule would have made."""

    datastream: int | None
    thing: int | None
    thing_name: str
    district: str
    severity: Severity
    level: int
    first: datetime
    last: datetime
    opened: datetime
    closed: datetime | None
    peak: float | None
    peak_at: datetime
    count: int
    evidence: tuple[int, ...]


class TrialReport(msgspec.Struct, frozen=True):
    """What a rule would have found among the values that its asker keeps."""

    rule: str
    version: str
    datastreams: int
    values: int
    found: int
    """Events in all; `events` are the first thousand."""
    events: tuple[Tried, ...]


class NewEventWebhook(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where changes of events go, from `since` on; only of these rules (none: of all), and from a severity on."""

    url: Annotated[str, Meta(max_length=2000)]
    since: Annotated[int, Meta(ge=0, le=2**53 - 1)] = 0
    rules: Annotated[tuple[str, ...], Meta(max_length=100)] = ()
    severity: Severity = "notice"


class EventDeadLetter(msgspec.Struct, frozen=True):
    """A page that was given up: after which sequence, how often it was sent, and what the last try came to."""

    since: int
    tries: int
    error: str
    at: datetime


class EventWebhook(msgspec.Struct, frozen=True):
    """A subscription that is pushed."""

    id: str
    url: str
    rules: tuple[str, ...]
    severity: Severity
    state: Literal["active", "held", "stopped"]
    cursor: int
    failures: int
    next_at: datetime
    sent_at: datetime | None
    last_error: str
    dead_letters: tuple[EventDeadLetter, ...] = ()


class PushedEvents(msgspec.Struct, frozen=True):
    """A page as it is sent: all that was told after `since` up to `upto`."""

    webhook: str
    since: int
    upto: int
    sent_at: datetime
    changes: tuple[EventChange, ...]
