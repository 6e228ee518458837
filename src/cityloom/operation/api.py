"""What others may call of operation: look at all gauges, and tell how they are."""

from collections.abc import Mapping
from datetime import timedelta

import msgspec

from cityloom.kernel import log, metrics
from cityloom.kernel.access import Resource
from cityloom.kernel.context import PLATFORM, Context
from cityloom.kernel.db import PLATFORM as PLATFORM_SCOPE
from cityloom.kernel.errors import Unavailable
from cityloom.kernel.manifest import Gauge, Reading
from cityloom.kernel.words import Text
from cityloom.operation import rules, store
from cityloom.operation.contracts import ORDER, Health, Level, Limits, Measured
from cityloom.operation.events import AlarmChanged
from cityloom.operation.rules import State
from cityloom.operation.store import GaugeRow

STALE = timedelta(minutes=2)
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
