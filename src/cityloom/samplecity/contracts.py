"""What crosses the border of the sample city: planned deliveries with the truth about every row."""

from datetime import date
from pathlib import Path
from typing import Any

import msgspec


class Fault(msgspec.Struct, frozen=True, order=True):
    """One thing that was made wrong on purpose. Nothing else in the row is wrong."""

    row: int
    """Number of the record in the file, from 1; the header is not counted."""
    field: str
    """Empty where the row as a whole is wrong (rule shape); for key and expression the first of the fields meant."""
    rule: str
    """As the exchange names it in its quarantine."""


class PlannedDelivery(msgspec.Struct, frozen=True, kw_only=True):
    """One file of one department, ready to be handed in, and what must become of it.

    rows = accepted + quarantined + duplicates. A duplicate says nothing new: it repeats a record of the same file or
    states again what is already known (or deletes what is not there).
    """

    dataset: str
    delivery_id: str
    organisation: str
    """The department that delivers: the dataset's keeper."""
    mode: str
    period: str
    """The month whose end the file describes, such as 2026-08."""
    content_type: str
    content_encoding: str
    """`gzip` or empty."""
    charset: str | None
    path: Path
    bytes: int
    sha256: str
    rows: int
    accepted: int
    quarantined: int
    duplicates: int
    deletes: int
    """Records that a replacement no longer has, or that a deletion removes."""
    truth: tuple[Fault, ...]
    """By row."""


class PlannedWish(msgspec.Struct, frozen=True, kw_only=True):
    """What one department asks of another, how that one answers, and what is done with the grant."""

    id: str
    organisation: str
    """Who asks."""
    wish: dict[str, Any]
    """The request as the platform's door takes it."""
    key: tuple[str, ...]
    """The dataset's key fields."""
    answer: str
    """approve, offer or refuse."""
    why: str
    law: str
    offer: dict[str, Any]
    """The terms of a counter-offer, which is accepted."""
    queries: int
    """Single records to ask for."""
    verifications: int
    """Records about which to verify claims."""
    count_by: tuple[str, ...]
    """Fields to count by."""


class PlannedApplication(msgspec.Struct, frozen=True, kw_only=True):
    """A child that is to go to school, as its parents apply: identifiers only; and what is true of them."""

    child: str
    guardians: tuple[str, ...]
    school: str
    truth: dict[str, bool]
    """Facts of the list `school_admission` whose truth was sown."""


class PlannedAddress(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One standard address of the sample city's address library, as the keeper of addresses would deliver it."""

    code: str
    """21 digits: community, sequence, check digit (ISO/IEC 7064 MOD 11,10)."""
    parent: str
    level: str
    """road, number, estate, building, unit or room."""
    name: str
    text: str
    division: str
    """The division in which it lies now: 12 digits, 9 for roads."""
    since: date
    until: date | None
    replaced_by: tuple[str, ...]
    former_division: str
    """Where it lay before boundaries were redrawn on `REDRAWN`; empty for most."""
    steps: tuple[tuple[str, str], ...]
    """Level and name of everything on the way to it, itself last."""
    place: tuple[str, str, str, str]
    """City, district, street and community in Chinese."""


class PlannedSpelling(msgspec.Struct, frozen=True, kw_only=True):
    """An address as somebody wrote it, and what he meant."""

    text: str
    code: str
    """The standard address that is meant and holds now; empty when none is: elsewhere, never built, or only near one."""
    way: str
    """In which way it is not standard."""
