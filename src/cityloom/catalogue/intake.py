"""The rows of a workbook or CSV that somebody sent: bounded, merged cells filled, nothing computed or followed."""

import csv
import io
import re
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from datetime import date
from itertools import islice
from xml.parsers import expat

from openpyxl import load_workbook
from openpyxl.utils import range_boundaries
from openpyxl.utils.exceptions import InvalidFileException

from cityloom.catalogue.contracts import Cell, Grid, Row
from cityloom.kernel.errors import Invalid, TooLarge

MIB = 1 << 20
ZIPPED = b"PK\x03\x04"
LARGEST = 32 * MIB
LARGEST_UNPACKED = 256 * MIB
MOST_ROWS = 60_000
MOST_COLUMNS = 120
MOST_SHEETS = 20
MOST_MERGED = 50_000
MOST_CELLS = 2_000_000
"""Cells of all sheets, up to the last of each row that says something, and those that merged ranges fill."""
DOCTYPE = re.compile(rb"<!DOCTYPE|<!ENTITY", re.IGNORECASE)
BROKEN = (
    zipfile.BadZipFile, zlib.error, expat.ExpatError, InvalidFileException, EOFError, IndexError, KeyError, OSError,
    TypeError, ValueError, AttributeError, SyntaxError,
)  # fmt: skip


class Budget:
    """Counts the cells of a file while it is read."""

    def __init__(self) -> None:
        self.left = MOST_CELLS

    def spend(self, cells: int) -> None:
        """Raises TooLarge `catalogue.sheet_too_full` once there are too many."""
        self.left -= max(cells, 0)
        if self.left < 0:
            raise TooLarge("catalogue.sheet_too_full", limit=MOST_CELLS)

    def row(self, number: int, cells: Iterable[object]) -> Row:
        """A row without the empty cells at its end, counted."""
        kept = list(islice(cells, MOST_COLUMNS))
        while kept and kept[-1] in (None, ""):
            kept.pop()
        self.spend(len(kept))
        return Row(number, tuple(_plain(cell) for cell in kept))


def grids(content: bytes) -> list[Grid]:
    """The sheets of an .xlsx, or the rows of a CSV (UTF-8 or GB18030) as one sheet.

    Raises Invalid `catalogue.sheet_broken`, TooLarge `catalogue.sheet_too_large`, `catalogue.sheet_too_long`,
    `catalogue.sheet_too_full`.
    """
    if len(content) > LARGEST:
        raise TooLarge("catalogue.sheet_too_large", limit=LARGEST // MIB)
    if content and not content.startswith(ZIPPED):
        return [Grid("", tuple(_delimited(content)))]
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            _check(archive)
            return list(_grids(content, archive))
    except BROKEN as error:
        raise Invalid("catalogue.sheet_broken") from error


def _delimited(content: bytes) -> Iterator[Row]:
    """The rows of a CSV; the row's number is that of the record, as spreadsheet programs show it."""
    if b"\0" in content:
        raise Invalid("catalogue.sheet_broken")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        try:
            text = content.decode("gb18030")
        except UnicodeDecodeError as error:
            raise Invalid("catalogue.sheet_broken") from error
    budget = Budget()
    head = text.partition("\n")[0]
    delimiter = max(",\t;", key=head.count)
    try:
        for number, cells in enumerate(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True), 1):
            if number > MOST_ROWS:
                raise TooLarge("catalogue.sheet_too_long", limit=MOST_ROWS)
            if (row := budget.row(number, cells)).cells:
                yield row
    except csv.Error as error:
        raise Invalid("catalogue.sheet_broken") from error


def _check(archive: zipfile.ZipFile) -> None:
    members = archive.infolist()
    if sum(member.file_size for member in members) > LARGEST_UNPACKED or len(members) > 2000:
        raise TooLarge("catalogue.sheet_too_large", limit=LARGEST_UNPACKED // MIB)
    for member in members:
        if member.filename.endswith((".xml", ".rels")):
            with archive.open(member) as file:
                if DOCTYPE.search(file.read(4096)):  # no workbook has one, and entities can be bombs
                    raise Invalid("catalogue.sheet_broken")


def _grids(content: bytes, archive: zipfile.ZipFile) -> Iterator[Grid]:
    book = load_workbook(io.BytesIO(content), read_only=True, data_only=True, keep_links=False)
    budget = Budget()
    try:
        for sheet in book.worksheets[:MOST_SHEETS]:
            if sheet.sheet_state != "visible":
                continue
            sheet.reset_dimensions()  # what the file says of its size need not be true
            merged = _merged(archive, str(sheet._worksheet_path))  # type: ignore[attr-defined]
            rows = [
                row
                for number, cells in enumerate(
                    sheet.iter_rows(max_row=MOST_ROWS + 1, max_col=MOST_COLUMNS, values_only=True), 1
                )
                if (row := budget.row(number, cells)).cells
            ]
            if rows and rows[-1].number > MOST_ROWS:
                raise TooLarge("catalogue.sheet_too_long", limit=MOST_ROWS)
            yield Grid(sheet.title, tuple(_filled(rows, merged, budget)))
    finally:
        book.close()


def _plain(cell: object) -> Cell:
    """The value of a cell; what is no value of its own is read as its text."""
    return cell if cell is None or isinstance(cell, str | int | float | date) else str(cell)


def _merged(archive: zipfile.ZipFile, member: str) -> list[str]:
    """The merged ranges of a sheet, such as A3:A9."""
    found: list[str] = []

    def begin(name: str, attributes: dict[str, str]) -> None:
        if name.rpartition(":")[2] == "mergeCell" and len(found) < MOST_MERGED:
            found.append(attributes["ref"])

    parser = expat.ParserCreate()
    parser.StartElementHandler = begin
    with archive.open(member.lstrip("/")) as file:
        while data := file.read(MIB):
            parser.Parse(data)
    parser.Parse(b"", True)
    return found


def _filled(rows: list[Row], merged: list[str], budget: Budget) -> Iterator[Row]:
    """Each cell of a merged range with what its first cell says."""
    by_number = {row.number: row for row in rows}
    filled = {row.number: dict(enumerate(row.cells, 1)) for row in rows}
    for reference in merged:
        left, top, right, bottom = range_boundaries(reference)
        if left is None or top is None or right is None or bottom is None or top not in by_number:
            continue
        said = filled[top].get(left)
        if said is None or said == "" or left > MOST_COLUMNS:
            continue
        bottom = min(bottom, MOST_ROWS)
        budget.spend((min(right, MOST_COLUMNS) - left + 1) * (bottom - top + 1))
        for number in range(top, bottom + 1):
            if number in filled:
                filled[number] |= dict.fromkeys(range(left, min(right, MOST_COLUMNS) + 1), said)
    for number, cells in filled.items():
        yield Row(number, tuple(cells.get(place) for place in range(1, max(cells, default=0) + 1)))
