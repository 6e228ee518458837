"""The manifest of identity."""

from datetime import timedelta

from cityloom.identity import jobs, routes, spec
from cityloom.identity.api import organisations
from cityloom.kernel.manifest import Job, Module

MODULE = Module(
    name="identity",
    routes=routes.ROUTES,
    jobs=(Job("sweep", jobs.sweep, timedelta(minutes=10)),),
    install=organisations.install,
    check=spec.check,
)
