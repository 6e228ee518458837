"""The registers' manifest."""

from datetime import timedelta

from cityloom.kernel.manifest import Job, Module
from cityloom.registers import jobs, routes, spec
from cityloom.registers.api import following

MODULE = Module(
    name="registers",
    routes=routes.ROUTES,
    jobs=(
        Job("follow", jobs.follow, timedelta(seconds=1)),
        Job("link", jobs.link),
        Job("link_all", jobs.link_all, timedelta(hours=1)),
        Job("count", jobs.count, timedelta(minutes=10)),
        Job("tidy", jobs.tidy, timedelta(hours=1)),
    ),
    install=following.install,
    check=spec.registers,
)
