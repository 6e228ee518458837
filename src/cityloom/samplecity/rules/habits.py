"""What each department does every month: which deliveries it sends, and how its files are written."""

import msgspec

from cityloom.samplecity.rules import workbook
from cityloom.samplecity.rules.dress import Dress

PLAIN = Dress("csv")
EXCEL_CSV = Dress("csv", bom=True, chinese=True, days="slashes")
OLD = Dress("csv", charset="gb18030", chinese=True, days="compact")
OLD_WORDS = Dress("csv", charset="gb18030", quoted=True, chinese=True, days="chinese", gzip=True)
COMPACT = Dress("csv", gzip=True, days="compact")
LINES = Dress("ndjson")
LINES_ZIPPED = Dress("ndjson", gzip=True, days="slashes")
COLUMNS = Dress("parquet")
COLUMNS_ZH = Dress("parquet", chinese=True)
BOOK = Dress("xlsx", chinese=True)
BOOK_TYPED = Dress("xlsx", chinese=True, days="chinese")


class Habit(msgspec.Struct, frozen=True):
    """How a dataset is delivered."""

    first: str
    """Mode of the full delivery."""
    monthly: tuple[tuple[str, ...], ...]
    """Modes of the deliveries of each later month, in turn."""
    dresses: tuple[Dress, ...]
    """How the files are written, in turn."""

    def modes(self, period: int) -> tuple[str, ...]:
        """The deliveries of a period."""
        return (self.first,) if period == 0 else self.monthly[(period - 1) % len(self.monthly)]

    def dress(self, period: int, rows: int) -> Dress:
        """How a file of so many rows is written; a sheet holds only so many."""
        chosen = self.dresses[period % len(self.dresses)]
        return EXCEL_CSV if chosen.format == "xlsx" and rows > workbook.MOST_ROWS else chosen


UPSERT: tuple[tuple[str, ...], ...] = (("upsert",),)
MOVING: tuple[tuple[str, ...], ...] = (("upsert", "delete"),)
APPEND: tuple[tuple[str, ...], ...] = (("append",),)

HABITS: dict[str, Habit] = {
    "school": Habit("upsert", (("upsert",), ()), (BOOK, BOOK_TYPED)),
    "clinic": Habit("upsert", (("replace",),), (EXCEL_CSV, PLAIN, OLD)),
    "metro_stop": Habit("upsert", ((), ("replace",)), (LINES, LINES, LINES)),
    "bus_stop": Habit("replace", (("replace",), ()), (PLAIN, EXCEL_CSV)),
    "school_plan": Habit("replace", ((), ("replace",)), (BOOK, BOOK_TYPED)),
    "school_catchment": Habit("replace", (("replace",), ()), (EXCEL_CSV, BOOK)),
    "dwelling": Habit("upsert", MOVING, (COLUMNS, LINES, EXCEL_CSV)),
    "firm": Habit("upsert", MOVING, (PLAIN, OLD, LINES_ZIPPED)),
    "household": Habit("upsert", UPSERT, (OLD, OLD_WORDS, OLD)),
    "household_resident": Habit("upsert", MOVING, (OLD, OLD_WORDS, OLD)),
    "residence_collected": Habit("upsert", MOVING, (EXCEL_CSV, LINES_ZIPPED, LINES)),
    "residence_permit": Habit("upsert", UPSERT, (COMPACT, OLD, COMPACT)),
    "tenancy": Habit("upsert", (("upsert",), ("append",)), (LINES, BOOK, BOOK_TYPED)),
    "ownership": Habit("upsert", UPSERT, (COMPACT, PLAIN, LINES)),
    "immunisation": Habit("upsert", UPSERT, (PLAIN, LINES, EXCEL_CSV)),
    "pupil": Habit("upsert", MOVING, (EXCEL_CSV, BOOK, EXCEL_CSV)),
    "teacher": Habit("upsert", (("upsert",), ()), (BOOK_TYPED, BOOK)),
    "birth": Habit("append", APPEND, (LINES, PLAIN, EXCEL_CSV)),
    "death": Habit("append", APPEND, (BOOK, OLD_WORDS, PLAIN)),
    "marriage": Habit("append", APPEND, (OLD, BOOK_TYPED, EXCEL_CSV)),
    "senior_card": Habit("upsert", MOVING, (EXCEL_CSV, BOOK, OLD)),
    "disability_card": Habit("upsert", UPSERT, (BOOK_TYPED, BOOK, EXCEL_CSV)),
    "social_insurance_payment": Habit("append", APPEND, (COLUMNS, COLUMNS, COMPACT)),
    "provident_fund_payment": Habit("append", APPEND, (COMPACT, PLAIN, COLUMNS_ZH)),
    "firm_licence": Habit("upsert", UPSERT, (BOOK, EXCEL_CSV, BOOK_TYPED)),
    "firm_annual_report": Habit("append", APPEND, (LINES_ZIPPED, LINES, PLAIN)),
    "tax_registration": Habit("upsert", UPSERT, (COLUMNS_ZH, COMPACT, OLD)),
    "vehicle": Habit("upsert", MOVING, (COMPACT, OLD, PLAIN)),
}
