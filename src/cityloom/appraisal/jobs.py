"""Work of appraisal that nobody asks for; safe to run twice."""

from cityloom.appraisal.api import upkeep
from cityloom.kernel.context import Context
from cityloom.kernel.outbox import Envelope


def hear(ctx: Context, envelope: Envelope) -> None:
    """Keep notices about deadlines."""
    upkeep.hear(ctx, envelope)
