"""The rows of a workbook or CSV that somebody sent: bounded, merged cells filled, nothing computed or followed."""

import csv
import io
import re
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import date
from itertools import islice
from xml.parsers import expat

import msgspec
from openpyxl import load_workbook
from openpyxl.utils import coordinate_to_tuple, range_boundaries
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
HEAD_LINES = 50
DELIMITERS = ",\t;|，；"
QUOTED = re.compile(r'^"(.*)"$')
UNCOMPUTED = "#FORMULA!"
"""What a cell says whose formula was never computed."""

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
    text = _decoded(content)
    head = text.split("\n", HEAD_LINES)[:HEAD_LINES]
    delimiter = max(DELIMITERS, key=lambda each: _evenness(head, each))
    budget = Budget()
    for number, cells in enumerate(_records(text, delimiter), 1):
        if number > MOST_ROWS:
            raise TooLarge("catalogue.sheet_too_long", limit=MOST_ROWS)
        if (row := budget.row(number, cells)).cells:
            yield row


def _decoded(content: bytes) -> str:
    for charset in ("utf-16",) if content.startswith((b"\xff\xfe", b"\xfe\xff")) else ("utf-8-sig", "gb18030"):
        try:
            text = content.decode(charset)
        except UnicodeDecodeError:
            continue
        if "\0" not in text:
            return text
    raise Invalid("catalogue.sheet_broken")


def _evenness(lines: list[str], delimiter: str) -> int:
    """How much a text looks like columns parted by this: in prose, commas are in no line as often as in the next."""
    counted = Counter(line.count(delimiter) for line in lines)
    return max(count * times for count, times in counted.items())


def _records(text: str, delimiter: str) -> list[list[str]]:
    """The records of a CSV. Where quotation marks stand that cannot, they mean nothing, and each line is a record."""
    lines = io.StringIO(text, newline="")
    try:
        return list(islice(csv.reader(lines, delimiter=delimiter, strict=True), MOST_ROWS + 1))
    except csv.Error:
        pass
    plain = csv.reader(io.StringIO(text), delimiter=delimiter, quoting=csv.QUOTE_NONE)
    try:
        return [[QUOTED.sub(r"\1", cell) for cell in record] for record in islice(plain, MOST_ROWS + 1)]
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
            marks = _marks(archive, str(sheet._worksheet_path))  # type: ignore[attr-defined]
            rows = [
                row
                for number, cells in enumerate(
                    sheet.iter_rows(max_row=MOST_ROWS + 1, max_col=MOST_COLUMNS, values_only=True), 1
                )
                if (row := budget.row(number, cells)).cells
            ]
            if rows and rows[-1].number > MOST_ROWS:
                raise TooLarge("catalogue.sheet_too_long", limit=MOST_ROWS)
            yield Grid(sheet.title, tuple(_filled(_marked(rows, marks.uncomputed), marks.merged, budget)))
    finally:
        book.close()


def _plain(cell: object) -> Cell:
    """The value of a cell; what is no value of its own is read as its text."""
    return cell if cell is None or isinstance(cell, str | int | float | date) else str(cell)


class Marks(msgspec.Struct, frozen=True):
    """What a sheet says besides its values: merged ranges such as A3:A9, and cells whose formula has no result."""

    merged: list[str]
    uncomputed: list[str]


def _marks(archive: zipfile.ZipFile, member: str) -> Marks:
    found = Marks([], [])
    cell, where, inside = "", "", set[str]()

    def begin(name: str, attributes: dict[str, str]) -> None:
        nonlocal cell, where
        where = local = name.rpartition(":")[2]
        if local == "mergeCell" and len(found.merged) < MOST_MERGED:
            found.merged.append(attributes["ref"])
        if local == "c":
            cell = attributes.get("r", "")
            inside.clear()
            inside.add(attributes.get("t", ""))
        inside.add(local)

    def end(name: str) -> None:
        nonlocal where
        where = ""
        if name.rpartition(":")[2] == "c" and cell and "f" in inside and not inside & {"says", "str"}:
            found.uncomputed.append(cell)

    def text(said: str) -> None:
        if where == "v" and said.strip():
            inside.add("says")

    parser = expat.ParserCreate()
    parser.StartElementHandler = begin
    parser.EndElementHandler = end
    parser.CharacterDataHandler = text
    with archive.open(member.lstrip("/")) as file:
        while data := file.read(MIB):
            parser.Parse(data)
    parser.Parse(b"", True)
    return found


def _marked(rows: list[Row], uncomputed: Iterable[str]) -> list[Row]:
    """Cells whose formula has no result, shown as that: empty, they would be taken for cells that say nothing."""
    wanting: dict[int, dict[int, Cell]] = {}
    for reference in uncomputed:
        row, column = coordinate_to_tuple(reference)
        if column <= MOST_COLUMNS:
            wanting.setdefault(row, {})[column] = UNCOMPUTED
    return [_with(row, wanting[row.number]) if row.number in wanting else row for row in rows]


def _with(row: Row, cells: dict[int, Cell]) -> Row:
    all_cells = dict(enumerate(row.cells, 1)) | cells
    return Row(row.number, tuple(all_cells.get(place) for place in range(1, max(all_cells) + 1)))


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
