"""Sharing's manifest."""

from datetime import timedelta

from cityloom.kernel.manifest import Job, Listener, Module
from cityloom.kernel.packs import Packs
from cityloom.sharing import jobs, routes, spec
from cityloom.sharing.api import gauges


def check(packs: Packs) -> None:
    """Read what packs say of sharing."""
    spec.limits(packs)
    for kind in spec.FILES:
        spec.flow(packs, kind)


MODULE = Module(
    name="sharing",
    routes=routes.ROUTES,
    jobs=(
        Job("follow", jobs.follow, timedelta(seconds=1)),
        Job("rebuild", jobs.rebuild),
        Job("push", jobs.push, timedelta(seconds=1)),
        Job("close", jobs.close, timedelta(minutes=1)),
        Job("clean", jobs.clean, timedelta(minutes=10)),
    ),
    listeners=(Listener("sharing.deadlines", ("flow.notice", "flow.recounted"), jobs.hear),),
    gauges=gauges.GAUGES,
    check=check,
)
