"""Search in Chinese and English over everything the catalogue has, and the lists that filters give."""

from collections.abc import Callable, Mapping, Sequence
from typing import get_args

import msgspec

from cityloom.catalogue.api.desk import search_row, titles_of
from cityloom.catalogue.contracts import (
    CodeList,
    Facet,
    FacetName,
    Facets,
    FacetValue,
    Filter,
    ResourcePage,
    ResourceSummary,
)
from cityloom.catalogue.rules import codes, columns, terms
from cityloom.catalogue.rules.terms import Question
from cityloom.catalogue.store import entries, resources, search
from cityloom.kernel.context import Context
from cityloom.kernel.db import Transaction
from cityloom.kernel.words import Text

MOST = 2000
"""How many entries one question ranks; of more, some that many are ranked and the total is told as a lower bound."""

LIKE_MOST = 1000
"""How many entries that have only some of it are ranked, and of how many the texts are compared."""

BEST = 100
LIKE_ENOUGH = 0.55
BATCH = 2000
ENOUGH = 20
"""With so many entries that have all that is asked for, those that have some of it are not looked for."""


def find(ctx: Context, text: str, wanted: Filter, offset: int = 0, limit: int = 20) -> ResourcePage:
    """A page of the resources in force: those that fit `text`, best first, or all by id where it is empty."""
    asked = terms.question(text)
    with ctx.begin() as tx:
        if asked.is_empty:
            ids, total, exact = search.listed(tx, wanted, offset, limit), search.total(tx, wanted), True
        else:
            found = _fitting(tx, asked, wanted)
            ids, total, exact = found[offset : offset + limit], len(found), len(found) < MOST
        rows = {row.id: row for row in resources.several(tx, ids)}
    return ResourcePage(total, exact, offset, [summary(rows[id], ctx.language) for id in ids if id in rows])


def facets(ctx: Context, text: str, wanted: Filter) -> Facets:
    """What the resources that `find` finds have, so that the question can be narrowed."""
    asked = terms.question(text)
    titles = titles_of(ctx)
    with ctx.begin() as tx:
        ids = None if asked.is_empty else _fitting(tx, asked, wanted)
        rows = search.facets(tx, wanted, ids)
        lists = entries.code_lists(tx, [codes.SCHEME, codes.SUBJECTS])
    named: dict[str, Mapping[str, Text]] = {
        "keeper": titles,
        "subject": _titled(lists.get(codes.SUBJECTS)),
        "category": _titled(lists.get(codes.SCHEME)),
        **columns.CHOICES,
    }
    found: dict[FacetName, list[FacetValue]] = {name: [] for name in get_args(FacetName)}
    for row in rows:
        title = named[row.name].get(row.value)
        found[row.name].append(FacetValue(row.value, of(title, ctx.language) if title else row.value, row.count))
    total = sum(each.count for each in found["keeper"])
    return Facets(total, ids is None or len(ids) < MOST, [Facet(name, values) for name, values in found.items()])


def _titled(codes: CodeList | None) -> dict[str, Text]:
    return {code.code: code.title for code in codes.codes} if codes else {}


def _fitting(tx: Transaction, asked: Question, wanted: Filter) -> list[str]:
    """Ids of what has all that is asked for, then of what is like it."""
    meant = _meant(tx, asked)
    found = search.find(tx, terms.precise(asked, meant), wanted, MOST)
    if len(found) >= ENOUGH:
        return found
    have = set(found)
    return found + [id for id in _alike(tx, asked, meant, wanted) if id not in have]


def _meant(tx: Transaction, asked: Question) -> dict[str, list[str]]:
    """The catalogue's words for the Latin words that it does not have."""
    return {
        word: terms.nearest(word, search.like(tx, terms.parts(word), len(word)))
        for word in asked.latin
        if len(word) > 2 and not word.isdigit() and not search.begun(tx, word)
    }


def _alike(tx: Transaction, asked: Question, meant: Mapping[str, Sequence[str]], wanted: Filter) -> list[str]:
    """What has the rarest terms of the question and enough of the rest, the likest first."""
    wider = [*terms.asked_terms(asked), *(word for words in meant.values() for word in words)]
    query = terms.loose(asked, meant, search.counts(tx, wider), LIKE_MOST)
    if not query:
        return []
    spelled = Question(asked.han, tuple(next(iter(meant.get(word, ())), word) for word in asked.latin))
    scored = [
        (max(terms.likeness(spelled, hit.title), 0.9 * terms.likeness(spelled, f"{hit.title} {hit.texts}")), hit)
        for hit in search.resembling(tx, query, wanted, LIKE_MOST, BEST)
    ]
    kept = [(score, hit) for score, hit in scored if score >= LIKE_ENOUGH]
    return [hit.id for _, hit in sorted(kept, key=lambda pair: (-pair[0], len(pair[1].title), pair[1].id))]


def summary(row: resources.ResourceRow, language: str) -> ResourceSummary:
    """A resource as lists show it."""
    wish = row.wish
    return ResourceSummary(
        row.id, row.code, of(wish.title, language), row.keeper, wish.subject, wish.category, wish.sharing,
        wish.openness, row.grade, row.revision, len(wish.items),
    )  # fmt: skip


def of(text: Text, language: str) -> str:
    """The text in the language, or else in the other."""
    return text.of(language) or text.zh or text.en


class Reindexed(msgspec.Struct, frozen=True):
    """What a re-index came to."""

    resources: int
    terms: int


def reindex(ctx: Context, progress: Callable[[int], None] = lambda _: None) -> Reindexed:
    """Gather everything that search reads anew, in one transaction: until it ends, search answers as before."""
    titles = titles_of(ctx)
    with ctx.begin() as tx:
        resources.lock(tx)
        search.clear(tx)
        count = _gather(tx, titles, progress)
        counted = _count(tx)
    return Reindexed(count, counted)


def recount(ctx: Context) -> int:
    """Count anew in how many entries each term is; the number of terms. Safe to run twice."""
    with ctx.begin() as tx:
        return _count(tx)


def _count(tx: Transaction) -> int:
    counted = search.count_terms(tx)
    words = filter(terms.is_word, search.latin_terms(tx))
    search.set_parts(tx, {word: terms.parts(word) for word in words})
    return counted


def _gather(tx: Transaction, titles: Mapping[str, Text], progress: Callable[[int], None]) -> int:
    count, after = 0, ""
    while page := resources.in_force(tx, after=after, limit=BATCH):
        search.put(tx, [search_row(row.id, row.wish, row.grade, titles.get(row.keeper)) for row in page])
        after, count = page[-1].id, count + len(page)
        progress(len(page))
    return count
