"""Queued and timed work of the exchange; each is safe to run twice."""

from cityloom.exchange.api import deliveries, upkeep
from cityloom.kernel.context import Context


def process(ctx: Context, dataset: str, delivery: str) -> None:
    """Check and commit a delivery that was answered with 202."""
    deliveries.process(ctx, dataset, delivery)


def sweep(ctx: Context) -> None:
    """Finish what dead processes left."""
    upkeep.sweep(ctx)


def clean_spool(ctx: Context) -> None:
    """Remove bytes that nothing names."""
    upkeep.clean_spool(ctx)


def find_overdue(ctx: Context) -> None:
    """Tell keepers of datasets that did not come in time."""
    upkeep.find_overdue(ctx)
