"""The catalogue's manifest."""

from cityloom.catalogue import api, routes
from cityloom.kernel.manifest import Module

MODULE = Module(name="catalogue", routes=routes.ROUTES, install=api.install, check=api.standards)
