"""The exchange's manifest."""

from datetime import timedelta

from cityloom.exchange import jobs, routes
from cityloom.exchange.api import gate, gauges, pulls
from cityloom.kernel.context import Context
from cityloom.kernel.manifest import Job, Module


def install(ctx: Context) -> None:
    """Make the packs' datasets and pulls known."""
    gate.install(ctx)
    pulls.install(ctx)


MODULE = Module(
    name="exchange",
    routes=routes.ROUTES,
    jobs=(
        Job("process", jobs.process),
        Job("sweep", jobs.sweep, timedelta(seconds=5)),
        Job("clean_spool", jobs.clean_spool, timedelta(minutes=10)),
        Job("pull", jobs.pull, timedelta(seconds=15)),
        Job("find_overdue", jobs.find_overdue, timedelta(minutes=15)),
        Job("rewrite", jobs.rewrite),
        Job("finish_deletions", jobs.finish_deletions, timedelta(seconds=10)),
        Job("retain", jobs.retain, timedelta(hours=6)),
        Job("maintain", jobs.maintain, timedelta(minutes=10)),
    ),
    gauges=gauges.GAUGES,
    install=install,
    check=gate.declared,
)
