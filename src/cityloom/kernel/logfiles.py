"""Logs in files for as long as the law asks (网络安全法, art. 21: at least six months): one file a day for each process.

No two processes write to one file, so nothing has to be agreed on when a day ends. Past days are packed, and removed when
their time is over.
"""

import asyncio
import gzip
import heapq
import os
import re
import shutil
import threading
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from cityloom.kernel.clock import Clock

ENDING = ".ndjson"
PACKED = ".ndjson.gz"
NAME = re.compile(r"(\d{4}-\d{2}-\d{2})\.[a-z0-9-]+\.\d+\.ndjson(\.gz)?")
SOON = 0.1
"""Seconds for which lines are gathered."""
LINGER = timedelta(hours=1)
"""How long after its end a day's files may still be written to."""


class DayFiles:
    """Where one process writes its lines. Safe for several threads, and for the children of a fork."""

    def __init__(self, folder: Path, process: str, clock: Clock) -> None:
        self.folder = folder
        self.process = process
        self.clock = clock
        self._guard = threading.Lock()
        self._handle = -1
        self._name = ""
        self._lost = 0
        self._soon: list[str] = []

    def write_soon(self, line: str) -> None:
        """Add a line together with those that come in the same tenth of a second; from a coroutine only.

        Each write lets other threads run before it comes back, which many requests a second cannot afford. A process that
        is killed loses what it had gathered.
        """
        if not self._soon:
            asyncio.get_running_loop().call_later(SOON, self.flush)
        self._soon.append(line)

    def flush(self) -> None:
        """Write what was gathered."""
        lines, self._soon = self._soon, []
        if lines:
            self.write("\n".join(lines))

    def write(self, line: str) -> None:
        """Add a line, or several. With no room for it the work goes on; the next line that fits tells how many are missing."""
        with self._guard:
            try:
                self._open()
                if self._lost:
                    lost = {
                        "event": "log_lines_lost",
                        "level": "error",
                        "timestamp": stamp(self.clock.now()),
                        "lines": self._lost,
                    }
                    self._put(b"\n" + msgspec.json.encode(lost) + b"\n")  # the last one may have been cut off
                    self._lost = 0
                self._put(line.encode(errors="replace") + b"\n")
            except OSError:
                self._lost += 1 + line.count("\n")

    def _open(self) -> None:
        name = f"{self.clock.now().date().isoformat()}.{self.process}.{os.getpid()}{ENDING}"
        if name != self._name:
            if self._handle >= 0:
                os.close(self._handle)
                self._handle = -1
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._handle = os.open(self.folder / name, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            self._name = name

    def _put(self, content: bytes) -> None:
        if os.write(self._handle, content) < len(content):
            raise OSError("a line did not fit")

    def close(self) -> None:
        """Close the file, with all lines in it."""
        self.flush()
        with self._guard:
            if self._handle >= 0:
                os.close(self._handle)
            self._handle, self._name = -1, ""


def stamp(moment: datetime) -> str:
    """A moment as the lines have it."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def keep(folder: Path, days: int, now: datetime) -> tuple[int, int]:
    """Pack the files of past days and remove those older than `days`: how many of each. Safe to run twice."""
    packed = removed = 0
    for path, day in _files(folder):
        if (now.date() - day).days > days:
            path.unlink(missing_ok=True)
            removed += 1
        elif path.name.endswith(ENDING) and (now - LINGER).date() > day:
            _pack(path)
            packed += 1
    return packed, removed


def _pack(path: Path) -> None:
    """Into a packed file that takes its place only when it is whole."""
    draft, target = path.with_name(f"{path.name}.new"), path.with_name(path.name.removesuffix(ENDING) + PACKED)
    with path.open("rb") as plain, draft.open("wb") as file:
        os.fchmod(file.fileno(), 0o600)
        with gzip.GzipFile(fileobj=file, mode="wb", filename="", mtime=0) as into:
            shutil.copyfileobj(plain, into)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(target)
    path.unlink()


def _files(folder: Path) -> list[tuple[Path, date]]:
    """Files of logs with their days, oldest first; nothing else in the folder is touched."""
    found = [(path, NAME.fullmatch(path.name)) for path in sorted(folder.glob("*"))]
    return [(path, date.fromisoformat(match.group(1))) for path, match in found if match]


def read(folder: Path, since: datetime, request: str = "") -> Iterator[dict[str, Any]]:
    """Lines from a moment on in order of time, or only those of one request. A line that was cut off is left out."""
    days: dict[date, list[Path]] = {}
    for path, day in _files(folder):
        if day >= since.astimezone(UTC).date():
            days.setdefault(day, []).append(path)
    start = stamp(since)
    for day in sorted(days):
        sources = [_lines(path, start, request) for path in days[day]]
        for _, _, line in heapq.merge(*(_numbered(source, place) for place, source in enumerate(sources))):
            yield line[0]


def _numbered(
    source: Iterator[dict[str, Any]], place: int
) -> Iterator[tuple[str, tuple[int, int], tuple[dict[str, Any]]]]:
    """With what they are merged by: the time, then the file and the place in it."""
    for number, line in enumerate(source):
        yield str(line.get("timestamp", "")), (place, number), (line,)


def _lines(path: Path, start: str, request: str) -> Iterator[dict[str, Any]]:
    wanted = request.encode()
    packed = path.name.endswith(PACKED)
    with suppress(FileNotFoundError), gzip.open(path) if packed else path.open("rb") as file:
        for content in file:
            if wanted not in content:
                continue
            with suppress(msgspec.DecodeError):
                line = msgspec.json.decode(content, type=dict[str, Any])
                if str(line.get("timestamp", "")) >= start and (not request or line.get("request") == request):
                    yield line
