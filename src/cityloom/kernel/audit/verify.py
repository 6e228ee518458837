"""Verifies an export or a proof with nothing but its files: no database, no network, no clock."""

import heapq
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import msgspec

from cityloom.kernel.audit import bundle, files, keys, merkle, proof
from cityloom.kernel.audit.bundle import Bundle
from cityloom.kernel.audit.entry import Finding, Manifest, Report, SignedHead
from cityloom.kernel.audit.judge import Judge, Judgement, Keys, Progress
from cityloom.kernel.audit.walk import Findings, ReadLeaves, Walk


def verify(
    path: Path,
    trusted: Sequence[keys.PublicKey] = (),
    kept: Sequence[SignedHead] = (),
    progress: Progress = lambda _: None,
) -> Report:
    """Verify the export (a folder or .zip) or the proof (.json) at `path`.

    `trusted` are public keys that the reader has from elsewhere; without them those in the export are believed, which
    shows every error but not a forger who made keys of his own. `kept` are heads that the reader got earlier and that
    the log must still contain. `progress` is told the number of entries done.
    Raises Invalid `audit.export_unreadable`.
    """
    if path.suffix == ".json" and path.is_file():
        return proof.verify(path.read_bytes(), str(path), trusted, kept)
    with bundle.open_bundle(path) as found:
        return _Verification(found, trusted, kept, progress).run()


class _Verification:
    """One run over one export."""

    def __init__(
        self, found: Bundle, trusted: Sequence[keys.PublicKey], kept: Sequence[SignedHead], progress: Progress
    ) -> None:
        self.bundle = found
        self.kept = sorted(kept, key=_size)
        self.progress = progress
        self.pinned = bool(trusted)
        self.keys: Keys = {key.id: key for key in trusted or _keys_inside(found)}
        self.manifest = _manifest(found)
        self.leaves = files.leaves_name(self.manifest.hash)
        self.has_leaves = found.has(self.leaves)

    def run(self) -> Report:
        """Follow the heads along the leaves, then hold the entries against the leaves."""
        findings = Findings()
        with self._leaves() as (read, count):
            judged = self._judge(read, count, findings)
            size = max(self.manifest.size, judged.reach)
            comparable = min(count, judged.reach) if self.has_leaves else 0
            walk = Walk(Findings(), read, comparable, size, self.manifest.hash)
            for bodies in self.bundle.lines(bundle.ENTRIES):
                walk.take(bodies)
                self.progress(walk.expected)
            walk.finish()
        judged = self._explain(judged, walk, findings)
        self._count(judged, count, findings)
        if self.bundle.has(bundle.DATABASE_HEADS):
            compare_heads(self._lines(files.HEADS), self._lines(bundle.DATABASE_HEADS), findings)
        return self._report(judged, walk, findings)

    def _report(self, judged: Judgement, walk: Walk, findings: Findings) -> Report:
        signed = judged.good.size if judged.good else 0
        return Report(
            log=self.manifest.log,
            entries=walk.seen,
            signed=signed,
            unsigned=max(walk.expected - signed, 0),
            heads=judged.heads,
            root=judged.good.root if judged.good else "",
            keys=judged.keys,
            pinned=self.pinned,
            findings=findings.all(),
        )

    def _judge(self, read: ReadLeaves, count: int, findings: Findings) -> Judgement:
        judge = Judge(self.manifest.log, self.manifest.hash, self.keys, read, count, findings)
        for head in heapq.merge(self._heads(findings), self.kept, key=_size):
            judge.see(head)
        return judge.verdict()

    def _explain(self, judged: Judgement, walk: Walk, findings: Findings) -> Judgement:
        """Where heads and leaves do not fit but heads and entries do, it is the file of leaves that was changed."""
        if not judged.broken:
            findings.extend(walk.findings.all())
            return judged
        if self.has_leaves:
            with self._own_hashes() as (read, own):
                second = self._judge(read, own, Findings())
            if not second.broken and own >= second.reach:
                findings.extend(_blame_leaves(walk.findings.all()))
                return second
        findings.extend(walk.findings.all())
        for good, size in judged.broken:
            findings.add("audit.history_rewritten", good, size - 1)
        return judged

    def _count(self, judged: Judgement, count: int, findings: Findings) -> None:
        if not judged.heads and self.manifest.size:
            findings.add("audit.nothing_signed", 0, self.manifest.size - 1)
        if self.kept and self.kept[-1].size > self.manifest.size:
            findings.add("audit.history_shorter", self.manifest.size, self.kept[-1].size - 1)
        if self.has_leaves and count < judged.reach:
            findings.add("audit.leaf_missing", count, judged.reach - 1)
        if self.has_leaves and count > judged.reach:
            findings.add("audit.leaf_unsigned", judged.reach, count - 1)

    def _heads(self, findings: Findings) -> Iterator[SignedHead]:
        for number, line in enumerate(self._lines(files.HEADS), 1):
            head = files.read_head(line)
            if head:
                yield head
            else:
                findings.add("audit.head_unreadable", 0, 0, str(number))

    def _lines(self, name: str) -> Iterator[bytes]:
        if self.bundle.has(name):
            for lines in self.bundle.lines(name):
                yield from lines

    @contextmanager
    def _leaves(self) -> Iterator[tuple[ReadLeaves, int]]:
        if self.has_leaves:
            with self.bundle.seekable(self.leaves) as stream:
                yield _reader(stream)
        else:
            with self._own_hashes() as found:
                yield found

    @contextmanager
    def _own_hashes(self) -> Iterator[tuple[ReadLeaves, int]]:
        """The leaf hashes of the entries as they are."""
        new = merkle.hashing(self.manifest.hash)
        with tempfile.TemporaryFile() as stream:
            for bodies in self.bundle.lines(bundle.ENTRIES):
                stream.write(b"".join([new(merkle.LEAF + body).digest() for body in bodies]))
            yield _reader(stream)


def compare_heads(files_lines: Iterable[bytes], database_lines: Iterable[bytes], findings: Findings) -> None:
    """Both keep the same heads, in order of size; the database may be ahead by those not yet written to the files."""
    ours, theirs = _sized(files_lines), _sized(database_lines)
    mine, other = next(ours, None), next(theirs, None)
    while mine:
        if other is None or other[0] > mine[0]:
            findings.add("audit.head_missing", mine[0] - 1, mine[0] - 1)
            mine = next(ours, None)
        elif other[0] < mine[0]:
            findings.add("audit.head_inserted", other[0] - 1, other[0] - 1)
            other = next(theirs, None)
        else:
            if other[1] != mine[1]:
                findings.add("audit.head_changed", mine[0] - 1, mine[0] - 1)
            mine, other = next(ours, None), next(theirs, None)


def _sized(lines: Iterable[bytes]) -> Iterator[tuple[int, bytes]]:
    """Lines that are heads, with their sizes."""
    for line in lines:
        head = files.read_head(line)
        if head:
            yield head.size, line


def _size(head: SignedHead) -> int:
    return head.size


def _blame_leaves(found: Iterable[Finding]) -> Iterator[Finding]:
    for finding in found:
        changed = finding.code == "audit.entry_changed"
        yield msgspec.structs.replace(finding, code="audit.leaf_changed") if changed else finding


def _reader(stream: IO[bytes]) -> tuple[ReadLeaves, int]:
    def read(first: int, end: int) -> bytes:
        stream.seek(first * merkle.WIDTH)
        return stream.read((end - first) * merkle.WIDTH)

    return read, stream.seek(0, 2) // merkle.WIDTH


def _keys_inside(found: Bundle) -> list[keys.PublicKey]:
    names = [name for name in found.names() if name.startswith(f"{files.KEYS}/") and name.endswith(".pem")]
    return [keys.read_public(found.read(name).decode("ascii", "replace")) for name in names]


def _manifest(found: Bundle) -> Manifest:
    try:
        manifest = msgspec.json.decode(found.read(bundle.LOG), type=Manifest)
        merkle.hashing(manifest.hash)
    except (msgspec.DecodeError, ValueError) as error:
        raise found.unreadable(f"{bundle.LOG}: {error}") from error
    return manifest
