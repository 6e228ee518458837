"""Writes the log out for someone who has neither the database nor our word: a folder or a zip file."""

import shutil
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from importlib import resources
from pathlib import Path
from typing import IO, Protocol

from cityloom.kernel.audit import bundle, files, merkle, store
from cityloom.kernel.audit.entry import Manifest, encode, moment
from cityloom.kernel.audit.files import Archive
from cityloom.kernel.audit.judge import Progress
from cityloom.kernel.db import PLATFORM, Database, Transaction
from cityloom.kernel.errors import Conflict

BLOCK = 1 << 20


class Target(Protocol):
    """Where the files of an export go."""

    def open(self, name: str) -> IO[bytes]: ...


class _Folder:
    def __init__(self, path: Path) -> None:
        self._path = path

    def open(self, name: str) -> IO[bytes]:
        path = self._path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.open("xb")


class _Zip:
    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive

    def open(self, name: str) -> IO[bytes]:
        return self._archive.open(name, "w", force_zip64=True)


def export(db: Database, folder: Path, path: Path, now: datetime, progress: Progress = lambda _: None) -> Manifest:
    """Write all entries, and the signed files of `folder`, to `path`: a zip file if it ends in .zip, else a folder.

    The entries are what the database holds, whatever that is; it is the verifier that compares. `progress` is told
    the number of entries done. Raises Conflict `audit.export_exists`, so that no evidence is overwritten.
    """
    if path.exists():
        raise Conflict("audit.export_exists", path=str(path))
    with _target(path) as target, db.begin(PLATFORM) as tx:
        log = store.log(tx)
        archive = files.open_archive(folder, log.hash)
        _write(target, "README.md", resources.files("cityloom.kernel.audit").joinpath("export.md").read_bytes())
        _signed(target, archive)
        manifest = Manifest(
            log=archive.head.log if archive.head else log.id,
            hash=log.hash,
            size=_entries(target, tx, progress),
            time=moment(now),
        )
        with target.open(bundle.DATABASE_HEADS) as file:
            for text in store.head_texts(tx):
                file.write(text.encode().replace(b"\n", b" ") + b"\n")
        _write(target, bundle.LOG, encode(manifest))
    return manifest


def _entries(target: Target, tx: Transaction, progress: Progress) -> int:
    """Write every row; the size of the log at that moment."""
    size, done = None, 0
    with target.open(bundle.ENTRIES) as file:
        for size, page in store.every(tx):  # noqa: B007 - the last one counts
            file.write(b"".join([record.body.encode() + b"\n" for record in page]))
            done += len(page)
            progress(done)
    return store.log(tx).size if size is None else size


def _signed(target: Target, archive: Archive) -> None:
    with target.open(files.HEADS) as file:
        for line in archive.heads():
            file.write(line + b"\n")
    with target.open(files.leaves_name(archive.hash)) as file:
        step = BLOCK // merkle.WIDTH
        for first in range(0, archive.size, step):
            file.write(archive.leaves.read(first, min(first + step, archive.size)))
    for key in archive.public_keys().values():
        _write(target, f"{files.KEYS}/{key.id}.pem", key.pem().encode())


def _write(target: Target, name: str, data: bytes) -> None:
    with target.open(name) as file:
        file.write(data)


@contextmanager
def _target(path: Path) -> Iterator[Target]:
    """Everything is written beside `path` first, so that an export is there whole or not at all."""
    draft = path.with_name(path.name + ".part")
    path.parent.mkdir(parents=True, exist_ok=True)
    _discard(draft)
    try:
        if path.suffix == ".zip":
            with zipfile.ZipFile(draft, "w", zipfile.ZIP_DEFLATED) as archive:
                yield _Zip(archive)
        else:
            draft.mkdir()
            yield _Folder(draft)
        draft.rename(path)
    except BaseException:
        _discard(draft)
        raise


def _discard(draft: Path) -> None:
    if draft.is_dir():
        shutil.rmtree(draft)
    else:
        draft.unlink(missing_ok=True)
