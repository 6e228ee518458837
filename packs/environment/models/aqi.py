"""Air quality index (空气质量指数) by HJ 633-2012 and HJ 633-2026. No I/O.

Concentrations are in µg/m³, CO in mg/m³. Real-time reports take means of one hour, with the columns of 24 hours for particles;
daily reports means of 24 hours and the largest moving mean of 8 hours for ozone.
"""

from collections.abc import Sequence
from datetime import date
from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction
from math import ceil, isfinite
from typing import Literal

import msgspec

Standard = Literal["HJ 633-2012", "HJ 633-2026"]
Pollutant = Literal[
    "so2_24h", "so2_1h", "no2_24h", "no2_1h", "pm10", "co_24h", "co_1h", "o3_1h", "o3_8h", "pm25"
]  # fmt: skip
IN_FORCE = date(2026, 3, 1)
"""From this day on HJ 633-2026 holds, with GB 3095-2026."""
DAILY: tuple[Pollutant, ...] = ("so2_24h", "no2_24h", "pm10", "co_24h", "o3_8h", "pm25")
HOURLY: tuple[Pollutant, ...] = ("so2_1h", "no2_1h", "pm10", "co_1h", "o3_1h", "pm25")
STEPS = (0, 50, 100, 150, 200, 300, 400, 500)

_BOTH: dict[Pollutant, tuple[int, ...]] = {
    "so2_24h": (0, 50, 150, 475, 800, 1600, 2100, 2620),
    "so2_1h": (0, 150, 500, 650, 800),
    "no2_24h": (0, 40, 80, 180, 280, 565, 750, 940),
    "no2_1h": (0, 100, 200, 700, 1200, 2340, 3090, 3840),
    "co_24h": (0, 2, 4, 14, 24, 36, 48, 60),
    "co_1h": (0, 5, 10, 35, 60, 90, 120, 150),
    "o3_1h": (0, 160, 200, 300, 400, 800, 1000, 1200),
    "o3_8h": (0, 100, 160, 215, 265, 800),
}
TABLES: dict[Standard, dict[Pollutant, tuple[int, ...]]] = {
    "HJ 633-2012": {
        **_BOTH, "pm10": (0, 50, 150, 250, 350, 420, 500, 600), "pm25": (0, 35, 75, 115, 150, 250, 350, 500),
    },
    "HJ 633-2026": {
        **_BOTH, "pm10": (0, 50, 120, 250, 350, 420, 500, 600), "pm25": (0, 35, 60, 115, 150, 250, 350, 500),
    },
}  # fmt: skip
"""Concentrations at each of STEPS; the two short rows have no index above their end in 2012."""


class Concentration(msgspec.Struct, frozen=True):
    """How much of a pollutant there was."""

    pollutant: Pollutant
    value: float


class Level(msgspec.Struct, frozen=True):
    """A class of the index (HJ 633, table 2)."""

    number: int
    zh: str
    en: str
    top: int
    """The highest index in it."""
    rgb: tuple[int, int, int]


LEVELS = (
    Level(1, "优", "excellent", 50, (0, 228, 0)), Level(2, "良", "good", 100, (255, 255, 0)),
    Level(3, "轻度污染", "lightly polluted", 150, (255, 126, 0)),
    Level(4, "中度污染", "moderately polluted", 200, (255, 0, 0)),
    Level(5, "重度污染", "heavily polluted", 300, (153, 0, 76)),
    Level(6, "严重污染", "severely polluted", 500, (126, 0, 35)),
)  # fmt: skip


class Index(msgspec.Struct, frozen=True):
    """The index of one place and time."""

    standard: Standard
    aqi: int
    level: Level
    primary: tuple[Pollutant, ...]
    """Those with the largest index, when it is above 50."""
    exceeding: tuple[Pollutant, ...]
    """Those with an index above 100; the term was dropped in 2026, where it is empty."""


def standard(on: date) -> Standard:
    """The standard that holds on a day."""
    return "HJ 633-2026" if on >= IN_FORCE else "HJ 633-2012"


def iaqi(pollutant: Pollutant, value: float, by: Standard) -> int | None:
    """The index of one pollutant, 0 to 500, rounded up; None where the standard has none. Raises ValueError below zero."""
    if not isfinite(value) or value < 0:
        raise ValueError(f"{pollutant}: a concentration is not {value}")
    exact = rounded(pollutant, value)
    row = TABLES[by][pollutant]
    if exact > row[-1]:
        top = STEPS[len(row) - 1]
        return top if top == STEPS[-1] or by == "HJ 633-2026" else None
    at = next(place for place in range(1, len(row)) if exact <= row[place])
    low, high = row[at - 1], row[at]
    slope = Fraction(STEPS[at] - STEPS[at - 1], high - low)
    return ceil(slope * (exact - low) + STEPS[at - 1])


def rounded(pollutant: Pollutant, value: float) -> Fraction:
    """The concentration as it is reported: whole µg/m³, CO to 0.1 mg/m³, half to even (GB/T 8170)."""
    place = Decimal("0.1") if pollutant.startswith("co") else Decimal(1)
    return Fraction(Decimal(str(value)).quantize(place, ROUND_HALF_EVEN))


def level(index: int) -> Level:
    """The class of an index."""
    return next(each for each in LEVELS if index <= each.top)


def aqi(values: Sequence[Concentration], by: Standard) -> Index | None:
    """The largest index of all pollutants; None when there is none. Raises ValueError."""
    found = {each.pollutant: index for each in values if (index := iaqi(each.pollutant, each.value, by)) is not None}
    if not found:
        return None
    most = max(found.values())
    primary = tuple(name for name, index in found.items() if index == most) if most > STEPS[1] else ()
    exceeding = tuple(name for name, index in found.items() if index > STEPS[2]) if by == "HJ 633-2012" else ()
    return Index(by, most, level(most), primary, exceeding)


def mean(hours: Sequence[float | None], least: int = 20) -> float | None:
    """The mean of a day's hours; None with fewer than 20 of 24 (GB 3095-2012, table 4)."""
    there = [each for each in hours if each is not None]
    return sum(there) / len(there) if len(there) >= least else None


def ozone(hours: Sequence[float | None], least: int = 6, means: int = 14) -> float | None:
    """The largest moving mean of 8 hours of the 24 of a day, each of at least 6 hours.

    None with fewer than 14 such means, unless they pass the limit of 160 µg/m³ already (GB 3095-2012, table 4).
    """
    found = [
        found for end in range(8, len(hours) + 1) if (found := mean(hours[end - 8 : end], least)) is not None
    ]  # fmt: skip
    if not found:
        return None
    return max(found) if len(found) >= means or max(found) > 160 else None
