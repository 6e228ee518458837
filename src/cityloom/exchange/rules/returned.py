"""Quarantined rows as the file that came, with what is wrong and what to do beside each; it can be delivered as it is.

Columns that begin with `_` are ours: the intake leaves them alone when the corrected file comes back.
"""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence

import msgspec
import openpyxl

from cityloom.exchange.contracts import Fault
from cityloom.kernel.words import Words

TEXT = "@"


class ReturnedRow(msgspec.Struct, frozen=True):
    """One row as it came, and all that is wrong with it."""

    row: int
    raw: Sequence[str | None]
    faults: Sequence[Fault]


def render(header: Sequence[str], rows: Iterable[ReturnedRow], format: str, words: Words, language: str) -> bytes:
    """The rows as csv (UTF-8 with byte order mark, for Excel), xlsx, or ndjson."""
    if format == "ndjson":
        return msgspec.json.Encoder().encode_lines([_object(header, row) for row in rows])
    added = [words.say(f"exchange.column.{name}", language) for name in ("row", "problem", "remedy")]
    lines = ([*_texts(header, row), str(row.row), _joined(row, "problem"), _joined(row, "remedy")] for row in rows)
    return _csv([*header, *added], lines) if format == "csv" else _xlsx([*header, *added], lines)


def _texts(header: Sequence[str], row: ReturnedRow) -> Iterator[str]:
    """The row's values; of a row whose shape is broken, its raw text in the first column."""
    broken = next((fault.value for fault in row.faults if fault.rule == "shape"), None)
    if broken is not None and not any(row.raw):
        yield broken
        yield from ("" for _ in header[1:])
    else:
        yield from (value or "" for value in row.raw)


def _joined(row: ReturnedRow, part: str) -> str:
    return " ".join(dict.fromkeys(str(getattr(fault, part)) for fault in row.faults))


def _object(header: Sequence[str], row: ReturnedRow) -> dict[str, object]:
    return {"row": row.row, "record": dict(zip(header, row.raw, strict=False)), "faults": row.faults}


def _csv(header: Sequence[str], lines: Iterable[Sequence[str]]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(header)
    writer.writerows(lines)
    return text.getvalue().encode("utf-8-sig")


def _xlsx(header: Sequence[str], lines: Iterable[Sequence[str]]) -> bytes:
    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet()
    sheet.append(header)
    for line in lines:
        cells = []
        for value in line:
            cell = openpyxl.cell.WriteOnlyCell(sheet, value=openpyxl.cell.cell.ILLEGAL_CHARACTERS_RE.sub("", value))
            cell.data_type, cell.number_format = "s", TEXT  # never a formula, never a number
            cells.append(cell)
        sheet.append(cells)
    content = io.BytesIO()
    book.save(content)
    return content.getvalue()
