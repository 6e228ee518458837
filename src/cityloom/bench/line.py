"""One measured item as one JSON line, and the helpers that measure."""

import os
import platform
import statistics
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

PAGE = os.sysconf("SC_PAGE_SIZE")


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """What one item came to; what does not apply is null."""

    bench: str
    item: str
    rows: int | None = None
    seconds: float | None = None
    rate: float | None = None
    """Rows per second."""
    p50_ms: float | None = None
    p95_ms: float | None = None
    peak_mib: int | None = None
    """Largest memory of all processes of the city together (proportional set size)."""
    kib: int | None = None
    """What went over the wire."""
    f1: float | None = None
    """For what is judged against a truth: harmonic mean of the two below."""
    precision: float | None = None
    """Of what was taken, how much was right."""
    recall: float | None = None
    """Of what there was, how much was taken rightly."""
    baseline: str | None = None
    """The plain engine or peer that did the same work in the same run."""
    ratio: float | None = None
    """Our time / the baseline's; the median when there are several pairs."""
    target: str | None = None
    met: bool | None = None


def show(line: Line) -> None:
    """Print the line."""
    sys.stdout.write(msgspec.json.encode(line).decode() + "\n")
    sys.stdout.flush()


def machine() -> str:
    """What this was measured on, for people."""
    return f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, Python {platform.python_version()}"


def percentile(values: list[float], share: float) -> float:
    """The value below which `share` of the values lie."""
    return (
        statistics.quantiles(values, n=100, method="inclusive")[round(share * 100) - 1]
        if len(values) > 1
        else values[0]
    )


class Memory:
    """Samples the memory of a process and all its descendants."""

    def __init__(self) -> None:
        self.peak = 0

    @contextmanager
    def watch(self, roots: list[int]) -> Iterator["Memory"]:
        """Sample while the block runs, over these processes and their descendants: at most five times a second, and no
        more than a thirtieth of the time. The kernel walks every page that a process maps, and with it holds up who is measured.
        """
        ended = threading.Event()
        thread = threading.Thread(target=self._run, args=(roots, ended), daemon=True)
        thread.start()
        try:
            yield self
        finally:
            ended.set()
            thread.join()

    def _run(self, roots: list[int], ended: threading.Event) -> None:
        pause = 0.2
        while not ended.wait(pause):
            started = time.perf_counter()
            self.peak = max(self.peak, sum(_pss(pid) for pid in tree(roots)) >> 10)
            pause = max(0.2, 30 * (time.perf_counter() - started))


def tree(roots: list[int]) -> set[int]:
    """The processes and their descendants."""
    children: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(path.read_text().rpartition(")")[2].split()[1])
        except (OSError, ValueError):
            continue
        children.setdefault(parent, []).append(int(path.parent.name))
    found, left = set(), list(roots)
    while left:
        pid = left.pop()
        if pid not in found:
            found.add(pid)
            left += children.get(pid, [])
    return found


def _pss(pid: int) -> int:
    """Proportional set size in KiB: memory that processes share is counted once."""
    try:
        for row in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if row.startswith("Pss:"):
                return int(row.split()[1])
    except OSError:
        pass
    return 0


@contextmanager
def timed() -> Iterator[list[float]]:
    """The seconds that the block took, as the only item of the list."""
    found: list[float] = []
    started = time.perf_counter()
    yield found
    found.append(time.perf_counter() - started)
