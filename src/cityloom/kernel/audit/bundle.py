"""An export as a reader finds it: a folder or a zip file with the same names inside."""

import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from cityloom.kernel.errors import Invalid

LOG = "log.json"
ENTRIES = "entries.ndjson"
DATABASE_HEADS = "database-heads.ndjson"
BLOCK = 1 << 20
LONGEST_LINE = 16 << 20


class Bundle:
    """The files of one export, by name."""

    def __init__(self, folder: Path | zipfile.ZipFile, path: Path) -> None:
        self._folder = folder
        self.path = path

    def names(self) -> list[str]:
        """Every file's name, with `/` between folders."""
        if isinstance(self._folder, zipfile.ZipFile):
            return sorted(name for name in self._folder.namelist() if not name.endswith("/"))
        found = self._folder
        return sorted(path.relative_to(found).as_posix() for path in found.rglob("*") if path.is_file())

    def has(self, name: str) -> bool:
        return name in self.names()

    @contextmanager
    def open(self, name: str) -> Iterator[IO[bytes]]:
        """The file as a stream of bytes. Raises Invalid `audit.export_unreadable`, also when reading goes wrong."""
        try:
            with self._stream(name) as file:
                yield file
        except (OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            raise self.unreadable(f"{name}: {error}") from error

    def _stream(self, name: str) -> IO[bytes]:
        if isinstance(self._folder, Path):
            return (self._folder / name).open("rb")
        try:
            return self._folder.open(name)
        except (KeyError, RuntimeError) as error:  # not there; encrypted or packed in a way that is not known
            raise self.unreadable(f"{name}: {error}") from error

    @contextmanager
    def seekable(self, name: str) -> Iterator[IO[bytes]]:
        """The file for reading at any place; out of a zip it is copied first."""
        with self.open(name) as file:
            if isinstance(self._folder, Path):
                yield file
                return
            with tempfile.TemporaryFile() as copy:
                shutil.copyfileobj(file, copy, BLOCK)
                yield copy

    def read(self, name: str, most: int = BLOCK) -> bytes:
        """A small file. Raises Invalid `audit.export_unreadable`, also when it is larger than `most` bytes."""
        with self.open(name) as file:
            data = file.read(most + 1)
        if len(data) > most:
            raise self.unreadable(f"{name}: > {most} bytes")
        return data

    def lines(self, name: str) -> Iterator[list[bytes]]:
        """The lines of a file, many at a time, without their ends."""
        rest = b""
        with self.open(name) as file:
            while block := file.read(BLOCK):
                lines = (rest + block).split(b"\n")
                rest = lines.pop()
                if len(rest) > LONGEST_LINE:
                    raise self.unreadable(f"{name}: > {LONGEST_LINE} bytes in a line")
                if lines:
                    yield lines
        if rest:
            yield [rest]

    def unreadable(self, reason: str) -> Invalid:
        """The problem to raise when the export cannot be read."""
        return Invalid("audit.export_unreadable", path=str(self.path), reason=reason)


@contextmanager
def open_bundle(path: Path) -> Iterator[Bundle]:
    """The export at `path`. Raises Invalid `audit.export_unreadable` if it is neither a folder nor a zip file."""
    if path.is_dir():
        yield Bundle(path, path)
        return
    try:
        with zipfile.ZipFile(path) as archive:
            yield Bundle(archive, path)
    except (OSError, zipfile.BadZipFile) as error:
        raise Invalid("audit.export_unreadable", path=str(path), reason=str(error)) from error
