"""Quarantined rows as the file that came, with what is wrong and what to do beside: corrected, it is sent as it is.

Columns that begin with `_` are ours: the intake leaves them alone when the corrected file comes back.
"""

import csv
import io
from collections.abc import Iterable, Sequence

import msgspec
from openpyxl import Workbook
from openpyxl.cell import Cell, WriteOnlyCell
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE
from openpyxl.styles import Alignment, Font
from openpyxl.utils import get_column_letter
from openpyxl.worksheet._write_only import WriteOnlyWorksheet

from cityloom.exchange.contracts import Fault, Mode
from cityloom.kernel.errors import TooLarge, Unsupported
from cityloom.kernel.words import Words

MOST_SHEET_ROWS = 1_048_575
ADDED = ("row", "problem", "advice")


class ReturnedRow(msgspec.Struct, frozen=True):
    """One row as it came, and all that is wrong with it."""

    row: int
    raw: Sequence[str | None]
    faults: Sequence[Fault]


def render(header: Sequence[str], rows: Iterable[ReturnedRow], format: str, words: Words, language: str) -> bytes:
    """The rows as csv (UTF-8 with byte order mark, for Excel), xlsx or ndjson, in the columns of `header` and three more.

    Raises Unsupported `exchange.format_unknown`, TooLarge `exchange.quarantine_too_long`.
    """
    names = [*header, *(words.say(f"exchange.returned.{name}", language) for name in ADDED)]
    lines = (_line(len(header), row) for row in rows)
    match format:
        case "csv":
            return _csv(names, lines)
        case "ndjson":
            return _ndjson(names, lines)
        case "xlsx":
            return _xlsx(names, lines, words.say("exchange.template.sheet", language))
        case _:
            raise Unsupported("exchange.format_unknown", format=format, known="csv, ndjson, xlsx")


def texts_of(width: int, row: ReturnedRow) -> list[str]:
    """The row's texts, one a column; of a row that has no columns, its whole text in the first one."""
    texts = [text or "" for text in row.raw[:width]]
    if not any(texts):
        texts = [next((fault.value or "" for fault in row.faults if fault.rule == "shape"), "")][:width]
    return [*texts, *([""] * (width - len(texts)))]


def _line(width: int, row: ReturnedRow) -> list[str]:
    problems = "\n".join(dict.fromkeys(fault.problem for fault in row.faults))
    remedies = "\n".join(dict.fromkeys(fault.remedy for fault in row.faults if fault.remedy))
    return [*texts_of(width, row), str(row.row), problems, remedies]


def _csv(names: list[str], lines: Iterable[list[str]]) -> bytes:
    sink = io.StringIO(newline="")
    writer = csv.writer(sink)
    writer.writerow(names)
    writer.writerows(lines)
    return sink.getvalue().encode("utf-8-sig")


def _ndjson(names: list[str], lines: Iterable[list[str]]) -> bytes:
    records = (dict(zip(names, [text or None for text in line], strict=True)) for line in lines)
    return msgspec.json.Encoder().encode_lines(records)


def _xlsx(names: list[str], lines: Iterable[list[str]], title: str) -> bytes:
    workbook = Workbook(write_only=True)
    sheet = workbook.create_sheet(title)
    sheet.freeze_panes = "A2"
    for place, name in enumerate(names, 1):
        wide = place > len(names) - 2
        sheet.column_dimensions[get_column_letter(place)].width = 60 if wide else max(12, len(name.encode()) + 4)
    sheet.append([_cell(sheet, name, bold=True) for name in names])
    for number, line in enumerate(lines):
        if number >= MOST_SHEET_ROWS:
            raise TooLarge("exchange.quarantine_too_long", most=MOST_SHEET_ROWS)
        sheet.append([_cell(sheet, text) for text in line])
    sink = io.BytesIO()
    workbook.save(sink)
    return sink.getvalue()


def _cell(sheet: WriteOnlyWorksheet, text: str, *, bold: bool = False) -> Cell:
    """A cell of text, whatever it looks like: identity numbers stay whole, and `=1+1` is no formula."""
    cell = WriteOnlyCell(sheet, ILLEGAL_CHARACTERS_RE.sub("", text))
    cell.data_type = "s"
    cell.number_format = "@"
    if bold:
        cell.font = Font(bold=True)
    if "\n" in text:
        cell.alignment = Alignment(wrap_text=True, vertical="top")
    return cell


def mode_back(mode: Mode, allowed: Sequence[str]) -> Mode | None:
    """How mended rows of a delivery come back alone: never as a replacement, which would remove all other records.

    None where the dataset takes nothing but whole files.
    """
    if mode != Mode.replace:
        return mode
    return next((each for each in (Mode.upsert, Mode.append) if each in allowed), None)
