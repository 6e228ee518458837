"""The workbook of the compilation guide (编制指南): out to departments, and in again from anybody's spelling of it."""

from datetime import date

import msgspec

from cityloom.catalogue import intake
from cityloom.catalogue.api import files
from cityloom.catalogue.api.desk import titles_of
from cityloom.catalogue.api.files import Entry, Tally
from cityloom.catalogue.contracts import ImportReport
from cityloom.catalogue.rules import codes, columns, sheet, workbook
from cityloom.catalogue.rules.sheet import Fault, Known, Reader
from cityloom.catalogue.store import entries as standards
from cityloom.identity.api import organisations
from cityloom.kernel.context import Context
from cityloom.kernel.errors import Invalid


def export(ctx: Context, keeper: str = "", after: str = "") -> bytes:
    """The .xlsx of the resources in force, of one keeper or all."""
    titles = titles_of(ctx)
    return files.export(ctx, keeper, after, lambda rows: workbook.workbook(rows, titles, ctx.language))


def take(ctx: Context, content: bytes, trial: bool, effective_on: date | None = None) -> ImportReport:
    """Read a workbook and write what is good in it; `trial` keeps nothing. Right `catalogue.write`.

    Raises Invalid `catalogue.sheet_broken`, `catalogue.sheet_without_header`, TooLarge; Refused `kernel.refused` where
    nothing in it is the caller's.
    """
    files.check_may_write(ctx)
    grids = intake.grids(content)
    headed = [(grid, found) for grid in grids if (found := sheet.header(grid)) is not None]
    if not headed:
        raise Invalid("catalogue.sheet_without_header")
    known = _known(ctx)
    tally = Tally(ctx)
    entries: list[Entry] = []
    unknown: list[str] = []
    for grid, header in headed:
        reader = Reader(header, known)
        reader.read(grid.rows)
        unknown += header.unknown
        named = {column.key: header.words.get(column.key, column.title.zh) for column in columns.COLUMNS}
        entries += [Entry(each.row, each.title, each.id, each.wish, named, each.rows) for each in reader.found]
        _tell(tally, reader.faults)
    report = files.take(ctx, entries, tally, trial, effective_on, "workbook")
    return msgspec.structs.replace(report, columns_unknown=list(dict.fromkeys(unknown)))


def _tell(tally: Tally, faults: list[Fault]) -> None:
    for fault in faults:
        problem = Invalid(f"catalogue.sheet.{fault.code}", value=fault.value, known=fault.known)
        tally.fault(fault.row, fault.column, fault.subject, fault.value, problem)


def _known(ctx: Context) -> Known:
    """What names in a sheet may mean in this city."""
    listed = organisations.listing(ctx)
    with ctx.begin() as tx:
        lists = standards.code_lists(tx, [codes.SCHEME, codes.SUBJECTS])
        elements = standards.elements(tx)
    named = {name: [(code.code, code.title) for code in found.codes] for name, found in lists.items()}
    return Known(
        keepers=sheet.titles((each.code, each.title) for each in listed if each.active),
        categories=sheet.titles(named.get(codes.SCHEME, ())),
        subjects=sheet.titles(named.get(codes.SUBJECTS, ())),
        elements=sheet.titles(
            (name, element.title) for name, element in elements.items() if element.status == "current"
        ),
        own=ctx.principal.organisation,
    )
