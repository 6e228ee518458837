"""What stands around every page."""

from cityloom.appraisal.api import parties
from cityloom.console.contracts import Frame
from cityloom.kernel.context import Context
from cityloom.quality.api import tickets
from cityloom.registers.api import states
from cityloom.sharing.api import requests


def frame(ctx: Context) -> Frame:
    """The city and its flows. For whoever is signed in."""
    flows = (*requests.flows(ctx), tickets.definition(ctx))
    return Frame(ctx.packs.named(ctx.settings.city).manifest.title, flows, states.kept(ctx), parties.sees_all(ctx))
