"""The audit log for the rest of the house: write what was done, sign it, show it, prove it."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from cityloom.kernel.audit import check as checking
from cityloom.kernel.audit import export as exporting
from cityloom.kernel.audit import files, keys, proof, store
from cityloom.kernel.audit import seal as sealing
from cityloom.kernel.audit.entry import (
    ConsistencyProof,
    Entry,
    Finding,
    InclusionProof,
    Manifest,
    Record,
    Report,
    SignedHead,
    Wanted,
    draft,
    leaf,
    moment,
)
from cityloom.kernel.audit.judge import Progress
from cityloom.kernel.db import Database, Transaction
from cityloom.kernel.errors import NotFound

REACH = 200_000
"""Entries that one search looks through."""
SLACK = 2000
"""Entries that may stand out of the order of their times."""


def append(tx: Transaction, entries: Sequence[Entry]) -> list[int]:
    """Write the entries in this transaction; their positions, in order and without a gap.

    From here to the end of the transaction no other one can write to the log: call it last, and once for many entries.
    Within a scope other than the platform's the entries must name the scope's organisation and actor.
    Raises Invalid `audit.entry_refused` naming the field that is not fit to be kept.
    """
    if not entries:
        return []
    first = store.append(tx, [draft(entry) for entry in entries])
    return list(range(first, first + len(entries)))


def seal(db: Database, signer: keys.Signer, folder: Path, now: datetime) -> SignedHead | None:
    """Sign all committed entries; the last head, None while the log is empty. Idempotent, safe to run at once.

    `folder` is where the signed history is kept (`Settings.audit_files`). Raises Contradiction when the database does
    not hold what was signed; the code and `positions` name what was found first, `check` finds all.
    """
    return sealing.seal(db, signer, folder, now)


def read(
    tx: Transaction, subject: str | None = None, actor: str | None = None, before: int | None = None, limit: int = 100
) -> list[Record]:
    """The newest entries before position `before`, about one subject, by one actor, or all that the scope may see."""
    return store.search(tx, subject, actor, before, limit)


def seek(
    tx: Transaction, wanted: Wanted, before: int | None = None, limit: int = 100, reach: int = REACH
) -> tuple[list[Record], int]:
    """The newest entries before a position that fit, and the position down to which the log was looked through.

    One call looks through `reach` entries at most, so that it is answered soon however long the log is; ask again with
    `before` = that position to look further back. It is 0 when nothing older is left that could fit.
    """
    size = store.log(tx).size
    floor = _position_of(tx, wanted.start, size) - SLACK if wanted.start else 0
    ceiling = _position_of(tx, wanted.until, size) + SLACK if wanted.until else size
    end = max(0, min(size, ceiling, size if before is None else before))
    first = max(0, floor, end - reach)
    sought = store.Sought(
        first, end, wanted.subject, wanted.actor, wanted.organisation, wanted.action, wanted.purpose,
        moment(wanted.start) if wanted.start else "", moment(wanted.until) if wanted.until else "",
    )  # fmt: skip
    found = store.seek(tx, sought, limit)
    if len(found) == limit:
        return found, found[-1].position
    return found, 0 if first <= max(0, floor) else first


def _position_of(tx: Transaction, at: datetime, size: int) -> int:
    """About where the entries of a moment begin. Times follow positions but for seconds, for which `SLACK` stands."""
    wanted, low, high = moment(at), 0, size
    while low < high:
        middle = (low + high) // 2
        time = store.time_at(tx, middle)
        if time is None or time >= wanted:
            high = middle
        else:
            low = middle + 1
    return low


def last_head(tx: Transaction) -> SignedHead | None:
    """The last signed head, for those who want to keep it."""
    row = store.last_head(tx)
    return files.read_head(row.head.encode()) if row else None


def size(tx: Transaction) -> int:
    """How many entries the log has, signed or not."""
    return store.log(tx).size


def check(db: Database, folder: Path, progress: Progress = lambda _: None) -> Report:
    """Hold the whole database against the signed files; every difference is a finding with its positions."""
    return checking.check(db, folder, progress)


def export(db: Database, folder: Path, path: Path, now: datetime, progress: Progress = lambda _: None) -> Manifest:
    """Write the log to `path` (a .zip, else a folder) for `verify.verify`. Raises Conflict `audit.export_exists`."""
    return exporting.export(db, folder, path, now, progress)


def prove_entry(tx: Transaction, folder: Path, position: int) -> InclusionProof:
    """Proof that the entry at this position is in the log as last signed.

    Raises NotFound `audit.entry_not_signed`, Contradiction when the entry is not the one that was signed.
    """
    log = store.log(tx)
    archive = files.open_archive(folder, log.hash)
    if archive.head is None or not 0 <= position < archive.size:
        raise NotFound("audit.entry_not_signed", position=position, size=archive.size)
    found = store.records(tx, position, position + 1)
    if not found:
        raise sealing.alarm(Finding(code="audit.entry_missing", first=position, last=position))
    if leaf(found[0].body, log.hash) != archive.leaves.read(position, position + 1):
        raise sealing.alarm(Finding(code="audit.entry_changed", first=position, last=position))
    return proof.inclusion(archive, archive.head, position, found[0].body)


def prove_growth(tx: Transaction, folder: Path, first: int, second: int | None = None) -> ConsistencyProof:
    """Proof that the head of size `first` is the beginning of that of size `second` (the last one).

    Raises NotFound `audit.no_such_head`.
    """
    archive = files.open_archive(folder, store.log(tx).hash)
    return proof.consistency(
        archive, _head(tx, archive, first), _head(tx, archive, archive.size if second is None else second)
    )


def _head(tx: Transaction, archive: files.Archive, size: int) -> SignedHead:
    row = store.head_of_size(tx, size)
    head = files.read_head(row.head.encode()) if row and size <= archive.size else None
    if head is None:
        raise NotFound("audit.no_such_head", size=size)
    return head
