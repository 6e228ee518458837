"""What was corrected at its source, for those who have it."""

from cityloom.kernel.context import Context
from cityloom.quality.contracts import Correction
from cityloom.quality.store import corrections as store


def listing(ctx: Context, dataset: str, after: int, limit: int) -> list[Correction]:
    """What the caller's organisation was told, of one dataset or of all, behind a number."""
    with ctx.begin() as tx:
        return store.listed(tx, ctx.principal.organisation, dataset, after, limit)
