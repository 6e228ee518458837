"""What the sample city knows of its people: registers that follow, births that find their children, and what it can plan."""

import time
from collections.abc import Iterable, Sequence
from datetime import date
from math import sqrt
from typing import Any

import msgspec

from cityloom import client
from cityloom.indicators.api import population
from cityloom.indicators.contracts import CountWish
from cityloom.kernel.context import Context
from cityloom.registers.contracts import Member

RIGHTS = ("registers.read", "registers.steward", "indicators.compute", "indicators.read")
PATIENCE = 600.0
"""Seconds within which the registers must have followed and linked."""
REGISTER, BIRTHS, KIND = "person", "birth", "citizen_id"

MOST_OFF = 0.03
"""By how much of itself the count may differ from the people that were made up: some records come spoiled, and are not mended
before the last period ends."""
ERROR, ERRORS = 5, 5
"""The standard error of a published figure, for each root of a piece (decision 0011), and how many of them it may be off."""


class Linkage(msgspec.Struct, frozen=True):
    """How well records without a number found their person."""

    linked: int
    right: int
    missed: int
    doubts: int
    precision: float
    recall: float


def follow(office: client.Exchange, patience: float = PATIENCE) -> list[dict[str, Any]]:
    """Wait until every register knows all that was delivered, and has linked it; how they stand then."""
    end = time.monotonic() + patience
    asked = False
    while True:
        states: list[dict[str, Any]] = office.get("/api/registers")
        behind = [
            feed["dataset"] for state in states for feed in state["feeds"] if feed["sequence"] < feed["last_sequence"]
        ]
        if not behind and not asked:
            client.checked(office.http.post(f"/api/registers/{REGISTER}/linkage"))
            asked = True
        elif not behind and not any(state["unlinked"] for state in states):
            return states
        if time.monotonic() > end:
            raise TimeoutError(f"the registers do not follow: {', '.join(behind) or 'linkage'}")
        time.sleep(0.5)


def judge(members: Sequence[Member], truth: Iterable[tuple[str, str]], known: set[str], doubts: int) -> Linkage:
    """Links of births against the truth; `known` has the numbers of people of whom some other record stands."""
    found = {member.key: member.identifier for member in members}
    linked = right = missed = 0
    for certificate, number in truth:
        if certificate not in found:
            continue
        identifier = found[certificate]
        linked += identifier is not None
        right += identifier == f"{REGISTER}:{KIND}:{number}"
        missed += identifier is None and number in known
    return Linkage(
        linked, right, missed, doubts,
        round(right / linked, 4) if linked else 1.0, round(right / (right + missed), 4) if right + missed else 1.0,
    )  # fmt: skip


class Plans(msgspec.Struct, frozen=True):
    """Published figures: persons by class (R05; `all` of them), centres missing at both ends of the range (R34), and school
    places short by scenario and year (R35)."""

    population: dict[str, int | None]
    health_centre_gap: dict[str, int]
    school_pressure: dict[str, int]


def count(office: client.Exchange, on: str) -> Plans:
    """Have the indicators computed for a day."""
    people, centres, schools = (
        _city(office, name, on) for name in ("population", "health_centres", "school_pressure")
    )  # fmt: skip
    return Plans(
        {kind or "all": value for kind, value in people.items()},
        {kind: centres[kind] or 0 for kind in ("centres", "low", "high")},
        {
            kind.removesuffix(":short").replace(":cohort:", ":"): value or 0
            for kind, value in schools.items()
            if kind.endswith(":short") and ":cohort:" in kind
        },
    )


def counted_right(platform: Context, on: date, published: int, seeded: int) -> bool:
    """Whether as many people are counted as were made up, and as many published as are counted, by the error of each."""
    found, pieces = population.exact(platform, CountWish(on))
    return abs(found / seeded - 1) <= MOST_OFF and abs(published - found) <= ERRORS * ERROR * sqrt(pieces)


def libraries(office: client.Exchange) -> dict[str, float]:
    """Of each topic library the share of its parts of which there are records."""
    return {each["name"]: round(each["delivered"] / each["parts"], 3) for each in office.get("/api/topics")}


def _city(office: client.Exchange, name: str, on: str) -> dict[str, int | None]:
    office.put(f"/api/indicators/{name}/demo", {"on": on})
    figures = office.get(f"/api/indicators/{name}/demo/figures", level="city")
    return {each["kind"]: each["value"] for each in figures}
