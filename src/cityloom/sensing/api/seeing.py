"""Events for people and programs: listed, read, followed by number, seen to. Rules as they hold here."""

from collections.abc import Callable
from datetime import datetime

import msgspec

from cityloom.kernel.context import Context
from cityloom.kernel.errors import Conflict, NotFound
from cityloom.sensing.api import ingest, serving, telling
from cityloom.sensing.api.registry import rules
from cityloom.sensing.api.telling import Told
from cityloom.sensing.contracts.events import SEVERITIES, Act, CityEvent, EventChange, RuleShown, Severity
from cityloom.sensing.store import happened as store
from cityloom.sensing.store.happened import EventRow, Wanted


def listed(ctx: Context, wanted: Wanted) -> list[CityEvent]:
    """Events that the caller sees, the newest first. Right `sensing.read`."""
    ctx.require("sensing.read", serving.resource(ctx))
    with ctx.begin() as tx:
        return [row.event() for row in store.listed(tx, wanted)]


def read(ctx: Context, id: int) -> CityEvent:
    """One event. Right `sensing.read`. Raises NotFound `sensing.event_unknown`."""
    ctx.require("sensing.read", serving.resource(ctx))
    with ctx.begin() as tx:
        rows = store.by_ids(tx, [id])
    if not rows or rows[0].quiet:
        raise NotFound("sensing.event_unknown", event=id)
    return rows[0].event()


def changes(ctx: Context, since: int, limit: int, severity: Severity = "notice") -> list[EventChange]:
    """What was told after a number, in order, as far as the caller sees it. Right `sensing.read`."""
    ctx.require("sensing.read", serving.resource(ctx))
    with ctx.begin() as tx:
        return store.changes(tx, since, limit, least=SEVERITIES.index(severity))


def last(ctx: Context) -> int:
    """The number of the last change, whoever sees it."""
    with ctx.begin() as tx:
        return store.last_change(tx)


def acknowledge(ctx: Context, id: int, act: Act) -> CityEvent:
    """Somebody has seen it. Right `sensing.handle`. Raises NotFound, Conflict `sensing.event_acknowledged`."""

    def done(row: EventRow, now: datetime) -> EventRow:
        if row.acknowledged is not None:
            raise Conflict("sensing.event_acknowledged", event=id, who=row.acknowledged_who)
        return msgspec.structs.replace(
            row, acknowledged=now, acknowledged_who=ctx.principal.name, acknowledged_reason=act.reason
        )  # fmt: skip

    return _see_to(ctx, id, "acknowledged", done)


def close(ctx: Context, id: int, act: Act) -> CityEvent:
    """It is over, whatever is observed; what still holds opens no other event before it was over once.

    Right `sensing.handle`. Raises NotFound `sensing.event_unknown`, Conflict `sensing.event_closed`.
    """

    def done(row: EventRow, now: datetime) -> EventRow:
        if row.state == "closed":
            raise Conflict("sensing.event_closed", event=id)
        return msgspec.structs.replace(
            row, state="closed", closed=now, closed_by="hand", closed_who=ctx.principal.name, closed_reason=act.reason
        )  # fmt: skip

    return _see_to(ctx, id, "closed", done)


def _see_to(ctx: Context, id: int, kind: str, done: Callable[[EventRow, datetime], EventRow]) -> CityEvent:
    ctx.require("sensing.handle", ingest.resource(ctx.principal.organisation))
    now = ctx.clock.now()
    with ctx.begin() as tx:
        rows = [row for row in store.by_ids(tx, [id]) if row.keeper == ctx.principal.organisation and not row.quiet]
        rows = store.by_ids(tx, [id], lock=True) if rows else []
        if not rows:
            raise NotFound("sensing.event_unknown", event=id)
        row = done(rows[0], now)
        store.change(tx, [row])
        change = "closed" if kind == "closed" else "acknowledged"
        telling.tell(ctx, tx, [Told(change, now, row)])  # type: ignore[arg-type]
        ctx.record(tx, f"sensing.event_{kind}", f"event:{id}", rule=row.rule)
    return row.event()


def rules_shown(ctx: Context) -> list[RuleShown]:
    """Every rule that is on, with how many open events the caller sees. Right `sensing.read`."""
    ctx.require("sensing.read", serving.resource(ctx))
    with ctx.begin() as tx:
        counts = store.open_counts(tx)
    return [
        RuleShown(
            each.name, each.version, each.rule.title, each.rule.source, str(each.rule.severity),  # type: ignore[arg-type]
            type(each.rule.when).__name__.lower(), each.rule.quiet, each.rule.told, counts.get(each.name, 0),
        )
        for each in rules(ctx.packs).values()
    ]  # fmt: skip
