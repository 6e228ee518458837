"""The workbook a department fills in: a sheet for the data, one that explains every column, one with long code lists."""

import io
from collections.abc import Iterable, Sequence
from datetime import date

import msgspec
from openpyxl import Workbook
from openpyxl.styles import Alignment, Font, PatternFill
from openpyxl.utils import get_column_letter, quote_sheetname
from openpyxl.worksheet.datavalidation import DataValidation
from openpyxl.worksheet.worksheet import Worksheet

from cityloom.exchange.rules.digits import gb11643_check, gb32100_check
from cityloom.exchange.rules.explain import allowed, facts_of
from cityloom.exchange.spec import ResolvedDataset, ResolvedField
from cityloom.kernel.words import Words

LAST_ROW = 1_048_576
LISTED_CODES = 12
"""Shorter code lists are told in full in the explanation; all have a drop-down."""

HEAD = PatternFill("solid", start_color="DDE7F3")
NUMBER_FORMATS = {
    "integer": "General",
    "decimal": "General",
    "number": "General",
    "date": "yyyy-mm-dd",
    "timestamp": "yyyy-mm-dd hh:mm:ss",
}
BOOLEANS = {"en": '"true,false"', "zh": '"是,否"'}


def workbook(dataset: ResolvedDataset, words: Words, language: str) -> bytes:
    """The .xlsx template of a dataset, with titles and explanations in `language` (en or zh)."""
    book = Workbook()
    sheet = book.active
    if not isinstance(sheet, Worksheet):  # a new workbook has one worksheet
        raise TypeError(f"unexpected first sheet {sheet!r}")
    say = Say(words, language)
    sheet.title = say("sheet")
    notes = book.create_sheet(say("notes"))
    ranges = _codes_sheet(book, [field for field in dataset.fields if field.codes], say)
    _data_sheet(sheet, dataset, ranges, say)
    _notes_sheet(notes, dataset, say)
    sink = io.BytesIO()
    book.save(sink)
    return sink.getvalue()


class Say(msgspec.Struct, frozen=True):
    """The words of a template in one language."""

    words: Words
    language: str

    def __call__(self, code: str, **params: object) -> str:
        """A word of the template."""
        return self.words.say(f"exchange.template.{code}", self.language, **params)


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


def _data_sheet(sheet: Worksheet, dataset: ResolvedDataset, ranges: dict[str, str], say: Say) -> None:
    for place, field in enumerate(dataset.fields, 1):
        column, title = get_column_letter(place), field.title.of(say.language)
        head = sheet.cell(1, place, f"{title}*" if field.required else title)
        head.font, head.fill = Font(bold=True), HEAD
        sheet.column_dimensions[column].width = max(12, len(title.encode()) + 4, 22 if field.format else 0)
        # the whole column, so that spreadsheet programs do not turn identity numbers into 4.40301E+17
        sheet.column_dimensions[column].number_format = NUMBER_FORMATS.get(field.type, "@")
        choices = ranges.get(field.name) or (
            BOOLEANS["zh" if say.language == "zh" else "en"] if field.type == "boolean" else None
        )
        if choices:
            _drop_down(sheet, column, choices, say)
    sheet.freeze_panes = "A2"


def _drop_down(sheet: Worksheet, column: str, choices: str, say: Say) -> None:
    rule = DataValidation(type="list", formula1=choices, allow_blank=True, showErrorMessage=True)
    rule.error = say("pick")
    rule.add(f"{column}2:{column}{LAST_ROW}")
    sheet.add_data_validation(rule)


def _codes_sheet(book: Workbook, fields: Sequence[ResolvedField], say: Say) -> dict[str, str]:
    """A sheet with two columns (code, title) per code list; gives the range of the codes for each field."""
    if not fields:
        return {}
    sheet = book.create_sheet(say("codes"))
    found: dict[str, str] = {}
    places: dict[str, str] = {}
    for field in fields:
        if field.codes is None:
            continue
        if field.codes.name not in places:
            place = 2 * len(places) + 1
            places[field.codes.name] = _code_columns(sheet, place, field, say)
        found[field.name] = places[field.codes.name]
    sheet.freeze_panes = "A2"
    return found


def _code_columns(sheet: Worksheet, place: int, field: ResolvedField, say: Say) -> str:
    if field.codes is None:
        return ""
    head = sheet.cell(1, place, field.codes.title.of(say.language))
    head.font, head.fill = Font(bold=True), HEAD
    current = [code for code in field.codes.codes if code.status == "current"]
    for row, code in enumerate(current, 2):
        sheet.cell(row, place, code.code).number_format = "@"
        sheet.cell(row, place + 1, code.title.of(say.language))
    column = get_column_letter(place)
    sheet.column_dimensions[column].width = max(10, max(len(code.code) for code in current) + 2)
    sheet.column_dimensions[get_column_letter(place + 1)].width = 24
    return f"{quote_sheetname(sheet.title)}!${column}$2:${column}${len(current) + 1}"


def _notes_sheet(sheet: Worksheet, dataset: ResolvedDataset, say: Say) -> None:
    sheet.append([dataset.title.of(say.language)])
    sheet.append([dataset.summary.of(say.language)])
    sheet.append([dataset.legal_basis.of(say.language)])
    sheet.append([])
    heads = ("field", "name", "type", "required", "example", "allowed", "checks", "standard")
    sheet.append([say(head) for head in heads])
    for field in dataset.fields:
        sheet.append(_note(dataset, field, say))
    if dataset.checks:
        sheet.append([])
        sheet.append([say("across")])
        for check in dataset.checks:
            sheet.append([check.title.of(say.language), "", "", "", "", "", check.remedy.of(say.language)])
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


def _note(dataset: ResolvedDataset, field: ResolvedField, say: Say) -> list[str]:
    params = facts_of(field, say.words, say.language)
    count = len(field.codes.current) if field.codes else 0
    listed = allowed(field, say.language)
    if count > LISTED_CODES:
        listed = say("more", n=count, sheet=say("codes"))
    return [
        field.title.of(say.language),
        field.name,
        say(f"type.{field.type}", **params),
        say("yes" if field.required else "no"),
        example(field),
        listed,
        ("；" if say.language == "zh" else "; ").join(_rules(dataset, field, say)),
        field.standard,
    ]


def _rules(dataset: ResolvedDataset, field: ResolvedField, say: Say) -> Iterable[str]:
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
    params = facts_of(field, say.words, say.language)
    return [say(f"rule.{rule}", **params) for rule, holds in holding.items() if holds]
