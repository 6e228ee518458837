"""Timed work of sensing; safe to run twice."""

from cityloom.kernel.context import Context
from cityloom.sensing.api import upkeep


def make_days(ctx: Context) -> None:
    """Make the partitions of the days to come, so that no batch waits for one."""
    upkeep.make_days(ctx)
