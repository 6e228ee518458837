"""Who may read the library: what the sharing of its datasets says."""

from datetime import date

from cityloom.addresses import spec
from cityloom.addresses.spec import LibraryFile, Part
from cityloom.exchange.api import excerpts
from cityloom.kernel.access import Resource
from cityloom.kernel.context import Context
from cityloom.kernel.errors import NotFound

READ = "addresses.read"


def declared(ctx: Context) -> LibraryFile:
    """What the city's packs say of its library. Raises NotFound `addresses.library_missing`."""
    found = spec.library(ctx.packs)
    if found is None:
        raise NotFound("addresses.library_missing")
    return found


def resource(ctx: Context, dataset: str) -> Resource:
    """A dataset of the library as the policies see it."""
    facts = excerpts.facts(ctx, dataset)
    return Resource("AddressSource", dataset, {"keeper": facts.keeper, "sharing": facts.sharing})


def require(ctx: Context) -> LibraryFile:
    """Raises Refused `kernel.refused` unless the caller may read standard addresses."""
    found = declared(ctx)
    ctx.require(READ, resource(ctx, found.datasets[Part.addresses]))
    return found


def may_see(ctx: Context, library: LibraryFile, part: Part) -> bool:
    """Whether the caller may read another part of the library; what he may not is left out."""
    dataset = library.datasets.get(part)
    return dataset is not None and ctx.permits(READ, resource(ctx, dataset))


def today(ctx: Context) -> date:
    """The day in the city."""
    return ctx.clock.now().astimezone(ctx.parts.calendars.city.table.zone).date()
