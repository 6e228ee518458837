"""From what is known of registers and datasets to the figures of a topic, without I/O."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

import msgspec

from cityloom.exchange.contracts import Currency
from cityloom.quality.contracts import Recent
from cityloom.registers.contracts import Agreement, Shape
from cityloom.topics.contracts import Counted, Figure, Measure, Met
from cityloom.topics.spec import Part, Topic

SUMMED = (Measure.delivered, Measure.filled, Measure.known, Measure.fresh, Measure.timely, Measure.conflict)
"""What a topic's own figure is the sum of its parts' for."""


class Dataset(msgspec.Struct, frozen=True):
    """What is known of a dataset that the city has."""

    currency: Currency
    recent: Recent
    records: int


class Register(msgspec.Struct, frozen=True):
    """What is known of a register."""

    shape: Shape
    agreement: Agreement | None

    def entities(self, dataset: str = "") -> int:
        """Of how many entities a dataset, or any, has a record."""
        tallies = self.agreement.tallies if self.agreement else ()
        return sum(each.entities for each in tallies if each.what == "held" and each.left == dataset)


class Known(msgspec.Struct, frozen=True):
    """All that figures are counted from."""

    datasets: Mapping[str, Dataset]
    registers: Mapping[str, Register]
    met: Mapping[tuple[str, str], Met]
    """By dataset and register, for datasets that do not feed the register."""
    now: datetime


def figures(topic: Topic, known: Known) -> list[Counted]:
    """The figures of every part, and before them those of the whole."""
    found = [each for part in topic.parts for each in _part(part, known)]
    sums: dict[Measure, tuple[int, int]] = defaultdict(lambda: (0, 0))
    for each in found:
        figure = each.figure
        whole = not figure.other and (not figure.field or figure.measure == Measure.known)
        if figure.measure in SUMMED and whole:
            count, total = sums[figure.measure]
            sums[figure.measure] = count + figure.count, total + figure.total
    wholes = [Counted(Figure("", measure, "", "", *sums[measure]), "") for measure in SUMMED if measure in sums]
    return [*wholes, *found]


def _part(part: Part, known: Known) -> list[Counted]:
    if part.register:
        register = known.registers[part.register]
        return [Counted(each, register.shape.keeper) for each in _register(part, register)]
    dataset = known.datasets.get(part.dataset or "")
    if dataset is None:
        return [Counted(Figure(part.name, Measure.delivered, "", "", 0, 1), "")]
    return [Counted(each, dataset.currency.keeper) for each in _dataset(part, dataset, known)]


def _register(part: Part, register: Register) -> Iterator[Figure]:
    entities = register.entities()
    yield Figure(part.name, Measure.delivered, "", "", int(entities > 0), 1)
    yield Figure(part.name, Measure.records, "", "", entities, entities)
    tallies = register.agreement.tallies if register.agreement else ()
    filled = {each.field: each.entities for each in tallies if each.what == "filled"}
    yield from _filled(part, [(name, filled.get(name, 0), entities) for name in part.required])
    for each in tallies:
        if each.what == "compared":
            pair = f"{each.left}/{each.right}" if each.left else ""
            yield Figure(part.name, Measure.conflict, each.field, pair, each.differing, each.entities)


def _dataset(part: Part, dataset: Dataset, known: Known) -> Iterator[Figure]:
    yield Figure(part.name, Measure.delivered, "", "", int(dataset.records > 0), 1)
    yield Figure(part.name, Measure.records, "", "", dataset.records, dataset.records)
    yield from _filled(part, [each for each in dataset.recent.filled if each[0] in part.required])
    yield from _freshness(part, dataset, known.now)
    if dataset.recent.periods:
        yield Figure(part.name, Measure.timely, "", "", dataset.recent.timely, dataset.recent.periods)
    for name in dict.fromkeys(link.register for link in part.links):
        yield from _coverage(part, known.registers[name], known.met.get((part.name, name)))


def _filled(part: Part, fields: Sequence[tuple[str, int, int]]) -> Iterator[Figure]:
    for name, count, total in fields:
        yield Figure(part.name, Measure.filled, name, "", count, total)
    if fields:
        counts, totals = sum(count for _, count, _ in fields), sum(total for *_, total in fields)
        yield Figure(part.name, Measure.filled, "", "", counts, totals)


def _freshness(part: Part, dataset: Dataset, now: datetime) -> Iterator[Figure]:
    currency = dataset.currency
    age = (now - currency.last_accepted).days if currency.last_accepted else None
    if age is not None:
        yield Figure(part.name, Measure.age, "", "", age, 0)
    if currency.rhythmic:
        yield Figure(part.name, Measure.fresh, "", "", int(age is not None and currency.missed is None), 1)
    elif part.every_days:
        yield Figure(part.name, Measure.fresh, "", "", int(age is not None and age < part.every_days), 1)


def _coverage(part: Part, register: Register, met: Met | None) -> Iterator[Figure]:
    """Of a dataset that feeds the register its own count: the register knows records without a number too."""
    name = register.shape.name
    entities = met.entities if met else register.entities(part.dataset or "")
    yield Figure(part.name, Measure.coverage, name, "", entities, register.entities())
    if met:
        yield Figure(part.name, Measure.known, name, "", met.known, met.named)
