"""The workbook that departments work in: a sheet of resources with their items, and one that explains the columns."""

import io
from collections.abc import Iterable, Mapping, Sequence

from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.styles import Font, PatternFill
from openpyxl.utils import get_column_letter

from cityloom.catalogue.contracts import Item, Resource
from cityloom.catalogue.rules import columns
from cityloom.kernel.words import Text

HEAD = PatternFill("solid", start_color="DDE7F3")
SHEET = Text("Catalogue", "信息资源目录")
NOTES = Text("Columns", "填写说明")
CHOICES = Text("choose one of", "可选")
YES = Text("yes", "是")
NO = Text("no", "否")
LEADS = "=+-@"


def workbook(resources: Iterable[Resource], keepers: Mapping[str, Text], language: str) -> bytes:
    """The .xlsx of these resources; what it says is read back as the same descriptions."""
    book = Workbook(write_only=True)
    sheet = book.create_sheet(SHEET.of(language))
    for place, column in enumerate(columns.COLUMNS, 1):
        sheet.column_dimensions[get_column_letter(place)].width = column.width
    sheet.freeze_panes = "A2"
    head = [WriteOnlyCell(sheet, column.title.of(language)) for column in columns.COLUMNS]
    for cell in head:
        cell.font, cell.fill = Font(bold=True), HEAD
    sheet.append(head)
    for resource in resources:
        for row in rows_of(resource, keepers, language):
            sheet.append(row)
    notes = book.create_sheet(NOTES.of(language))
    for column in columns.COLUMNS:
        chosen = columns.CHOICES.get(column.key, {}).values()
        listed = ", ".join(choice.of(language) for choice in chosen if choice.of(language))
        notes.append([column.title.of(language), f"{CHOICES.of(language)}: {listed}" if listed else ""])
    sink = io.BytesIO()
    book.save(sink)
    return sink.getvalue()


def rows_of(resource: Resource, keepers: Mapping[str, Text], language: str) -> list[list[str | int | None]]:
    """One row per item; what is said of the resource stands in the first."""
    first = _resource(resource, keepers, language)
    rows = []
    for number, item in enumerate(resource.record.items or (None,)):
        said = (_item(item, language) if item else {}) | (first if number == 0 else {})
        rows.append([_safe(said.get(column.key)) for column in columns.COLUMNS])
    return rows


def _safe(value: str | int | None) -> str | int | None:
    """No text begins a formula."""
    return f" {value}" if isinstance(value, str) and value[:1] in LEADS and value[:1] else value


def _both(key: str, text: Text | None) -> dict[str, str]:
    return {} if text is None else {key: text.zh, f"{key}_en": text.en}


def _resource(resource: Resource, keepers: Mapping[str, Text], language: str) -> dict[str, str | int | None]:
    record = resource.record
    keeper = keepers.get(resource.keeper)
    return {
        "id": resource.id,
        "category": record.category,
        "code": record.code,
        "keeper": keeper.of(language) if keeper else record.keeper,
        "keeper_code": record.keeper_code,
        "subject": record.subject,
        "format": record.format,
        "issued": record.issued.isoformat() if record.issued else None,
        "related": _joined(record.related),
        "derived_from": _joined(record.derived_from),
        **_both("title", record.title),
        **_both("summary", record.summary),
        **_both("legal_basis", record.legal_basis),
        **_both("sharing_condition", record.sharing_condition),
        **_both("refusal_law", record.refusal_law),
        **_both("open_condition", record.open_condition),
        **_both("regraded", record.regraded),
        **{
            key: columns.CHOICES[key][getattr(record, key)].of(language)
            for key in ("sharing", "openness", "cycle", "carrier", "sharing_way")
        },
    }


def _joined(parts: Sequence[str]) -> str:
    return ";".join(parts)


def _item(item: Item, language: str) -> dict[str, str | int | None]:
    def said(holds: bool) -> str:
        return (YES if holds else NO).of(language)

    return {
        **_both("item", item.name),
        "type": columns.CHOICES["type"][item.type].of(language),
        "length": item.length,
        "element": item.element,
        "qualifier": item.qualifier,
        "grade": item.grade,
        "personal": said(item.personal),
        "required": said(item.required),
        "authoritative": said(item.authoritative),
        "standard": item.standard,
    }
