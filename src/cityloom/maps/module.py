"""Maps' manifest."""

from cityloom.kernel.manifest import Module
from cityloom.maps import routes, spec

MODULE = Module(name="maps", routes=routes.ROUTES, check=spec.declared)
