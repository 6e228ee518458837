"""From evidence rows to facts: numbers are sums of rows and of nothing else."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from decimal import Decimal
from typing import Any

from cityloom.appraisal.contracts import (
    DIMENSIONS,
    DimensionFacts,
    DocumentFacts,
    Evidence,
    Facts,
    Measure,
    Ratio,
    ReviewedFacts,
)
from cityloom.appraisal.spec import Indicator
from cityloom.kernel.errors import Invalid

QUALITY, DOCUMENT, POINTS, ASKED = "quality.", "documents.", "points.", "asked."
APART = (Measure.quality, Measure.documents)


def of(rows: Sequence[Evidence], observed: Collection[Measure]) -> Facts:
    """The sums of the rows. A measure in `observed` that has no row had nothing to count; one that has neither is not
    known."""
    sums: dict[str, list[Decimal]] = defaultdict(lambda: [Decimal(0), Decimal(0)])
    for row in rows:
        sums[row.measure][0] += row.good
        sums[row.measure][1] += row.total
    plain: dict[str, Any] = {
        measure: Ratio(int(sums[measure][0]), int(sums[measure][1]))
        for measure in Measure
        if measure not in APART and (measure in sums or measure in observed)
    }
    dimensions = tuple(
        DimensionFacts(name, int(sums[QUALITY + name][0]), int(sums[QUALITY + name][1]))  # type: ignore[arg-type]
        for name in DIMENSIONS
        if QUALITY + name in sums or Measure.quality in observed
    )
    documents = tuple(
        DocumentFacts(name.removeprefix(DOCUMENT), int(good), int(total))
        for name, (good, total) in sorted(sums.items())
        if name.startswith(DOCUMENT)
    )
    reviewed = tuple(
        ReviewedFacts(row.measure.removeprefix(POINTS), row.good) for row in rows if row.measure.startswith(POINTS)
    )
    known = documents if documents or Measure.documents in observed else None
    return Facts(**plain, quality=dimensions, documents=known, reviewed=reviewed)


def of_indicator(rows: Sequence[Evidence], indicator: Indicator) -> list[Evidence]:
    """The rows that an indicator rests on, in the order of its parts."""
    if indicator.formula == "reviewed":
        return [row for row in rows if row.measure == POINTS + indicator.name]
    order = {part.measure: number for number, part in enumerate(indicator.parts)}
    kept = [row for row in rows if row.measure.split(".")[0] in order]
    return sorted(kept, key=lambda row: (order[Measure(row.measure.split(".")[0])], row.measure, row.kind, row.id))


def check(department: str, facts: Facts) -> None:
    """Raises Invalid `appraisal.facts_wrong` for numbers that cannot be: more good than there are, points below 0."""
    told: list[tuple[str, Ratio | DimensionFacts | DocumentFacts]] = [
        (str(name), found)
        for name in Measure
        if name not in (*APART, Measure.uses) and (found := getattr(facts, name)) is not None
    ]
    told += [(QUALITY + each.dimension, each) for each in facts.quality]
    told += [(DOCUMENT + each.document, each) for each in facts.documents or ()]
    wrong = [name for name, found in told if found.good > found.total]
    wrong += [POINTS + each.indicator for each in facts.reviewed if not each.points.is_finite() or each.points < 0]
    if wrong:
        raise Invalid("appraisal.facts_wrong", department=department, measure=wrong[0])
