"""Timed work of the registers; each is safe to run twice."""

from cityloom.kernel.context import Context
from cityloom.registers.api import following, linking, states


def follow(ctx: Context) -> None:
    """Bring the registers up to their datasets."""
    following.follow(ctx)


def tidy(ctx: Context) -> None:
    """Forget what is past its retention, and doubts about what is not there any more."""
    following.tidy(ctx)


def link(ctx: Context, register: str) -> None:
    """Link what is new in one register."""
    linking.link(ctx, register)


def link_all(ctx: Context) -> None:
    """Link what is new in every register."""
    linking.link_all(ctx)


def count(ctx: Context) -> None:
    """Count what every register holds."""
    states.count(ctx)
