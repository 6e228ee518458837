"""What may be filed for an indicator, and what reviewers may give for it."""

from collections.abc import Mapping, Sequence
from decimal import Decimal

from cityloom.appraisal.contracts import FILED, Claim, Fileable, Measure
from cityloom.appraisal.rules.facts import ASKED
from cityloom.appraisal.spec import Indicator, IndicatorSet
from cityloom.kernel.errors import Invalid
from cityloom.kernel.words import Text

POINTS = Text("points", "得分")
CENT = Decimal("0.01")
MOST = Decimal(10**15)


def check(chosen: IndicatorSet, indicator: Indicator, claims: Sequence[Claim]) -> None:
    """Raises Invalid `appraisal.claim_unknown`, `appraisal.claim_twice`, `appraisal.claim_wrong`."""
    known = allowed(chosen, indicator)
    for claim in claims:
        if claim.of not in known:
            told = ", ".join(known) or "-"
            raise Invalid("appraisal.claim_unknown", claim=claim.of, indicator=indicator.name, known=told)
        if not _fits(indicator, claim):
            raise Invalid("appraisal.claim_wrong", claim=claim.of, good=str(claim.good), total=str(claim.total))
    if len({claim.of for claim in claims}) < len(claims):
        raise Invalid("appraisal.claim_twice", indicator=indicator.name)


def allowed(chosen: IndicatorSet, indicator: Indicator) -> tuple[str, ...]:
    """What can be filed for an indicator: points, counts that no log has, how often documents were asked for."""
    if indicator.formula == "reviewed":
        return ("points",)
    measures = [part.measure for part in indicator.parts]
    names = [str(each) for each in measures if each in FILED]
    if Measure.documents in measures:
        names += [f"{ASKED}{document.name}" for document in chosen.documents]
    return tuple(names)


def fileable(chosen: IndicatorSet, measures: Mapping[str, Text]) -> tuple[Fileable, ...]:
    """What can be filed for each indicator of a set, with its title."""
    documents = {f"{ASKED}{each.name}": each.title for each in chosen.documents}
    titles: dict[str, Text] = {"points": POINTS, **{str(name): title for name, title in measures.items()}, **documents}
    return tuple(
        Fileable(each.name, of, titles[of], of not in ("points", *documents), each.weight if of == "points" else None)
        for each in chosen.indicators
        for of in allowed(chosen, each)
    )


def _fits(indicator: Indicator, claim: Claim) -> bool:
    good, total = claim.good, claim.total
    if not (good.is_finite() and total.is_finite() and 0 <= good <= MOST and 0 <= total <= MOST):
        return False
    if claim.of == "points":
        return good <= indicator.weight and good == good.quantize(CENT) and not total
    whole = good == int(good) and total == int(total)
    return whole and (not total if claim.of.startswith(ASKED) else good <= total > 0)


def is_points(number: Decimal, weight: Decimal) -> bool:
    """Whether these are points that an indicator of this weight can have: to 0.01, not below 0."""
    return number.is_finite() and 0 <= number <= weight and number == number.quantize(CENT)
