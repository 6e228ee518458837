"""Indicators' manifest."""

from cityloom.indicators import routes
from cityloom.kernel.manifest import Module

MODULE = Module(name="indicators", routes=routes.ROUTES)
