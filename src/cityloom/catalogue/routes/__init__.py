"""The HTTP door of the catalogue."""

from cityloom.catalogue.routes import cascade, entries, files, lists, resources, reviews

ROUTES = [*entries.ROUTES, *resources.ROUTES, *files.ROUTES, *lists.ROUTES, *cascade.ROUTES, *reviews.ROUTES]
