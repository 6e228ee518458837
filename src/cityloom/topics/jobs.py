"""Timed work of topics; safe to run twice."""

from cityloom.kernel.context import Context
from cityloom.topics.api import counting


def count(ctx: Context) -> None:
    """Count the day's figures where they were not counted yet."""
    counting.count_due(ctx)
