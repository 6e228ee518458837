"""How a device is, by what its type in the packs says: pure judgements over what was read."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from statistics import median

import msgspec

from cityloom.sensing.contracts.devices import Health as State
from cityloom.sensing.spec.stations import Drift, Health

SEVERITY = {each: place for place, each in enumerate(State)}
"""The worst of several holds."""


class Window(msgspec.Struct, frozen=True):
    """What one Datastream of a device came to in the hours that a rule looks at; numbers only, in the order of time."""

    code: str
    total: int = 0
    low: float = 0.0
    high: float = 0.0
    doubtful: int = 0
    """Readings outside of what can be true."""
    recent: float | None = None
    before: float | None = None
    """Medians of the last hours and of the days before, where either side has enough."""


class Verdict(msgspec.Struct, frozen=True):
    """How a device is, and why: `state code` for each cause."""

    state: State
    causes: tuple[str, ...] = ()


def silent(rules: Health, last_seen: datetime, now: datetime) -> bool:
    """Whether nothing came for longer than the type allows."""
    return now - last_seen > timedelta(seconds=rules.silent_after)


def stuck(rules: Health, window: Window) -> bool:
    """Whether all readings are the same value, and it is none at which the thing may well stand."""
    rule = rules.stuck
    if rule is None or (rule.measures and window.code not in rule.measures):
        return False
    return window.total >= rule.least and window.low == window.high and window.low not in rule.unless


def implausible(rules: Health, window: Window) -> bool:
    """Whether too great a share cannot be true."""
    rule = rules.implausible
    return rule is not None and window.total >= rule.least and window.doubtful >= rule.share * window.total


def drifting(rules: Health, window: Window) -> bool:
    """Whether the level moved by more than the type allows."""
    rule = rules.drifting
    if rule is None or window.recent is None or window.before is None or window.code not in rule.by:
        return False
    return abs(window.recent - window.before) > rule.by[window.code]


def level(rule: Drift, values: Sequence[float]) -> float | None:
    """The median, where there are enough values."""
    return median(values) if len(values) >= rule.least else None


def verdict(rules: Health, windows: Sequence[Window]) -> Verdict:
    """Of a device that is not silent, from its Datastreams."""
    found: list[tuple[State, str]] = []
    for each in windows:
        if stuck(rules, each):
            found.append((State.stuck, each.code))
        if implausible(rules, each):
            found.append((State.implausible, each.code))
        if drifting(rules, each):
            found.append((State.drifting, each.code))
    if not found:
        return Verdict(State.online)
    causes = dict.fromkeys(f"{state.value} {code}" for state, code in found)
    return Verdict(min((state for state, _ in found), key=SEVERITY.__getitem__), tuple(causes))
