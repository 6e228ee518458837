"""SQL of what was corrected, and who was told."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from cityloom.kernel.db import Transaction
from cityloom.quality.contracts import Correction


class NewCorrection(msgspec.Struct, frozen=True):
    """What was corrected, for all who are told of it."""

    keeper: str
    dataset: str
    field: str
    key_digest: str
    sequence: int
    removed: bool
    at: datetime


class Row(msgspec.Struct, frozen=True):
    """One row of quality.correction."""

    id: int
    organisation: str
    keeper: str
    dataset: str
    field: str
    key_digest: str
    key: list[str] | None
    sequence: int
    removed: bool
    at: datetime


def tell(tx: Transaction, new: NewCorrection, told: Sequence[tuple[str, tuple[str, ...] | None]]) -> None:
    """Tell organisations, each with the key or without, once."""
    tx.many(
        """INSERT INTO quality.correction (organisation, keeper, dataset, field, key_digest, key, sequence, removed, at)
           VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING""",
        [
            [
                organisation, new.keeper, new.dataset, new.field, new.key_digest, list(key) if key else None,
                new.sequence, new.removed, new.at,
            ]
            for organisation, key in told
        ],
    )  # fmt: skip


def listed(tx: Transaction, organisation: str, dataset: str, after: int, limit: int) -> list[Correction]:
    """What an organisation was told, behind a number."""
    rows = tx.all(
        Row,
        """SELECT id, organisation, keeper, dataset, field, key_digest, key, sequence, removed, at FROM quality.correction
           WHERE organisation = %s AND %s IN ('', dataset) AND id > %s ORDER BY id LIMIT %s""",
        [organisation, dataset, after, limit],
    )
    return [
        Correction(
            row.id, row.organisation, row.keeper, row.dataset, row.field, row.key_digest,
            tuple(row.key) if row.key is not None else None, row.sequence, row.removed, row.at,
        )
        for row in rows
    ]  # fmt: skip


def forget_record(tx: Transaction, dataset: str, key_digest: str) -> None:
    """The record was erased: its key goes too."""
    tx.execute("UPDATE quality.correction SET key = NULL WHERE dataset = %s AND key_digest = %s", [dataset, key_digest])


def forget(tx: Transaction, before: datetime) -> int:
    """Take the keys out of what was told before a moment; how many."""
    return tx.execute("UPDATE quality.correction SET key = NULL WHERE at < %s AND key IS NOT NULL", [before])
