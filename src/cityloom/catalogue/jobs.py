"""What the catalogue does by itself."""

import msgspec

from cityloom.catalogue.api import messages, search, upkeep
from cityloom.catalogue.events import CatalogueChanged
from cityloom.kernel.context import Context
from cityloom.kernel.outbox import Envelope


def bring_into_force(ctx: Context) -> None:
    """Do what was announced for today, and again what could not be done before."""
    upkeep.bring_into_force(ctx)
    upkeep.publish_drafts(ctx)
    upkeep.grade_waiting(ctx)


def count_terms(ctx: Context) -> None:
    """Count terms anew, so that rare ones are known as rare after many changes."""
    search.recount(ctx)


def regrade(ctx: Context, envelope: Envelope) -> None:
    """When a resource changes, what is derived from it is graded anew."""
    changed = msgspec.json.decode(envelope.body, type=CatalogueChanged)
    upkeep.regrade(ctx, changed.resource)


def hear(ctx: Context, envelope: Envelope) -> None:
    """Tell those concerned of deadlines of drafts and disputes."""
    messages.hear(ctx, envelope)
