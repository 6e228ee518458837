"""Its part of a pack: indicator sets (`appraisal/<version>.yaml`), what serves which document in this city
(`appraisal/serves/<version>.yaml`), and how filings and appeals go (`appraisal/flows/`)."""

import hashlib
from collections import Counter
from datetime import date
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Literal

import msgspec

from cityloom.appraisal.contracts import Absent, Measure, Name
from cityloom.identity.contracts import OrganisationKind
from cityloom.kernel.calendar.spec import Period
from cityloom.kernel.errors import Invalid, NotFound
from cityloom.kernel.flow.spec import Definition
from cityloom.kernel.packs import Packs, decode
from cityloom.kernel.words import Text

FILING, APPEAL = "appraisal_filing", "appraisal_appeal"
FILES: dict[str, Literal["filing", "appeal"]] = {FILING: "filing", APPEAL: "appeal"}
HERE = Path(__file__).parent
BASE, MOST_BONUS, WHOLE = Decimal(100), Decimal(5), Decimal(100)


class Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A measure within an indicator. Nothing is given up to `floor`, everything from `target` on, in line between."""

    measure: Measure
    share: Decimal
    """Percent of the indicator's weight."""
    floor: Decimal = Decimal(0)
    target: Decimal = Decimal(1)
    absent: Absent = "none"


class Indicator(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A second-level indicator (二级指标).

    `weighted`: its weight times the shares of its parts as far as each was reached. `reviewed`: the points that the
    platform gave to what was filed, up to the weight.
    """

    name: Name
    title: Text
    group: Name
    weight: Decimal
    formula: Literal["weighted", "reviewed"]
    parts: tuple[Part, ...] = ()
    bonus: bool = False
    """加分项: on top of the hundred."""
    absent: Absent = "none"
    """Where nothing of it can be assessed."""


class Group(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A first-level indicator (一级指标)."""

    name: Name
    title: Text


class Serves(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What gives a document by sharing: datasets by name, resources by id or code, or by words of their title."""

    datasets: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    terms: tuple[str, ...] = ()


class ListedDocument(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A certificate or proof (证照及证明文件) of the set's list."""

    name: Name
    title: Text
    serves: Serves = Serves()


class IndicatorSet(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A version of the indicators (指标体系)."""

    title: Text
    valid_from: date
    groups: tuple[Group, ...]
    indicators: tuple[Indicator, ...]
    valid_until: date | None = None
    """The last day; empty: until another one follows."""
    source: str = ""
    documents: tuple[ListedDocument, ...] = ()
    appraised: tuple[OrganisationKind, ...] = (OrganisationKind.department,)
    """Which kinds of organisations are appraised."""
    readers: tuple[str, ...] = ()
    """Organisations whose people see every department's detail (leaders, supervision)."""
    appeal_within: Period = Period(15, "working_days")
    """How long after its publication a result may be appealed."""

    @property
    def digest(self) -> str:
        """SHA-256 of what it says."""
        return hashlib.sha256(msgspec.json.encode(self, order="deterministic")).hexdigest()

    def indicator(self, name: str) -> Indicator:
        """The indicator of that name. Raises NotFound `appraisal.indicator_unknown`."""
        for indicator in self.indicators:
            if indicator.name == name:
                return indicator
        known = ", ".join(each.name for each in self.indicators)
        raise NotFound("appraisal.indicator_unknown", indicator=name, known=known)

    def holds(self, start: date, end: date) -> bool:
        """Whether it is valid for the whole period."""
        return self.valid_from <= start and (self.valid_until is None or end <= self.valid_until)


def check(name: str, found: IndicatorSet) -> IndicatorSet:
    """The set itself. Raises Invalid `appraisal.weights_wrong`, `appraisal.bonus_wrong` and `appraisal.set_wrong`."""
    if wrong := [each.name for each in found.indicators if not _positive(each.weight)]:
        raise Invalid("appraisal.set_wrong", set=name, place=wrong[0], rule="weight not above 0")
    base = sum((each.weight for each in found.indicators if not each.bonus), Decimal(0))
    bonus = sum((each.weight for each in found.indicators if each.bonus), Decimal(0))
    if base != BASE:
        raise Invalid("appraisal.weights_wrong", set=name, sum=str(base))
    if bonus > MOST_BONUS:
        raise Invalid("appraisal.bonus_wrong", set=name, sum=str(bonus))
    twice = [each for each, number in Counter(each.name for each in found.indicators).items() if number > 1]
    if twice:
        raise Invalid("appraisal.set_wrong", set=name, place=twice[0], rule="name twice")
    groups = {group.name for group in found.groups}
    for indicator in found.indicators:
        if rule := _fault(indicator, groups, bool(found.documents)):
            raise Invalid("appraisal.set_wrong", set=name, place=indicator.name, rule=rule)
    return found


def _positive(number: Decimal) -> bool:
    return number.is_finite() and number > 0


def _fault(indicator: Indicator, groups: set[str], listed: bool) -> str:
    if indicator.group not in groups:
        return f"group {indicator.group} unknown"
    if indicator.formula == "reviewed":
        return "parts of a reviewed indicator" if indicator.parts else ""
    numbers = [number for part in indicator.parts for number in (part.share, part.target, part.floor + 1)]
    if not all(map(_positive, numbers)) or any(part.floor < 0 for part in indicator.parts):
        return "share, target or floor below 0"
    shares = sum((part.share for part in indicator.parts), Decimal(0))
    if shares != WHOLE:
        return f"shares sum to {shares}, not 100"
    if any(part.target <= part.floor for part in indicator.parts):
        return "target not above floor"
    if len({part.measure for part in indicator.parts}) < len(indicator.parts):
        return "measure twice"
    if not listed and any(part.measure == Measure.documents for part in indicator.parts):
        return "no documents listed"
    return ""


@cache
def shipped() -> dict[str, IndicatorSet]:
    """The sets that come with the product."""
    return {path.stem: read(path) for path in sorted((HERE / "sets").glob("*.yaml"))}


@cache
def measures() -> dict[str, Text]:
    """What each measure counts, in words."""
    return decode(HERE / "measures.yaml", dict[str, Text])


def read(path: Path) -> IndicatorSet:
    """A set from a file. Raises Invalid `kernel.pack_wrong` and what `check` raises."""
    return check(path.stem, decode(path, IndicatorSet))


def sets(packs: Packs) -> dict[str, IndicatorSet]:
    """The city's sets by version, the newest last: its packs' own, and the shipped ones that they do not replace.

    Raises Invalid `kernel.pack_wrong` and what `check` raises.
    """
    own = {name: check(name, each) for name, each in packs.read("appraisal", IndicatorSet).items()}
    served = packs.read("appraisal/serves", dict[str, Serves])
    found = {name: _served(each, served.get(name, {})) for name, each in {**shipped(), **own}.items()}
    return dict(sorted(found.items(), key=lambda pair: (pair[1].valid_from, pair[0])))


def _served(found: IndicatorSet, serves: dict[str, Serves]) -> IndicatorSet:
    documents = tuple(
        msgspec.structs.replace(each, serves=serves.get(each.name, each.serves)) for each in found.documents
    )
    return msgspec.structs.replace(found, documents=documents)


def named(packs: Packs, name: str) -> IndicatorSet:
    """The set of that version. Raises NotFound `appraisal.set_unknown`."""
    found = sets(packs)
    if name not in found:
        raise NotFound("appraisal.set_unknown", set=name, known=", ".join(found))
    return found[name]


def valid(packs: Packs, start: date, end: date) -> str:
    """The newest version that is valid for the whole period. Raises NotFound `appraisal.set_none`."""
    for name, each in reversed(sets(packs).items()):
        if each.holds(start, end):
            return name
    raise NotFound("appraisal.set_none", start=start.isoformat(), end=end.isoformat())


def flow(packs: Packs, kind: str) -> Definition:
    """How filings or appeals go in this city: as its packs say, else as shipped. Raises Invalid `kernel.pack_wrong`."""
    name = FILES[kind]
    written = packs.read("appraisal/flows", Definition).get(name)
    if written is not None:
        return written
    return decode(HERE / f"{name}.yaml", Definition)
