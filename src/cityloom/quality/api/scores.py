"""Quality over time: what was measured, by dataset, day and dimension."""

from datetime import date

from cityloom.kernel.context import Context
from cityloom.quality.contracts import Measure


def measured(ctx: Context, start: date, end: date, organisation: str = "") -> tuple[Measure, ...]:
    """What was measured from `start` until before `end`, of one keeper's datasets or of all, by dataset and day."""
    raise NotImplementedError
