"""Sharing's manifest."""

from cityloom.kernel.manifest import Module
from cityloom.kernel.packs import Packs
from cityloom.sharing import routes, spec


def check(packs: Packs) -> None:
    """Read what packs say of sharing."""
    spec.limits(packs)
    for kind in spec.FILES:
        spec.flow(packs, kind)


MODULE = Module(name="sharing", routes=routes.ROUTES, check=check)
