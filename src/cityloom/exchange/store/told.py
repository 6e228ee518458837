"""Whom an erasure must tell, in PostgreSQL: the row filters that were read through, and which of them had shown a record."""

import hashlib
from collections.abc import Sequence
from datetime import datetime

import msgspec

from cityloom.kernel.db import Transaction


class RowFilter(msgspec.Struct, frozen=True):
    """A row filter through which a dataset was read."""

    id: int
    rows: str


def note(tx: Transaction, dataset: str, keeper: str, rows: str, at: datetime) -> int:
    """The id of a row filter, which is kept from now on."""
    digest = hashlib.sha256(rows.encode()).digest()
    known = "SELECT id FROM exchange.row_filter WHERE dataset = %s AND digest = %s"
    found = tx.values(int, known, [dataset, digest])
    if not found:
        tx.execute(
            """INSERT INTO exchange.row_filter (dataset, organisation, digest, rows, noted_at)
               VALUES (%s, %s, %s, %s, %s) ON CONFLICT DO NOTHING""",
            [dataset, keeper, digest, rows, at],
        )
        found = tx.values(int, known, [dataset, digest])
    return found[0]


def noted(tx: Transaction, dataset: str) -> list[RowFilter]:
    """The row filters through which a dataset was read so far."""
    return tx.all(RowFilter, "SELECT id, rows FROM exchange.row_filter WHERE dataset = %s ORDER BY id", [dataset])


def tell(tx: Transaction, dataset: str, last_sequence: int, pairs: Sequence[tuple[int, int]]) -> None:
    """Keep (sequence, filter) of an erasure that follows, in the place of one that never came to be."""
    tx.execute("DELETE FROM exchange.erasure_told WHERE dataset = %s AND sequence > %s", [dataset, last_sequence])
    tx.execute(
        """INSERT INTO exchange.erasure_told (dataset, organisation, sequence, row_filter)
           SELECT f.dataset, f.organisation, t.sequence, f.id
           FROM unnest(%s::bigint[], %s::bigint[]) t (sequence, row_filter)
           JOIN exchange.row_filter f ON f.id = t.row_filter ON CONFLICT DO NOTHING""",
        [[sequence for sequence, _ in pairs], [id for _, id in pairs]],
    )


def tell_others(tx: Transaction, dataset: str, asked: Sequence[int], first: int, last: int) -> int:
    """Tell the filters that were first read through while the erasure was going on, and so were not asked."""
    return tx.execute(
        """INSERT INTO exchange.erasure_told (dataset, organisation, sequence, row_filter)
           SELECT f.dataset, f.organisation, s, f.id
           FROM exchange.row_filter f, generate_series(%s::bigint, %s::bigint) s
           WHERE f.dataset = %s AND f.id <> ALL (%s::bigint[]) ON CONFLICT DO NOTHING""",
        [first, last, dataset, list(asked)],
    )


def told(tx: Transaction, dataset: str, row_filter: int, since: int, upto: int) -> list[int]:
    """Sequences of erasures with since < sequence <= upto that readers through a filter are told of."""
    return tx.values(
        int,
        """SELECT sequence FROM exchange.erasure_told
           WHERE dataset = %s AND row_filter = %s AND sequence > %s AND sequence <= %s ORDER BY sequence""",
        [dataset, row_filter, since, upto],
    )


def told_before(tx: Transaction, dataset: str, sequences: Sequence[int]) -> list[tuple[int, int]]:
    """The (sequence, filter) that earlier erasures told."""
    rows = tx.connection.execute(
        "SELECT sequence, row_filter FROM exchange.erasure_told WHERE dataset = %s AND sequence = ANY (%s)",
        [dataset, list(sequences)],
    ).fetchall()
    return [(row[0], row[1]) for row in rows]


def forget(tx: Transaction, dataset: str, floor: int) -> int:
    """Erasures whose change rows are no longer kept."""
    return tx.execute("DELETE FROM exchange.erasure_told WHERE dataset = %s AND sequence <= %s", [dataset, floor])
