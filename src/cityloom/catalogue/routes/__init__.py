"""The HTTP door of the catalogue."""

from cityloom.catalogue.routes import entries, resources

ROUTES = [*entries.ROUTES, *resources.ROUTES]
