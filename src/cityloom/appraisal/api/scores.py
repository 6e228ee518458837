"""What departments come to by the logs as they are now: points, the rows that they rest on, the ranking."""

from collections.abc import Iterator
from datetime import date

import msgspec

from cityloom.appraisal import spec
from cityloom.appraisal.api import gather, parties
from cityloom.appraisal.api.parties import Span
from cityloom.appraisal.contracts import Appraised, Evidence, EvidencePage, Facts, Matrix, Ranking, Score
from cityloom.appraisal.rules import facts as summing
from cityloom.appraisal.rules import score as scoring
from cityloom.appraisal.spec import IndicatorSet
from cityloom.kernel.context import Context
from cityloom.kernel.errors import NotFound


class Counted(msgspec.Struct, frozen=True):
    """One department: its score, the facts it comes from, and their rows."""

    score: Score
    facts: Facts
    rows: list[Evidence]


def chosen(ctx: Context, name: str, start: date, end: date) -> tuple[str, IndicatorSet]:
    """The set of that version, or the newest that is valid for the period.

    Raises NotFound `appraisal.set_unknown`, `appraisal.set_none`.
    """
    version = name or spec.valid(ctx.packs, start, end)
    return version, spec.named(ctx.packs, version)


def count(ctx: Context, name: str, using: IndicatorSet, span: Span, only: str = "") -> Iterator[Counted]:
    """Each appraised department, or one, by the logs. Asks no policy: whoever calls has."""
    counting = parties.counting(ctx)
    known = gather.wide(counting, name, span)
    for organisation in parties.appraised(ctx, using):
        if only in ("", organisation):
            rows = gather.evidence(counting, using, organisation, span, known)
            facts = summing.of(rows, gather.observed())
            yield Counted(scoring.score(organisation, using, facts, spec.measures()), facts, rows)


def compute(ctx: Context, organisation: str, start: date, end: date, name: str = "") -> Appraised:
    """One department's score. Right `appraisal.read`.

    Raises NotFound `appraisal.set_…`, `appraisal.not_appraised`, Invalid `appraisal.period_backwards`, Refused.
    """
    version, using, counted = _counted(ctx, organisation, start, end, name)
    return Appraised(version, using.digest, start, end, counted.score, counted.facts)


def evidence(
    ctx: Context, organisation: str, indicator: str, start: date, end: date, name: str, offset: int, limit: int
) -> EvidencePage:
    """The rows that one indicator rests on. Right `appraisal.read`; raises what `compute` raises, and
    NotFound `appraisal.indicator_unknown`."""
    _, using, counted = _counted(ctx, organisation, start, end, name)
    rows = summing.of_indicator(counted.rows, using.indicator(indicator))
    return EvidencePage(organisation, indicator, len(rows), offset, rows[offset : offset + limit])


def _counted(
    ctx: Context, organisation: str, start: date, end: date, name: str
) -> tuple[str, IndicatorSet, Counted]:  # fmt: skip
    span = parties.span(ctx, start, end)
    version, using = chosen(ctx, name, start, end)
    ctx.require("appraisal.read", parties.resource(ctx, organisation, using))
    for counted in count(ctx, version, using, span, organisation):
        return version, using, counted
    raise NotFound("appraisal.not_appraised", organisation=organisation, set=version)


def matrix(ctx: Context, start: date, end: date, name: str = "") -> Matrix:
    """Every department by every indicator, by the logs as they are now. Right `appraisal.read_all`."""
    span = parties.span(ctx, start, end)
    version, using = chosen(ctx, name, start, end)
    ctx.require("appraisal.read_all", parties.resource(ctx, parties.EVERYBODY, using))
    return Matrix(version, start, end, scoring.matrix([each.score for each in count(ctx, version, using, span)]))


def ranking(ctx: Context, start: date, end: date, name: str = "") -> Ranking:
    """The points of every department by the logs as they are now. Right `appraisal.read_all`: what all may see is
    published."""
    span = parties.span(ctx, start, end)
    version, using = chosen(ctx, name, start, end)
    ctx.require("appraisal.read_all", parties.resource(ctx, parties.EVERYBODY, using))
    points = {each.score.organisation: each.score.points for each in count(ctx, version, using, span)}
    return Ranking(version, start, end, "points", scoring.rank(points))
