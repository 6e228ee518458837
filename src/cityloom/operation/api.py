"""What others may call of operation: look at all gauges, and tell how they, the timed jobs and the logs are."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from itertools import islice
from platform import python_version
from typing import Any

import msgspec

from cityloom.kernel import log, logfiles, metrics
from cityloom.kernel.access import Resource
from cityloom.kernel.context import PLATFORM, Context
from cityloom.kernel.db import PLATFORM as PLATFORM_SCOPE
from cityloom.kernel.errors import Unavailable
from cityloom.kernel.manifest import Gauge, Reading
from cityloom.kernel.words import Text
from cityloom.operation import rules, store
from cityloom.operation.contracts import (
    ORDER,
    Health,
    Level,
    Limits,
    LogLine,
    Measured,
    PackVersion,
    TimedJob,
    Versions,
)
from cityloom.operation.events import AlarmChanged
from cityloom.operation.rules import State
from cityloom.operation.store import GaugeRow

STALE = timedelta(minutes=2)
MOST_LINES = 1000
MACHINERY = Resource("Operation", "city")

logger = log.logger("operation")


def limits(text: str, gauges: Mapping[str, Gauge]) -> dict[str, Limits]:
    """The limits of all gauges by name, as the setting changes them. Raises Invalid `operation.limits_wrong`."""
    return rules.limits(text, {name: Limits(gauge.warning, gauge.alarm) for name, gauge in gauges.items()})


def watch(ctx: Context, gauges: Mapping[str, Gauge]) -> None:
    """Look at every gauge once; a level that changes is logged, announced and kept in the audit log. As the platform."""
    found = {name: reading for name, gauge in gauges.items() if (reading := _read(ctx, name, gauge)) is not None}
    chosen = limits(ctx.settings.alarm_limits, gauges)
    changed: list[tuple[GaugeRow, Level]] = []
    with ctx.begin() as tx:
        before = {row.name: row for row in store.known(tx)}
        for name, reading in found.items():
            row = _look(ctx, name, gauges[name], chosen[name], reading, before.get(name))
            store.put(tx, row)
            metrics.GAUGE.labels(name).set(row.value)
            metrics.ALARM.labels(name).set(ORDER.index(row.level))
            was: Level = before[name].level if name in before else "ok"
            if row.level != was:
                changed.append((row, was))
        store.keep_only(tx, list(found))
        for row, old in changed:
            ctx.emit(tx, AlarmChanged(row.name, row.level, old, row.value, row.subject))
        for row, old in changed:
            ctx.record(tx, "operation.alarm", f"gauge:{row.name}", level=row.level, before=old, value=f"{row.value:g}")
    for row, old in changed:
        logger.warning("alarm", gauge=row.name, now=row.level, before=old, value=row.value, subject=row.subject)


def _read(ctx: Context, name: str, gauge: Gauge) -> Reading | None:
    """One gauge's reading. One that cannot be read hides none of the others."""
    try:
        return gauge.read(ctx)
    except Unavailable:
        raise
    except Exception:
        logger.exception("gauge_failed", gauge=name)
        return None


def _look(ctx: Context, name: str, gauge: Gauge, limits: Limits, reading: Reading, before: GaugeRow | None) -> GaugeRow:
    now = ctx.clock.now()
    state = State(before.level, before.since, before.pending, before.looks) if before else None
    after = rules.judge(state, limits, reading.value, now)
    return GaugeRow(
        name=name,
        title=msgspec.json.encode(gauge.title).decode(),
        unit=gauge.unit,
        warning=limits.warning,
        alarm=limits.alarm,
        value=reading.value,
        subject=reading.subject,
        level=after.level,
        since=after.since,
        pending=after.pending,
        looks=after.looks,
        seen_at=now,
    )


def health(ctx: Context) -> Health:
    """How everything is, the worst first. Right `operation.read`."""
    ctx.require("operation.read", MACHINERY)
    with ctx.parts.db.begin(PLATFORM_SCOPE) as tx:
        rows = store.known(tx)
    gauges = sorted(
        (_measured(row, ctx.language) for row in rows), key=lambda each: (-ORDER.index(each.level), each.name)
    )
    current = any(ctx.clock.now() - each.seen_at < STALE for each in gauges)
    return Health(gauges[0].level if gauges and current else "alarm", current, tuple(gauges))


def health_here(ctx: Context) -> Health:
    """The same for who stands at the machine."""
    return health(msgspec.structs.replace(ctx, principal=PLATFORM))


def _measured(row: GaugeRow, language: str) -> Measured:
    return Measured(
        name=row.name,
        title=msgspec.json.decode(row.title, type=Text).of(language),
        level=row.level,
        value=row.value,
        unit=row.unit,
        subject=row.subject,
        warning=row.warning,
        alarm=row.alarm,
        since=row.since,
        seen_at=row.seen_at,
    )


def jobs(ctx: Context) -> list[TimedJob]:
    """The timed jobs by name and how they ran. Right `operation.read`."""
    ctx.require("operation.read", MACHINERY)
    found: dict[str, dict[str, metrics.TimedRun]] = {}
    for run in metrics.timed_runs():
        found.setdefault(run.job, {})[run.outcome] = run
    return [_timed(name, outcomes) for name, outcomes in sorted(found.items())]


def _timed(name: str, outcomes: Mapping[str, metrics.TimedRun]) -> TimedJob:
    failed = outcomes.get("failed")
    return TimedJob(
        name, sum(run.runs for run in outcomes.values()), failed.runs if failed else 0, _moment(outcomes.get("ok")),
        _moment(failed),
    )  # fmt: skip


def _moment(run: metrics.TimedRun | None) -> datetime | None:
    return datetime.fromtimestamp(run.last, UTC) if run is not None and run.last else None


def versions(ctx: Context) -> Versions:
    """What runs here. Right `operation.read`."""
    ctx.require("operation.read", MACHINERY)
    with ctx.parts.db.begin(PLATFORM_SCOPE) as tx:
        postgresql = store.server_version(tx)
    packs = (
        PackVersion(
            pack.name, pack.manifest.title.of(ctx.language), str(pack.manifest.version), pack.manifest.keeper
        )
        for pack in ctx.packs
    )  # fmt: skip
    return Versions(version("cityloom"), python_version(), postgresql, version("duckdb"), tuple(packs))


def lines(ctx: Context, number: str, days: int) -> list[LogLine]:
    """What this machine's logs say of a request, in order of time, `days` back; the first thousand lines.

    Right `operation.read`; that they were read stands in the audit log.
    """
    ctx.require("operation.read", MACHINERY)
    since = ctx.clock.now() - timedelta(days=days)
    found = [_line(each) for each in islice(logfiles.read(ctx.settings.logs, since, number), MOST_LINES)]
    with ctx.begin() as tx:
        ctx.record(tx, "operation.logs_read", f"request:{number}", lines=len(found))
    return found


def _line(told: Mapping[str, Any]) -> LogLine:
    known = ("timestamp", "level", "process", "event")
    at, level, process, event = (str(told.get(name, "")) for name in known)
    rest = {name: value for name, value in told.items() if name not in known}
    return LogLine(at, level, process, event, msgspec.Raw(msgspec.json.encode(rest)))
