"""The manifest of the console."""

from cityloom.console import routes
from cityloom.kernel.manifest import Module

MODULE = Module(name="console", routes=routes.ROUTES)
