"""What crosses the border of the addresses: texts as they were read, what they mean, and the life of one address."""

from collections import defaultdict
from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, Literal

import msgspec
from msgspec import Meta


class LevelName(StrEnum):
    """From the widest to the narrowest: the groups of GB/T 39609-2020, clause 7; the finer steps and the names are ours."""

    province = "province"
    city = "city"
    district = "district"
    street = "street"
    community = "community"
    group = "group"
    road = "road"
    number = "number"
    estate = "estate"
    section = "section"
    building = "building"
    unit = "unit"
    floor = "floor"
    room = "room"


MOST_TEXTS = 1000
LONGEST = 1000
MOST_CANDIDATES = 6
DIVISION = r"^([0-9]{2}|[0-9]{4}|[0-9]{6}|[0-9]{9}|[0-9]{12})?$"
"""The code of a division (GB/T 2260-2007, GB/T 10114-2003), as long as its level; empty for none."""
CODE = r"^[0-9]{21}$"

AddressText = Annotated[str, Meta(min_length=1, max_length=LONGEST)]
Texts = Annotated[tuple[AddressText, ...], Meta(min_length=1, max_length=MOST_TEXTS)]
DivisionCode = Annotated[str, Meta(pattern=DIVISION)]


class ParseWish(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Texts to be read, up to 1,000 with up to 1,000 characters each; 400 of them are looked at."""

    texts: Texts


class ReadPart(msgspec.Struct, frozen=True):
    """One level of a text."""

    level: LevelName
    name: str
    """Comparable: 12 for 十二栋, the present full name of a division that is known."""
    said: str
    codes: tuple[str, ...]
    """Divisions that may be meant."""
    former: bool
    """The text has a name that the division no longer bears."""


class ReadText(msgspec.Struct, frozen=True):
    """What a text says, and nothing that it does not say."""

    standard: str
    """The same in standard writing."""
    parts: tuple[ReadPart, ...]
    division: str
    """Longest code that all named divisions agree on."""
    conflict: bool
    """Two divisions are named of which neither lies in the other."""
    relation: str
    """Such as 对面: a place beside the one that the parts name is meant."""
    notes: tuple[str, ...]


class MatchWish(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Texts whose standard addresses are wanted."""

    texts: Texts
    on: date | None = None
    """The day on which the answer must hold; today when it is not said."""
    written: date | None = None
    """The day of the texts: a number that has passed to another house since is understood as it was then."""
    within: DivisionCode = ""
    """Where to look first for a text that names no division."""
    candidates: Annotated[int, Meta(ge=1, le=MOST_CANDIDATES)] = 3
    """How many are told at most, the best included."""


class Level(msgspec.Struct, frozen=True):
    """What became of one level of a text."""

    level: LevelName
    verdict: Literal["agreed", "former", "similar", "differed", "missing", "beyond", "unknown"]
    said: str
    known: str
    credit: float


class Candidate(msgspec.Struct, frozen=True):
    """An address that a text may mean."""

    code: str
    level: LevelName
    full_text: str
    score: float
    levels: tuple[Level, ...]


class MatchedText(msgspec.Struct, frozen=True):
    """What a text was found to mean. The score (0–1) measures agreement and is no probability."""

    decision: Literal["matched", "doubtful", "unmatched"]
    score: float
    code: str = ""
    """The address that holds on the day, or the last that did when it was abolished; empty when nothing was found."""
    via: str = ""
    """The address under whose former text it was found, when that is not `code`."""
    ended: date | None = None
    """Since when the text no longer holds."""
    candidates: tuple[Candidate, ...] = ()
    """The best first."""


class Step(msgspec.Struct, frozen=True):
    """One level of the way to an address: a division, or an address that it lies in."""

    code: str
    level: LevelName
    name: str


class Span(msgspec.Struct, frozen=True):
    """Where an address lay from one day until another (not included; None: still)."""

    code: str
    name: str
    since: date
    until: date | None


class Relative(msgspec.Struct, frozen=True):
    """An address that this one became, or that became this one."""

    code: str
    full_text: str
    since: date
    until: date | None
    steps: int
    """How many changes lie between."""


class Happening(msgspec.Struct, frozen=True):
    """What happened on a day to some addresses."""

    day: date
    kind: Literal["new", "changed", "split", "merged", "abolished"]
    before: tuple[str, ...]
    after: tuple[str, ...]


class DivisionHappening(msgspec.Struct, frozen=True):
    """What happened on a day to a division."""

    day: date
    kind: str
    old_code: str
    old_name: str
    new_code: str
    new_name: str
    approval: str


class Address(msgspec.Struct, frozen=True):
    """A standard address on a day: where it lies, what became of it, what it was."""

    code: str
    level: LevelName
    name: str
    full_text: str
    on: date
    standing: Literal["holding", "ended", "to_come"]
    since: date
    until: date | None
    longitude: float | None
    latitude: float | None
    path: tuple[Step, ...]
    """From the province to the address itself, as divisions are today."""
    division: str
    """In which it lies now."""
    division_then: str
    """In which it lay on the day, by the code of that day; empty where nothing is known of it."""
    division_then_name: str
    spans: tuple[Span, ...]
    """All divisions in which it or what it lies in ever lay, where boundaries were redrawn."""
    cell: str
    """The cell of the grid in which it lay on the day."""
    cell_name: str
    cells: tuple[Span, ...]
    successors: tuple[Relative, ...]
    predecessors: tuple[Relative, ...]
    happenings: tuple[Happening, ...]
    divisions: tuple[DivisionHappening, ...]
    """What happened to the divisions in which it lies or lay."""


class Found(msgspec.Struct, frozen=True):
    """One line of a search."""

    code: str
    level: LevelName
    full_text: str
    division: str
    until: date | None
    goes_on: bool
    """Whether something lies in it."""


class Followed(msgspec.Struct, frozen=True):
    """How far the library follows one of its datasets."""

    part: str
    dataset: str
    sequence: int
    last_sequence: int
    followed_at: datetime | None


class LibraryState(msgspec.Struct, frozen=True):
    """What the library rests on, and how far it goes."""

    home: str
    """Code of the city."""
    names: int
    """Names of roads, estates, communities and groups that each process keeps in memory."""
    sources: tuple[Followed, ...]


class NewEntry(msgspec.Struct, frozen=True, gc=False):
    """A standard address on its way into the library."""

    code: str
    parent: str
    level: int
    name: str
    division: str
    since: date
    until: date | None
    replaced_by: tuple[str, ...]
    said: str
    full_text: str
    longitude: float | None
    latitude: float | None


class NewSpan(msgspec.Struct, frozen=True, gc=False):
    """Where an address lay: a division, or a cell of the grid."""

    address: str
    since: date
    until: date | None
    place: str


class NewCell(msgspec.Struct, frozen=True, gc=False):
    """A cell of the grid."""

    code: str
    division: str
    name: str
    since: date
    until: date | None


class NewChange(msgspec.Struct, frozen=True, gc=False):
    """A change of divisions."""

    old_code: str
    new_code: str
    changed_on: date
    kind: str
    old_name: str
    new_name: str
    approval: str


class Row(msgspec.Struct, frozen=True, gc=False):
    """A standard address as the database holds it."""

    code: str
    parent: str
    level: int
    name: str
    """Comparable (`parsing.canonical`)."""
    division: str
    since: date
    until: date | None
    replaced_by: list[str]
    below: int
    """Bit n is set when something lies directly in it at level n."""
    former: list[str]
    """Divisions in which it ever lay, as far as spans of it are known."""


Named = tuple[int, str, str]
"""Level, name and division of bases that are looked for."""


class Wants(msgspec.Struct):
    """What has to be fetched before the matching can go on. Rows come with all that they lie in."""

    named: set[Named] = msgspec.field(default_factory=set)
    doors: dict[str, set[str]] = msgspec.field(default_factory=lambda: defaultdict(set))
    """Code → names: what lies in it under these names, and in that, and so on."""
    every: set[tuple[str, int]] = msgspec.field(default_factory=set)
    """Everything of a level that lies directly in a code."""
    heirs: set[str] = msgspec.field(default_factory=set)
    """Codes, with all that they lead to."""

    def __bool__(self) -> bool:
        return bool(self.named or self.doors or self.every or self.heirs)

    def add(self, other: "Wants") -> None:
        """Want what the other wants besides."""
        self.named |= other.named
        self.every |= other.every
        self.heirs |= other.heirs
        for code, names in other.doors.items():
            self.doors[code] |= names
