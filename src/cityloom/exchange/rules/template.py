"""The workbook a department fills in: a sheet for the data, one that explains every column, one with long code lists."""

import io
from collections.abc import Iterable, Sequence
from datetime import date, timedelta

from openpyxl import Workbook
from openpyxl.styles import Alignment, Font, PatternFill
from openpyxl.utils import get_column_letter, quote_sheetname
from openpyxl.worksheet.datavalidation import DataValidation
from openpyxl.worksheet.worksheet import Worksheet

from cityloom.exchange.rules.digits import CREDIT_ALPHABET, gb11643_check, gb32100_check
from cityloom.exchange.rules.explain import allowed, params_of, say
from cityloom.exchange.spec import ResolvedDataset, ResolvedField

FORMATTED_ROWS = 5000
"""Rows that get the cell format of their column; whoever needs more sends a CSV, where nothing is reformatted."""

LISTED_CODES = 12
"""Shorter code lists are told in full in the explanation; all have a drop-down."""

HEAD = PatternFill("solid", start_color="DDE7F3")
NUMBER_FORMATS = {"date": "yyyy-mm-dd", "timestamp": "yyyy-mm-dd hh:mm:ss"}
BOOLEANS = {"en": '"true,false"', "zh": '"是,否"'}


def workbook(dataset: ResolvedDataset, language: str) -> bytes:
    """The .xlsx template of a dataset, with titles and explanations in `language` (en or zh)."""
    book = Workbook()
    sheet = book.active
    if not isinstance(sheet, Worksheet):  # a new workbook has one worksheet
        raise TypeError(f"unexpected first sheet {sheet!r}")
    sheet.title = say("template.sheet", language)
    notes = book.create_sheet(say("template.notes", language))
    codes = [field for field in dataset.fields if field.codes]
    ranges = _codes_sheet(book, codes, language)
    _data_sheet(sheet, dataset, ranges, language)
    _notes_sheet(notes, dataset, language)
    sink = io.BytesIO()
    book.save(sink)
    return sink.getvalue()


def example(field: ResolvedField) -> str:
    """A value that the field's own checks let through, as far as they can be met without knowing other data."""
    if field.codes is not None:
        return field.codes.current[0]
    if field.format == "gb11643":
        body = "99000019900101001"  # 990000 is no division
        return body + gb11643_check(body)
    if field.format == "gb32100":
        body = "91990000MA0000001"
        return body + gb32100_check(body)
    samples = {
        "integer": str(_between(field, 1)),
        "decimal": f"{_between(field, 1)}" + (f".{'5' * field.scale}" if field.scale and field.max is None else ""),
        "number": str(_between(field, 1)),
        "boolean": "true",
        "date": _day(field).isoformat(),
        "timestamp": f"{_day(field).isoformat()} 09:30:00",
        "text": "",
    }
    return samples[field.type]


def _between(field: ResolvedField, usual: int) -> int | float | date:
    for bound in (field.min, field.max):
        if bound is not None and not _within(field, usual):
            return bound
    return usual


def _within(field: ResolvedField, value: int) -> bool:
    low = not isinstance(field.min, int | float) or value >= field.min
    return low and (not isinstance(field.max, int | float) or value <= field.max)


def _day(field: ResolvedField) -> date:
    usual = date(2026, 1, 31)
    if isinstance(field.min, date) and field.min > usual:
        return field.min
    return field.max if isinstance(field.max, date) and field.max < usual else usual


def _data_sheet(sheet: Worksheet, dataset: ResolvedDataset, ranges: dict[str, str], language: str) -> None:
    for place, field in enumerate(dataset.fields, 1):
        column, title = get_column_letter(place), field.title.of(language)
        head = sheet.cell(1, place, f"{title}*" if field.required else title)
        head.font, head.fill = Font(bold=True), HEAD
        sheet.column_dimensions[column].width = max(12, len(title.encode()) + 4, 22 if field.format else 0)
        form = NUMBER_FORMATS.get(field.type, "@" if field.type == "text" else "General")
        for row in range(2, FORMATTED_ROWS + 2):
            if form == "General":
                break
            sheet.cell(row, place).number_format = form
        choices = ranges.get(field.name) or (BOOLEANS[_known(language)] if field.type == "boolean" else None)
        if choices:
            _drop_down(sheet, column, choices, language)
    sheet.freeze_panes = "A2"


def _known(language: str) -> str:
    return "zh" if language == "zh" else "en"


def _drop_down(sheet: Worksheet, column: str, choices: str, language: str) -> None:
    rule = DataValidation(type="list", formula1=choices, allow_blank=True, showErrorMessage=True)
    rule.error = say("template.pick", language)
    rule.add(f"{column}2:{column}{FORMATTED_ROWS + 1}")
    sheet.add_data_validation(rule)


def _codes_sheet(book: Workbook, fields: Sequence[ResolvedField], language: str) -> dict[str, str]:
    """A sheet with two columns (code, title) per code list; gives the range of the codes for each field."""
    if not fields:
        return {}
    sheet = book.create_sheet(say("template.codes", language))
    found: dict[str, str] = {}
    places: dict[str, str] = {}
    for field in fields:
        if field.codes is None:
            continue
        if field.codes.name not in places:
            place = 2 * len(places) + 1
            places[field.codes.name] = _code_columns(sheet, place, field, language)
        found[field.name] = places[field.codes.name]
    sheet.freeze_panes = "A2"
    return found


def _code_columns(sheet: Worksheet, place: int, field: ResolvedField, language: str) -> str:
    if field.codes is None:
        return ""
    head = sheet.cell(1, place, field.codes.title.of(language))
    head.font, head.fill = Font(bold=True), HEAD
    current = [code for code in field.codes.codes if code.status == "current"]
    for row, code in enumerate(current, 2):
        sheet.cell(row, place, code.code).number_format = "@"
        sheet.cell(row, place + 1, code.title.of(language))
    column = get_column_letter(place)
    sheet.column_dimensions[column].width = max(10, max(len(code.code) for code in current) + 2)
    sheet.column_dimensions[get_column_letter(place + 1)].width = 24
    return f"{quote_sheetname(sheet.title)}!${column}$2:${column}${len(current) + 1}"


def _notes_sheet(sheet: Worksheet, dataset: ResolvedDataset, language: str) -> None:
    sheet.append([dataset.title.of(language)])
    sheet.append([dataset.summary.of(language)])
    sheet.append([dataset.legal_basis.of(language)])
    sheet.append([])
    heads = ("field", "name", "type", "required", "example", "allowed", "checks", "standard")
    sheet.append([say(f"template.{head}", language) for head in heads])
    for field in dataset.fields:
        sheet.append(_note(dataset, field, language))
    if dataset.checks:
        sheet.append([])
        sheet.append([say("template.across", language)])
        for check in dataset.checks:
            sheet.append([check.title.of(language), "", "", "", "", "", check.remedy.of(language)])
    _dress(sheet)


def _dress(sheet: Worksheet) -> None:
    sheet["A1"].font = Font(bold=True, size=14)
    for cell in sheet[5]:
        cell.font, cell.fill = Font(bold=True), HEAD
    for row in sheet.iter_rows(min_row=6):
        for cell in row:
            cell.number_format = "@"
            cell.alignment = Alignment(wrap_text=True, vertical="top")
    for column, width in zip("ABCDEFGH", (24, 20, 20, 10, 24, 40, 48, 18), strict=True):
        sheet.column_dimensions[column].width = width


def _note(dataset: ResolvedDataset, field: ResolvedField, language: str) -> list[str]:
    params = params_of(field, language)
    count = len(field.codes.current) if field.codes else 0
    listed = allowed(field, language)
    if count > LISTED_CODES:
        listed = say("template.more", language, n=count, sheet=say("template.codes", language))
    return [
        field.title.of(language),
        field.name,
        say(f"template.type.{field.type}", language, **params),
        say("template.yes" if field.required else "template.no", language),
        example(field),
        listed,
        ("；" if language == "zh" else "; ").join(_rules(dataset, field, language)),
        field.standard,
    ]


def _rules(dataset: ResolvedDataset, field: ResolvedField, language: str) -> Iterable[str]:
    days = field.type in ("date", "timestamp")
    holding = {
        "key": field.name in dataset.key,
        "unique": field.unique,
        "day" if days else "min": field.min is not None,
        "last_day" if days else "max": field.max is not None,
        "min_length": bool(field.min_length),
        "max_length": field.max_length is not None,
        "pattern": field.pattern is not None,
        "codes": field.codes is not None,
        "reference": field.reference is not None,
        str(field.format): field.format is not None,
        "fresh": field.fresh_within is not None,
    }
    params = params_of(field, language)
    return [say(f"template.rule.{rule}", language, **params) for rule, holds in holding.items() if holds]
