"""By which numbers an operator sees that sensing is well."""

from datetime import UTC, datetime, time, timedelta
from typing import Final

from cityloom.kernel import gauges
from cityloom.kernel.context import Context
from cityloom.kernel.manifest import Gauge, Reading
from cityloom.kernel.words import Text
from cityloom.sensing.api import judging
from cityloom.sensing.spec import retention
from cityloom.sensing.store import history


def _waiting(ctx: Context) -> Reading:
    """By how many days the oldest day in PostgreSQL should have moved before."""
    with ctx.begin() as tx:
        border, days = history.border(tx).until, history.days(tx)
    starts = [datetime.combine(day, time(), UTC) for day in days]
    left = [start for start in starts if border is None or start >= border]
    hot = timedelta(days=1 + retention.hot_days(retention.retention(ctx.packs)))
    late = (ctx.clock.now() - left[0] - hot) / timedelta(days=1) if left else 0.0
    return Reading(max(late, 0.0), left[0].date().isoformat() if left else "")


def _behind(ctx: Context) -> Reading:
    """How far the rules are behind what arrived."""
    return gauges.unheard(ctx, judging.LISTENER, judging.TOPICS)


GAUGES: Final = (
    Gauge(
        "rules",
        Text("Oldest observation that the rules have not judged", "规则尚未判断的最早观测"),
        "seconds",
        60,
        600,
        _behind,
    ),
    Gauge("history", Text("Oldest day that should be in the lake", "最久未入湖的日期"), "days", 1.5, 5, _waiting),
)
