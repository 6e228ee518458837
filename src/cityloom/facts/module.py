"""The manifest of facts."""

from cityloom.facts import routes
from cityloom.facts.api import lists
from cityloom.kernel.manifest import Module

MODULE = Module(name="facts", routes=routes.ROUTES, check=lists.check)
