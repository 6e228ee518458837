"""Queued and timed work of quality; each is safe to run twice."""

from cityloom.kernel.context import Context
from cityloom.kernel.outbox import Envelope
from cityloom.quality.api import following, scores, upkeep


def follow(ctx: Context) -> None:
    """Close tickets whose source changed, and tell who has the field."""
    following.follow(ctx)


def close(ctx: Context) -> None:
    """End rejections that nobody contested; forget what is over."""
    upkeep.close(ctx)


def measure(ctx: Context) -> None:
    """Measure every dataset's days that are over."""
    scores.measure_due(ctx)


def hear(ctx: Context, envelope: Envelope) -> None:
    """Keep notices about deadlines."""
    upkeep.hear(ctx, envelope)
