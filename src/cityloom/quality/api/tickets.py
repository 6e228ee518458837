"""Correction tickets (校核)."""

from datetime import datetime

from cityloom.kernel.context import Context
from cityloom.quality.contracts import Closure, NewTicket


def open(ctx: Context, id: str, new: NewTicket) -> None:
    """Dispute a value. The same id with the same content is answered as the first time."""
    raise NotImplementedError


def closures(ctx: Context, start: datetime, end: datetime, organisation: str = "") -> tuple[Closure, ...]:
    """Tickets that ended from `start` until before `end`, and those whose deadline fell into that time and that had not
    ended by `end`; of one keeper or of all, by id."""
    raise NotImplementedError
