"""Rules that are made of others: enough of their events at one place within a time."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import msgspec

from cityloom.kernel.db import Transaction
from cityloom.sensing.api import telling
from cityloom.sensing.api.telling import Pages
from cityloom.sensing.rules import columns, meeting, series
from cityloom.sensing.rules.meeting import Meeting, Part
from cityloom.sensing.spec.rules import Named, Together
from cityloom.sensing.store import happened as store
from cityloom.sensing.store.happened import EventRow

AROUND = timedelta(days=1)


def meet(tx: Transaction, rules: Mapping[str, Named], pages: Pages, touched: Sequence[EventRow]) -> None:
    """Look again where events that are parts of others were opened, changed or closed."""
    for rule in rules.values():
        when = rule.rule.when
        mine = [each for each in touched if isinstance(when, Together) and each.rule in when.rules]
        if not isinstance(when, Together) or not mine:
            continue
        keys: dict[str, list[EventRow]] = {}
        for each in mine:
            for key in keys_of(when, each):
                keys.setdefault(key, []).append(each)
        for key, rows in keys.items():
            horizon = max(each.closed or each.last for each in rows)
            _meet_at(tx, pages, rule, key, min(each.first for each in rows), horizon)


def end(tx: Transaction, rules: Mapping[str, Named], pages: Pages) -> None:
    """Close those that are over by now, although nothing came that would say so."""
    mine = [name for name, each in rules.items() if isinstance(each.rule.when, Together)]
    for row in store.open_of(tx, mine) if mine else ():
        _meet_at(tx, pages, rules[row.rule], row.place, row.first, pages.now)


def keys_of(when: Together, row: EventRow) -> list[str]:
    """At which places an event counts."""
    if when.by == "city":
        return ["city"]
    if when.by == "thing":
        return [f"thing:{row.thing_id}"] if row.thing_id is not None else []
    if when.by == "district":
        return [f"district:{row.district}"] if row.district else []
    return [f"group:{each}" for each in row.groups]


def part(when: Together, row: EventRow) -> Part:
    """An event as a part: it counts until it was closed."""
    last = row.closed if row.closed_by == "data" else row.last
    what = row.rule if when.count == "rules" else str(row.thing_id)
    return Part(what, columns.microseconds(row.first), None if row.state == "open" else columns.microseconds(last))


def least(when: Together) -> int:
    """How many are enough."""
    return when.least or len(when.rules)


def _meet_at(tx: Transaction, pages: Pages, rule: Named, key: str, since: datetime, horizon: datetime) -> None:
    when = rule.rule.when
    if not isinstance(when, Together):
        return
    rows = store.parts(tx, when.rules, key, since - when.within - AROUND)
    found = meeting.meetings([part(when, row) for row in rows], least(when), series.microseconds(when.within))
    there = store.overlapping(tx, rule.name, key, since - when.within - AROUND, telling.FAR)
    for each in found:
        own = next((row for row in there if _same(row, each)), None)
        made = [row for row in rows if has(when, each, part(when, row))]
        _write(tx, pages, rule, key, each, own, made, horizon)
    for row in there:
        if row.state == "open" and not any(_same(row, each) for each in found):
            pages.closed(row, horizon, "data")


def _same(row: EventRow, found: Meeting) -> bool:
    """Whether an event and a meeting overlap."""
    first = columns.microseconds(row.first)
    last = None if row.state == "open" else columns.microseconds(row.closed or row.last)
    return (last is None or found.first <= last) and (found.last is None or first <= found.last)


def has(when: Together, found: Meeting, one: Part) -> bool:
    """Whether a part has its part in a meeting."""
    apart = series.microseconds(when.within)
    return (one.last is None or found.first <= one.last + apart) and (found.last is None or one.first <= found.last)


def _write(
    tx: Transaction, pages: Pages, rule: Named, key: str, found: Meeting, own: EventRow | None, parts: Sequence[EventRow],
    horizon: datetime,
) -> None:  # fmt: skip
    if own is not None and own.state == "closed":
        return
    over = None if found.last is None else telling.time(found.last)
    if own is None:
        [id] = store.new_ids(tx, 1)
        row = telling.together_row(id, rule, key, parts, telling.time(found.first))
        pages.opened(row)
    else:
        now = telling.together_row(own.id, rule, key, parts, own.first)
        row = msgspec.structs.replace(
            now, acknowledged=own.acknowledged, acknowledged_who=own.acknowledged_who, told=own.told,
            acknowledged_reason=own.acknowledged_reason, keeper=own.keeper, version=own.version,
        )  # fmt: skip
        if row != own:
            pages.became(row, "raised" if row.level > own.level else None, row.last)
    if over is not None and over <= horizon:
        pages.closed(row, over, "data")
