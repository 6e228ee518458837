"""The rows of a workbook's sheet: the first that is not empty is the header, the others are data.

A data row's number counts the sheet's rows below the header, empty ones too (they give no row): number 1 is the row
right under the header, so the clerk finds row n at sheet row header + n.
"""

import zipfile
from collections.abc import Iterator, Sequence
from itertools import islice

import msgspec
import numpy as np
import pyarrow as pa

from cityloom.exchange.intake import batches, cells
from cityloom.exchange.intake.batches import Fault
from cityloom.exchange.intake.cells import Wrong
from cityloom.exchange.intake.limits import Limits
from cityloom.exchange.intake.workbook import BROKEN, PIECE, Attributes, Book, Cell, Row, new_parser
from cityloom.kernel.errors import Invalid, TooLarge

BATCH = 4096
DIGITS = "0123456789"


class Header(msgspec.Struct, frozen=True):
    """Where the header is and what it says."""

    row: int
    names: tuple[tuple[int, str], ...]
    """Column (from 0) and name of each cell that is not empty."""


def rows(book: Book, limits: Limits) -> Iterator[Row]:
    """The rows that have some value, in the file's order.

    Raises Invalid `exchange.workbook_broken`, TooLarge `exchange.too_many_columns`, `exchange.cell_too_large`.
    """
    handler = _Handler(book, limits)
    try:
        with zipfile.ZipFile(book.path) as archive, archive.open(book.member) as file:
            while data := file.read(PIECE):
                handler.parser.Parse(data)
                yield from handler.rows
                handler.rows.clear()
            handler.parser.Parse(b"", True)
    except BROKEN as error:
        raise Invalid("exchange.workbook_broken") from error


def header(book: Book, limits: Limits) -> Header:
    """The first row that is not empty. Raises Invalid `exchange.file_empty`, `exchange.file_no_rows`,
    `exchange.header_broken`, and what `rows` raises."""
    first = list(islice(rows(book, limits), 2))
    if not first:
        raise Invalid("exchange.file_empty")
    number, found = first[0]
    names = tuple((column, cell.strip()) for column, cell in sorted(found.items()) if isinstance(cell, str))
    if len(names) < len(found):
        raise Invalid("exchange.header_broken", line=", ".join(name for _, name in names)[:200])
    if len(first) == 1:
        raise Invalid("exchange.file_no_rows")
    return Header(number, tuple((column, name) for column, name in names if name))


class _Handler:
    """Gathers rows from expat's events."""

    def __init__(self, book: Book, limits: Limits) -> None:
        self.rows: list[Row] = []
        self.parser = new_parser()
        self.parser.StartElementHandler = self._begin
        self.parser.EndElementHandler = self._end
        self._book = book
        self._limits = limits
        self._local: dict[str, str] = {}
        self._columns: dict[str, int] = {}
        self._number = 0
        self._column = -1
        self._cells: dict[int, Cell] = {}
        self._kind = self._style = ""
        self._parts: list[str] = []
        self._size = 0
        self._formula = False
        self._phonetic = False

    def _name(self, name: str) -> str:
        return self._local.setdefault(name, name.rpartition(":")[2])

    def _begin(self, name: str, attributes: Attributes) -> None:
        name = self._local.get(name) or self._name(name)
        if name == "c":
            reference = attributes.get("r")
            self._column = self._place(reference.rstrip(DIGITS)) if reference else self._column + 1
            self._kind, self._style = attributes.get("t", "n"), attributes.get("s", "0")
            self._size = 0
            self._parts.clear()
            self._formula = False
        elif name in ("v", "t") and not self._phonetic:
            self.parser.CharacterDataHandler = self._gather
        elif name == "row":
            self._number = int(attributes.get("r", self._number + 1))
            self._cells, self._column = {}, -1
        elif name == "f":
            self._formula = True
        elif name == "rPh":
            self._phonetic = True

    def _gather(self, text: str) -> None:
        self._size += len(text)
        if self._size > self._limits.max_cell_bytes:
            raise TooLarge("exchange.cell_too_large", limit=self._limits.max_cell_bytes)
        self._parts.append(text)

    def _end(self, name: str) -> None:
        name = self._local.get(name) or self._name(name)
        if name in ("v", "t"):
            self.parser.CharacterDataHandler = None
        elif name == "c":
            cell = self._cell("".join(self._parts))
            if cell:
                if self._column >= self._limits.max_columns:
                    raise TooLarge("exchange.too_many_columns", found=self._column + 1, limit=self._limits.max_columns)
                self._cells[self._column] = cell
        elif name == "row":
            if self._cells:
                self.rows.append((self._number, self._cells))
        elif name == "rPh":
            self._phonetic = False

    def _place(self, letters: str) -> int:
        place = self._columns.get(letters)
        if place is None:
            place = 0
            for letter in letters:
                place = place * 26 + ord(letter) - 64
            place -= 1
            self._columns[letters] = place
        return place

    def _cell(self, text: str) -> Cell:
        kind = self._kind
        if kind == "s":
            return self._book.texts[int(text)] if text else ""
        if kind == "n":
            return self._number_cell(text)
        if kind == "e":
            return Wrong(text, "exchange.cell_error")
        if kind == "b":
            return "true" if text == "1" else "false"
        return cells.unescaped(text)

    def _number_cell(self, text: str) -> Cell:
        if not text:
            return Wrong("", "exchange.cell_not_computed") if self._formula else ""
        style = self._book.styles[int(self._style)] if self._book.styles else "number"
        if style == "number":
            return cells.number(text)
        return cells.moment(text, style, self._book.since_1904)


class Reader:
    """Turns the sheet's rows into batches."""

    def __init__(self, book: Book, header: Header, columns: Sequence[str], limits: Limits) -> None:
        self.schema = batches.schema(columns)
        self.columns = columns
        self._book = book
        self._header = header
        self._limits = limits
        places = {name: column for column, name in header.names}
        self._places = [places[name] for name in columns]
        self._named = frozenset(places.values())

    def read(self) -> Iterator[pa.RecordBatch]:
        """All rows below the header, 4,096 at a time."""
        below = islice(rows(self._book, self._limits), 1, None)
        while some := list(islice(below, BATCH)):
            yield self._batch(some)

    def _batch(self, some: list[Row]) -> pa.RecordBatch:
        faults: dict[int, list[Fault]] = {}
        columns = [
            _column(name, [found.get(place) for _, found in some], faults)
            for name, place in zip(self.columns, self._places, strict=True)
        ]
        for row, (_, found) in enumerate(some):
            if not self._named.issuperset(found):
                place = min(found.keys() - self._named)
                value = found[place]
                text = value if isinstance(value, str) else value.value
                faults.setdefault(row, []).append(Fault(letters(place), "shape", text, "exchange.cell_beside_header"))
        for row, several in batches.damage(self.columns, columns).items():
            faults.setdefault(row, []).extend(several)
        numbers = np.array([number - self._header.row for number, _ in some], dtype=np.int64)
        return batches.flagged(self.schema, numbers, columns, faults)


def _column(name: str, values: list[Cell | None], faults: dict[int, list[Fault]]) -> pa.Array:
    for row, value in enumerate(values):
        if isinstance(value, Wrong):
            faults.setdefault(row, []).append(Fault(name, "type", value.value, value.reason))
            values[row] = value.value or None
    return pa.array(values, pa.string())


def letters(place: int) -> str:
    """A column as spreadsheets call it: 0 is A, 26 is AA."""
    text = ""
    place += 1
    while place:
        place, rest = divmod(place - 1, 26)
        text = chr(65 + rest) + text
    return text
