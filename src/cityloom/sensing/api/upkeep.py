"""What sensing does by itself."""

from datetime import UTC, timedelta

from cityloom.kernel.context import Context
from cityloom.sensing.store import observations

AHEAD = 3
"""Days."""


def make_days(ctx: Context) -> None:
    """Partitions for today and the days to come."""
    today = ctx.clock.now().astimezone(UTC).date()
    for days in range(AHEAD + 1):
        with ctx.begin() as tx:
            observations.make_day(tx, today + timedelta(days=days))
