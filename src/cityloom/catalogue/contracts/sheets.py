"""The rows of a workbook, as they are read and before they mean anything."""

from datetime import date, datetime

import msgspec

Cell = str | int | float | bool | date | datetime | None


class Row(msgspec.Struct, frozen=True):
    """One row of a sheet, merged cells filled: its number as the program shows it, and its cells from column A."""

    number: int
    cells: tuple[Cell, ...]


class Grid(msgspec.Struct, frozen=True):
    """A sheet."""

    name: str
    rows: tuple[Row, ...]
