"""Files copied with their hashes, and on disk for good."""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import msgspec

from cityloom.kernel.errors import Invalid

CHUNK = 1 << 20
Tell = Callable[[int], None]
"""Is told how many bytes went by."""


class File(msgspec.Struct, frozen=True):
    """A file of a folder, by its path within."""

    path: str
    bytes: int
    sha256: str


def copy(source: Path, folder: Path, name: str, tell: Tell) -> File:
    """Copy a file to `name` below the folder. Raises FileExistsError, Invalid `backup.damaged`."""
    target = inside(folder, name)
    target.parent.mkdir(parents=True, exist_ok=True)
    digest, size = hashlib.sha256(), 0
    with source.open("rb") as reading, target.open("xb") as writing:
        while chunk := reading.read(CHUNK):
            writing.write(chunk)
            digest.update(chunk)
            size += len(chunk)
            tell(len(chunk))
        writing.flush()
        os.fsync(writing.fileno())
    return File(name, size, digest.hexdigest())


def write(path: Path, content: bytes) -> None:
    """Make a file that its owner alone may read. Raises FileExistsError."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def hashed(folder: Path, name: str, tell: Tell = lambda _: None) -> File:
    """A file as it is now."""
    path = inside(folder, name)
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
            size += len(chunk)
            tell(len(chunk))
    return File(name, size, digest.hexdigest())


def inside(folder: Path, name: str) -> Path:
    """A path below the folder. Raises Invalid `backup.damaged` for one that leads out of it."""
    path = folder / name
    if not path.resolve().is_relative_to(folder.resolve()):
        raise Invalid("backup.damaged", files=name, found=1)
    return path


def link(source: Path, target: Path) -> None:
    """Another name for the same bytes, or a copy where the file system has none."""
    try:
        target.hardlink_to(source)
    except OSError:
        copy(source, target.parent, target.name, lambda _: None)
