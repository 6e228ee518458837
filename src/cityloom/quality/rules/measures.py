"""From what one day brought to a dataset to its scores, each with the parts that it was counted from."""

from collections.abc import Iterator

import msgspec

from cityloom.exchange.contracts import DatasetDay, Probe
from cityloom.quality.contracts import Dimension

Counted = tuple[str, int, int]
"""Name of a part, good, total."""


class Scored(msgspec.Struct, frozen=True):
    """A dimension (part '') or one of the parts that it was counted from."""

    dimension: Dimension
    part: str
    good: int
    total: int


def scores(found: DatasetDay, tickets: tuple[int, int]) -> list[Scored]:
    """For each dimension its parts, and under '' what they add up to.

    `tickets`: how many were open at the day's end, and to how many of them the keeper had answered.
    """
    rows = []
    for dimension, parts in _dimensions(found, tickets):
        whole = ("", sum(good for _, good, _ in parts), sum(total for *_, total in parts))
        told = [*_broken(found)] if dimension == Dimension.validity else parts
        for part, good, total in (whole, *told):
            rows.append(Scored(dimension, part, good, total))
    return rows


def _dimensions(found: DatasetDay, tickets: tuple[int, int]) -> Iterator[tuple[Dimension, list[Counted]]]:
    rows = found.rows_in
    missing = sum(fault.rows for fault in found.faults if fault.rule == "required")
    required = ("required", rows * found.required - missing, rows * found.required)
    repeated = found.ambiguous + found.repeats
    opened, answered = tickets
    yield Dimension.completeness, [required, *_probed(found, "filled")]
    yield Dimension.validity, [("delivered", rows - found.quarantined, rows)]
    yield Dimension.uniqueness, [("delivered", rows - repeated, rows), *_probed(found, "keys", "unique")]
    yield (
        Dimension.consistency,
        [
            ("delivered", rows - found.inconsistent, rows),
            *_probed(found, "codes", "reference", "check"),
            ("tickets", answered, opened),
        ],
    )
    yield Dimension.timeliness, [(f"period:{each.ends_on}", int(each.on_time), 1) for each in found.due]


def _probed(found: DatasetDay, *kinds: str) -> list[Counted]:
    return [(_name(probe), probe.good, probe.total) for probe in found.probes if probe.kind in kinds]


def _name(probe: Probe) -> str:
    return f"{probe.kind}:{probe.name}"


def _broken(found: DatasetDay) -> Iterator[Counted]:
    """Rows that kept each rule that some row of the day broke. A row may break several, so these add up to nothing."""
    for fault in found.faults:
        yield f"rule:{fault.rule}:{fault.field}", found.rows_in - fault.rows, found.rows_in
