"""A gazetteer from the shipped packs, and the sample city's address library, for the tests of addresses."""

import csv
from collections.abc import Iterator
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path

import msgspec

from addresses.library import Library
from cityloom.addresses.rules.gazetteer import Division, FormerName, Gazetteer
from cityloom.addresses.rules.levels import Level
from cityloom.addresses.rules.life import DivisionSpan, Entry
from cityloom.samplecity import api
from cityloom.samplecity.contracts import PlannedAddress, PlannedSpelling
from cityloom.samplecity.rules.addressbook import REDRAWN

PACKS = Path(__file__).parents[2] / "packs"
TODAY = date(2026, 11, 21)
FORMER = (
    FormerName("宝安县", Level.district, ("440306", "440307", "440309", "440310", "440311")),
    FormerName("光明新区", Level.district, ("440311",)),
    FormerName("大丰市", Level.district, ("320904",)),
)


def divisions() -> Iterator[Division]:
    """Provinces and prefectures of the country, and everything below in the two shipped cities."""
    lists = [PACKS / "places" / "catalogue" / "codes" / f"{name}.csv" for name in ("province", "prefecture")]
    for city in ("shenzhen", "yancheng"):
        lists += [PACKS / city / "catalogue" / "codes" / f"{name}.csv" for name in ("district", "street", "community")]
    for path in lists:
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                yield Division(row["code"], row["zh"])


@cache
def gazetteer(home: str = "4403") -> Gazetteer:
    """The names of divisions alone: no road and no estate is known."""
    return Gazetteer(divisions(), FORMER, home=home)


class Labelled(msgspec.Struct, frozen=True):
    """A library, and spellings of its addresses with the truth."""

    addresses: list[PlannedAddress]
    library: Library
    spellings: list[PlannedSpelling]


@cache
def labelled(city: str, count: int, stride: int) -> Labelled:
    """The sample city's address library of about `count` addresses and a spelling of every `stride`-th."""
    plan = api.plan(PACKS / city, 10_000, 7, datetime(2026, 11, 21, 3, 30, tzinfo=UTC))
    made = list(api.addresses(plan, count))
    library = Library(map(entry, made), [span for each in made for span in spans(each)])
    return Labelled(made, library, list(api.misspellings(plan, count, stride)))


def entry(made: PlannedAddress) -> Entry:
    """A delivered address as the register holds it."""
    return Entry(
        made.code, made.parent, Level[made.level], made.name, made.division, made.since, made.until, made.replaced_by
    )  # fmt: skip


def spans(made: PlannedAddress) -> Iterator[DivisionSpan]:
    """Where an address lay before boundaries were redrawn."""
    if made.former_division:
        yield DivisionSpan(made.code, made.former_division, made.since, REDRAWN)
