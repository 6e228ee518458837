"""Noise of the surroundings by GB 3096-2008. No I/O. Levels are equivalent A-weighted sound levels in dB(A)."""

from collections.abc import Sequence
from datetime import time
from math import log10
from typing import Literal

import msgspec

Area = Literal["0", "1", "2", "3", "4a", "4b"]
Part = Literal["day", "night"]
LIMITS: dict[Area, tuple[int, int]] = {
    "0": (50, 40), "1": (55, 45), "2": (60, 50), "3": (65, 55), "4a": (70, 55), "4b": (70, 60),
}  # fmt: skip
"""By day and by night (table 1)."""
SUDDEN = 15
"""A sudden noise at night may pass the limit by so much (5.4)."""


class Hours(msgspec.Struct, frozen=True):
    """When day and night begin; a local government may set them otherwise (3.4, 3.5)."""

    day: time = time(6)
    night: time = time(22)


STANDARD = Hours()


def part(at: time, hours: Hours = STANDARD) -> Part:
    """Whether a local time is of the day."""
    return "day" if hours.day <= at < hours.night else "night"


def limit(area: Area, of: Part, old_railway: bool = False) -> int:
    """The limit. Beside railways from before 2011 (4b) the night has 70/55 as background (5.3)."""
    if area == "4b" and old_railway:
        return LIMITS["4a"][of == "night"]
    return LIMITS[area][of == "night"]


def exceeded(area: Area, of: Part, level: float, highest: float | None = None) -> float:
    """By how much the limit is passed, zero when it is not; at night also by the highest sudden level."""
    allowed = limit(area, of)
    over = level - allowed
    if of == "night" and highest is not None:
        over = max(over, highest - allowed - SUDDEN)
    return max(0.0, over)


def mean(levels: Sequence[float]) -> float:
    """The mean by energy of levels over equal times. Raises ValueError when there are none."""
    if not levels:
        raise ValueError("no levels")
    return 10 * log10(sum(10 ** (each / 10) for each in levels) / len(levels))


def day_night(day: float, night: float) -> float:
    """Ldn: 16 hours of the day and 8 of the night, which weighs 10 dB more."""
    return 10 * log10((16 * 10 ** (day / 10) + 8 * 10 ** ((night + 10) / 10)) / 24)
