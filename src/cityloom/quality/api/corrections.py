"""What was corrected at its source, for those who have it."""

from cityloom.kernel.access import Resource
from cityloom.kernel.context import Context
from cityloom.quality.contracts import Correction
from cityloom.quality.store import corrections as store


def listing(ctx: Context, dataset: str, after: int, limit: int) -> list[Correction]:
    """What the caller's organisation was told, of one dataset or of all, behind a number; what the policies let it see."""
    with ctx.begin() as tx:
        rows = store.listed(tx, ctx.principal.organisation, dataset, after, limit)
    return [row for row in rows if ctx.permits("quality.read", _resource(row))]


def _resource(row: Correction) -> Resource:
    """As the ticket of whoever is told: an organisation that hears of a correction need not be a party to the dispute."""
    return Resource(
        "CorrectionTicket", row.dataset, {"organisation": row.organisation, "keeper": row.keeper, "arbiter": ""}
    )
