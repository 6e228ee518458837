"""The dataset file of a pack (exchange/<dataset>.yaml) as written, and the dataset it resolves to (rules.resolve)."""

import re
from datetime import date
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from cityloom.catalogue.contracts import Bound, CodeList, Format, Grade, Kind, Length
from cityloom.exchange.contracts import Mode
from cityloom.kernel.words import Text

Name = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
Duration = Annotated[str, Meta(pattern=r"^P(?!$)(\d+Y)?(\d+M)?(\d+W)?(\d+D)?(T(?!$)(\d+H)?(\d+M)?(\d+S)?)?$")]
"""ISO 8601 duration in whole numbers, such as P30Y, P40D, PT6H."""

Period = Literal["day", "week", "month", "quarter", "half_year", "year", "irregular"]
Sharing = Literal["unconditional", "conditional", "refused"]


class Span(msgspec.Struct, frozen=True):
    """A duration in the three units that do not convert into each other."""

    months: int = 0
    days: int = 0
    seconds: int = 0

    @property
    def sql(self) -> str:
        """A DuckDB interval of this length."""
        return f"(to_months({self.months}) + to_days({self.days}) + to_seconds({self.seconds}))"


def span(text: str) -> Span:
    """The Span of an ISO 8601 duration that `Duration` accepts. Raises ValueError for other text."""
    found = re.fullmatch(
        r"P(?!$)(?:(\d+)Y)?(?:(\d+)M)?(?:(\d+)W)?(?:(\d+)D)?(?:T(?!$)(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?", text
    )
    if found is None:
        raise ValueError(f"not an ISO 8601 duration: {text}")
    years, months, weeks, days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return Span(years * 12 + months, weeks * 7 + days, hours * 3600 + minutes * 60 + seconds)


class Update(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How often the dataset is delivered, and how many days after the end of the period it is due."""

    every: Period
    due_days: Annotated[int, Meta(ge=0)] = 0
    days: Literal["working", "calendar"] = "working"


class Retention(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How long records, change rows and quarantined rows are kept."""

    records: Duration
    changes: Duration = "P2Y"
    quarantine: Duration = "P180D"


class Field(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One field as written: what it does not state comes from its element."""

    name: Name
    title: Text | None = None
    type: Kind | None = None
    element: str | None = None
    required: bool = False
    unique: bool = False
    min: Bound | None = None
    max: Bound | None = None
    min_length: Length | None = None
    max_length: Length | None = None
    pattern: str | None = None
    codes: str | None = None
    references: Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*$")] | None = None
    format: Format | None = None
    fresh_within: Duration | None = None
    precision: Annotated[int, Meta(ge=1, le=38)] | None = None
    scale: Annotated[int, Meta(ge=0, le=38)] | None = None
    unit: str | None = None
    grade: Grade | None = None
    personal: bool | None = None
    authoritative: bool = False
    """数源: the keeper answers for this item of the dataset's class, and nobody else (catalogue)."""
    qualifier: str = ""
    """限定词: tells it from other fields of the same element, such as 户籍 for 户籍地址."""


class Check(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A cross-field rule: a row is at fault when the expression is false (not when it is unknown)."""

    name: Name
    expression: str
    title: Text
    remedy: Text


class Dataset(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """exchange/<dataset>.yaml as written; the file's stem is the dataset's name."""

    title: Text
    keeper: str
    legal_basis: Text
    sharing: Sharing
    update: Update
    key: tuple[Name, ...]
    retention: Retention
    fields: tuple[Field, ...]
    class_: str = msgspec.field(name="class")
    summary: Text = Text("", "")
    refusal_law: Text | None = None
    modes: tuple[Mode, ...] = (Mode.upsert,)
    queryable: bool = False
    checks: tuple[Check, ...] = ()


class Reference(msgspec.Struct, frozen=True):
    """A field of another dataset (or of the same one) whose values may be used."""

    dataset: str
    field: str
    vouched: bool = False
    """The field there has the same format, so that a known value need not be checked for it again."""

    def __str__(self) -> str:
        return f"{self.dataset}.{self.field}"


class ResolvedField(msgspec.Struct, frozen=True):
    """A field with everything it inherits, ready to be checked."""

    name: str
    title: Text
    type: Kind
    required: bool = False
    unique: bool = False
    min: int | float | date | None = None
    max: int | float | date | None = None
    min_length: int | None = None
    max_length: int | None = None
    pattern: str | None = None
    codes: CodeList | None = None
    reference: Reference | None = None
    format: Format | None = None
    fresh_within: Span | None = None
    precision: int | None = None
    scale: int | None = None
    unit: str | None = None
    grade: int = 1
    personal: bool = False
    element: str | None = None
    standard: str = ""
    authoritative: bool = False
    qualifier: str = ""

    @property
    def column_type(self) -> str:
        """The DuckDB type of the field's column."""
        if self.type == "decimal":
            return f"DECIMAL({self.precision},{self.scale})"
        return COLUMN_TYPES[self.type]


COLUMN_TYPES: dict[Kind, str] = {
    "text": "VARCHAR",
    "integer": "BIGINT",
    "number": "DOUBLE",
    "boolean": "BOOLEAN",
    "date": "DATE",
    "timestamp": "TIMESTAMP",
}


class ResolvedDataset(msgspec.Struct, frozen=True):
    """A dataset with element inheritance applied and every name in it known to be real."""

    name: str
    title: Text
    summary: Text
    keeper: str
    legal_basis: Text
    sharing: Sharing
    refusal_law: Text | None
    modes: tuple[Mode, ...]
    update: Update
    queryable: bool
    key: tuple[str, ...]
    retention: Retention
    fields: tuple[ResolvedField, ...]
    checks: tuple[Check, ...]
    grade: int
    """The highest grade of its fields."""
    class_: str = msgspec.field(name="class")

    def field(self, name: str) -> ResolvedField:
        """The field of that name. Raises KeyError."""
        for field in self.fields:
            if field.name == name:
                return field
        raise KeyError(name)

    @property
    def references(self) -> tuple[str, ...]:
        """Names of the datasets whose current state its checks need, each once."""
        return tuple(dict.fromkeys(field.reference.dataset for field in self.fields if field.reference))
