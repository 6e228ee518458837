"""Appraisal's manifest."""

from cityloom.appraisal import jobs, routes, spec
from cityloom.kernel.manifest import Listener, Module
from cityloom.kernel.packs import Packs


def check(packs: Packs) -> None:
    """Read what packs say of appraisal."""
    spec.sets(packs)
    for kind in spec.FILES:
        spec.flow(packs, kind)


MODULE = Module(
    name="appraisal",
    routes=routes.ROUTES,
    listeners=(Listener("appraisal.deadlines", ("flow.notice", "flow.recounted"), jobs.hear),),
    check=check,
)
