"""Holds the living database against the signed files and names what differs."""

from pathlib import Path

from cityloom.kernel.audit import files, store
from cityloom.kernel.audit.entry import Report, encode
from cityloom.kernel.audit.files import Archive
from cityloom.kernel.audit.judge import Judge, Progress
from cityloom.kernel.audit.verify import compare_heads
from cityloom.kernel.audit.walk import Findings, Walk
from cityloom.kernel.db import PLATFORM, Database, Transaction


def check(db: Database, folder: Path, progress: Progress = lambda _: None) -> Report:
    """Compare every entry and every head; the same report that `verify.verify` gives of an export.

    The keys beside the files are believed (`pinned`): they are not in the database's reach.
    """
    with db.begin(PLATFORM) as tx:
        log = store.log(tx)
        archive = files.open_archive(folder, log.hash)
        findings = Findings()
        judge = Judge(log.id, log.hash, archive.public_keys(), archive.leaves.read, archive.leaves.size(), findings)
        for line in archive.heads():
            head = files.read_head(line)
            if head:
                judge.see(head)
            else:
                findings.add("audit.head_unreadable", 0, 0)
        judged = judge.verdict()
        for good, size in judged.broken:
            findings.add("audit.leaf_changed", good, size - 1)
        differences(tx, archive, findings)
        size = max(log.size, archive.size)
        for first in range(0, size, store.PAGE):
            compare(tx, archive, first, min(first + store.PAGE, size), findings)
            progress(min(first + store.PAGE, size))
        compare_heads(archive.heads(), (text.encode() for text in store.head_texts(tx)), findings)
    return Report(
        log=log.id,
        entries=log.size,
        signed=archive.size,
        unsigned=max(log.size - archive.size, 0),
        heads=judged.heads,
        root=judged.good.root if judged.good else "",
        keys=judged.keys,
        pinned=True,
        findings=findings.all(),
    )


def differences(tx: Transaction, archive: Archive, findings: Findings) -> None:
    """What can be seen at once: another log, another length, entries outside of it."""
    log, head = store.log(tx), archive.head
    if head and (log.id, log.hash) != (head.log, head.hash):
        findings.add("audit.log_replaced", 0, head.size - 1, log.id)
    if log.size < archive.size:
        findings.add("audit.size_changed", log.size, archive.size - 1, str(log.size))
    if log.lowest is not None and log.lowest < 0:
        findings.add("audit.entry_inserted", log.lowest, log.lowest)
    if log.highest is not None and log.highest >= max(log.size, archive.size):
        findings.add("audit.entry_inserted", log.highest, log.highest)


def compare_last_head(tx: Transaction, archive: Archive, findings: Findings) -> None:
    """The database keeps the last head of the files."""
    if archive.head:
        stored = store.head_of_size(tx, archive.size)
        if stored is None:
            findings.add("audit.head_missing", archive.size - 1, archive.size - 1)
        elif stored.head.encode() != encode(archive.head):
            findings.add("audit.head_changed", archive.size - 1, archive.size - 1)


def compare(tx: Transaction, archive: Archive, first: int, end: int, findings: Findings) -> None:
    """Hold the entries [first, end) against their leaves, as far as these are signed."""
    rows = store.compared(tx, first, end)
    walk = Walk(findings, archive.leaves.read, archive.size, end, archive.hash, first)
    walk.take([row.body.encode() for row in rows], [row.position for row in rows])
    walk.finish()
    for row in rows:
        if not row.faithful:
            findings.add("audit.column_changed", row.position, row.position)
