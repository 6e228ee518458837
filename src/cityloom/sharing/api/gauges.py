"""By which numbers an operator sees that sharing is well."""

from typing import Final

from cityloom.kernel import gauges
from cityloom.kernel.context import Context
from cityloom.kernel.gauges import Oldest
from cityloom.kernel.manifest import Gauge, Reading
from cityloom.kernel.words import Text
from cityloom.sharing.store import projections, webhooks


def _copies(ctx: Context) -> Reading | None:
    with ctx.begin() as tx:
        known = projections.known(tx)
    followed = [Oldest(row.followed_at, name) for name, row in known.items() if row.followed_at is not None]
    return gauges.waiting(ctx, min(followed, key=lambda each: each.at or ctx.clock.now())) if followed else None


def _webhooks(ctx: Context) -> Reading:
    with ctx.begin() as tx:
        rows = webhooks.due(tx, ctx.clock.now(), 1)
    return gauges.waiting(ctx, Oldest(rows[0].next_at, rows[0].id) if rows else None)


def _undelivered(ctx: Context) -> Reading:
    with ctx.begin() as tx:
        return Reading(float(webhooks.held(tx)))


GAUGES: Final = (
    Gauge("copies", Text("Copy for questions that lags most", "查询副本的最大滞后"), "seconds", 60, 600, _copies),
    Gauge(
        "webhooks", Text("Subscriber whose turn is most overdue", "最久未推送的订阅"), "seconds", 300, 1800, _webhooks
    ),
    Gauge("held", Text("Subscribers held by a dead letter", "因推送失败而暂停的订阅"), "rows", 1, 20, _undelivered),
)
