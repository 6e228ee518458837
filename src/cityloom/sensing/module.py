"""Sensing's manifest."""

from datetime import timedelta

from cityloom.kernel.manifest import Job, Module
from cityloom.sensing import jobs, routes, spec

MODULE = Module(
    name="sensing",
    routes=routes.ROUTES,
    jobs=(Job("make_days", jobs.make_days, timedelta(hours=6)),),
    check=spec.doors,
)
