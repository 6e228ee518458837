"""Timed work of the registers; each is safe to run twice."""

from cityloom.kernel.context import Context
from cityloom.registers.api import following, stewarding


def follow(ctx: Context) -> None:
    """Bring the registers up to their datasets."""
    following.follow(ctx)


def tidy(ctx: Context) -> None:
    """End doubts about what is not there any more."""
    stewarding.tidy(ctx)
