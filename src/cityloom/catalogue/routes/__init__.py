"""The HTTP door of the catalogue."""

from cityloom.catalogue.routes import cascade, entries, resources

ROUTES = [*entries.ROUTES, *resources.ROUTES, *cascade.ROUTES]
