"""The exchange's manifest."""

from datetime import timedelta

from cityloom.exchange import commands, jobs, routes
from cityloom.exchange.api import gate
from cityloom.kernel.manifest import Job, Module

MODULE = Module(
    name="exchange",
    routes=routes.ROUTES,
    commands=commands.app,
    jobs=(
        Job("process", jobs.process),
        Job("sweep", jobs.sweep, timedelta(seconds=10)),
        Job("clean_spool", jobs.clean_spool, timedelta(minutes=10)),
        Job("find_overdue", jobs.find_overdue, timedelta(minutes=15)),
    ),
    install=gate.install,
    check=gate.declared,
)
