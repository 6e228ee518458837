"""SQL of the copies that answer single-record questions."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from cityloom.kernel.db import Transaction

COLUMNS = "dataset, number, organisation, generation, sequence, building, oldest, followed_at"


class ProjectionRow(msgspec.Struct, frozen=True):
    """One row of sharing.projection."""

    dataset: str
    number: int
    organisation: str
    generation: int
    sequence: int
    building: int | None
    oldest: int
    followed_at: datetime | None


class RecordRow(msgspec.Struct, frozen=True):
    """One copied record, and which of the keys asked for it is."""

    place: int
    row: str


def known(tx: Transaction) -> dict[str, ProjectionRow]:
    """Every copy that the scope may see, by dataset."""
    return {row.dataset: row for row in tx.all(ProjectionRow, f"SELECT {COLUMNS} FROM sharing.projection")}


def several(tx: Transaction, datasets: Sequence[str]) -> dict[str, ProjectionRow]:
    """The copies of these datasets."""
    rows = tx.all(ProjectionRow, f"SELECT {COLUMNS} FROM sharing.projection WHERE dataset = ANY(%s)", [list(datasets)])
    return {row.dataset: row for row in rows}


def add(tx: Transaction, dataset: str, keeper: str) -> None:
    """Begin to keep a copy of a dataset."""
    tx.execute(
        """INSERT INTO sharing.projection (dataset, organisation) VALUES (%s, %s)
           ON CONFLICT (dataset) DO UPDATE SET organisation = excluded.organisation
           WHERE projection.organisation <> excluded.organisation""",
        [dataset, keeper],
    )


def lock(tx: Transaction, dataset: str) -> ProjectionRow:
    """Where the copy stands; nobody changes it until the transaction ends."""
    return tx.one(ProjectionRow, f"SELECT {COLUMNS} FROM sharing.projection WHERE dataset = %s FOR UPDATE", [dataset])


def begin_build(tx: Transaction, dataset: str) -> int:
    """The number of a generation that nobody has filled before."""
    return tx.scalar(
        int,
        """UPDATE sharing.projection SET building = greatest(generation, coalesce(building, 0)) + 1
           WHERE dataset = %s RETURNING building""",
        [dataset],
    )


def end_build(tx: Transaction, dataset: str, generation: int, sequence: int, now: datetime) -> None:
    """Answer from this generation from now on."""
    tx.execute(
        """UPDATE sharing.projection SET generation = %s, building = NULL, sequence = %s, followed_at = %s
           WHERE dataset = %s""",
        [generation, sequence, now, dataset],
    )


def followed(tx: Transaction, dataset: str, sequence: int, now: datetime) -> None:
    """The copy knows every change up to here."""
    tx.execute(
        "UPDATE sharing.projection SET sequence = %s, followed_at = %s WHERE dataset = %s", [sequence, now, dataset]
    )


def current(tx: Transaction, datasets: Sequence[str], now: datetime) -> None:
    """Nothing newer was there for these."""
    tx.execute("UPDATE sharing.projection SET followed_at = %s WHERE dataset = ANY(%s)", [now, list(datasets)])


def put(tx: Transaction, number: int, generation: int, records: bytes) -> None:
    """Write records over those with the same keys. `records` is a JSON array of pairs: the key, and the record as JSON.

    JSON, because the client takes several times as long to write arrays of texts.
    """
    tx.execute(
        """INSERT INTO sharing.record (dataset, generation, key, row)
           SELECT %s, %s, e ->> 0, e ->> 1 FROM json_array_elements(%s::json) AS t (e)
           ON CONFLICT (dataset, generation, key) DO UPDATE SET row = excluded.row""",
        [number, generation, records.decode()],
    )


def drop(tx: Transaction, number: int, generation: int, keys: Sequence[str]) -> None:
    """Remove records."""
    tx.execute(
        "DELETE FROM sharing.record WHERE dataset = %s AND generation = %s AND key = ANY(%s)",
        [number, generation, list(keys)],
    )


def clean(tx: Transaction, number: int, generation: int, most: int) -> int:
    """Remove some records of a generation that no longer answers; how many."""
    return tx.execute(
        """DELETE FROM sharing.record WHERE dataset = %(number)s AND generation = %(generation)s AND key IN (
             SELECT key FROM sharing.record WHERE dataset = %(number)s AND generation = %(generation)s LIMIT %(most)s)""",
        {"number": number, "generation": generation, "most": most},
    )


def cleaned(tx: Transaction, dataset: str, oldest: int) -> None:
    """Nothing is left of the generations below."""
    tx.execute("UPDATE sharing.projection SET oldest = %s WHERE dataset = %s", [oldest, dataset])


def records(tx: Transaction, numbers: Sequence[int], generations: Sequence[int], keys: Sequence[str]) -> dict[int, str]:
    """Records by the place at which they are asked for, as JSON; those that are not there are left out."""
    rows = tx.all(
        RecordRow,
        """SELECT t.place::int AS place, r.row
           FROM unnest(%s::int[], %s::int[], %s::text[]) WITH ORDINALITY AS t (dataset, generation, key, place)
           JOIN sharing.record r ON r.dataset = t.dataset AND r.generation = t.generation AND r.key = t.key""",
        [list(numbers), list(generations), list(keys)],
    )
    return {row.place - 1: row.row for row in rows}
