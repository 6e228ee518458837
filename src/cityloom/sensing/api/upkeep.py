"""What sensing does by itself."""

from datetime import UTC, timedelta

from cityloom.kernel.context import Context
from cityloom.sensing import spec
from cityloom.sensing.store import hearing, observations

AHEAD = 3
"""Days."""


def make_days(ctx: Context) -> None:
    """Partitions for today and the days to come."""
    today = ctx.clock.now().astimezone(UTC).date()
    for days in range(AHEAD + 1):
        with ctx.begin() as tx:
            observations.make_day(tx, today + timedelta(days=days))
            hearing.make_day(tx, today + timedelta(days=days))


def forget_frames(ctx: Context) -> None:
    """Days of frames, and rows of the quarantine, that the city's packs do not keep any longer."""
    doors, now = spec.doors(ctx.packs), ctx.clock.now()
    with ctx.begin() as tx:
        hearing.drop_frames(
            tx, (now - timedelta(days=doors.frames.days)).astimezone(UTC).date(), doors.frames.most << 20
        )
        hearing.forget_strays(tx, now - timedelta(days=doors.quarantine.days), doors.quarantine.most)
