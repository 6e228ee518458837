"""Opens a delivered file as a DuckDB table of text columns, whatever its format.

Every row of the file is in the table exactly once, by its number `_row`: 1 is the first row of data. For CSV that is the first
record after the header (a record may span lines; blank lines count and give no row), for NDJSON the first line, for
Parquet the first row, for .xlsx the row under the header. A row that could not be read as it came has its `_faults`.
"""

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Literal
from uuid import uuid4

import duckdb

from cityloom.exchange.intake import columns, delimited, ndjson, parquet, sheet, workbook
from cityloom.exchange.intake.batches import Table
from cityloom.exchange.intake.columns import IGNORED, Wanted
from cityloom.exchange.intake.decode import Decoded, decode, unpack
from cityloom.exchange.intake.limits import Limits
from cityloom.kernel import sql
from cityloom.kernel.errors import Invalid, Problem

Format = Literal["csv", "ndjson", "parquet", "xlsx"]
DEFAULT = Limits()


class Source:
    """A file that DuckDB can read, as long as the block of `open_source` lasts."""

    def __init__(
        self, con: duckdb.DuckDBPyConnection, table: Table | str, header: tuple[str, ...], columns: tuple[str, ...],
        text: Decoded | None = None,
    ) -> None:  # fmt: skip
        self.header = header
        """All columns, as the file names them."""
        self.columns = columns
        """The columns of the table: the header without those that begin with `_`. For NDJSON also `fields` it lacks."""
        self.charset = text.charset if text else ""
        """The encoding a text came in."""
        self.lost = text.lost if text else 0
        """Places in a text that could not be decoded."""
        self._con = con
        self._table = table
        self._views: list[str] = []

    def scan(self) -> str:
        """A table expression for FROM that serves one scan in one query; call again for another.

        `_row` BIGINT; `_faults` (batches.FAULTS_SQL), NULL when the row is as it should be; then `columns` as VARCHAR,
        empty values as NULL. A row whose shape is broken has no values, and its raw text as the fault's value. The rows
        of a MiB that are broken come after those that are not; else they come in the file's order.
        """
        if isinstance(self._table, str):
            return self._table
        view = f"intake_{uuid4().hex}"
        self._con.register(view, self._table.stream())
        self._views.append(view)
        return sql.name(view)

    @property
    def problem(self) -> Problem | None:
        """What really stopped a scan, behind the duckdb.Error."""
        return self._table.problem if isinstance(self._table, Table) else None

    def close(self) -> None:
        """Take the views away."""
        for view in self._views:
            with suppress(duckdb.Error):  # the connection may be gone, and the view with it
                self._con.unregister(view)


@contextmanager
def open_source(
    con: duckdb.DuckDBPyConnection,
    path: Path,
    format: Format,
    scratch: Path,
    limits: Limits = DEFAULT,
    *,
    charset: str = "",
    sheet_name: str = "",
    fields: Sequence[Wanted] = (),
) -> Iterator[Source]:
    """Open the file at `path`, packed with gzip or not; `scratch` is a folder for what must be written anew.

    `charset` is what the sender declared, `sheet_name` the sheet of a workbook (else the first that shows), `fields`
    what the dataset has: an NDJSON key that the first thousand lines lack is known by it.
    Raises Invalid, TooLarge, Unsupported, NotFound with a code of words/intake.yaml, also out of the block, when the
    fault is only met there (a workbook that is broken further down); NoRoom `kernel.disk_full`.
    """
    unpacked, decoded = (scratch / f"{uuid4().hex}{ending}" for ending in (".unpacked", ".utf8"))
    try:
        plain = unpack(path, unpacked, limits)
        if format == "parquet":
            source = _parquet(con, plain, limits)
        elif format == "xlsx":
            source = _xlsx(con, plain, sheet_name, limits)
        else:
            text = decode(plain, decoded, charset)
            if text.path == decoded:
                unpacked.unlink(missing_ok=True)
            source = _csv(con, text, limits) if format == "csv" else _ndjson(con, text, fields, limits)
        with closing(source):
            yield from _guarded(source)
    finally:
        unpacked.unlink(missing_ok=True)
        decoded.unlink(missing_ok=True)


def _guarded(source: Source) -> Iterator[Source]:
    try:
        yield source
    except duckdb.Error:
        if source.problem:
            raise source.problem from None
        raise


def _csv(con: duckdb.DuckDBPyConnection, text: Decoded, limits: Limits) -> Source:
    layout = delimited.layout(text, limits)
    kept = _kept(layout.header)
    reader = delimited.Reader(layout, kept, limits)
    return Source(con, Table(reader.schema, reader.read), layout.header, kept, text)


def _ndjson(con: duckdb.DuckDBPyConnection, text: Decoded, fields: Sequence[Wanted], limits: Limits) -> Source:
    header = ndjson.header(text, limits)
    kept = _kept(header)
    known = {columns.folded(name) for name in header}
    spellings = [(field.name, [columns.folded(name) for name in (field.name, *field.titles)]) for field in fields]
    kept += tuple(name for name, spelled in spellings if known.isdisjoint(spelled))
    reader = ndjson.Reader(text, tuple(dict.fromkeys((*header, *kept))), kept, limits)
    return Source(con, Table(reader.schema, reader.read), header, kept, text)


def _xlsx(con: duckdb.DuckDBPyConnection, path: Path, sheet_name: str, limits: Limits) -> Source:
    book = workbook.book(path, sheet_name, limits)
    top = sheet.header(book, limits)
    header = tuple(name for _, name in top.names)
    kept = _kept(header)
    reader = sheet.Reader(book, top, kept, limits)
    return Source(con, Table(reader.schema, reader.read), header, kept)


def _parquet(con: duckdb.DuckDBPyConnection, path: Path, limits: Limits) -> Source:
    found = parquet.header(con, path, limits)
    header = tuple(name for name, _ in found)
    kept = _kept(header)
    wanted = tuple((name, kind) for name, kind in found if name in kept)
    return Source(con, parquet.table(con, path, wanted, limits), header, kept)


def _kept(header: tuple[str, ...]) -> tuple[str, ...]:
    """The columns to deliver. Raises Invalid for names that are empty, repeated or our own."""
    seen: dict[str, str] = {}
    for place, name in enumerate(header, 1):
        if not name:
            raise Invalid("exchange.header_unnamed", place=place)
        # DuckDB does not tell upper from lower case in names
        if name.casefold() in seen:
            raise Invalid("exchange.header_repeated", column=name[:60])
        seen[name.casefold()] = name
    kept = tuple(name for name in header if not name.startswith(IGNORED))
    if not kept:
        raise Invalid("exchange.header_broken", line=", ".join(header)[:200])
    return kept
