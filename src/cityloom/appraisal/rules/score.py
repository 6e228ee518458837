"""From facts to points: formulas, what cannot be assessed, rounding. Exact fractions until each indicator is rounded once."""

from collections.abc import Mapping, Sequence
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction

import msgspec

from cityloom.appraisal.contracts import Absent, Facts, IndicatorScore, MatrixCell, MatrixLine, PartScore, Ranked, Score
from cityloom.appraisal.rules import measures
from cityloom.appraisal.rules.measures import Value
from cityloom.appraisal.spec import BASE, MOST_BONUS, Indicator, IndicatorSet, Part
from cityloom.kernel.words import Text

CENT = Decimal("0.01")


class Reached(msgspec.Struct, frozen=True):
    """How far an indicator got, 0 to 1, before its weight; None where nothing of it can be assessed."""

    part: Fraction | None
    formula: Text
    """What the weight is multiplied with, in words."""
    parts: tuple[PartScore, ...] = ()


def rounded(number: Fraction, digits: int = 2) -> Decimal:
    """Half up, from the exact fraction (not negative)."""
    scaled = int(number * 10**digits + Fraction(1, 2))
    return Decimal(scaled).scaleb(-digits)


def score(organisation: str, chosen: IndicatorSet, facts: Facts, titles: Mapping[str, Text]) -> Score:
    """The points of one department: the same formulas whether the facts come from the logs or from a file."""
    known = _listed(chosen, facts)
    found = [(indicator, _reach(indicator, known, titles)) for indicator in chosen.indicators]
    factor = _factor(found)
    return _summed(organisation, tuple(_scored(indicator, reached, factor) for indicator, reached in found))


def _summed(organisation: str, indicators: tuple[IndicatorScore, ...]) -> Score:
    """The sum of what is shown: 100 at most, and the bonus."""
    base = min(sum((each.points for each in indicators if not each.bonus), Decimal("0.00")), BASE)
    bonus = min(sum((each.points for each in indicators if each.bonus), Decimal("0.00")), MOST_BONUS)
    return Score(organisation, base + bonus, base, bonus, indicators)


def _listed(chosen: IndicatorSet, facts: Facts) -> Facts:
    """The facts without documents that are none of the set's."""
    if facts.documents is None:
        return facts
    names = {each.name for each in chosen.documents}
    return msgspec.structs.replace(facts, documents=tuple(each for each in facts.documents if each.document in names))


def _factor(found: Sequence[tuple[Indicator, Reached]]) -> Fraction:
    """By how much the weights of what can be assessed grow, so that they sum to the hundred again."""
    spread = sum(
        (each.weight for each, reached in found if reached.part is None and each.absent == "spread" and not each.bonus),
        Decimal(0),
    )
    left = Fraction(BASE - spread)
    return Fraction(BASE) / left if left else Fraction(1)


def _reach(indicator: Indicator, facts: Facts, titles: Mapping[str, Text]) -> Reached:
    if indicator.formula == "reviewed":
        return reviewed(indicator, facts)
    return weighted(indicator.parts, facts, titles)


def reviewed(indicator: Indicator, facts: Facts) -> Reached:
    """The sum of the points that reviewers gave, up to the weight; nothing filed is nothing to assess."""
    given = [each.points for each in facts.reviewed if each.indicator == indicator.name]
    if not given:
        return Reached(None, Text("", ""))
    part = min(Fraction(1), sum((Fraction(each) for each in given), Fraction(0)) / Fraction(indicator.weight))
    terms = " + ".join(map(str, given))
    most = indicator.weight
    return Reached(part, Text(f"min({most}, {terms}) / {most}", f"min({most}, {terms}) / {most}"))


def weighted(parts: Sequence[Part], facts: Facts, titles: Mapping[str, Text]) -> Reached:
    """The shares of the parts as far as each was reached; shares of parts to be spread go to the others."""
    values = [(part, measures.value(facts, part.measure)) for part in parts]
    if all(value.number is None for _, value in values):
        scores = tuple(_part_score(part, value, Fraction(part.share), titles) for part, value in values)
        return Reached(None, Text("", ""), scores)
    kept = sum((part.share for part, value in values if not _spread(part, value)), Decimal(0))
    shares = [
        Fraction(0) if _spread(part, value) else Fraction(part.share) * 100 / Fraction(kept) for part, value in values
    ]
    total = sum(
        (share / 100 * _got(part, value) for (part, value), share in zip(values, shares, strict=True)), Fraction(0)
    )
    counted = [(part, value, share) for (part, value), share in zip(values, shares, strict=True) if share]
    formula = Text(
        *(
            " + ".join(
                _term(part, value, share, titles[part.measure].of(language), language) for part, value, share in counted
            )
            for language in ("en", "zh")
        )
    )
    scores = tuple(_part_score(part, value, share, titles) for (part, value), share in zip(values, shares, strict=True))
    return Reached(total, formula, scores)


ABSENT = {
    "unknown": Text("nobody has told", "无人提供"),
    "nothing": Text("nothing to count", "期内没有发生"),
}
"""Why a part has no number, in the formula."""


def _spread(part: Part, value: Value) -> bool:
    return value.number is None and part.absent == "spread"


def _got(part: Part, value: Value) -> Fraction:
    """How far a part was reached: 0 at its floor, 1 at its target, in line between."""
    if value.number is None:
        return Fraction(part.absent == "full")
    floor, target = Fraction(part.floor), Fraction(part.target)
    return min(Fraction(1), max(Fraction(0), (value.number - floor) / (target - floor)))


def _term(part: Part, value: Value, share: Fraction, title: str, language: str) -> str:
    percent = f"{rounded(share):f}".rstrip("0").rstrip(".")
    if value.number is None:
        return f"{percent}% × {int(_got(part, value))} [{title}: {ABSENT[value.absent].of(language)}]"
    return f"{percent}% × {_line(part, value.shown)} [{title}]"


def _line(part: Part, shown: str) -> str:
    if part.floor:
        return f"min(1, max(0, ({shown} − {part.floor}) / ({part.target} − {part.floor})))"
    return shown if part.target == 1 else f"min(1, {shown} / {part.target})"


def _part_score(part: Part, value: Value, share: Fraction, titles: Mapping[str, Text]) -> PartScore:
    treatment: Absent | str = part.absent if value.number is None else ""
    return PartScore(
        part.measure, titles[part.measure], rounded(share), value.shown, rounded(_got(part, value), 4),
        value.absent, treatment,  # type: ignore[arg-type] # both are of the literals
    )  # fmt: skip


def _scored(indicator: Indicator, reached: Reached, factor: Fraction) -> IndicatorScore:
    assessable = reached.part is not None
    spread = not assessable and indicator.absent == "spread"
    grown = Fraction(indicator.weight) * (Fraction(1) if indicator.bonus else factor)
    effective = Fraction(0) if spread else grown
    part = reached.part if reached.part is not None else Fraction(indicator.absent == "full")
    points = rounded(effective * part)
    weight = rounded(effective)
    return IndicatorScore(
        name=indicator.name,
        title=indicator.title,
        group=indicator.group,
        weight=indicator.weight,
        effective=weight,
        bonus=indicator.bonus,
        assessable=assessable,
        treatment="" if assessable else indicator.absent,
        points=points,
        formula=_formula(indicator, reached, factor, points) if assessable else _said(indicator, points),
        parts=reached.parts,
    )


def _formula(indicator: Indicator, reached: Reached, factor: Fraction, points: Decimal) -> Text:
    weight = f"{indicator.weight}"
    if factor != 1 and not indicator.bonus:
        weight = f"{indicator.weight} × 100/{rounded(100 / factor):f}"
    return Text(*(f"{weight} × ({words}) = {points}" for words in (reached.formula.en, reached.formula.zh)))


def _said(indicator: Indicator, points: Decimal) -> Text:
    en = {"full": "counted in full", "none": "counted as nothing", "spread": "weight spread over the others"}
    zh = {"full": "按满分计", "none": "按零分计", "spread": "权重分摊到其他指标"}
    return Text(f"not assessable, {en[indicator.absent]} = {points}", f"无法评估，{zh[indicator.absent]} = {points}")


def rank(points: Mapping[str, Decimal]) -> tuple[Ranked, ...]:
    """By points, the highest first; equal points share a place and the next one is left out."""
    ordered = sorted(points.items(), key=lambda pair: (-pair[1], pair[0]))
    return tuple(Ranked(1 + sum(other > each for other in points.values()), name, each) for name, each in ordered)


def matrix(scores: Sequence[Score]) -> tuple[MatrixLine, ...]:
    """Departments by indicators, in the order of their points."""
    known = {score.organisation: score for score in scores}
    return tuple(
        MatrixLine(line.organisation, line.place, known[line.organisation].points, _cells(known[line.organisation]))
        for line in rank({name: score.points for name, score in known.items()})
    )


def _cells(score: Score) -> tuple[MatrixCell, ...]:
    return tuple(MatrixCell(each.name, each.points, each.effective, each.assessable) for each in score.indicators)


def corrected(before: Score, indicator: str, points: Decimal, reason: Text) -> Score:
    """The score with one indicator's points as an appeal corrected them."""
    indicators = tuple(
        msgspec.structs.replace(each, points=points.quantize(CENT, ROUND_HALF_UP), formula=reason)
        if each.name == indicator
        else each
        for each in before.indicators
    )
    return _summed(before.organisation, indicators)
