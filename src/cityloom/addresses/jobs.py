"""Timed work of the addresses; each is safe to run twice."""

from cityloom.addresses.api import following
from cityloom.kernel.context import Context


def follow(ctx: Context) -> None:
    """Bring the library up to its datasets."""
    following.follow(ctx)


def tidy(ctx: Context) -> None:
    """Forget names that no address has any more."""
    following.tidy(ctx)
