"""The HTTP door of the catalogue."""

from cityloom.catalogue.routes import cascade, entries, files, lists, resources

ROUTES = [*entries.ROUTES, *resources.ROUTES, *files.ROUTES, *lists.ROUTES, *cascade.ROUTES]
