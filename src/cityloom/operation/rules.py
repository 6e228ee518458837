"""When a gauge changes its level: twice in a row, and on the way back only by a clear margin, so that none flaps."""

from collections.abc import Mapping
from datetime import datetime

import msgspec

from cityloom.kernel.errors import Invalid
from cityloom.operation.contracts import ORDER, Level, Limits

MARGIN = 0.1
"""By this share of a limit must a value be better than it before the level falls."""
LOOKS = 2


class State(msgspec.Struct, frozen=True):
    """A gauge's level, and the other one that was seen `looks` times in a row."""

    level: Level
    since: datetime
    pending: Level
    looks: int


def limits(text: str, known: Mapping[str, Limits]) -> dict[str, Limits]:
    """The limits that the setting changes: `name=warning:alarm`, separated by commas; the others stay.

    Raises Invalid `operation.limits_wrong`.
    """
    found = dict(known)
    for part in filter(None, (each.strip() for each in text.split(","))):
        name, _, values = part.partition("=")
        warning, _, alarm = values.partition(":")
        try:
            wished = Limits(float(warning), float(alarm))
        except ValueError:
            raise Invalid("operation.limits_wrong", part=part, known=", ".join(sorted(known))) from None
        if name not in known or (wished.alarm < wished.warning) != (known[name].alarm < known[name].warning):
            raise Invalid("operation.limits_wrong", part=part, known=", ".join(sorted(known)))
        found[name] = wished
    return found


def judge(before: State | None, limits: Limits, value: float, now: datetime) -> State:
    """The gauge's state after one more look."""
    state = before or State("ok", now, "ok", 0)
    wanted = _level(limits, value)
    if ORDER.index(wanted) < ORDER.index(state.level):
        wanted = min(state.level, _level(_with_margin(limits), value), key=ORDER.index)
    if wanted == state.level:
        return State(state.level, state.since, state.level, 0)
    looks = state.looks + 1 if wanted == state.pending else 1
    if looks < LOOKS:
        return State(state.level, state.since, wanted, looks)
    return State(wanted, now, wanted, 0)


def _level(limits: Limits, value: float) -> Level:
    sign = -1 if limits.alarm < limits.warning else 1
    if sign * value >= sign * limits.alarm:
        return "alarm"
    return "warning" if sign * value >= sign * limits.warning else "ok"


def _with_margin(limits: Limits) -> Limits:
    factor = 1 + MARGIN if limits.alarm < limits.warning else 1 - MARGIN
    return Limits(limits.warning * factor, limits.alarm * factor)
