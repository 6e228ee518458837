"""Whether a record that has somebody's identifier is about that one: numbers are given twice, lent and mistyped."""

from collections.abc import Iterable, Sequence

from rapidfuzz.distance import JaroWinkler, Levenshtein

from cityloom.registers.contracts import APART, IDENTIFIER, Change, Known, NewClaim, Saying
from cityloom.registers.rules import forms, names
from cityloom.registers.spec import Evidence

Place = tuple[int | None, int, int | None]
"""An entity (None: a new one), why, and by which decision."""
ALIKE = 0.88
"""Jaro-Winkler of two names in Latin letters that are one with slips."""


class Company:
    """What the standing records of one feed's page say of those who have the same identifiers, as the page goes on."""

    def __init__(self, kinds: Sequence[Evidence], feed: int, sayings: Iterable[Saying]) -> None:
        self._kinds = [each.kind for each in kinds]
        self._feed = feed
        self._of: dict[str, list[Saying]] = {}
        self._own: dict[str, str] = {}
        for saying in sayings:
            self._add(saying)

    def _add(self, saying: Saying) -> None:
        self._of.setdefault(saying.identifier, []).append(saying)
        if saying.feed == self._feed:
            self._own[saying.key] = saying.identifier

    def leave(self, key: str) -> None:
        """The record of the feed says nothing any more."""
        identifier = self._own.pop(key, None)
        if identifier is not None:
            self._of[identifier] = [
                each for each in self._of[identifier] if (each.feed, each.key) != (self._feed, key)
            ]  # fmt: skip

    def enter(self, change: Change, entity: int) -> None:
        """From now on it says this of its entity."""
        if change.identifier is not None and any(change.identity):
            self._add(Saying(change.identifier, entity, self._feed, change.key, change.identity))

    def place(self, change: Change, before: Known | NewClaim | None, meant: Place, holder: int) -> Place:
        """Where the record goes that would go to `meant`: to who has its number if it fits that one, else to whom it fits
        among those who are kept apart, else to a new one.

        What a steward decided stands. Who is apart stays so until it fits.
        """
        stays = before is not None and identifier_before(before) == change.identifier
        if stays and before is not None and before.how not in (IDENTIFIER, APART):
            return meant
        others = self._of.get(change.identifier or "", [])
        home = meant[0] if meant[0] is not None and meant[1] != APART else holder
        if self._fits(change, [each for each in others if each.entity == home]):
            return (holder, IDENTIFIER, None) if meant[1] == APART else meant
        for entity in sorted({each.entity for each in others} - {home}, key=abs):
            if self._fits(change, [each for each in others if each.entity == entity]):
                return entity, IDENTIFIER if entity == holder else APART, None
        if stays and before is not None and before.how == APART:
            return meant
        return None, APART, None

    def _fits(self, change: Change, sayings: Sequence[Saying]) -> bool:
        """Whether it agrees with them on as much as it differs on; with nobody to compare, it does."""
        agreed = differing = 0
        for place, kind in enumerate(self._kinds):
            value = change.identity[place] if change.identity else None
            said = {text for each in sayings if (text := each.values[place])}
            if value and said:
                if any(agree(kind, value, text) for text in said):
                    agreed += 1
                else:
                    differing += 1
        return differing <= agreed


def identifier_before(before: Known | NewClaim | None) -> str | None:
    """The identifier that a record had."""
    return before.change.identifier if isinstance(before, NewClaim) else before.identifier if before else None


def agree(kind: str, one: str, other: str) -> bool:
    """Whether two values are one, slips and other ways to write it allowed."""
    if one == other:
        return True
    if kind == "name":
        return _one_name(one, other)
    if kind == "latin_name":
        first, second = names.latin(one), names.latin(other)
        return first is None or second is None or JaroWinkler.similarity(first.words, second.words) >= ALIKE
    if kind == "date":
        return _one_day(forms.date(one) or one, forms.date(other) or other)
    return (forms.text(one) or one) == (forms.text(other) or other)


def _one_name(one: str, other: str) -> bool:
    """Variants, homophones, names in another order or in letters; in three characters and more one may be wrong."""
    first, second = names.person(one), names.person(other)
    if first is None or second is None:
        return True
    if first.characters == second.characters or first.sounds == second.sounds:
        return True
    return min(len(first.text), len(second.text)) >= 3 and Levenshtein.distance(first.text, second.text) <= 1


def _one_day(one: str, other: str) -> bool:
    """The same, one digit wrong, or day and month in each other's place."""
    if len(one) != 8 or len(other) != 8:
        return one == other
    return Levenshtein.distance(one, other) <= 1 or one[:4] + one[6:] + one[4:6] == other
