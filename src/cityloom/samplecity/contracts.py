"""What crosses the border of the sample city: planned deliveries with the truth about every row."""

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
