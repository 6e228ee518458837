"""Timed work of identity."""

from cityloom.identity.api import sessions
from cityloom.kernel.context import Context


def sweep(ctx: Context) -> None:
    """Forget sessions that are over and tries that no longer count."""
    sessions.sweep(ctx)
