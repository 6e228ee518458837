"""Sheets that people send (.xlsx or CSV), read for whichever module asks: bounded, nothing computed or followed."""

from cityloom.catalogue import intake
from cityloom.catalogue.contracts import Grid


def read(content: bytes) -> list[Grid]:
    """The sheets of an .xlsx, or the rows of a CSV (UTF-8 or GB18030) as one sheet.

    Raises Invalid `catalogue.sheet_broken`, TooLarge `catalogue.sheet_too_large`, `catalogue.sheet_too_long`,
    `catalogue.sheet_too_full`.
    """
    return intake.grids(content)
