"""Reads texts, and finds the standard addresses that they mean. Texts are never kept, nor written to any log."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from typing import Final

import msgspec

from cityloom.addresses.api import rights, shelf
from cityloom.addresses.api.shelf import Names
from cityloom.addresses.contracts import (
    Candidate,
    LevelName,
    MatchedText,
    MatchWish,
    ParseWish,
    ReadPart,
    ReadText,
    Wants,
)
from cityloom.addresses.contracts import Level as ToldLevel
from cityloom.addresses.rules import search
from cityloom.addresses.rules.known import Known, Missing
from cityloom.addresses.rules.levels import Level, Parsed, write
from cityloom.addresses.rules.parsing import parse as read
from cityloom.addresses.rules.scoring import Finding
from cityloom.addresses.rules.search import Match
from cityloom.addresses.spec import Part
from cityloom.addresses.store import lives, lookups
from cityloom.addresses.store.lives import TextRow
from cityloom.kernel.context import Context
from cityloom.kernel.db import PLATFORM, Transaction

GROUP: Final = 100
"""Texts whose wants are fetched together: so much of the library a thread holds at once."""


class Pending(msgspec.Struct):
    """A text whose match is not through yet."""

    place: int
    parsed: Parsed
    hints: frozenset[str]


def parse(ctx: Context, wish: ParseWish) -> list[ReadText]:
    """What each text says, in order. Right `addresses.read`."""
    rights.require(ctx)
    with ctx.parts.db.begin(PLATFORM) as tx:
        names = shelf.of(ctx.parts.db, ctx.packs).names(tx)
    return [_told(read(text, names.gazetteer)) for text in wish.texts]


def _told(parsed: Parsed) -> ReadText:
    parts = tuple(
        ReadPart(LevelName(part.level.name), part.name, part.said, part.codes, part.former) for part in parsed.parts
    )
    return ReadText(
        write(parsed.parts), parts, parsed.division, parsed.conflict, parsed.relation, parsed.notes,
    )  # fmt: skip


def match(ctx: Context, wish: MatchWish) -> list[MatchedText]:
    """The standard address that each text means, in order. Right `addresses.read`; how many were asked is kept."""
    library = rights.require(ctx)
    answers = matches(ctx, wish)
    with ctx.begin() as tx:
        sure = sum(1 for each in answers if each.decision == "matched")
        ctx.record(tx, "addresses.matched", f"dataset:{library.datasets[Part.addresses]}",
                   texts=len(answers), matched=sure)  # fmt: skip
    return answers


def matches(ctx: Context, wish: MatchWish) -> list[MatchedText]:
    """As `match`, for modules above that have decided and recorded that they may, such as linkage. Any number of texts."""
    on = wish.on or rights.today(ctx)
    answers: list[MatchedText] = []
    for start in range(0, len(wish.texts), GROUP):
        group = wish.texts[start : start + GROUP]
        with ctx.parts.db.begin(PLATFORM) as tx:
            names = shelf.of(ctx.parts.db, ctx.packs).names(tx)
            parsed = [_within(read(text, names.gazetteer), wish.within) for text in group]
            found = meant(tx, names, parsed, on, wish.written)
            answers += _written(tx, found, wish.candidates)
    return answers


def _within(parsed: Parsed, division: str) -> Parsed:
    return msgspec.structs.replace(parsed, division=division) if division and not parsed.division else parsed


def meant(
    tx: Transaction, names: Names, texts: Sequence[Parsed], on: date, written: date | None = None
) -> list[Match]:  # fmt: skip
    """What each parsed text means; what they need of the library is fetched for all of them together."""
    known = Known(names.similar)
    found: dict[int, Match] = {}
    waiting = [Pending(place, parsed, _hints(parsed)) for place, parsed in enumerate(texts)]
    wants = Wants(named={seed for parsed in texts for seed in search.seeds(parsed)})
    while True:
        if wants:
            _fetch(tx, known, wants)
        wants, left = Wants(), []
        for each in waiting:
            known.begin(each.hints)
            try:
                found[each.place] = search.match(known, each.parsed, on, written)
            except Missing as missing:
                wants.add(missing.wants)
                left.append(each)
        waiting = left
        if not waiting:
            return [found[place] for place in range(len(texts))]


def _fetch(tx: Transaction, known: Known, wants: Wants) -> None:
    fetched = lookups.fetch(tx, wants)
    known.take(fetched.rows)
    known.answered(wants, fetched.named, fetched.reached)


def _hints(parsed: Parsed) -> frozenset[str]:
    """The names under which the doors of a text may stand in the library."""
    doors = {part.name for part in parsed.parts if part.level > Level.community and part.level != Level.road}
    return frozenset(doors | set(_shorter(doors)))


def _shorter(doors: Iterable[str]) -> Iterator[str]:
    for name in doors:
        head, _, tail = name.partition("-")
        yield from (piece for piece in (head, tail, name.lstrip("0")) if piece)


def _written(tx: Transaction, found: Sequence[Match], most: int) -> list[MatchedText]:
    codes = {
        code for each in found for code in (each.code, *(other.code for other in each.alternatives[: most - 1])) if code
    }
    texts = lives.texts(tx, codes)
    return [_answer(each, texts, most) for each in found]


def _answer(found: Match, texts: Mapping[str, TextRow], most: int) -> MatchedText:
    told = [(found.code, found.score, found.findings)] if found.code else []
    told += [(other.code, other.score, other.findings) for other in found.alternatives]
    candidates = tuple(
        Candidate(
            code, LevelName(Level(texts[code].level).name), texts[code].full_text, score, tuple(map(_level, findings))
        )
        for code, score, findings in told[:most]
        if code in texts
    )
    return MatchedText(found.decision.value, found.score, found.code, found.via, found.ended, candidates)


def _level(found: Finding) -> ToldLevel:
    return ToldLevel(LevelName(found.level.name), found.verdict.value, found.said, found.known, round(found.credit, 4))
