"""Topics' manifest."""

from datetime import timedelta

from cityloom.kernel.manifest import Job, Module
from cityloom.topics import jobs, routes, spec
from cityloom.topics.api import declared

MODULE = Module(
    name="topics",
    routes=routes.ROUTES,
    jobs=(Job("count", jobs.count, timedelta(hours=1)),),
    install=declared.check,
    check=spec.topics,
)
