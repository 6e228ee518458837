"""Data elements and code lists: what other modules may know of the standards a city's data follows."""

from datetime import date
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from cityloom.kernel.words import Text

Kind = Literal["text", "integer", "decimal", "number", "boolean", "date", "timestamp"]
"""number is a binary floating-point number; decimal is exact, with precision and scale."""

Format = Literal["gb11643", "gb32100"]
"""gb11643: citizen identity number (GB 11643-1999); gb32100: unified social credit code (GB 32100-2015)."""

Status = Literal["current", "withdrawn"]
Day = Annotated[str, Meta(pattern=r"^\d{4}-\d{2}-\d{2}$")]
"""A day written as a text ("1949-10-01", with the quotes that keep YAML from reading a date)."""

Bound = int | float | Day
Length = Annotated[int, Meta(ge=0)]
Grade = Annotated[int, Meta(ge=1, le=4)]
"""Grade of a data item by GB/T 43697-2024 as governments use it: 1 may be public, 4 is core."""


class Element(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A data element (数据元): what a field of that meaning is wherever it occurs."""

    title: Text
    type: Kind
    format: Format | None = None
    min: Bound | None = None
    max: Bound | None = None
    min_length: Length | None = None
    max_length: Length | None = None
    pattern: str | None = None
    codes: str | None = None
    """Name of a code list."""
    precision: Annotated[int, Meta(ge=1, le=38)] | None = None
    scale: Annotated[int, Meta(ge=0, le=38)] | None = None
    unit: str | None = None
    grade: Grade | None = None
    personal: bool | None = None
    standard: str = ""
    version: str = "1"
    status: Status = "current"


class Code(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One code of a list. A withdrawn code stays readable in old data and is refused in new data."""

    code: Annotated[str, Meta(min_length=1)]
    title: Text
    parent: str | None = None
    """A code of this list or of a coarser one, such as the street of a community."""
    status: Status = "current"


class CodeList(msgspec.Struct, frozen=True):
    """A version of a code list with all its codes."""

    name: str
    title: Text
    codes: tuple[Code, ...]
    standard: str = ""
    version: str = "1"
    valid_from: date | None = None
    status: Status = "current"

    @property
    def current(self) -> tuple[str, ...]:
        """The codes that new data may use, in the order of the list."""
        return tuple(code.code for code in self.codes if code.status == "current")


class Standards(msgspec.Struct, frozen=True):
    """The data elements and code lists that the active packs bring, by name."""

    elements: dict[str, Element]
    codes: dict[str, CodeList]
