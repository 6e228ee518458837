"""The manifest of operation."""

from cityloom.kernel.manifest import Module
from cityloom.operation import routes

MODULE = Module(name="operation", routes=routes.ROUTES)
