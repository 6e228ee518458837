"""Warning signals for rainstorms (暴雨预警信号), by thresholds that are data. No I/O."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Literal

import msgspec

Colour = Literal["blue", "yellow", "orange", "red"]
SEVERITY: tuple[Colour, ...] = ("blue", "yellow", "orange", "red")


class Threshold(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """So much rain in so many hours, and the signal is raised."""

    colour: Colour
    hours: int
    millimetres: float


class Signals(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The thresholds of a jurisdiction from a day on."""

    jurisdiction: str
    source: str
    since: date
    thresholds: tuple[Threshold, ...]
    until: date | None = None


class Rain(msgspec.Struct, frozen=True):
    """Rain of an interval that ends then; None: the station has no value."""

    end: datetime
    length: timedelta
    millimetres: float | None


class Sum(msgspec.Struct, frozen=True):
    """Rain of a window, and how much of the window was observed."""

    millimetres: float
    share: float


class Raised(msgspec.Struct, frozen=True):
    """A signal that holds."""

    colour: Colour
    hours: int
    fallen: float
    """Millimetres observed in its window."""
    share: float
    """Of the window, how much was observed; the signal may be too low when it is small, never too high."""


def in_force(signals: Sequence[Signals], on: date) -> Signals | None:
    """The thresholds that hold on a day, the latest when there are several."""
    found = [each for each in signals if each.since <= on and (each.until is None or on <= each.until)]
    return max(found, key=lambda each: each.since, default=None)


def window(rain: Sequence[Rain], at: datetime, hours: int) -> Sum:
    """What fell in the hours before a moment; an interval that lies half within counts by half."""
    start = at - timedelta(hours=hours)
    fallen, seen = 0.0, timedelta()
    for each in rain:
        within = min(each.end, at) - max(each.end - each.length, start)
        if each.millimetres is not None and within > timedelta():
            fallen += each.millimetres * (within / each.length)
            seen += within
    return Sum(fallen, min(1.0, seen / timedelta(hours=hours)))


def signal(
    rain: Sequence[Rain], at: datetime, signals: Signals, expected: Sequence[Rain] = ()
) -> Raised | None:  # fmt: skip
    """The most severe signal that holds at a moment; it ends when its window falls below the threshold.

    Rain that is `expected` counts from the moment on: a signal is raised when its amount will be reached within its hours
    (order 16 of 2007: "will reach, or has reached and may continue"). Missing intervals are not guessed.
    """
    ahead = [Rain(each.end, each.length, each.millimetres) for each in expected if each.end > at]
    best: Raised | None = None
    for each in signals.thresholds:
        fallen = window(rain, at, each.hours)
        moments = [at, *(later.end for later in ahead if later.end <= at + timedelta(hours=each.hours))]
        reached = any(
            window([*rain, *ahead], moment, each.hours).millimetres >= each.millimetres for moment in moments
        )  # fmt: skip
        if reached and (best is None or SEVERITY.index(each.colour) > SEVERITY.index(best.colour)):
            best = Raised(each.colour, each.hours, fallen.millimetres, fallen.share)
    return best
