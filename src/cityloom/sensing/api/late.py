"""What came late is judged as it would have been then: with the values before and after it, as they are known now.

It may make an event of its own, closed at once unless it still goes on, or correct one that is there: where it began, and its
peak. It never takes an event back. Constant values and deviations are judged in the order of arrival alone.
"""

from collections.abc import Sequence

import msgspec
import numpy as np

from cityloom.kernel.db import Transaction
from cityloom.sensing.api import measuring, telling
from cityloom.sensing.api.telling import Pages
from cityloom.sensing.rules import machine, series
from cityloom.sensing.rules.columns import Integers
from cityloom.sensing.rules.machine import Episode
from cityloom.sensing.rules.watching import Stream, Watched
from cityloom.sensing.spec.rules import Rate, Threshold, Zone
from cityloom.sensing.store import happened
from cityloom.sensing.store import judging as store
from cityloom.sensing.store.happened import EventRow

HOUR = 3_600_000_000


def judges(watch: Watched) -> bool:
    """Whether a rule judges what came late."""
    return isinstance(watch.rule.rule.when, Threshold | Rate | Zone)


def judge(
    tx: Transaction, watch: Watched, streams: Sequence[Stream], every: Sequence[Stream], which: Integers, times: Integers,
    latest: Integers,
) -> list[tuple[int, Episode, bool]]:  # fmt: skip
    """Events in which late values have a part: the Datastream, the event, and whether it goes on to the latest value."""
    terms, back = measuring.terms(watch), measuring.over(watch)
    places = np.unique(which)
    first, last = np.full(len(streams), np.iinfo(np.int64).max), np.full(len(streams), np.iinfo(np.int64).min)
    np.minimum.at(first, which, times)
    np.maximum.at(last, which, times)
    before = max(terms.lasting, terms.gap) + HOUR
    since = first[places] - before
    until = np.minimum(last[places] + max(terms.lasting, terms.calm, terms.gap) + back + HOUR, latest[places])
    ids = [streams[place].id for place in places.tolist()]
    found = store.around(tx, ids, (since - back - HOUR).tolist(), until.tolist(), measuring.MOST)
    mine = measuring.numbered(found.streams, ids, places)
    wide = measuring.needs_results(watch, streams)
    results = store.results(tx, found) if len(found) and wide[mine].any() else {}
    values = measuring.values(watch, streams, mine, found, results)
    begin = np.zeros(len(streams), np.int64)
    begin[places] = since
    rows = series.ordered(
        mine, found.times, values, found.ids, found.times >= begin[mine] if len(found) else np.zeros(0, np.bool_)
    )
    classed = measuring.classed(tx, watch, streams, every, rows, None)
    judged = machine.judge(rows, classed.measured, classed.classes, classed.levels, {}, terms, watch.limits.sign)
    ends = dict(zip(places.tolist(), until.tolist(), strict=True))
    return [
        (each.stream, each, each.closed is None and ends[each.stream] == int(latest[each.stream]))
        for each in judged.episodes
        if (
            (times[which == each.stream] >= each.state.first)
            & (times[which == each.stream] <= (each.closed or each.state.last))
        ).any()
    ]


def write(
    tx: Transaction, pages: Pages, watch: Watched, stream: Stream, episode: Episode, *, going: bool
) -> EventRow | None:  # fmt: skip
    """Correct the event that was there at the time, or write a new one; that one, if it goes on."""
    rule, state, sign = watch.rule, episode.state, watch.limits.sign
    first, last = telling.time(state.first), telling.time(episode.closed or state.last)
    there = _there(tx, pages, rule.name, f"datastream:{stream.id}", first, last)
    if there:
        _correct(pages, there[0], episode, sign)
        return None
    [id] = happened.new_ids(tx, 1)
    row = msgspec.structs.replace(telling.new_row(id, rule, stream, state, episode.opened, sign), late=True)
    pages.opened(row)
    if going:
        return row
    if episode.closed is None:
        pages.closed(row, row.last, "late")
    else:
        pages.closed(row, telling.time(episode.closed), "gap" if episode.why == "gap" else "data")
    return None


def _there(tx: Transaction, pages: Pages, rule: str, place: str, first: object, last: object) -> list[EventRow]:
    """Events of the rule at the place that overlap, those of this transaction too."""
    known = {row.id: row for row in happened.overlapping(tx, rule, place, first, last)}  # type: ignore[arg-type]
    known |= {row.id: row for row in pages.new if (row.rule, row.place) == (rule, place)}
    now = [pages.changed.get(row.id, row) for row in known.values()]
    return [row for row in now if row.first <= last and (row.state == "open" or (row.closed or row.last) >= first)]  # type: ignore[operator]


def _correct(pages: Pages, row: EventRow, episode: Episode, sign: float) -> None:
    state = episode.state
    first = min(row.first, telling.time(state.first))
    higher = row.peak is None or state.peak > row.peak * sign
    if first == row.first and not higher:
        return
    found = msgspec.structs.replace(
        row, first=first, peak=state.peak * sign if higher else row.peak,
        peak_at=telling.time(state.peak_at) if higher else row.peak_at,
        evidence=sorted({*row.evidence, state.evidence[0], state.peak_id}),
    )  # fmt: skip
    pages.became(found, "corrected", row.last)
