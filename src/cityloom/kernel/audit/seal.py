"""Signs the growing log about once a second, after making sure that the database still holds what was signed before."""

import base64
from datetime import datetime
from pathlib import Path

from cityloom.kernel.audit import files, keys, merkle, store
from cityloom.kernel.audit.check import compare, compare_last_head, differences
from cityloom.kernel.audit.entry import Contradiction, Finding, Head, SignedHead, encode, moment
from cityloom.kernel.audit.files import Archive, Sealed
from cityloom.kernel.audit.judge import Keys, signature_fault
from cityloom.kernel.audit.walk import Findings, Walk
from cityloom.kernel.db import PLATFORM, Database, Transaction

BATCH = 1 << 16
"""Entries under one head at most, so that a seal after a bulk load stays small."""
PATROL = 500
"""Entries signed earlier that each seal looks at again."""


def seal(db: Database, signer: keys.Signer, folder: Path, now: datetime) -> SignedHead | None:
    """Sign all committed entries that are not signed yet; the last head, None while the log is empty.

    Each head is committed in the database first (so that every entry it covers is on disk too) and then written to
    the files in `folder`; after a crash in between the next seal takes it over. Safe to run twice and at once.
    Raises Contradiction with the code of the first finding when the database does not hold what was signed; then
    nothing is signed.
    """
    with db.begin(PLATFORM) as tx:
        hash_name = store.log(tx).hash
    with files.locked(folder, hash_name) as archive:
        archive.keep_key(signer.public)
        with db.begin(PLATFORM) as tx:
            if not archive.whole:
                _restore(tx, archive)
            _refuse_contradiction(tx, archive, now)
        while True:
            with db.begin(PLATFORM) as tx:
                added = _taken_over(tx, archive) or _drafted(tx, archive, signer, now)
            if not added:
                return archive.head
            for sealed in added:
                archive.append(sealed)


def alarm(finding: Finding) -> Contradiction:
    """The finding as a problem."""
    return Contradiction(finding.code, **finding.params())


def _refuse_contradiction(tx: Transaction, archive: Archive, now: datetime) -> None:
    findings = Findings()
    compare_last_head(tx, archive, findings)
    differences(tx, archive, findings)
    for first in _patrol(archive.size, int(now.timestamp())):
        compare(tx, archive, first, min(first + PATROL, archive.size), findings)
    for finding in findings.all():
        raise alarm(finding)


def _patrol(size: int, second: int) -> list[int]:
    """Where to look: at the newest entries, and at a place that moves on with each second over the whole log."""
    newest = max(size - PATROL, 0)
    return [newest] if newest == 0 else [newest, second % (newest // PATROL + 1) * PATROL]


def _taken_over(tx: Transaction, archive: Archive) -> list[Sealed]:
    """Heads that the database has and the files do not, since a crash came between; proved before they are believed."""
    log, known, frontier = store.log(tx), archive.public_keys(), archive.frontier
    found: list[Sealed] = []
    for row in store.heads_after(tx, archive.size):
        frontier = frontier.extend(_split(row.leaves))
        found.append(Sealed(_believe(row, frontier, log, known), row.leaves))
    return found


def _drafted(tx: Transaction, archive: Archive, signer: keys.Signer, now: datetime) -> list[Sealed]:
    """A new head over the entries that came since; empty if there are none."""
    log = store.log(tx)
    end = min(log.size, archive.size + BATCH)
    if end <= archive.size:
        return []
    rows = store.records(tx, archive.size, end)
    findings = Findings()
    bodies = [row.body.encode() for row in rows]
    walk = Walk(findings, archive.leaves.read, 0, end, log.hash, archive.size)
    walk.take(bodies, [row.position for row in rows])
    walk.finish()
    for finding in findings.all():
        raise alarm(finding)
    hashes = [merkle.leaf_hash(body, log.hash) for body in bodies]
    head = _sign(archive.frontier.extend(hashes), log, signer, now)
    if not store.seal(tx, archive.size, end, encode(head).decode(), b"".join(hashes)):
        return _taken_over(tx, archive)
    return [Sealed(head, b"".join(hashes))]


def _sign(frontier: merkle.Frontier, log: store.Log, signer: keys.Signer, now: datetime) -> SignedHead:
    head = Head(
        log=log.id,
        size=frontier.size,
        hash=frontier.algorithm,
        root=frontier.root().hex(),
        time=moment(now),
        algorithm=keys.ALGORITHM,
        key=signer.public.id,
    )
    signature = base64.b64encode(signer.sign(encode(head)).value).decode()
    return SignedHead(**{name: getattr(head, name) for name in Head.__struct_fields__}, signature=signature)


def _restore(tx: Transaction, archive: Archive) -> None:
    """The file of leaves is damaged: take the hashes that the database keeps, every head proved on the way."""
    log, known = store.log(tx), archive.public_keys()
    fresh, frontier = archive.fresh_leaves(), merkle.Frontier(algorithm=archive.hash)
    while frontier.size < archive.size:
        rows = store.heads_after(tx, frontier.size)
        if not rows:
            raise alarm(Finding(code="audit.head_missing", first=archive.size - 1, last=archive.size - 1))
        for row in rows:
            frontier = frontier.extend(_split(row.leaves))
            _believe(row, frontier, log, known)
            fresh.append(row.leaves)
    archive.replace_leaves()


def _believe(row: store.StoredHead, frontier: merkle.Frontier, log: store.Log, known: Keys) -> SignedHead:
    """The head of the row, if its signature is ours and its root is that of the frontier. Raises Contradiction."""
    head = files.read_head(row.head.encode())
    fits = head is not None and (head.size, head.root) == (frontier.size, frontier.root().hex())
    if head is None or not fits or signature_fault(head, log.id, log.hash, known):
        raise alarm(Finding(code="audit.head_inserted", first=row.size - 1, last=row.size - 1))
    return head


def _split(leaves: bytes) -> list[bytes]:
    return [leaves[at : at + merkle.WIDTH] for at in range(0, len(leaves), merkle.WIDTH)]
