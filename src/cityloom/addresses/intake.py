"""Tables of addresses in files: CSV and .xlsx, read row by row and written again with what was found beside each row."""

import csv
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final, Protocol

from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.styles import PatternFill
from python_calamine import CalamineWorkbook

from cityloom.kernel.errors import Invalid

CHARSETS: Final = ("utf-8-sig", "gb18030")
"""GB 18030-2022 holds GBK and GB 2312; what is no UTF-8 is read so."""
MARKED: Final = PatternFill("solid", start_color="FFF2CC")


class Table:
    """A file's header and its rows, each as long as the header."""

    def __init__(self, header: list[str], rows: Iterator[list[str]]) -> None:
        self.header = header
        self.rows = rows


@contextmanager
def opened(path: Path) -> Iterator[Table]:
    """A .csv or .xlsx file with a header in its first row.

    Raises Invalid `addresses.file_kind` for others, `addresses.file_empty` without a header.
    """
    kind = path.suffix.lower()
    if kind == ".xlsx":
        yield _table(_sheet(path), path)
    elif kind in (".csv", ".txt"):
        with path.open(encoding=_charset(path), newline="") as file:
            yield _table(csv.reader(file), path)
    else:
        raise Invalid("addresses.file_kind", file=path.name)


def _table(rows: Iterator[list[str]], path: Path) -> Table:
    header = next(rows, None)
    if not header:
        raise Invalid("addresses.file_empty", file=path.name)
    width = len(header)
    return Table(header, ((row + [""] * width)[:width] for row in rows))


def _charset(path: Path) -> str:
    for charset in CHARSETS[:-1]:
        try:
            with path.open(encoding=charset) as file:
                while file.read(1 << 20):
                    pass
        except UnicodeDecodeError:
            continue
        return charset
    return CHARSETS[-1]


def _sheet(path: Path) -> Iterator[list[str]]:
    for row in CalamineWorkbook.from_path(str(path)).get_sheet_by_index(0).iter_rows():
        yield [_written(cell) for cell in row]


def _written(cell: object) -> str:
    """A number without the .0 that spreadsheets have none of."""
    return str(int(cell)) if isinstance(cell, float) and cell.is_integer() else str(cell)


class Writer(Protocol):
    """Takes rows; a marked one is to be seen to."""

    def write(self, row: Sequence[str], marked: bool = False) -> None:
        """One row."""


class _Csv:
    def __init__(self, file: IO[str]) -> None:
        self._writer = csv.writer(file)

    def write(self, row: Sequence[str], marked: bool = False) -> None:
        del marked  # a text file has no colours
        self._writer.writerow(row)


class _Sheet:
    def __init__(self) -> None:
        self.book = Workbook(write_only=True)
        self._sheet = self.book.create_sheet()

    def write(self, row: Sequence[str], marked: bool = False) -> None:
        cells = []
        for value in row:
            cell = WriteOnlyCell(self._sheet, value)
            cell.data_type = "s"  # a text that begins with = stays a text
            if marked:
                cell.fill = MARKED
            cells.append(cell)
        self._sheet.append(cells)


@contextmanager
def created(path: Path) -> Iterator[Writer]:
    """A new .csv (UTF-8 with a byte order mark, as spreadsheets want it) or .xlsx file.

    Raises Invalid `addresses.file_kind`.
    """
    kind = path.suffix.lower()
    if kind == ".xlsx":
        sheet = _Sheet()
        yield sheet
        sheet.book.save(path)
    elif kind == ".csv":
        with path.open("w", encoding="utf-8-sig", newline="") as file:
            yield _Csv(file)
    else:
        raise Invalid("addresses.file_kind", file=path.name)
