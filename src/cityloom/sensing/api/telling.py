"""Events as they are written and told: every change gets its number, goes to whoever reads on, and into the outbox."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

import msgspec

from cityloom.kernel.context import Context
from cityloom.kernel.db import Transaction
from cityloom.sensing.contracts.events import SEVERITIES, ChangeKind, ClosedBy, EventChange
from cityloom.sensing.events import EventChanged
from cityloom.sensing.rules.columns import moment
from cityloom.sensing.rules.machine import State
from cityloom.sensing.rules.watching import Stream
from cityloom.sensing.spec.rules import Deviation, Named, Threshold, Together
from cityloom.sensing.store import happened as store
from cityloom.sensing.store.happened import EventRow

FAR = datetime.max.replace(tzinfo=UTC)


class Told(msgspec.Struct, frozen=True):
    """A change that is to be told: when it was so, and the event as it is then."""

    change: ChangeKind
    at: datetime
    row: EventRow


class Pages:
    """Changes of one transaction: gathered, put in order, written at once."""

    def __init__(self, ctx: Context, tx: Transaction) -> None:
        self.ctx, self.tx = ctx, tx
        self.now = ctx.clock.now()
        self.new: list[EventRow] = []
        self.changed: dict[int, EventRow] = {}
        self.told: list[Told] = []

    def opened(self, row: EventRow) -> None:
        """A new event; `row` is as it was opened."""
        self.new.append(row)
        self.told.append(Told("opened", row.opened, row))

    def became(self, row: EventRow, change: ChangeKind | None, at: datetime) -> None:
        """An event is different now, and whether that is told."""
        self.changed[row.id] = row
        if change is not None:
            self.told.append(Told(change, at, row))

    def closed(self, row: EventRow, at: datetime, by: ClosedBy) -> EventRow:
        """An event is over; as it is then."""
        over = msgspec.structs.replace(row, state="closed", closed=at, closed_by=by)
        self.became(over, "closed", at)
        return over

    def write(self) -> list[EventRow]:
        """Keep all of it, number what is told; the events that were touched, as they are now."""
        if self.new:
            store.add(self.tx, self.new)
        if self.changed:
            store.change(self.tx, list(self.changed.values()))
        tell(self.ctx, self.tx, [each for each in self.told if not each.row.quiet])
        touched = list(({each.id: each for each in self.new} | self.changed).values())
        self.new, self.changed, self.told = [], {}, []
        return touched


def tell(ctx: Context, tx: Transaction, told: Sequence[Told]) -> None:
    """Number changes in the order of their times, and announce them. Held until the commit: call it last."""
    if not told:
        return
    number = store.lock(tx)
    now = ctx.clock.now()
    order = sorted(enumerate(told), key=lambda each: (each[1].at, each[0]))
    rows = [(number + place, each.change, now, each.row) for place, (_, each) in enumerate(order, 1)]
    store.tell(tx, rows)
    for sequence, change, _, row in rows:
        ctx.emit(tx, EventChanged(sequence, row.id, change, row.rule, row.severity, row.keeper))


def severity(rule: Named, level: int) -> str:
    """Of the level that was reached."""
    when = rule.rule.when
    levels = when.levels if isinstance(when, Threshold) else ()
    return str(levels[min(level, len(levels)) - 1].severity) if levels and level else str(rule.rule.severity)


def title(rule: Named, level: int) -> bytes:
    """In both languages, with that of the level."""
    when = rule.rule.when
    levels = when.levels if isinstance(when, Threshold) else ()
    own = levels[min(level, len(levels)) - 1].title if levels and level else None
    text = rule.rule.title
    if own is None:
        return msgspec.json.encode(text)
    return msgspec.json.encode({"en": f"{text.en}: {own.en}", "zh": f"{text.zh}：{own.zh}"})


def time(microseconds: int) -> datetime:
    """A moment; what is before or after all calendars is their end."""
    found = moment(microseconds)
    return FAR if found is None else found


def evidence(state: State) -> list[int]:
    """The first ids, the highest and the last one, ascending."""
    return sorted({*state.evidence, state.peak_id, state.last_id})


def new_row(id: int, rule: Named, stream: Stream, state: State, opened: int, sign: float) -> EventRow:
    """An event of a rule at one Datastream, open."""
    place = (stream.longitude, stream.latitude)
    unit = "s" if rule.rule.when.__class__.__name__ in ("Constant", "Missing") else stream.unit
    if isinstance(rule.rule.when, Threshold) and rule.rule.when.scale is not None:
        unit = ""
    if isinstance(rule.rule.when, Deviation) and rule.rule.when.share:
        unit = ""
    row = EventRow(
        id=id, rule=rule.name, version=rule.version, title="", severity="notice", level=state.level, quiet=rule.rule.quiet,
        keeper=stream.keeper, told=list(rule.rule.told), place=f"datastream:{stream.id}", datastream_id=stream.id,
        thing_id=stream.thing, thing=stream.thing_name, district=stream.district, groups=list(stream.groups),
        longitude=place[0], latitude=place[1], unit=unit, first=time(state.first), last=time(state.last), opened=time(opened),
        peak=None, peak_at=time(state.peak_at), count=state.count, evidence=[], parts=[], late=False, state="open", closed=None,
        closed_by="", closed_who="", closed_reason="", acknowledged=None, acknowledged_who="", acknowledged_reason="",
    )  # fmt: skip
    return grown(row, rule, state, sign)


def grown(row: EventRow, rule: Named, state: State, sign: float) -> EventRow:
    """An event as far as it has come; what was corrected meanwhile stays."""
    higher = row.peak is None or state.peak >= row.peak * sign
    return msgspec.structs.replace(
        row, last=time(state.last), peak=state.peak * sign if higher else row.peak,
        peak_at=time(state.peak_at) if higher else row.peak_at, count=state.count, level=state.level,
        severity=severity(rule, state.level), title=title(rule, state.level).decode(), evidence=evidence(state),
    )  # fmt: skip


def together_row(id: int, rule: Named, key: str, parts: Sequence[EventRow], first: datetime) -> EventRow:
    """An event that others make."""
    one = parts[0]
    at_thing = key.startswith("thing:")
    when = rule.rule.when
    worst = max((each.severity for each in parts), key=SEVERITIES.index)
    grave = worst if isinstance(when, Together) and when.least == 1 else str(rule.rule.severity)
    told = sorted({*rule.rule.told, *(each.keeper for each in parts)} - {one.keeper})
    return msgspec.structs.replace(
        one, id=id, rule=rule.name, version=rule.version, title=msgspec.json.encode(rule.rule.title).decode(),
        severity=grave, level=max(each.level for each in parts), quiet=rule.rule.quiet, told=told, place=key,
        datastream_id=None, thing_id=one.thing_id if at_thing else None, thing=one.thing if at_thing else "",
        district=one.district if at_thing or key.startswith("district:") else "",
        longitude=_mean(each.longitude for each in parts), latitude=_mean(each.latitude for each in parts),
        first=first, last=max(each.last for each in parts), opened=first, count=sum(each.count for each in parts),
        peak=max((each.peak for each in parts if each.peak is not None), default=None),
        evidence=sorted({id for each in parts for id in each.evidence})[:50], parts=[each.id for each in parts], late=False,
        state="open", closed=None, closed_by="", acknowledged=None, acknowledged_who="", acknowledged_reason="",
    )  # fmt: skip


def _mean(values: Iterable[float | None]) -> float | None:
    there = [each for each in values if each is not None]
    return sum(there) / len(there) if there else None


def changes_since(
    ctx: Context, sequence: int, limit: int = 1_000, sees: str | None = None
) -> list[EventChange]:  # fmt: skip
    """What was told after a number, in order, as far as the caller sees it (or as one organisation does).

    For whoever tells events on, such as a broker's publisher: keep the last number, and ask again after it.
    """
    with ctx.begin() as tx:
        return store.changes(tx, sequence, limit, sees=sees)
