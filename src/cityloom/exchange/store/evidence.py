"""What was deleted for good and the proof of it, in PostgreSQL: intents, deletions, and the files that must go."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from cityloom.kernel.db import Transaction

COLUMNS = """id, dataset, organisation, account, kind, legal_basis, before, rows, keys_digest, done_at,
    files::text AS files, rewritten_at, files_gone_at, audit_position"""


class Intent(msgspec.Struct, frozen=True):
    """A deletion that was begun and whose lake commit may or may not have happened."""

    dataset: str
    organisation: str
    account: str
    kind: str
    legal_basis: str
    before: datetime | None
    message: str
    begun_at: datetime


class DeletionRow(msgspec.Struct, frozen=True):
    """One deletion."""

    id: int
    dataset: str
    organisation: str
    account: str
    kind: str
    legal_basis: str
    before: datetime | None
    rows: int
    keys_digest: str
    done_at: datetime
    files: str
    """JSON list of the lake's files that hold rows which are no longer there, these among them."""
    rewritten_at: datetime | None
    files_gone_at: datetime | None
    audit_position: int

    @property
    def paths(self) -> list[str]:
        """The files."""
        return msgspec.json.decode(self.files, type=list[str])


def begin(tx: Transaction, intent: Intent) -> int:
    """Note that a lake commit follows."""
    return tx.execute(
        """INSERT INTO exchange.deletion_intent
             (dataset, organisation, account, kind, legal_basis, before, message, begun_at)
           VALUES (%s, %s, %s, %s, %s, %s, %s, %s)""",
        [*msgspec.structs.astuple(intent)],
    )


def intent(tx: Transaction, dataset: str, lock: bool = False) -> Intent | None:
    """The dataset's unfinished deletion."""
    ending = " FOR UPDATE" if lock else ""
    return tx.first(
        Intent,
        f"""SELECT dataset, organisation, account, kind, legal_basis, before, message, begun_at
            FROM exchange.deletion_intent WHERE dataset = %s{ending}""",
        [dataset],
    )


def unfinished(tx: Transaction, before: datetime) -> list[str]:
    """Datasets with a deletion that was begun before a moment and is not finished."""
    return tx.values(str, "SELECT dataset FROM exchange.deletion_intent WHERE begun_at < %s ORDER BY dataset", [before])


def drop_intent(tx: Transaction, dataset: str) -> int:
    """It is finished, or never happened."""
    return tx.execute("DELETE FROM exchange.deletion_intent WHERE dataset = %s", [dataset])


def oldest_unfinished(tx: Transaction) -> datetime | None:
    """Since when some lake commit, of a delivery, a withdrawal or a deletion, may have happened without being decided."""
    row = tx.connection.execute(
        """SELECT least(
             (SELECT min(claimed_at) FROM exchange.delivery WHERE state IN ('committing', 'withdrawing')),
             (SELECT min(begun_at) FROM exchange.deletion_intent))"""
    ).fetchone()
    return row[0] if row else None


def keep(tx: Transaction, intent: Intent, rows: int, keys_digest: str, done_at: datetime, audit_position: int) -> int:
    """Write the deletion down; its id."""
    return tx.scalar(
        int,
        """INSERT INTO exchange.deletion (dataset, organisation, account, kind, legal_basis, before, rows, keys_digest,
             done_at, audit_position)
           VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s) RETURNING id""",
        [intent.dataset, intent.organisation, intent.account, intent.kind, intent.legal_basis, intent.before, rows,
         keys_digest, done_at, audit_position],
    )  # fmt: skip


def find(tx: Transaction, id: int) -> DeletionRow:
    """One deletion. Raises LookupError."""
    return tx.one(DeletionRow, f"SELECT {COLUMNS} FROM exchange.deletion WHERE id = %s", [id])


def page(tx: Transaction, dataset: str, after: int, limit: int) -> list[DeletionRow]:
    """Deletions of a dataset by id."""
    return tx.all(
        DeletionRow,
        f"SELECT {COLUMNS} FROM exchange.deletion WHERE dataset = %s AND id > %s ORDER BY id LIMIT %s",
        [dataset, after, limit],
    )


def changes_before(tx: Transaction, dataset: str) -> datetime | None:
    """The moment before which change rows were deleted; None if none ever were."""
    found = tx.values(
        datetime,
        """SELECT before FROM exchange.deletion WHERE dataset = %s AND kind = 'changes' AND before IS NOT NULL
           ORDER BY before DESC LIMIT 1""",
        [dataset],
    )
    return found[0] if found else None


def to_rewrite(tx: Transaction) -> list[str]:
    """Datasets with a deletion whose rows may still lie in the current files."""
    return tx.values(
        str,
        """SELECT DISTINCT dataset FROM exchange.deletion
           WHERE files_gone_at IS NULL AND rewritten_at IS NULL ORDER BY dataset""",
    )


def rewritten(tx: Transaction, dataset: str, upto: int, files: Sequence[str], at: datetime) -> int:
    """The dataset's files were rewritten after the deletions up to an id; these are the files that held their rows."""
    return tx.execute(
        """UPDATE exchange.deletion SET rewritten_at = %s, files = %s::jsonb
           WHERE dataset = %s AND id <= %s AND rewritten_at IS NULL AND files_gone_at IS NULL""",
        [at, msgspec.json.encode(sorted(files)).decode(), dataset, upto],
    )


def last_deletion(tx: Transaction, dataset: str) -> int:
    """Id of the dataset's last deletion, 0 if there is none."""
    return tx.scalar(int, "SELECT coalesce(max(id), 0) FROM exchange.deletion WHERE dataset = %s", [dataset])


def to_prove(tx: Transaction) -> list[DeletionRow]:
    """Deletions whose files were rewritten and may still exist, by dataset."""
    return tx.all(
        DeletionRow,
        f"""SELECT {COLUMNS} FROM exchange.deletion
            WHERE files_gone_at IS NULL AND rewritten_at IS NOT NULL ORDER BY dataset, id""",
    )


def gone(tx: Transaction, id: int, at: datetime) -> int:
    """None of the files exists any more."""
    return tx.execute(
        "UPDATE exchange.deletion SET files_gone_at = %s WHERE id = %s AND files_gone_at IS NULL", [at, id]
    )


def oldest_decisions(tx: Transaction) -> dict[str, datetime]:
    """When the first delivery of each dataset was decided: nothing in its tables is older."""
    rows = tx.connection.execute(
        "SELECT dataset, min(decided_at) FROM exchange.delivery WHERE decided_at IS NOT NULL GROUP BY dataset"
    ).fetchall()
    return {row[0]: row[1] for row in rows}


def declared(tx: Transaction, dataset: str) -> bytes | None:
    """The resolved declaration as last installed, of retired datasets too, as JSON."""
    row = tx.connection.execute("SELECT spec::text FROM exchange.dataset WHERE name = %s", [dataset]).fetchone()
    return row[0].encode() if row else None


def raise_floor(tx: Transaction, dataset: str, floor: int) -> int:
    """Change rows up to `floor` are no longer kept."""
    return tx.execute(
        "UPDATE exchange.dataset SET floor_sequence = %s WHERE name = %s AND floor_sequence < %s",
        [floor, dataset, floor],
    )
