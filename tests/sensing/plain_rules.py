"""Rules as slowly and plainly as can be: one value after the other, nothing by the column. What the fast ones are held against."""

import math
from collections.abc import Sequence
from statistics import median

import msgspec


class Plain(msgspec.Struct):
    """An event of the plain machine."""

    first: int
    opened: int = 0
    last: int = 0
    peak: float = -math.inf
    peak_at: int = 0
    count: int = 0
    ids: list[int] = []
    closed: int | None = None
    why: str = ""


def machine(  # noqa: C901 - plain is long
    rows: Sequence[tuple[int, float, int]], at: float, until: float, lasting: int, calm: int, gap: int
) -> list[Plain]:  # fmt: skip
    """Rows of time, value and id of one Datastream, in order: its events."""
    found: list[Plain] = []
    now: Plain | None = None
    opened, over, before = False, None, None
    for time, value, id in rows:
        if now is not None and before is not None and gap and time - before > gap:
            if opened:
                now.closed, now.why = before, "gap"
            now, opened, over = None, False, None
        before = time
        if value >= at:
            if now is None:
                now = Plain(first=time, ids=[])
            over = None
            if len(now.ids) < 10:
                now.ids.append(id)
            now.count += 1
        elif now is not None and not opened:
            now = None
        elif now is not None and value < until:
            over = time if over is None else over
            if time - over >= calm:
                now.closed, now.why = time, "data"
                now, opened, over = None, False, None
            continue
        elif now is not None:
            over = None
        if now is None:
            continue
        now.last = time
        if value > now.peak:
            now.peak, now.peak_at = value, time
        if not opened and time - now.first >= lasting:
            opened, now.opened = True, time
            found.append(now)
    return found


def window(rows: Sequence[tuple[int, float]], over: int, how: str, least: int) -> list[float]:
    """What the values of a window come to, for each row."""
    found = []
    for time, value in rows:
        inside = [each for at, each in rows if time - over < at <= time]
        made = {
            "sum": math.fsum(inside), "mean": math.fsum(inside) / len(inside), "lowest": min(inside), "highest": max(inside),
            "rise": value - min(inside), "fall": max(inside) - value,
        }[how]  # fmt: skip
        found.append(made if len(inside) >= least else math.nan)
    return found


def constant(rows: Sequence[tuple[int, float]], least: int) -> list[float]:
    """For how long (seconds) the value has been the same."""
    found = []
    for place, (time, value) in enumerate(rows):
        start = place
        while start and rows[start - 1][1] == value:
            start -= 1
        found.append((time - rows[start][0]) / 1e6 if place - start + 1 >= least else 0.0)
    return found


def apart(value: float, others: Sequence[float], least: int) -> float:
    """From the median of the others."""
    return abs(value - median(others)) if len(others) >= least else math.nan


def together(parts: Sequence[tuple[str, int, int | None]], least: int, within: int, until: int) -> list[int]:
    """At which of the whole moments before `until` enough of the parts hold."""
    return [
        at for at in range(until)
        if len({what for what, first, last in parts if first <= at and (last is None or at <= last + within)}) >= least
    ]  # fmt: skip
