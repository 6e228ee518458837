"""Queued and timed work of sharing; each is safe to run twice."""

from cityloom.kernel.context import Context
from cityloom.kernel.outbox import Envelope
from cityloom.sharing.api import projections, upkeep, webhooks


def follow(ctx: Context) -> None:
    """Bring the copies for single-record questions up to their datasets."""
    projections.follow(ctx)


def rebuild(ctx: Context, dataset: str) -> None:
    """Build a copy anew beside the one that answers."""
    projections.rebuild(ctx, dataset)


def clean(ctx: Context) -> None:
    """Remove copies that no longer answer."""
    projections.clean(ctx)


def close(ctx: Context) -> None:
    """End what is over or unused."""
    upkeep.close(ctx)


def hear(ctx: Context, envelope: Envelope) -> None:
    """Keep notices about deadlines."""
    upkeep.hear(ctx, envelope)


def push(ctx: Context) -> None:
    """Send change rows to those who subscribed."""
    webhooks.push(ctx)
