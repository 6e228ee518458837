"""What was measured of datasets lately, for a floor above that counts over several of them. Asks no policy: it tells counts."""

from collections.abc import Sequence
from datetime import date, timedelta

from cityloom.kernel.context import Context
from cityloom.quality.api import parties
from cityloom.quality.contracts import Dimension, Recent
from cityloom.quality.store import scores as store

LATELY, YEAR = timedelta(days=31), timedelta(days=365)
FILLED = "filled:"


def recent(ctx: Context, datasets: Sequence[str], day: date) -> dict[str, Recent]:
    """How good each of these was up to a day; one that was not measured in the month before it has no day."""
    with parties.everywhere(ctx) as tx:
        rows = store.latest(tx, datasets, day - LATELY, day, Dimension.completeness)
        sums = {each.dataset: each for each in store.sums(tx, datasets, day - YEAR, day, Dimension.timeliness)}
    found = {}
    for name in datasets:
        own = [row for row in rows if row.dataset == name]
        filled = tuple(
            (row.part.removeprefix(FILLED), row.good, row.total) for row in own if row.part.startswith(FILLED)
        )
        timely = sums.get(name)
        found[name] = Recent(
            name, own[0].day if own else None, filled, timely.good if timely else 0, timely.total if timely else 0
        )
    return found
