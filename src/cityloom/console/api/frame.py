"""What stands around every page."""

from cityloom.appraisal.api import appeals, filings, parties
from cityloom.catalogue.api import desk, disputes, drafts
from cityloom.console.contracts import Frame
from cityloom.kernel.context import Context
from cityloom.quality.api import tickets
from cityloom.registers.api import states
from cityloom.sharing.api import requests


def frame(ctx: Context) -> Frame:
    """The city and its flows. For whoever is signed in."""
    flows = (
        *requests.flows(ctx), tickets.definition(ctx), drafts.definition(ctx), disputes.definition(ctx), filings.definition(ctx),
        appeals.definition(ctx),
    )  # fmt: skip
    return Frame(
        city=ctx.packs.named(ctx.settings.city).manifest.title,
        flows=flows,
        registers=states.kept(ctx),
        appraises=parties.sees_all(ctx),
        reviewed=drafts.needed(ctx),
        earliest=desk.earliest_of(ctx),
    )
