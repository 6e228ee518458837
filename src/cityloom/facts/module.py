"""The manifest of facts."""

from datetime import timedelta

from cityloom.facts import jobs, routes
from cityloom.facts.api import lists
from cityloom.kernel.manifest import Job, Module

MODULE = Module(
    name="facts",
    routes=routes.ROUTES,
    jobs=(Job("tidy", jobs.tidy, timedelta(hours=1)),),
    check=lists.check,
)
