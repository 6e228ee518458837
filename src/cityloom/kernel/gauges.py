"""Gauges of what every module stands on: disks, queue, events, deadlines, audit log, clock, calendar, backups."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Final

import msgspec

from cityloom.kernel import copies, disk
from cityloom.kernel.context import Context
from cityloom.kernel.db import Transaction
from cityloom.kernel.manifest import Gauge, Listener, Reading
from cityloom.kernel.settings import Settings
from cityloom.kernel.words import Text

BACKUP: Final = "backup.json"
DAY: Final = 86400


class LastBackup(msgspec.Struct, frozen=True):
    """What `home/backup.json` says."""

    at: datetime
    path: str
    manifest_sha256: str


class Oldest(msgspec.Struct, frozen=True):
    """What waits for the longest."""

    at: datetime | None
    subject: str


def note_backup(settings: Settings, made: LastBackup) -> None:
    """Keep, on this machine, that a backup was taken."""
    path = settings.home / BACKUP
    draft = path.with_suffix(".new")
    draft.unlink(missing_ok=True)
    copies.write(draft, msgspec.json.encode(made))
    draft.replace(path)


def waiting(ctx: Context, oldest: Oldest | None) -> Reading:
    """Seconds since the oldest began to wait; 0 when nothing waits."""
    if oldest is None or oldest.at is None:
        return Reading(0.0)
    return Reading(max(0.0, (ctx.clock.now() - oldest.at).total_seconds()), oldest.subject)


def _disk(ctx: Context) -> Reading:
    free, place = disk.scarcest(ctx.settings)
    return Reading(float(free), str(place))


def _logs(ctx: Context) -> Reading:
    sizes = []
    for path in ctx.settings.logs.glob("*"):
        with suppress(FileNotFoundError):  # packed meanwhile
            sizes.append(path.stat().st_size)
    return Reading(sum(sizes) / (1 << 20))


def _backup(ctx: Context) -> Reading:
    try:
        last = msgspec.json.decode((ctx.settings.home / BACKUP).read_bytes(), type=LastBackup)
        return Reading((ctx.clock.now() - last.at).total_seconds() / DAY, last.path)
    except (OSError, msgspec.MsgspecError):
        # no backup yet: the age of the city, whose oldest secret is as old as it is
        made = min((each.stat().st_mtime for each in ctx.settings.secrets.iterdir()), default=0.0)
        return Reading((ctx.clock.now().timestamp() - made) / DAY)


def _clock(ctx: Context) -> Reading:
    with ctx.begin() as tx:
        before = ctx.clock.now()
        there = tx.scalar(datetime, "SELECT clock_timestamp()")
        after = ctx.clock.now()
    beyond = max((before - there).total_seconds(), (there - after).total_seconds(), 0.0)
    return Reading(beyond)


def _calendar(ctx: Context) -> Reading:
    table = ctx.parts.calendars.city.table
    today = ctx.clock.now().astimezone(table.zone).date()
    return Reading(float((table.last - today).days), table.last.isoformat())


def _queue(ctx: Context) -> Reading:
    with ctx.begin() as tx:
        return waiting(ctx, _oldest_job(tx))


def _oldest_job(tx: Transaction) -> Oldest | None:
    return tx.first(
        Oldest,
        """SELECT e.at, j.task_name AS subject FROM jobs.procrastinate_jobs j
           JOIN jobs.procrastinate_events e ON e.job_id = j.id AND e.type = 'deferred'
           WHERE j.status = 'todo' AND coalesce(j.scheduled_at, e.at) <= clock_timestamp() ORDER BY e.at LIMIT 1""",
    )


def outbox(listeners: Callable[[], Iterable[Listener]]) -> Gauge:
    """The oldest event that one of the listeners has not had."""

    def read(ctx: Context) -> Reading:
        with ctx.begin() as tx:
            found = [_unheard(tx, each.name, each.topics) for each in listeners()]
        behind = [each for each in found if each is not None and each.at is not None]
        return waiting(ctx, min(behind, key=lambda each: each.at or ctx.clock.now(), default=None))

    return Gauge("outbox", Text("Oldest event that was not heard", "最久未处理的事件"), "seconds", 120, 900, read)


def unheard(ctx: Context, reader: str, topics: Sequence[str]) -> Reading:
    """The oldest event that a reader with a cursor of its own has not had."""
    with ctx.begin() as tx:
        return waiting(ctx, _unheard(tx, reader, topics))


def _unheard(tx: Transaction, listener: str, topics: Sequence[str]) -> Oldest | None:
    return tx.first(
        Oldest,
        """SELECT o.recorded_at AS at, c.listener AS subject FROM kernel.outbox_cursor c
           JOIN kernel.outbox o ON (o.transaction_id, o.id) > (c.transaction_id, c.id) AND o.topic = ANY(%s)
           WHERE c.listener = %s ORDER BY o.transaction_id, o.id LIMIT 1""",
        [list(topics), listener],
    )


def _deadlines(ctx: Context) -> Reading:
    with ctx.begin() as tx:
        row = tx.first(
            Oldest,
            "SELECT next_at AS at, kind AS subject FROM kernel.flow_standing WHERE next_at IS NOT NULL ORDER BY next_at LIMIT 1",
        )
        return waiting(ctx, row)


def _seal(ctx: Context) -> Reading:
    with ctx.begin() as tx:
        row = tx.first(
            Oldest,
            """SELECT (body::jsonb ->> 'time')::timestamptz AS at, '' AS subject FROM kernel.audit_entry
               WHERE position = (SELECT coalesce(max(size), 0) FROM kernel.audit_signed_head)""",
        )
        return waiting(ctx, row)


MACHINE: Final = (
    Gauge("disk_free", Text("Free disk", "磁盘剩余空间"), "MiB", 10240, 2048, _disk),
    Gauge("queue", Text("Oldest job that nobody has begun", "最久未执行的任务"), "seconds", 300, 1800, _queue),
    Gauge("clock", Text("Clock against the database's", "时钟与数据库的偏差"), "seconds", 2, 10, _clock),
    Gauge("logs", Text("Logs on disk", "日志占用"), "MiB", 20480, 102400, _logs),
    Gauge("backup", Text("Age of the last backup", "距上次备份"), "days", 1.5, 3, _backup),
)
AUDIT: Final = (
    Gauge("seal", Text("Oldest audit entry without a signature", "最久未签名的审计记录"), "seconds", 30, 300, _seal),
)
FLOWS: Final = (
    Gauge("notices", Text("Deadline that nobody was told of", "未发出的期限提醒"), "seconds", 180, 900, _deadlines),
    Gauge("calendar", Text("Days until the calendar ends", "距工作日历截止"), "days", 45, 21, _calendar),
)
