"""Sensing's manifest."""

from datetime import timedelta

from cityloom.kernel.manifest import Job, Module
from cityloom.kernel.packs import Packs
from cityloom.sensing import jobs, routes, spec
from cityloom.sensing.spec import rules


def check(packs: Packs) -> None:
    """Read what packs say of sensing."""
    spec.doors(packs)
    rules.rules(packs)


MODULE = Module(
    name="sensing",
    routes=routes.ROUTES,
    jobs=(
        Job("make_days", jobs.make_days, timedelta(hours=6)),
        Job("judge", jobs.judge, timedelta(seconds=0.5)),
        Job("silent", jobs.silent, timedelta(seconds=30)),
        Job("push_events", jobs.push_events, timedelta(seconds=2)),
    ),
    check=check,
)
