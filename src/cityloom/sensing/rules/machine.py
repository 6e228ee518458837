"""From values to events: what holds, for long enough, until it is over.

Rows of one Datastream are gone through run by run (values that hold, that are over, that lie between), so the work is by changes,
not by values; Datastreams on which nothing holds are passed over all at once.
"""

from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec
import numpy as np

from cityloom.sensing.rules import series
from cityloom.sensing.rules.columns import Floats, Integers
from cityloom.sensing.rules.series import Measured, Rows

EVIDENCE = 10
"""So many ids of the first values that held; with the highest one and the last one."""


class Terms(msgspec.Struct, frozen=True):
    """Times of a rule in µs."""

    lasting: int = 0
    calm: int = 0
    gap: int = 0


class State(msgspec.Struct, frozen=True, array_like=True):
    """Where one Datastream stands with a rule. Nothing is kept of those on which nothing holds."""

    phase: Literal[1, 2, 3]
    """Holds, but not for long enough; open; open, and over but not for long enough."""
    first: int
    last: int
    """The last value that was not over."""
    peak: float
    peak_at: int
    peak_id: int
    last_id: int
    level: int
    count: int
    """Values that held."""
    evidence: tuple[int, ...]
    upto: int
    """The last value of all."""
    over_since: int = 0
    event: int = 0
    """Its event; 0: none yet."""
    told: int = 0
    """The level that was told."""


class Episode(msgspec.Struct, frozen=True):
    """An event as far as it is known; `closed` is when it was over, None while it is not."""

    stream: int
    state: State
    opened: int
    """When it was an event: the value that made it one. Of one that was open before, 0."""
    closed: int | None = None
    why: Literal["", "data", "gap"] = ""


class Judged(msgspec.Struct, frozen=True):
    """What a batch came to: events opened, gone on or closed, and where each Datastream that had rows stands now."""

    episodes: tuple[Episode, ...]
    states: dict[int, State]
    """Those on which something holds, by place."""


def judge(
    rows: Rows, measured: Measured, classes: Integers, levels: Integers, before: Mapping[int, State], terms: Terms,
    sign: float = 1.0,
) -> Judged:  # fmt: skip
    """Go on with fresh rows from where each Datastream stood."""
    take = rows.fresh & np.isfinite(measured.values)
    if not take.all():
        rows, classes, levels = rows.chosen(take), classes[take], levels[take]
        measured = Measured(
            measured.values[take], None if measured.since is None else measured.since[take],
            None if measured.ids is None else measured.ids[take],
        )  # fmt: skip
    held = np.unique(rows.streams[classes > 0])
    wanted = np.union1d(held, np.asarray(sorted(before), np.int64)) if before else held
    episodes: list[Episode] = []
    states: dict[int, State] = {}
    begins, ends = series.segments(rows.streams)
    interesting = np.isin(rows.streams[begins], wanted) if len(begins) else np.zeros(0, np.bool_)
    for begin, end in zip(begins[interesting].tolist(), ends[interesting].tolist(), strict=True):
        stream = int(rows.streams[begin])
        part = slice(begin, end)
        walk = _Walk(stream, before.get(stream), terms)
        walk.go(
            rows.times[part], measured.values[part] * sign, rows.ids[part], classes[part], levels[part],
            None if measured.since is None else measured.since[part], None if measured.ids is None else measured.ids[part],
        )  # fmt: skip
        episodes += walk.done()
        if walk.state is not None:
            states[stream] = walk.state
    return Judged(tuple(episodes), states)


class _Walk:
    """One Datastream's rows, run by run."""

    def __init__(self, stream: int, state: State | None, terms: Terms) -> None:
        self.stream, self.state, self.terms = stream, state, terms
        self.before = state
        self.episodes: list[Episode] = []
        self.opened = 0

    def go(
        self, times: Integers, values: Floats, ids: Integers, classes: Integers, levels: Integers, since: Integers | None,
        first_ids: Integers | None,
    ) -> None:  # fmt: skip
        """Cut into runs and take each."""
        cut = classes[1:] != classes[:-1]
        if self.terms.gap:
            cut |= np.diff(times) > self.terms.gap
        starts = [0, *(np.flatnonzero(cut) + 1).tolist()]
        for a, b in zip(starts, [*starts[1:], len(times)], strict=True):
            self.break_at(int(times[a]))
            kind = int(classes[a])
            if kind < 0:
                self.over(times[a:b])
            elif kind > 0 and self.state is None:
                self.begin(
                    times[a:b], values[a:b], ids[a:b], levels[a:b],
                    int(times[a] if since is None else since[a]), int(ids[a] if first_ids is None else first_ids[a]),
                )  # fmt: skip
            elif self.state is not None and (kind > 0 or self.state.phase > 1):
                self.extend(times[a:b], values[a:b], ids[a:b], levels[a:b], held=kind > 0)
            else:
                self.state = None  # it held for too short
            if self.state is not None:
                self.state = msgspec.structs.replace(self.state, upto=int(times[b - 1]))

    def break_at(self, time: int) -> None:
        """What held before a gap is over."""
        if self.state is not None and self.terms.gap and time - self.state.upto > self.terms.gap:
            self.close(self.state.upto, "gap")

    def begin(
        self, times: Integers, values: Floats, ids: Integers, levels: Integers, first: int, first_id: int
    ) -> None:  # fmt: skip
        """It holds from now on."""
        self.state = State(
            1,
            first,
            first,
            -np.inf,
            first,
            first_id,
            first_id,
            0,
            0,
            (first_id,) if first_id != int(ids[0]) else (),
            first,
        )
        self.extend(times, values, ids, levels, held=True)

    def extend(self, times: Integers, values: Floats, ids: Integers, levels: Integers, *, held: bool) -> None:
        """It goes on; long enough, it is an event."""
        state = self.state
        if state is None:
            return
        top = int(np.argmax(values))
        higher = float(values[top]) > state.peak
        evidence = state.evidence
        if held and len(evidence) < EVIDENCE:
            evidence = (*evidence, *ids[: EVIDENCE - len(evidence)].tolist())
        self.state = msgspec.structs.replace(
            state, last=int(times[-1]), last_id=int(ids[-1]), evidence=evidence, over_since=0,
            phase=2 if state.phase == 3 else state.phase, count=state.count + (len(ids) if held else 0),
            level=max(state.level, int(levels.max())), peak=float(values[top]) if higher else state.peak,
            peak_at=int(times[top]) if higher else state.peak_at, peak_id=int(ids[top]) if higher else state.peak_id,
        )  # fmt: skip
        if state.phase == 1 and int(times[-1]) - state.first >= self.terms.lasting:
            self.opened = int(times[np.searchsorted(times, state.first + self.terms.lasting)])
            self.state = msgspec.structs.replace(self.state, phase=2)

    def over(self, times: Integers) -> None:
        """It holds no longer."""
        state = self.state
        if state is None or state.phase == 1:
            self.state = None
            return
        since = state.over_since or int(times[0])
        if int(times[-1]) - since >= self.terms.calm:
            self.close(int(times[np.searchsorted(times, since + self.terms.calm)]), "data")
        else:
            self.state = msgspec.structs.replace(state, phase=3, over_since=since)

    def close(self, at: int, why: Literal["data", "gap"]) -> None:
        """Its event, if it was one, is over."""
        if self.state is not None and self.state.phase > 1:
            self.episodes.append(Episode(self.stream, self.state, self.opened, at, why))
        self.state, self.opened = None, 0

    def done(self) -> Sequence[Episode]:
        """The events of these rows; of one that is still open, only if there is something new about it."""
        if self.state is not None and self.state.phase > 1 and self.state != self.before:
            self.episodes.append(Episode(self.stream, self.state, self.opened))
        return self.episodes
