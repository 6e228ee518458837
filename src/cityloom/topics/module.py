"""Topics' manifest."""

from datetime import timedelta

from cityloom.kernel.manifest import Job, Module
from cityloom.topics import commands, jobs, routes, spec
from cityloom.topics.api import declared

MODULE = Module(
    name="topics",
    routes=routes.ROUTES,
    commands=commands.app,
    jobs=(Job("count", jobs.count, timedelta(hours=1)),),
    install=declared.check,
    check=spec.topics,
)
