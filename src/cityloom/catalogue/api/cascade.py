"""级联: what changed here, for the catalogue above or below, and what other catalogues report."""

from collections.abc import Sequence

import msgspec

from cityloom.catalogue.api.desk import add_terms, digest_of, search_row, thing, titles_of
from cityloom.catalogue.contracts import Heard, Line, Report, ReportedChange, ResourceWish
from cityloom.catalogue.events import CatalogueChanged
from cityloom.catalogue.rules import claims, diff, judge
from cityloom.catalogue.store import entries, resources, search
from cityloom.catalogue.store.resources import NewRevision, PartnerRow, ResourceRow
from cityloom.kernel.context import Context
from cityloom.kernel.db import Transaction
from cityloom.kernel.errors import Conflict, Invalid

LONGEST_ID = 128
"""Characters of a resource's id, as `ResourceId` has it."""


def id_here(catalogue: str, theirs: str) -> str:
    """The id that another catalogue's resource has here."""
    return f"{catalogue}~{theirs}"


def code_here(catalogue: str, theirs: str) -> str:
    """The code that another catalogue's resource has here."""
    return f"{catalogue}:{theirs}"


def own_name(ctx: Context) -> str:
    """The name under which this catalogue reports."""
    return ctx.settings.catalogue or ctx.settings.city


def report(ctx: Context, since: int, limit: int) -> Report:
    """The newest state of each of this catalogue's own resources that changed after `since`, by sequence."""
    with ctx.begin() as tx:
        rows = resources.changed_since(tx, since, limit + 1)
        last = resources.last_sequence(tx)
    some = rows[:limit]
    more = len(rows) > limit
    until = some[-1].sequence if more else max(last, since)
    changes = tuple(
        ReportedChange(row.sequence, row.id, row.code, row.grade, None if row.retired_at else row.wish) for row in some
    )
    return Report(own_name(ctx), since, until, changes, more)


def hear(ctx: Context, told: Report) -> Heard:
    """Keep what another catalogue reports, under the organisation that reports it. Right `catalogue.hear_report`.

    Heard again, it changes nothing. Raises Invalid `catalogue.report_of_itself`, `catalogue.report_disordered`,
    `catalogue.report_id_twice`, `catalogue.report_code_twice`, `catalogue.report_id_too_long` and
    `catalogue.resource.…`; Conflict `catalogue.report_gap`, `catalogue.report_of_another`, `catalogue.report_code_held`.
    """
    ctx.require("catalogue.hear_report", thing(told.catalogue, ctx.principal.organisation))
    _check(ctx, told)
    titles = titles_of(ctx)
    with ctx.begin() as tx:
        resources.lock(tx)
        last = _heard_until(ctx, tx, told)
        new = [change for change in told.changes if change.sequence > last]
        _check_codes(tx, told.catalogue, new)
        listener = _Listener(ctx, tx, told.catalogue)
        listener.keep(new)
        for row in listener.news:
            if row.id in listener.watched:
                ctx.emit(tx, _event(row))
        kept = [row for row in listener.news if not row.retired]
        title = titles.get(ctx.principal.organisation)
        found = [
            msgspec.structs.replace(search_row(row.id, row.wish, row.grade, title), keeper=row.keeper) for row in kept
        ]
        search.put(tx, found)
        search.remove(tx, [row.id for row in listener.news if row.retired])
        add_terms(tx, found)
        until = max(told.until, last)
        resources.heard(tx, PartnerRow(told.catalogue, ctx.principal.organisation, until, ctx.clock.now()))
        if until > last:
            counts = listener.counts
            ctx.record(tx, "catalogue.report_heard", f"catalogue:{told.catalogue}", until=until, changes=len(new))
        else:
            counts = dict.fromkeys(listener.counts, 0)
    unchanged = len(told.changes) - counts["added"] - counts["changed"] - counts["retired"]
    return Heard(told.catalogue, until, counts["added"], counts["changed"], counts["retired"], unchanged)


def _check(ctx: Context, told: Report) -> None:
    if told.catalogue == own_name(ctx):
        raise Invalid("catalogue.report_of_itself", catalogue=told.catalogue)
    numbers = [change.sequence for change in told.changes]
    if numbers != sorted(set(numbers)) or (numbers and not told.since < numbers[0] <= numbers[-1] <= told.until):
        raise Invalid("catalogue.report_disordered", since=told.since, until=told.until)
    seen: set[str] = set()
    coded: dict[str, str] = {}
    for change in told.changes:
        if change.id in seen:
            raise Invalid("catalogue.report_id_twice", resource=change.id)
        seen.add(change.id)
        other = coded.setdefault(change.code, change.id)
        if other != change.id:
            raise Invalid("catalogue.report_code_twice", given=change.code, first=other, second=change.id)
        for each in (change.id, *(change.record.derived_from if change.record else ())):
            if len(id_here(told.catalogue, each)) > LONGEST_ID:
                raise Invalid("catalogue.report_id_too_long", resource=each, limit=LONGEST_ID - len(told.catalogue) - 1)
        if change.record is not None:
            judge.check_reported(change.id, change.record)


def _check_codes(tx: Transaction, catalogue: str, changes: Sequence[ReportedChange]) -> None:
    """That each code is free, or becomes free with this report: in it a code may move from one resource to another."""
    told = {id_here(catalogue, change.id) for change in changes}
    codes = {code_here(catalogue, change.code): change for change in changes}
    for held in resources.holders_of_codes(tx, list(codes)):
        if held.id not in told:
            change = codes[held.code]
            theirs = held.id.partition("~")[2]
            raise Conflict("catalogue.report_code_held", given=change.code, resource=change.id, holder=theirs)


def _heard_until(ctx: Context, tx: Transaction, told: Report) -> int:
    known = resources.partner(tx, told.catalogue)
    if known is None:
        organisation = ctx.principal.organisation
        met = resources.meet(tx, PartnerRow(told.catalogue, organisation, 0, ctx.clock.now()))
        if not met or resources.reported_by_another(tx, told.catalogue, organisation):
            raise Conflict("catalogue.report_of_another", catalogue=told.catalogue)
    last = known.last_sequence if known else 0
    if told.since > last:
        raise Conflict("catalogue.report_gap", catalogue=told.catalogue, since=told.since, last=last)
    return last


def _event(row: NewRevision) -> CatalogueChanged:
    return CatalogueChanged(
        row.id, row.keeper, row.revision, row.sequence, row.grade, row.breaking, row.retired, (row.cause,)
    )


class _Listener:
    """Turns reported changes into revisions, many at a time."""

    def __init__(self, ctx: Context, tx: Transaction, catalogue: str) -> None:
        self.ctx = ctx
        self.tx = tx
        self.catalogue = catalogue
        self.elements = claims.Elements(entries.elements(tx))
        self.news: list[NewRevision] = []
        self.watched: set[str] = set()
        self.counts = {"added": 0, "changed": 0, "retired": 0}

    def keep(self, changes: Sequence[ReportedChange]) -> None:
        """Write what is new in them."""
        ids = [self.id(change.id) for change in changes]
        before = {row.id: row for row in resources.several(self.tx, ids)}
        first = resources.next_sequence(self.tx, len(changes)) - len(changes)
        for number, (id, change) in enumerate(zip(ids, changes, strict=True), 1):
            new = self.revision(id, change, before.get(id), first + number)
            if new is not None:
                self.news.append(new)
        resources.put(self.tx, *self.news)
        for new in self.news:
            if new.wish.derived_from:
                lines = [Line(each, new.id, "derives") for each in new.wish.derived_from]
                entries.set_lineage(self.tx, new.id, lines)
        self.watched = set(resources.with_derived(self.tx, [new.id for new in self.news]))

    def id(self, theirs: str) -> str:
        """The id that another catalogue's resource has here."""
        return id_here(self.catalogue, theirs)

    def revision(self, id: str, change: ReportedChange, before: ResourceRow | None, number: int) -> NewRevision | None:
        """What becomes of one change; None where it says nothing new."""
        gone = change.record is None
        if before is None and gone:
            return None
        wish = before.wish if change.record is None and before else self.ours(change)
        digest = digest_of(wish)
        code = code_here(self.catalogue, change.code)
        grade = max(change.grade, judge.grade_of(wish, self.elements, {}))
        now = (gone, digest, code, grade)
        if before and now == (bool(before.retired_at), digest_of(before.wish), before.code, before.grade):
            return None
        self.counts["retired" if gone else "changed" if before else "added"] += 1
        changes = diff.compare(before.wish, wish) if before else []
        return NewRevision(
            id, self.ctx.principal.organisation, wish, code,
            before.revision + 1 if before else 1, number, grade, digest,
            gone or any(each.breaking for each in changes), "retired" if gone else "reported",
            self.ctx.principal.name, self.ctx.clock.now(), self.catalogue, gone,
        )  # fmt: skip

    def ours(self, change: ReportedChange) -> ResourceWish:
        """The description with its references to other resources turned to their ids here."""
        if change.record is None:
            raise ValueError("a retired resource has no description")
        derived = tuple(self.id(each) for each in change.record.derived_from)
        return msgspec.structs.replace(change.record, derived_from=derived, dataset="")
