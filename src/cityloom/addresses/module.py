"""The addresses' manifest."""

from datetime import timedelta

from cityloom.addresses import jobs, routes, spec
from cityloom.addresses.api import following
from cityloom.kernel.manifest import Job, Module

MODULE = Module(
    name="addresses",
    routes=routes.ROUTES,
    jobs=(
        Job("follow", jobs.follow, timedelta(seconds=1)),
        Job("tidy", jobs.tidy, timedelta(hours=1)),
    ),
    install=following.install,
    check=spec.library,
)
