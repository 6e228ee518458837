"""Quality's manifest."""

from datetime import timedelta

from cityloom.kernel.manifest import Job, Listener, Module
from cityloom.kernel.packs import Packs
from cityloom.quality import jobs, routes, spec


def check(packs: Packs) -> None:
    """Read what packs say of quality."""
    spec.limits(packs)
    spec.flow(packs)


MODULE = Module(
    name="quality",
    routes=routes.ROUTES,
    jobs=(
        Job("follow", jobs.follow, timedelta(seconds=5)),
        Job("close", jobs.close, timedelta(minutes=1)),
        Job("measure", jobs.measure, timedelta(hours=1)),
    ),
    listeners=(Listener("quality.deadlines", ("flow.notice", "flow.recounted"), jobs.hear),),
    check=check,
)
