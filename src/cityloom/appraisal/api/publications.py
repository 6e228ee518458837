"""Results as they were published: frozen with their set, facts and evidence; a later revision stands beside."""

import hashlib
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

import msgspec

from cityloom.appraisal import spec
from cityloom.appraisal.api import parties, scores
from cityloom.appraisal.contracts import (
    Appraised,
    Evidence,
    EvidencePage,
    Facts,
    Matrix,
    Publication,
    Ranked,
    Ranking,
    Release,
    Score,
)
from cityloom.appraisal.events import ResultPublished
from cityloom.appraisal.rules import facts as summing
from cityloom.appraisal.rules import score as scoring
from cityloom.appraisal.spec import IndicatorSet
from cityloom.appraisal.store import filings as filing_store
from cityloom.appraisal.store import publications as store
from cityloom.appraisal.store.filings import AppealRow
from cityloom.appraisal.store.publications import EvidenceRow, PublicationRow, ResultRow
from cityloom.kernel.context import Context
from cityloom.kernel.db import Transaction
from cityloom.kernel.errors import Conflict, Invalid, NotFound
from cityloom.kernel.words import Text


def id_of(release: Release) -> str:
    """Set and period: `2018.20260101-20261231`."""
    return f"{release.set}.{release.start:%Y%m%d}-{release.end:%Y%m%d}"


def publish(ctx: Context, release: Release) -> Publication:
    """Count every department now and freeze it. Right `appraisal.publish`. The same key is answered as the first time.

    Appeals that were upheld stand in later revisions. Raises NotFound `appraisal.set_unknown`, Refused, Invalid
    `appraisal.period_backwards`, `appraisal.period_open`, `appraisal.set_not_valid`, `appraisal.revision_reason`;
    Conflict `appraisal.key_reused`.
    """
    using = spec.named(ctx.packs, release.set)
    ctx.require("appraisal.publish", parties.resource(ctx, parties.EVERYBODY, using))
    span, id = parties.span(ctx, release.start, release.end), id_of(release)
    with parties.everywhere(ctx) as tx:
        if (known := store.with_key(tx, id, release.key)) is not None:
            return _same(known, release)
        _check(ctx, release, using, store.find(tx, id))
    counted = list(scores.count(ctx, release.set, using, span))
    with parties.everywhere(ctx) as tx:
        store.lock(tx, id)
        if (known := store.with_key(tx, id, release.key)) is not None:
            return _same(known, release)
        _check(ctx, release, using, last := store.find(tx, id))
        upheld = filing_store.upheld(tx, id)
        results = ranked([_kept(each, upheld) for each in counted])
        row = PublicationRow(
            id, last.revision + 1 if last else 1, release.set, msgspec.json.encode(using).decode(), using.digest,
            release.start, release.end, release.show, _shown(release.show, results), release.reason, "", release.key,
            ctx.principal.name, ctx.clock.now(), _appeals_until(ctx, using),
        )  # fmt: skip
        store.add(tx, row, results)
        for each in counted:
            store.add_evidence(tx, id, row.revision, _rows(using, each, upheld))
        announce(ctx, tx, row, results)
    return publication_of(row)


def _same(known: PublicationRow, release: Release) -> Publication:
    if (known.show, known.reason) != (release.show, release.reason):
        raise Conflict("appraisal.key_reused", key=release.key)
    return publication_of(known)


def _check(ctx: Context, release: Release, using: IndicatorSet, last: PublicationRow | None) -> None:
    if not using.holds(release.start, release.end):
        raise Invalid("appraisal.set_not_valid", set=release.set, start=str(release.start), end=str(release.end))
    if release.end >= ctx.clock.now().astimezone(ctx.parts.calendars.city.table.zone).date():
        raise Invalid("appraisal.period_open", end=release.end.isoformat())
    if last is not None and not release.reason.strip():
        raise Invalid("appraisal.revision_reason", publication=last.id, revision=last.revision)


def _kept(counted: scores.Counted, upheld: Sequence[AppealRow]) -> ResultRow:
    """The result of a department, with what it was granted on appeal; its place comes with all others'."""
    score = counted.score
    for appeal in upheld:
        if appeal.organisation == score.organisation and appeal.points is not None:
            score = scoring.corrected(score, appeal.indicator, appeal.points, by_appeal(appeal.id, appeal.points))
    kept, facts = msgspec.json.encode(score).decode(), msgspec.json.encode(counted.facts).decode()
    return ResultRow(score.organisation, score.points, 0, kept, facts)


def by_appeal(appeal: str, points: Decimal) -> Text:
    """What stands instead of the formula."""
    return Text(f"corrected by appeal {appeal} = {points:.2f}", f"经申诉 {appeal} 更正 = {points:.2f}")


def ranked(results: Sequence[ResultRow]) -> list[ResultRow]:
    """The results with their places."""
    places = {
        line.organisation: line.place for line in scoring.rank({each.organisation: each.points for each in results})
    }
    return [msgspec.structs.replace(each, place=places[each.organisation]) for each in results]


def _shown(show: str, results: Sequence[ResultRow]) -> str:
    """The ranking as everybody may see it."""
    lines = scoring.rank({each.organisation: each.points for each in results})
    if show == "places":
        lines = tuple(msgspec.structs.replace(line, points=None) for line in lines)
    return msgspec.json.encode(() if show == "own" else lines).decode()


def _rows(using: IndicatorSet, counted: scores.Counted, upheld: Sequence[AppealRow]) -> list[EvidenceRow]:
    organisation = counted.score.organisation
    found = []
    for indicator in using.indicators:
        own = [each for each in upheld if (each.organisation, each.indicator) == (organisation, indicator.name)]
        rows = [*(appeal_row(each) for each in own), *summing.of_indicator(counted.rows, indicator)]
        found += [EvidenceRow(organisation, indicator.name, number, row) for number, row in enumerate(rows)]
    return found


def appeal_row(appeal: AppealRow) -> Evidence:
    """A correction is evidence too."""
    points, href = appeal.points or Decimal(0), f"/api/appraisal/appeals/{appeal.id}"
    return Evidence(f"points.{appeal.indicator}", "appeal", appeal.id, points, Decimal(0), href, appeal.answer)


def _appeals_until(ctx: Context, using: IndicatorSet) -> datetime | None:
    try:
        return ctx.parts.calendars.city.deadline(ctx.clock.now(), using.appeal_within)
    except Invalid as problem:
        if problem.code == "calendar.not_announced":
            return None
        raise


def revise(ctx: Context, tx: Transaction, appeal: AppealRow, points: Decimal, reason: str) -> int:
    """The next revision, in which one department's indicator has these points; its number. In the platform's scope."""
    id = appeal.publication
    last = found(tx, id)
    results = ranked([_corrected(each, appeal, points) for each in store.results(tx, id, last.revision)])
    row = msgspec.structs.replace(
        last, revision=last.revision + 1, ranking=_shown(last.show, results), reason=reason, appeal=appeal.id,
        key=f"appeal {appeal.id}", actor=ctx.principal.name, at=ctx.clock.now(),
    )  # fmt: skip
    store.add(tx, row, results)
    store.copy_evidence(tx, id, last.revision, row.revision)
    before = store.count_evidence(tx, id, row.revision, appeal.organisation, appeal.indicator)
    evidence = appeal_row(msgspec.structs.replace(appeal, points=points, answer=reason))
    store.add_evidence(tx, id, row.revision, [EvidenceRow(appeal.organisation, appeal.indicator, before, evidence)])
    announce(ctx, tx, row, results)
    return row.revision


def _corrected(row: ResultRow, appeal: AppealRow, points: Decimal) -> ResultRow:
    if row.organisation != appeal.organisation:
        return row
    before = msgspec.json.decode(row.score, type=Score)
    score = scoring.corrected(before, appeal.indicator, points, by_appeal(appeal.id, points))
    return msgspec.structs.replace(row, points=score.points, score=msgspec.json.encode(score).decode())


def announce(ctx: Context, tx: Transaction, row: PublicationRow, results: Sequence[ResultRow]) -> None:
    """Tell of a revision, and keep what it came to in the audit log."""
    ctx.emit(tx, ResultPublished(row.id, row.revision, row.set_name, row.appeal))
    digest = hashlib.sha256(msgspec.json.encode(results)).hexdigest()
    ctx.record(
        tx, "appraisal.published", f"publication:{row.id}", revision=row.revision, set_digest=row.digest,
        results_digest=digest, departments=len(results), appeal=row.appeal,
    )  # fmt: skip


def found(tx: Transaction, id: str, revision: int = 0) -> PublicationRow:
    """A revision, or the last one. Raises NotFound `appraisal.publication_unknown`."""
    row = store.find(tx, id, revision)
    if row is None:
        raise NotFound("appraisal.publication_unknown", publication=id, revision=revision)
    return row


def publication_of(row: PublicationRow) -> Publication:
    """What all may know of it."""
    return Publication(
        row.id, row.revision, row.set_name, row.digest, row.start_on, row.end_on,
        row.show,  # type: ignore[arg-type] # one of them, by a check of its column
        row.reason, row.appeal, row.actor, row.at, row.appeals_until,
    )  # fmt: skip


def listing(ctx: Context) -> list[Publication]:
    """Every revision of everything that was published."""
    with ctx.begin() as tx:
        return [publication_of(row) for row in store.listed(tx)]


def ranking(ctx: Context, id: str, revision: int = 0) -> Ranking:
    """The ranking as it was published: with points, places only, or nothing but one's own; those who see every
    department's see all of it."""
    everything = parties.sees_all(ctx)
    own = ctx.permits("appraisal.read", parties.resource(ctx, ctx.principal.organisation))
    with parties.reading(ctx) as tx:
        row = found(tx, id, revision)
        rows = store.results(tx, id, row.revision) if everything or own else []
    lines = tuple(Ranked(each.place, each.organisation, each.points) for each in rows)
    if not everything and row.show != "own":
        lines = msgspec.json.decode(row.ranking, type=tuple[Ranked, ...])
    return Ranking(row.set_name, row.start_on, row.end_on, publication_of(row).show, lines, id, row.revision)


def matrix(ctx: Context, id: str, revision: int = 0) -> Matrix:
    """Every department by every indicator, as it was published. Right `appraisal.read_all`.

    Raises NotFound `appraisal.publication_unknown`, Refused.
    """
    with ctx.begin() as tx:
        row = found(tx, id, revision)
    using = msgspec.json.decode(row.set_body, type=IndicatorSet)
    ctx.require("appraisal.read_all", parties.resource(ctx, parties.EVERYBODY, using))
    with parties.everywhere(ctx) as tx:
        kept = store.results(tx, id, row.revision)
    lines = scoring.matrix([msgspec.json.decode(each.score, type=Score) for each in kept])
    return Matrix(row.set_name, row.start_on, row.end_on, lines, id, row.revision)


def result(ctx: Context, id: str, organisation: str, revision: int = 0) -> Appraised:
    """One department's result as it was published. Right `appraisal.read`.

    Raises NotFound `appraisal.publication_unknown`, `appraisal.not_appraised`, Refused.
    """
    row, kept = _result(ctx, id, organisation, revision)
    score, facts = msgspec.json.decode(kept.score, type=Score), msgspec.json.decode(kept.facts, type=Facts)
    return Appraised(
        row.set_name, row.digest, row.start_on, row.end_on, score, facts, id, row.revision, kept.place
    )  # fmt: skip


def _result(ctx: Context, id: str, organisation: str, revision: int) -> tuple[PublicationRow, ResultRow]:
    with ctx.begin() as tx:
        row = found(tx, id, revision)
    using = msgspec.json.decode(row.set_body, type=IndicatorSet)
    ctx.require("appraisal.read", parties.resource(ctx, organisation, using))
    with parties.everywhere(ctx) as tx:
        kept = store.result(tx, id, row.revision, organisation)
    if kept is None:
        raise NotFound("appraisal.not_appraised", organisation=organisation, set=row.set_name)
    return row, kept


def evidence(
    ctx: Context, id: str, organisation: str, indicator: str, revision: int, offset: int, limit: int
) -> EvidencePage:
    """The rows that a published indicator rests on. Right `appraisal.read`; raises what `result` raises, and NotFound
    `appraisal.indicator_unknown`."""
    row, _ = _result(ctx, id, organisation, revision)
    msgspec.json.decode(row.set_body, type=IndicatorSet).indicator(indicator)
    with parties.everywhere(ctx) as tx:
        total = store.count_evidence(tx, id, row.revision, organisation, indicator)
        rows = store.evidence(tx, id, row.revision, organisation, indicator, offset, limit)
    return EvidencePage(organisation, indicator, total, offset, rows)


def set_of(ctx: Context, id: str, revision: int = 0) -> IndicatorSet:
    """The set as it was when the result was published."""
    with ctx.begin() as tx:
        return msgspec.json.decode(found(tx, id, revision).set_body, type=IndicatorSet)
