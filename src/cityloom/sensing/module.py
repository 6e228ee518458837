"""Sensing's manifest."""

from datetime import timedelta

from cityloom.kernel import gauges
from cityloom.kernel.context import Context
from cityloom.kernel.manifest import Gauge, Job, Module, Reading
from cityloom.kernel.packs import Packs
from cityloom.kernel.words import Text
from cityloom.sensing import jobs, routes, spec
from cityloom.sensing.api import judging
from cityloom.sensing.spec import rules


def check(packs: Packs) -> None:
    """Read what packs say of sensing."""
    spec.doors(packs)
    rules.rules(packs)


def behind(ctx: Context) -> Reading:
    """How far the rules are behind what arrived."""
    return gauges.unheard(ctx, judging.LISTENER, judging.TOPICS)


JUDGED = Text("Oldest observation that the rules have not judged", "规则尚未判断的最早观测")
MODULE = Module(
    name="sensing",
    routes=routes.ROUTES,
    jobs=(
        Job("make_days", jobs.make_days, timedelta(hours=6)),
        Job("judge", jobs.judge, timedelta(seconds=0.5)),
        Job("silent", jobs.silent, timedelta(seconds=30)),
        Job("push_events", jobs.push_events, timedelta(seconds=2)),
    ),
    gauges=(Gauge("rules", JUDGED, "seconds", 60, 600, behind),),
    check=check,
)
