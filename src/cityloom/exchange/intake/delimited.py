"""CSV (RFC 4180) with any of three delimiters: the rows with their numbers, and the broken ones set aside.

The file is cut into pieces at the ends of rows, and Arrow parses each piece. Row numbers come from counting, so they
hold whatever the threads behind do. A piece whose quotes are not as RFC 4180 wants them, or which has blank lines, is
split row by row instead: a broken row is set aside as its first line, and reading goes on with the next line.
"""

import csv
import io
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from cityloom.exchange.intake import batches
from cityloom.exchange.intake.batches import Fault
from cityloom.exchange.intake.decode import Decoded
from cityloom.exchange.intake.limits import MIB, Limits
from cityloom.kernel.errors import Invalid, TooLarge

PIECE = MIB
DELIMITERS = (",", ";", "\t")
NO_DELIMITER = "\x1f"  # for a table of one column, whose values may hold any of the three
QUOTE = ord('"')
NEWLINE = re.compile(rb"\r\n|\n|\r")
TOLD = 1000  # characters of an overlong row that are kept


class Layout(msgspec.Struct, frozen=True):
    """How a CSV file is written."""

    path: Path
    start: int
    """Offset of the first byte after the header."""
    delimiter: str
    newline: bytes
    """What surely ends a row: a line feed, or in files of the old Macintosh a carriage return."""
    header: tuple[str, ...]


class Taken(msgspec.Struct):
    """What was taken from the front of some text."""

    used: int
    """Bytes; 0 when more text is needed to say where the first row ends."""
    rows: int = 0
    """Rows of the file, blank lines and broken rows included."""
    batches: Sequence[pa.RecordBatch] = ()


class Split(msgspec.Struct):
    """Some text, row by row."""

    used: int = 0
    rows: int = 0
    spans: list[tuple[int, int]] = msgspec.field(default_factory=list)
    numbers: list[int] = msgspec.field(default_factory=list)
    """Place of each span among the rows, from 0."""
    broken: list[tuple[int, Fault]] = msgspec.field(default_factory=list)


def layout(text: Decoded, limits: Limits) -> Layout:
    """Read the header: the first line that is not blank, split at the delimiter it has most of.

    Raises Invalid `exchange.file_empty`, `exchange.file_no_rows`, `exchange.header_broken`, TooLarge
    `exchange.too_many_columns`, `exchange.header_too_long`.
    """
    with text.path.open("rb") as file:
        file.seek(text.skip)
        head = file.read(2 * limits.max_line_bytes)
        blank = len(head) - len(head.lstrip(b"\r\n"))
        line = _first_row(head[blank:])
        if not line.strip():
            raise Invalid("exchange.file_empty")
        delimiter = _delimiter(line)
        if line.count(delimiter.encode()) >= limits.max_columns:
            found = line.count(delimiter.encode()) + 1
            raise TooLarge("exchange.too_many_columns", found=found, limit=limits.max_columns)
        if len(line) > limits.max_line_bytes:
            raise TooLarge("exchange.header_too_long", limit=limits.max_line_bytes)
        start = text.skip + blank + len(line)
        _expect_rows(file, start)
    newline = b"\n" if line.endswith(b"\n") else b"\r"
    return Layout(text.path, start, delimiter, newline, _names(line, delimiter))


def _first_row(head: bytes) -> bytes:
    """The first row with its newline; a quoted name may hold newlines."""
    for end in re.finditer(rb"\r\n|\n|\r", head):
        if head.count(b'"', 0, end.start()) % 2 == 0:
            return head[: end.end()]
    first = re.match(rb"[^\r\n]*(?:\r\n|\n|\r)?", head)
    return first.group() if first else head


def _delimiter(line: bytes) -> str:
    bare = re.sub(rb'"[^"]*"', b"", line)
    most = max(DELIMITERS, key=lambda delimiter: bare.count(delimiter.encode()))
    return most if most.encode() in bare else NO_DELIMITER


def _names(line: bytes, delimiter: str) -> tuple[str, ...]:
    try:
        row = next(csv.reader(io.StringIO(line.decode(), newline=""), delimiter=delimiter, strict=True))
    except csv.Error as error:
        raise Invalid("exchange.header_broken", line=line.decode()[:200].strip()) from error
    return tuple(name.strip() for name in row)


def _expect_rows(file: BinaryIO, start: int) -> None:
    file.seek(start)
    while data := file.read(MIB):
        if data.strip(b"\r\n"):
            return
    raise Invalid("exchange.file_no_rows")


class Reader:
    """Turns the text of a CSV file into batches."""

    def __init__(self, layout: Layout, columns: Sequence[str], limits: Limits) -> None:
        self.layout = layout
        self.limits = limits
        self.columns = columns
        self.schema = batches.schema(columns)
        self._edge = np.zeros(256, dtype=bool)
        self._edge[[ord(layout.delimiter), QUOTE, 10, 13]] = True
        mark = re.escape(layout.delimiter.encode())
        field = rb'(?:"[^"]*+(?:""[^"]*+)*+"|[^"\r\n%b][^\r\n%b]*+|)' % (mark, mark)
        self._row = re.compile(rb"(?:%b%b)*+%b(\r\n|\n|\r)" % (field, mark, field))
        self._begun = re.compile(rb'(?:%b%b)*+(?:%b|"[^"]*+(?:""[^"]*+)*+)\Z' % (field, mark, field))
        self._options = pyarrow.csv.ConvertOptions(
            column_types={name: pa.string() for name in layout.header}, include_columns=list(columns),
            strings_can_be_null=True, null_values=[""], quoted_strings_can_be_null=True,
        )  # fmt: skip

    def read(self) -> Iterator[pa.RecordBatch]:
        """All rows, in batches of about a MiB; within a MiB the broken rows come last."""
        number, held = 1, b""
        with self.layout.path.open("rb") as file:
            file.seek(self.layout.start)
            while data := file.read(PIECE):
                data = held + data
                taken = self._take(data, number, len(data) > self.limits.max_line_bytes + PIECE)
                yield from taken.batches
                number, held = number + taken.rows, data[taken.used :]
                if not taken.used and len(held) > self.limits.max_line_bytes + PIECE:
                    fault = Fault("", "shape", held[:TOLD].decode("utf-8", "ignore"), "exchange.row_too_long")
                    yield batches.unread(self.schema, [(number, fault)])
                    number, held = number + 1, _after_line(file, self.layout.newline)
        if held:
            # one newline more is a blank line at most, and settles that a carriage return is all there is
            whole = held if held.endswith(b"\n") else held + self.layout.newline
            yield from self._take(whole, number, True).batches

    def _take(self, data: bytes, number: int, last: bool) -> Taken:
        """The rows that end in `data`. `last` means: an open quote will not be closed any more."""
        end = self._plain_end(data)
        if end is None or (last and end < len(data)):
            return self._take_by_row(data, number, last)
        if end == 0:
            return Taken(0)
        plain = data if end == len(data) else data[:end]
        return self._parse(plain, number, None) or self._take_by_row(plain, number, last)

    def _plain_end(self, data: bytes) -> int | None:
        """Where the last row that is surely whole ends (0: nowhere), or None if the quotes are not as they should be.

        They should open after a delimiter or newline and close before one; a doubled quote closes and opens again.
        Then a newline ends a row if an even number of quotes is before it.
        """
        newline = self.layout.newline
        if b'"' not in data:
            return data.rfind(newline) + 1
        text = np.frombuffer(data, dtype=np.uint8)
        quotes = np.flatnonzero(text == QUOTE)
        opening, closing = quotes[0::2], quotes[1::2]
        before = opening[1:] if opening[0] == 0 else opening
        after = closing[:-1] if len(closing) and closing[-1] == len(data) - 1 else closing
        if not (self._edge[text[before - 1]].all() and self._edge[text[after + 1]].all()):
            return None
        end = data.rfind(newline)
        while end >= 0 and np.searchsorted(quotes, end) % 2:
            end = data.rfind(newline, 0, end)
        return end + 1

    def _parse(self, data: bytes, number: int, places: list[int] | None) -> Taken | None:
        """Whole rows to a batch. `places` are their places from `number` on; None means each line counts as one.

        Returns None if there are blank lines, which Arrow cannot tell from rows of nothing, and `places` is None.
        """
        ragged: list[tuple[int, Fault]] = []

        def set_aside(row: pyarrow.csv.InvalidRow) -> str:
            few = row.actual_columns < row.expected_columns
            reason = "exchange.row_too_few" if few else "exchange.row_too_many"
            ragged.append((row.number - 1, Fault("", "shape", row.text, reason)))
            return "skip"

        table = self._arrow(data, set_aside)
        columns = [_one(table.column(name)) for name in self.columns]
        rows = table.num_rows + len(ragged)
        if places is None and _has_blank(table):
            return None
        numbers = np.arange(number, number + rows) if places is None else np.array(places, dtype=np.int64) + number
        bad = [(int(numbers[place]), fault) for place, fault in ragged]
        numbers = np.delete(numbers, [place for place, _ in ragged])
        faults = batches.damage(self.columns, columns) if batches.may_be_damaged(data) else {}
        made = [batches.flagged(self.schema, numbers, columns, faults)] if len(numbers) else []
        return Taken(len(data), rows, [*made, *([batches.unread(self.schema, bad)] if bad else [])])

    def _arrow(self, data: bytes, set_aside: Callable[[pyarrow.csv.InvalidRow], str]) -> pa.Table:
        return pyarrow.csv.read_csv(
            pa.BufferReader(data),
            read_options=pyarrow.csv.ReadOptions(
                column_names=self.layout.header, use_threads=False, block_size=len(data) + 1
            ),
            parse_options=pyarrow.csv.ParseOptions(
                delimiter=self.layout.delimiter, newlines_in_values=True, ignore_empty_lines=False,
                invalid_row_handler=set_aside,
            ),
            convert_options=self._options,
        )  # fmt: skip

    def _take_by_row(self, data: bytes, number: int, last: bool) -> Taken:
        split = self._split(data, last)
        taken = Taken(split.used, split.rows)
        if split.spans:
            whole = len(split.spans) == split.rows
            text = data[: split.used] if whole else b"".join(data[start:end] for start, end in split.spans)
            parsed = self._parse(text, number, split.numbers)
            taken.batches = parsed.batches if parsed else ()
        if split.broken:
            broken = [(number + place, fault) for place, fault in split.broken]
            taken.batches = [*taken.batches, batches.unread(self.schema, broken)]
        return taken

    def _split(self, data: bytes, last: bool) -> Split:
        """Take `data` apart row by row; what does not match as a row is broken up to its line's end."""
        split = Split()
        while split.used < len(data):
            start = split.used
            found = self._row.match(data, start)
            if found and not last and found.group(1) == b"\r" and found.end() == len(data):
                break  # its line feed may come with the next piece
            if found:
                if found.start(1) > start:
                    split.spans.append((start, found.end()))
                    split.numbers.append(split.rows)
                split.used = found.end()
            elif not self._set_aside(split, data, last):
                break
            split.rows += 1
        return split

    def _set_aside(self, split: Split, data: bytes, last: bool) -> bool:
        """Note the broken line at the front; False if more text might still make it whole."""
        line = NEWLINE.search(data, split.used)
        if line is None or (not last and self._begun.match(data, split.used)):
            return False
        if line.group() == b"\r" and line.end() == len(data):
            return False
        start, split.used = split.used, line.end()
        text = data[start : line.start()].decode("utf-8", "replace")
        split.broken.append((split.rows, Fault("", "shape", text, "exchange.row_quotes")))
        return True


def _one(column: pa.ChunkedArray) -> pa.Array:
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def _has_blank(table: pa.Table) -> bool:
    """Whether some row has no value at all."""
    if any(column.null_count == 0 for column in table.columns):
        return False
    blank = pc.is_null(table.column(0))
    for column in table.columns[1:]:
        blank = pc.and_(blank, pc.is_null(column))
    return bool(pc.any(blank).as_py())


def _after_line(file: BinaryIO, newline: bytes) -> bytes:
    """Read on to the end of the line; returns what was read beyond it."""
    while data := file.read(PIECE):
        if newline in data:
            return data.partition(newline)[2]
    return b""
