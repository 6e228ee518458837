"""The file that a pull writes: bounded in size and time, and gone again if the pull fails."""

import errno
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

import pyarrow as pa
import pyarrow.parquet as pq

from cityloom.exchange.connectors.sources import Bounds, Format
from cityloom.kernel.errors import Invalid, NoRoom, TooLarge, Unavailable

BATCH = 10_000
SUFFIXES: dict[str, Format] = {
    ".csv": "csv", ".txt": "csv", ".tsv": "csv", ".ndjson": "ndjson", ".jsonl": "ndjson", ".parquet": "parquet",
    ".xlsx": "xlsx",
}  # fmt: skip


class Spool:
    """A file that grows under the bounds."""

    def __init__(self, path: Path, bounds: Bounds) -> None:
        self.path = path
        self._bounds = bounds
        self._end = time.monotonic() + bounds.seconds

    def check(self, size: int) -> None:
        """Raises TooLarge `exchange.pull_too_large`, Unavailable `exchange.pull_too_slow`."""
        if size > self._bounds.max_bytes:
            raise TooLarge("exchange.pull_too_large", limit=self._bounds.max_bytes >> 20)
        if time.monotonic() > self._end:
            raise Unavailable("exchange.pull_too_slow", seconds=int(self._bounds.seconds))

    def write(self, file: BinaryIO, data: bytes) -> None:
        """Add bytes. Raises what `check` raises."""
        self.check(file.tell() + len(data))
        file.write(data)


@contextmanager
def spooled(into: Path, bounds: Bounds) -> Iterator[Spool]:
    """A new file in the folder `into`; whatever fails within the block takes it away.

    Raises NoRoom `kernel.disk_full`.
    """
    spool = Spool(into / f"pull-{uuid4().hex}", bounds)
    try:
        yield spool
    except OSError as error:
        spool.path.unlink(missing_ok=True)
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise NoRoom("kernel.disk_full", free=0, needed="?") from error
        raise
    except BaseException:
        spool.path.unlink(missing_ok=True)
        raise


def write_texts(spool: Spool, names: Sequence[str], rows: Iterator[Sequence[Sequence[str | None]]]) -> int:
    """Write batches of rows of text as Parquet; returns how many. Raises Invalid `exchange.pull_column_repeated`."""
    for name in names:
        if sum(other.casefold() == name.casefold() for other in names) > 1:
            raise Invalid("exchange.pull_column_repeated", column=name)
    schema = pa.schema([(name, pa.string()) for name in names])
    total = 0
    with spool.path.open("wb") as file, pq.ParquetWriter(file, schema, compression="zstd") as writer:
        for batch in rows:
            columns = [pa.array(column, pa.string()) for column in zip(*batch, strict=True)]
            writer.write_batch(pa.record_batch(columns, schema=schema))
            spool.check(file.tell())
            total += len(batch)
    return total


def format_of(name: str, told: Format | None) -> Format:
    """A file's format by what was told, else by its name. Raises Invalid `exchange.pull_format_unknown`."""
    suffix = Path(name.lower().removesuffix(".gz")).suffix
    found = told or SUFFIXES.get(suffix)
    if found is None:
        raise Invalid("exchange.pull_format_unknown", name=name[-80:])
    return found
