"""What crosses the border of indicators: computations, their figures, and who a figure counts."""

from datetime import date, datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

ComputationId = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:@-]{0,127}$")]
Level = Literal["city", "district", "street", "community", "grid", "rules", "site", "school"]
"""Which of them an indicator has, it says itself."""
Area = Annotated[str, Meta(pattern=r"^-?[0-9A-Za-z_]{0,20}$")]
"""A code of GB/T 10114 (6, 9 or 12 digits), of a school, or the number of a grid cell; empty: the city, or where nothing is
known."""


IndicatorName = Literal["population", "health_centres", "school_pressure"]


class IndicatorState(msgspec.Struct, frozen=True):
    """An indicator, the levels of its figures, and how often it was computed."""

    name: IndicatorName
    levels: tuple[Level, ...]
    computations: int


class CountWish(msgspec.Struct, frozen=True):
    """What is to be computed: for which day, and by which reading of what the rule leaves open."""

    on: date
    parameters: dict[str, Any] = {}
    """As the model declares them; what is not given has its default."""


class Input(msgspec.Struct, frozen=True):
    """A dataset that was read, at least up to this change row."""

    dataset: str
    sequence: int


class Computation(msgspec.Struct, frozen=True):
    """One computation, as it was made."""

    id: str
    indicator: str
    on: date
    parameters: dict[str, Any]
    """All of them, with the defaults."""
    inputs: tuple[Input, ...]
    figures: int
    actor: str
    at: datetime


class Figure(msgspec.Struct, frozen=True):
    """One published figure; null where it is hidden.

    `population`: persons; `kind` is the class, or empty for all, and at the level `rules`, where the area is a district,
    class and rules that hold: `R:school+rental`. `health_centres`: `centres`, `low`, `high` (missing), `shade`; of sites
    `rank`, `newly_covered`, `metres`. `school_pressure`: `scenario:model:year:what`, such as `all:cohort:2028:gap`.
    """

    level: str
    area: str
    kind: str
    value: int | None


class Member(msgspec.Struct, frozen=True):
    """A person whom a figure counts, and by which rules."""

    person: str
    kind: str
    rules: tuple[str, ...]


class Explanation(msgspec.Struct, frozen=True):
    """Who a figure counts, as far as this page goes; computed anew by the same parameters."""

    computation: str
    current: bool
    """Whether the datasets are still as they were; if not, the figure was computed from others."""
    members: tuple[Member, ...]
