"""What a resource's description must keep: a refusal cites its law, a condition is told, what is open is harmless."""

import re
from collections.abc import Collection, Iterator, Mapping

import msgspec

from cityloom.catalogue.contracts import ResourceWish, Standards
from cityloom.catalogue.rules import claims, codes
from cityloom.kernel.errors import Invalid, Problem
from cityloom.kernel.words import Text

CITED_ZH = re.compile(r"《[^》]{2,}》|(法|条例|规章|规定|办法|决定|细则|规则)[^，。]{0,12}第.{1,8}条")
CITED_EN = re.compile(
    r"\b(law|act|code|regulations?|rules?|measures|provisions|decree|ordinance|directive|statute|constitution)\b",
    re.IGNORECASE,
)
TABLES = ("database", "spreadsheet", "interface")
OPEN_GRADE = 1
LEAST_PERSONAL = 2
LONGEST_NAME = 300
LONGEST_TEXT = 20_000
PROSE = ("summary", "legal_basis", "sharing_condition", "refusal_law", "open_condition", "regraded")
FREE = {"", "无", "无条件", "无条件共享", "无条件开放", "none", "unconditional"}


class Wrong(msgspec.Struct, frozen=True):
    """One thing wrong with a description: the problem, the field, and which item where it is an item's."""

    problem: Problem
    field: str
    item: int | None = None


def wrong(id: str, fault: str, at: str, place: int | None = None, /, **params: str | int) -> Wrong:
    """`fault` names the words `catalogue.resource.<fault>` and their remedy."""
    return Wrong(Invalid(f"catalogue.resource.{fault}", resource=id, **params), at, place)


def said(text: Text | None) -> str:
    """The text in either language."""
    return "" if text is None else (text.zh or text.en).strip()


def cites(text: Text | None) -> bool:
    """Whether a law, regulation or rule is named: 《…》, or a kind of law with its article, or such a word in English."""
    return text is not None and bool(CITED_ZH.search(text.zh) or CITED_EN.search(text.en) or CITED_ZH.search(text.en))


def check(id: str, wish: ResourceWish, standards: Standards, keepers: Collection[str]) -> None:
    """Raises Invalid `catalogue.resource.…` for the first thing that is wrong."""
    for found in faults(id, wish, standards, keepers):
        raise found.problem


def faults(id: str, wish: ResourceWish, standards: Standards, keepers: Collection[str]) -> Iterator[Wrong]:
    """Everything that is wrong with a description."""
    if not said(wish.title):
        yield wrong(id, "no_title", "title")
    if wish.keeper not in keepers:
        yield wrong(id, "keeper_unknown", "keeper", keeper=wish.keeper)
    yield from _sharing(id, wish)
    yield from _openness(id, wish)
    yield from _place(id, wish, standards)
    yield from _lengths(id, wish)
    yield from _items(id, wish, standards)


def check_reported(id: str, wish: ResourceWish) -> None:
    """What a description of another catalogue must keep: its scheme, elements and organisations are its own.

    Raises Invalid `catalogue.resource.…`.
    """
    if not said(wish.title):
        raise wrong(id, "no_title", "title").problem
    for each in (_sharing(id, wish, reported=True), _openness(id, wish), _lengths(id, wish), _any_items(id, wish)):
        for found in each:
            raise found.problem


def _any_items(id: str, wish: ResourceWish) -> Iterator[Wrong]:
    """A table has items; a document or a picture has none."""
    if not wish.items and wish.carrier in TABLES:
        yield wrong(id, "no_items", "item")


def _sharing(id: str, wish: ResourceWish, reported: bool = False) -> Iterator[Wrong]:
    if wish.sharing == "refused":
        if not cites(wish.refusal_law):
            yield wrong(id, "refusal_without_law", "refusal_law", given=said(wish.refusal_law) or "-")
    elif wish.refusal_law is not None and said(wish.refusal_law):
        yield wrong(id, "law_without_refusal", "refusal_law")
    condition = said(wish.sharing_condition)
    if wish.sharing == "conditional" and condition.casefold() in FREE and not reported:
        yield wrong(id, "condition_untold", "sharing_condition")
    if wish.sharing == "unconditional" and condition.casefold() not in FREE:
        yield wrong(id, "condition_invented", "sharing_condition", condition=condition)


def _openness(id: str, wish: ResourceWish) -> Iterator[Wrong]:
    if wish.openness == "conditional" and said(wish.open_condition).casefold() in FREE:
        yield wrong(id, "open_condition_untold", "open_condition")
    if wish.openness == "closed":
        return
    if wish.sharing == "refused":
        yield wrong(id, "open_but_refused", "openness")
    if wish.openness == "open":
        for place, item in enumerate(wish.items):
            if item.grade > OPEN_GRADE or item.personal:
                yield wrong(id, "open_too_high", "openness", place, item=claims.name_of(item), grade=item.grade)


def _place(id: str, wish: ResourceWish, standards: Standards) -> Iterator[Wrong]:
    if wish.code and wish.category and wish.code.partition("/")[0] != wish.category:
        yield wrong(id, "code_differs", "code", given=wish.code, category=wish.category)
    category = wish.category or wish.code.partition("/")[0]
    unknown = codes.unknown_level(category, standards.codes) if category else ""
    if unknown:
        yield wrong(id, "category_unknown", "category", level=unknown, category=category)
    subjects = standards.codes.get(codes.SUBJECTS)
    if wish.subject and subjects and wish.subject not in subjects.current:
        yield wrong(id, "subject_unknown", "subject", subject=wish.subject, known=", ".join(subjects.current))
    if id in wish.derived_from:
        yield wrong(id, "derived_from_itself", "derived_from")


def _lengths(id: str, wish: ResourceWish) -> Iterator[Wrong]:
    named = [("title", wish.title, None)] + [("item", item.name, place) for place, item in enumerate(wish.items)]
    prose = [(field, getattr(wish, field), None) for field in PROSE]
    for limit, texts in ((LONGEST_NAME, named), (LONGEST_TEXT, prose)):
        for field, text, place in texts:
            if text is not None and max(len(text.zh), len(text.en)) > limit:
                yield wrong(id, "too_long", field, place, field=field, limit=limit)


def _items(id: str, wish: ResourceWish, standards: Standards) -> Iterator[Wrong]:
    yield from _any_items(id, wish)
    seen: set[str] = set()
    for place, item in enumerate(wish.items):
        name = claims.name_of(item)
        if not claims.folded(name):
            yield wrong(id, "item_without_name", "item", place)
            continue
        yield from _item(id, wish, place, standards)
        key = claims.folded(item.qualifier) + "#" + claims.folded(name)
        if key in seen:
            yield wrong(id, "item_twice", "item", place, item=name)
        seen.add(key)


def _item(id: str, wish: ResourceWish, place: int, standards: Standards) -> Iterator[Wrong]:
    item = wish.items[place]
    name = claims.name_of(item)
    yield from _element(id, name, place, item.element, standards)
    if item.personal and item.grade < LEAST_PERSONAL:
        yield wrong(id, "personal_too_low", "grade", place, item=name)
    if item.authoritative and not wish.subject:
        yield wrong(id, "source_without_subject", "subject", place, item=name)


def _element(id: str, item: str, place: int, name: str, standards: Standards) -> Iterator[Wrong]:
    element = standards.elements.get(name)
    if name and element is None:
        yield wrong(id, "element_unknown", "element", place, item=item, element=name)
    elif element is not None and element.status == "withdrawn":
        yield wrong(id, "element_withdrawn", "element", place, item=item, element=name, version=element.version)


def grade_of(wish: ResourceWish, elements: claims.Elements, taken: Mapping[str, int]) -> int:
    """The resource's grade: its highest item's.

    `taken` has the grades of the items of the resources it is derived from, by concept: an item that is taken over has
    at least the grade it had, unless `regraded` says why not.
    """
    own = max((item.grade for item in wish.items), default=1)
    if said(wish.regraded):
        return own
    inherited = [taken.get(each.concept, 1) for item in wish.items for each in claims.concepts(item, elements)]
    return max([own, *inherited])


def taken_over(sources: Collection[ResourceWish], elements: claims.Elements) -> dict[str, int]:
    """The highest grade that each concept has in these resources."""
    found: dict[str, int] = {}
    for source in sources:
        for item in source.items:
            for each in claims.concepts(item, elements):
                found[each.concept] = max(found.get(each.concept, 1), item.grade)
    return found
