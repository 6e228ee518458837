"""The HTTP door of the catalogue."""

from cityloom.catalogue.routes import cascade, entries, files, resources

ROUTES = [*entries.ROUTES, *resources.ROUTES, *files.ROUTES, *cascade.ROUTES]
