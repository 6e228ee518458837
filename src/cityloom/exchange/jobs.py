"""Queued and timed work of the exchange; each is safe to run twice."""

from cityloom.exchange.api import deliveries, maintenance, pulls, retention, upkeep
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


def pull(ctx: Context) -> None:
    """Run the scheduled pulls whose time has come."""
    pulls.run_due(ctx)


def find_overdue(ctx: Context) -> None:
    """Tell keepers of datasets that did not come in time."""
    upkeep.find_overdue(ctx)


def rewrite(ctx: Context, dataset: str) -> None:
    """Take deleted rows out of the dataset's files."""
    maintenance.rewrite(ctx, dataset)


def finish_deletions(ctx: Context) -> None:
    """Finish deletions that dead processes left."""
    retention.sweep(ctx)


def retain(ctx: Context) -> None:
    """Delete what is past its retention."""
    retention.retain(ctx)


def maintain(ctx: Context) -> None:
    """Tidy the lake and remove files that nothing needs."""
    maintenance.maintain(ctx)
