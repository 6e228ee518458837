"""Where resources are written: everything that one transaction over the catalogue has to know."""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Literal

import msgspec

from cityloom.catalogue.contracts import Change, Line, ResourceWish, Standards
from cityloom.catalogue.events import CatalogueChangeAnnounced, CatalogueChanged
from cityloom.catalogue.rules import claims, codes, diff, judge, terms
from cityloom.catalogue.store import disputes, entries, resources, search
from cityloom.catalogue.store.resources import AnnouncementRow, NewRevision, ResourceRow
from cityloom.catalogue.store.search import SearchRow
from cityloom.identity.api import organisations
from cityloom.kernel.access import Resource as Thing
from cityloom.kernel.context import Context
from cityloom.kernel.db import Transaction
from cityloom.kernel.errors import Conflict, Invalid
from cityloom.kernel.words import Text


class Undone(Exception):
    """Ends a trial: everything is checked against everything, and nothing is kept."""


class Put(msgspec.Struct, frozen=True):
    """What became of one description."""

    id: str
    outcome: Literal["added", "changed", "unchanged", "announced"]
    changes: list[Change] = []


def thing(id: str, keeper: str) -> Thing:
    """A resource as the policies see it."""
    return Thing("CatalogueResource", id, {"keeper": keeper})


def digest_of(wish: ResourceWish) -> str:
    """The same description has the same digest."""
    return hashlib.sha256(msgspec.json.encode(wish)).hexdigest()


def titles_of(ctx: Context) -> dict[str, Text]:
    """The organisations that are active, by code."""
    return {each.code: each.title for each in organisations.listing(ctx) if each.active}


def earliest_of(ctx: Context) -> date:
    """The first day on which what breaks others may come into force."""
    return today_of(ctx) + timedelta(days=ctx.settings.notice_days)


def today_of(ctx: Context) -> date:
    """The day in the city."""
    return ctx.clock.now().astimezone(ctx.parts.calendars.city.table.zone).date()


class Desk:
    """One transaction over the catalogue, in which nobody else writes. Checks come before anything is written."""

    def __init__(self, ctx: Context, tx: Transaction, titles: Mapping[str, Text]) -> None:
        resources.lock(tx)
        self.ctx = ctx
        self.tx = tx
        self.titles = titles
        named = entries.code_lists(tx, [codes.SCHEME, codes.SUBJECTS])
        self.standards = Standards(entries.elements(tx), named)
        self.elements = claims.Elements(self.standards.elements)
        self.today = today_of(ctx)

    def put(self, id: str, wish: ResourceWish, cause: str, effective_on: date | None = None, reason: str = "") -> Put:
        """Bring a description into force, or announce it where it breaks what others use.

        Raises Invalid `catalogue.resource.…`, `catalogue.notice_needed`, `catalogue.notice_short` and what `coded` raises;
        Conflict `catalogue.second_source`, `catalogue.change_pending`.
        """
        before = resources.resource(self.tx, id)
        judge.check(id, wish, self.standards, self.titles)
        self.check_sources(id, wish)
        wish = self.coded(id, wish, before)
        self.check_claims(id, wish)
        if before is None or before.retired_at is not None:
            self.write(id, wish, before, cause, [])
            return Put(id, "added")
        changes = diff.compare(before.wish, wish)
        if not changes:
            return Put(id, "unchanged")
        broken = tuple(change.path for change in changes if change.breaking)
        if not (broken and effective_on) and resources.announcement(self.tx, id) is not None:
            raise Conflict("catalogue.change_pending", resource=id)
        if broken:
            self.announce(before, wish, broken, effective_on, reason)
            return Put(id, "announced", changes)
        self.write(id, wish, before, cause, changes)
        return Put(id, "changed", changes)

    def coded(self, id: str, wish: ResourceWish, before: ResourceRow | None) -> ResourceWish:
        """The description with its category and code, given out where it states none.

        Raises Conflict `catalogue.code_taken`, Invalid `catalogue.code_too_far` and `catalogue.codes_used_up`.
        """
        if wish.code:
            category = wish.code.partition("/")[0]
            held = resources.holder_of_code(self.tx, wish.code)
            if held is not None and held.id != id:
                raise Conflict("catalogue.code_taken", taken=wish.code, resource=held.id)
            if held is None:
                self.keep_number(wish.code)
            return msgspec.structs.replace(wish, category=category)
        if before is not None and (not wish.category or before.wish.category == wish.category):
            return msgspec.structs.replace(wish, category=before.wish.category, code=before.code)
        category = wish.category or codes.category_of(wish.subject, self.standards.codes)
        number = resources.next_number(self.tx, category)
        if number > codes.LAST_NUMBER:
            raise Invalid("catalogue.codes_used_up", category=category)
        return msgspec.structs.replace(wish, category=category, code=codes.numbered(category, number))

    def keep_number(self, code: str) -> None:
        """Never give out the number of a code that somebody brings along; one far ahead would use up those between."""
        category, _, told = code.partition("/")
        highest = min(resources.last_number(self.tx, category) + codes.FARTHEST, codes.LAST_NUMBER)
        if int(told) > highest:
            raise Invalid("catalogue.code_too_far", given=code, highest=codes.numbered(category, highest))
        resources.keep_number(self.tx, category, int(told))

    def next_id(self, wish: ResourceWish) -> tuple[str, ResourceWish]:
        """An id and a code for a new resource that has no id."""
        coded = self.coded("", wish, None)
        return codes.id_of(coded.code), coded

    def check_sources(self, id: str, wish: ResourceWish) -> None:
        """That what it is derived from is there, and not itself derived from it."""
        todo, seen = list(wish.derived_from), set[str]()
        while todo:
            rows = {row.id: row for row in resources.several(self.tx, todo)}
            missing = [each for each in todo if each not in rows]
            if missing:
                raise Invalid("catalogue.resource.derived_unknown", resource=id, source=missing[0])
            if id in rows:
                raise Invalid("catalogue.resource.derived_circle", resource=id)
            seen |= set(todo)
            todo = [each for row in rows.values() for each in row.wish.derived_from if each not in seen]

    def check_claims(self, id: str, wish: ResourceWish) -> None:
        """一数一源: raises Conflict `catalogue.second_source` naming who answers for the item already."""
        for found in self.second_sources(id, wish):
            raise found.problem

    def second_sources(self, id: str, wish: ResourceWish) -> list[judge.Wrong]:
        """The items that it claims and that another resource answers for already."""
        wanted = [each.concept for each in claims.claims(wish, self.elements)]
        taken = resources.taken(self.tx, wish.subject, wanted, id) if wanted else []
        by_concept = {each.concept: each for each in reversed(taken)}
        found = []
        for place, item in enumerate(wish.items):
            held = [
                by_concept[each.concept] for each in claims.concepts(item, self.elements) if each.concept in by_concept
            ]
            if item.authoritative and held:
                found.append(judge.Wrong(self._second_source(wish, held[0]), "authoritative", place))
        return found

    def _second_source(self, wish: ResourceWish, held: resources.TakenRow) -> Conflict:
        keeper, row = self.titles.get(held.organisation), resources.resource(self.tx, held.resource)
        return Conflict(
            "catalogue.second_source",
            item=held.item,
            subject=self._subject(wish.subject),
            resource=held.resource,
            title=row.wish.title.of(self.ctx.language) if row else held.resource,
            keeper=keeper.of(self.ctx.language) if keeper else held.organisation,
        )

    def _subject(self, code: str) -> str:
        """A subject's title in the caller's language."""
        listed = self.standards.codes.get(codes.SUBJECTS)
        titles = {each.code: each.title.of(self.ctx.language) for each in listed.codes} if listed else {}
        return titles.get(code) or code

    def earliest(self) -> date:
        """The first day on which what breaks others may come into force."""
        return earliest_of(self.ctx)

    def ruled(self, id: str, wish: ResourceWish) -> ResourceWish:
        """The description as it is after the rulings about its subject's items."""
        won = disputes.won(self.tx, wish.subject)
        return claims.ruled(id, wish, won, self.elements) if won else wish

    def announce(
        self, before: ResourceRow, wish: ResourceWish | None, broken: tuple[str, ...], on: date | None, reason: str
    ) -> None:
        """Tell those who use a resource what will break and when. Raises Invalid `catalogue.notice_…`."""
        earliest = self.earliest()
        if on is None:
            told = ", ".join(broken[:10])
            raise Invalid("catalogue.notice_needed", resource=before.id, paths=told, earliest=earliest.isoformat())
        if on < earliest:
            raise Invalid("catalogue.notice_short", effective_on=on.isoformat(), earliest=earliest.isoformat())
        record = None if wish is None else msgspec.json.encode(wish).decode()
        row = AnnouncementRow(
            before.id, before.keeper, record, reason, self.ctx.clock.now(), on, self.ctx.principal.name
        )
        resources.announce(self.tx, row)
        self.ctx.emit(self.tx, CatalogueChangeAnnounced(before.id, before.keeper, on.isoformat(), broken, reason))

    def grade(self, wish: ResourceWish) -> int:
        """The grade that the description comes to, with what it takes over."""
        rows = resources.several(self.tx, wish.derived_from) if wish.derived_from else []
        taken = judge.taken_over([row.wish for row in rows], self.elements)
        return judge.grade_of(wish, self.elements, taken)

    def write(
        self,
        id: str,
        wish: ResourceWish,
        before: ResourceRow | None,
        cause: str,
        changes: list[Change],
        *,
        retired: bool = False,
    ) -> int:
        """Write a revision with its claims, lineage, search entry and event; its sequence."""
        breaking = retired or any(change.breaking for change in changes)
        revision = before.revision + 1 if before else 1
        graded = self.grade(wish)
        new = NewRevision(
            id, wish.keeper, wish, wish.code, revision, resources.next_sequence(self.tx), graded, digest_of(wish),
            breaking, cause, self.ctx.principal.name, self.ctx.clock.now(), retired=retired,
        )  # fmt: skip
        resources.put(self.tx, new)
        held = [] if retired else claims.claims(wish, self.elements)
        pairs = [(each.concept, each.item) for each in held]
        resources.set_claims(self.tx, id, wish.keeper, wish.subject, pairs)
        if not wish.dataset:
            entries.set_lineage(self.tx, id, [Line(each, id, "derives") for each in wish.derived_from])
        self.index(id, wish, graded, retired)
        paths = tuple(change.path for change in changes)
        self.ctx.emit(
            self.tx,
            CatalogueChanged(id, wish.keeper, revision, new.sequence, graded, breaking, retired, paths),
        )
        return new.sequence

    def index(self, id: str, wish: ResourceWish, grade: int, retired: bool) -> None:
        """Let search find it as it is now."""
        if retired:
            search.remove(self.tx, [id])
            return
        row = search_row(id, wish, grade, self.titles.get(wish.keeper))
        search.put(self.tx, [row])
        add_terms(self.tx, [row])


def add_terms(tx: Transaction, rows: Sequence[SearchRow]) -> None:
    """Count the terms of these entries; a changed entry's are counted again, until all are counted anew."""
    counts = dict(sorted(terms.counted(row.words for row in rows).items()))
    search.add_terms(tx, counts, {term: terms.parts(term) for term in counts if terms.is_word(term)})


def search_row(id: str, wish: ResourceWish, grade: int, keeper: Text | None) -> SearchRow:
    """What search knows of a resource: title first, then items and keeper, then the summary, then its codes."""
    title = " ".join(dict.fromkeys(filter(None, (wish.title.zh, wish.title.en))))
    items = " ".join(dict.fromkeys(part for item in wish.items for part in (item.name.zh, item.name.en) if part))
    kept_by = f"{keeper.zh} {keeper.en}" if keeper else wish.keeper
    summary = f"{wish.summary.zh} {wish.summary.en} {wish.legal_basis.zh}"
    words = terms.vector([title, f"{items} {kept_by}", summary, f"{id} {wish.code} {wish.keeper}"])
    return SearchRow(
        id, wish.keeper, wish.sharing, wish.openness, wish.subject, wish.category, grade, title,
        f"{kept_by} {items}"[:4000], words,
    )  # fmt: skip
