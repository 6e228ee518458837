"""By which numbers an operator sees that the exchange is well."""

from contextlib import suppress
from typing import Final

from cityloom.exchange.store import ledger, pulls, upkeep
from cityloom.kernel import gauges
from cityloom.kernel.context import Context
from cityloom.kernel.gauges import Oldest
from cityloom.kernel.manifest import Gauge, Reading
from cityloom.kernel.words import Text


def _waiting(ctx: Context) -> Reading:
    with ctx.begin() as tx:
        row = ledger.oldest_waiting(tx)
    return gauges.waiting(ctx, Oldest(row.received_at, row.dataset) if row else None)


def _spool(ctx: Context) -> Reading:
    size = 0
    for path in ctx.settings.spool.glob("*"):
        with suppress(FileNotFoundError):  # decided meanwhile
            size += path.stat().st_size
    return Reading(size / (1 << 20))


def _files(ctx: Context) -> Reading:
    with ctx.lake.session() as cursor:
        count, table = upkeep.most_files(cursor)
    return Reading(float(count), table)


def _pulls(ctx: Context) -> Reading:
    with ctx.begin() as tx:
        rows = pulls.due(tx, ctx.clock.now())
    return gauges.waiting(ctx, Oldest(rows[0].next_at, rows[0].name) if rows else None)


GAUGES: Final = (
    Gauge("waiting", Text("Oldest delivery that is not decided", "最久未处理的交付"), "seconds", 300, 1800, _waiting),
    Gauge("spool", Text("Bytes in the spool", "暂存区占用"), "MiB", 51200, 204800, _spool),
    Gauge("lake_files", Text("Files of the table that has most", "文件最多的表的文件数"), "files", 2000, 10000, _files),
    Gauge("pulls", Text("Pull that is most overdue", "最久未执行的定时拉取"), "seconds", 600, 3600, _pulls),
)
