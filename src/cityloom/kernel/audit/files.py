"""The signed history in files outside the database: every leaf hash, every signed head, the public keys."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from cityloom.kernel.audit import keys, merkle
from cityloom.kernel.audit.entry import SignedHead, encode

HEADS = "heads.ndjson"
KEYS = "keys"
STRIDE = 8
"""Every eighth level of the tree is kept in a file too, so that a proof reads a few hundred hashes, not all."""
LEVELS = (STRIDE, 2 * STRIDE, 3 * STRIDE)
TAIL = 64 * 1024


class Sealed(msgspec.Struct, frozen=True):
    """A signed head and the leaf hashes, 32 bytes each, that it adds to the one before."""

    head: SignedHead
    leaves: bytes


def leaves_name(hash_name: str) -> str:
    """File of the leaf hashes, such as leaves.sha256."""
    return "leaves." + hash_name.replace("-", "").lower()


def read_head(line: bytes) -> SignedHead | None:
    """The head of one line; None unless it is written exactly as `encode` writes it."""
    try:
        head = msgspec.json.decode(line, type=SignedHead)
    except msgspec.DecodeError:
        return None
    return head if encode(head) == line else None


class Leaves:
    """The leaf hashes of one log, 32 bytes each in order, with some levels of the tree above them."""

    def __init__(self, folder: Path, hash_name: str) -> None:
        self._folder = folder
        self._hash = hash_name
        self._path = folder / leaves_name(hash_name)
        self.cached = True

    def size(self) -> int:
        """Number of whole hashes in the file."""
        return _whole(self._path)

    def read(self, first: int, end: int) -> bytes:
        """The hashes [first, end) as one string; shorter if the file ends before."""
        return _read(self._path, first, end)

    def node(self, level: int, index: int) -> bytes:
        """Hash of the full subtree over the leaves [index << level, (index + 1) << level): a `merkle.Nodes`.

        Raises LookupError if the file does not reach that far.
        """
        stored = min(level - level % STRIDE, LEVELS[-1]) if self.cached else 0
        while stored:
            row = _read(self._level(stored), index << (level - stored), (index + 1) << (level - stored))
            if len(row) == merkle.WIDTH << (level - stored):
                return merkle.fold(row, self._hash)
            stored -= STRIDE
        row = self.read(index << level, (index + 1) << level)
        if len(row) != merkle.WIDTH << level:
            raise LookupError(f"{self._path} ends before leaf {(index + 1) << level}")
        return merkle.fold(row, self._hash)

    def append(self, hashes: bytes) -> None:
        """Add hashes; they are on disk when this returns."""
        _append(self._path, hashes)
        self.grow()

    def cut(self, size: int) -> None:
        """Keep the first `size` hashes only, and forget a torn one."""
        if self._path.exists():
            os.truncate(self._path, size * merkle.WIDTH)
        for level in LEVELS:
            if _whole(self._level(level)) >= size >> level and self._level(level).exists():
                os.truncate(self._level(level), (size >> level) * merkle.WIDTH)

    def rebuild(self) -> None:
        """Work out the levels again from the leaves."""
        for level in LEVELS:
            self._level(level).unlink(missing_ok=True)
        self.grow()

    def _level(self, level: int) -> Path:
        return self._folder / f"nodes-{level:02}.{self._path.suffix[1:]}"

    def grow(self) -> None:
        """Bring the levels up to the leaves."""
        size = self.size()
        for level in LEVELS:
            path, wanted = self._level(level), size >> level
            below = self._path if level == STRIDE else self._level(level - STRIDE)
            have = _whole(path)
            if have >= wanted:
                continue
            with path.open("ab") as file:
                file.truncate(have * merkle.WIDTH)
                for index in range(have, wanted):
                    file.write(merkle.fold(_read(below, index << STRIDE, (index + 1) << STRIDE), self._hash))


class Archive:
    """The files of one log as they stood when it was opened; `head` is the last signed head, None before the first."""

    def __init__(self, folder: Path, hash_name: str) -> None:
        self.folder = folder
        self.hash = hash_name
        self.leaves = Leaves(folder, hash_name)
        self.head, self.heads_end = _last_head(folder / HEADS)
        self.frontier = merkle.Frontier(algorithm=hash_name)
        self.whole = self.load()

    @property
    def size(self) -> int:
        """Number of entries that the last head signs."""
        return self.head.size if self.head else 0

    def append(self, sealed: Sealed) -> None:
        """Add a head and its leaves, leaves first: a head is never on disk before what it signs."""
        hashes = [sealed.leaves[at : at + merkle.WIDTH] for at in range(0, len(sealed.leaves), merkle.WIDTH)]
        line = encode(sealed.head) + b"\n"
        self.leaves.append(sealed.leaves)
        _append(self.folder / HEADS, line)
        self.frontier = self.frontier.extend(hashes)
        self.head, self.heads_end = sealed.head, self.heads_end + len(line)

    def heads(self) -> Iterator[bytes]:
        """The line of every head, without its end."""
        if self.heads_end:
            with (self.folder / HEADS).open("rb") as file:
                while file.tell() < self.heads_end:
                    yield file.readline().rstrip(b"\n")

    def keep_key(self, key: keys.PublicKey) -> None:
        """Keep a public key beside the heads, for exports."""
        path = self.folder / KEYS / f"{key.id}.pem"
        if not path.exists():
            path.parent.mkdir(exist_ok=True)
            _append(path, key.pem().encode())

    def public_keys(self) -> dict[str, keys.PublicKey]:
        """Every key that ever signed here, by id."""
        found = [keys.read_public(path.read_text()) for path in sorted((self.folder / KEYS).glob("*.pem"))]
        return {key.id: key for key in found}

    def fresh_leaves(self) -> Leaves:
        """An empty file of leaves beside the damaged one."""
        folder = self.folder / "restored"
        folder.mkdir(exist_ok=True)
        fresh = Leaves(folder, self.hash)
        fresh.cut(0)
        return fresh

    def replace_leaves(self) -> None:
        """Put the fresh file of leaves in the place of the damaged one."""
        name = leaves_name(self.hash)
        (self.folder / "restored" / name).replace(self.folder / name)
        self.leaves.cut(self.size)
        self.leaves.rebuild()
        self.whole = self.load()

    def repair(self) -> None:
        """Drop what a crash left half written: a torn line, leaves whose head was not yet written."""
        path = self.folder / HEADS
        if path.exists() and path.stat().st_size > self.heads_end:
            os.truncate(path, self.heads_end)
        if not self.whole:
            self.leaves.rebuild()
            self.whole = self.load()
        if self.whole:
            self.leaves.cut(self.size)
            self.leaves.grow()

    def load(self) -> bool:
        """Whether the leaves give the root that the last head signs."""
        try:
            self.frontier = merkle.frontier(self.leaves.node, self.size, self.hash)
        except LookupError:
            return False
        return self.head is None or self.frontier.root().hex() == self.head.root


def open_archive(folder: Path, hash_name: str) -> Archive:
    """The archive for reading; a sealer may be appending to it meanwhile."""
    archive = Archive(folder, hash_name)
    if not archive.whole:
        archive.leaves.cached = False
        archive.whole = archive.load()
    return archive


@contextmanager
def locked(folder: Path, hash_name: str) -> Iterator[Archive]:
    """The archive for writing, repaired; one process at a time, others wait."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (folder / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        archive = Archive(folder, hash_name)
        archive.repair()
        yield archive


def _last_head(path: Path) -> tuple[SignedHead | None, int]:
    """The last line that is a head, and where it ends; what follows it a crash left behind."""
    size = path.stat().st_size if path.exists() else 0
    span = 0
    while span < size:
        span = min(size, max(TAIL, span * 8))
        with path.open("rb") as file:
            file.seek(size - span)
            block = file.read(span)
        end = size - span + block.rfind(b"\n") + 1
        lines = block.split(b"\n")[:-1]
        for line in reversed(lines if span == size else lines[1:]):
            head = read_head(line)
            if head:
                return head, end
            end -= len(line) + 1
    return None, 0


def _whole(path: Path) -> int:
    return path.stat().st_size // merkle.WIDTH if path.exists() else 0


def _read(path: Path, first: int, end: int) -> bytes:
    if not path.exists():
        return b""
    with path.open("rb") as file:
        file.seek(first * merkle.WIDTH)
        return file.read((end - first) * merkle.WIDTH)


def _append(path: Path, data: bytes) -> None:
    new = not path.exists()
    with path.open("ab") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    if new:
        handle = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
