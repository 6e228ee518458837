"""Maps' manifest."""

from datetime import timedelta

from cityloom.kernel.manifest import Job, Module
from cityloom.maps import jobs, routes, spec

MODULE = Module(
    name="maps",
    routes=routes.ROUTES,
    jobs=(Job("draw", jobs.draw, timedelta(seconds=10)),),
    check=spec.declared,
)
