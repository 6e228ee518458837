"""Timed work of facts; safe to run twice."""

from cityloom.facts.api import records
from cityloom.kernel.context import Context


def tidy(ctx: Context) -> None:
    """Forget what was asked longer ago than its list keeps it."""
    records.forget(ctx)
