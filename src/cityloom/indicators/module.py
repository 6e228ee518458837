"""Indicators' manifest."""

from cityloom.indicators import commands, routes
from cityloom.kernel.manifest import Module

MODULE = Module(name="indicators", routes=routes.ROUTES, commands=commands.app)
