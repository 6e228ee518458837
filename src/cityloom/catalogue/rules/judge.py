"""What a resource's description must keep: a refusal cites its law, a condition is told, what is open is harmless."""

import re
from collections.abc import Collection, Mapping

from cityloom.catalogue.contracts import Item, ResourceWish, Standards
from cityloom.catalogue.rules import claims, codes
from cityloom.kernel.errors import Invalid
from cityloom.kernel.words import Text

CITED_ZH = re.compile(r"《[^》]{2,}》|(法|条例|规章|规定|办法|决定|细则|规则)[^，。]{0,12}第.{1,8}条")
CITED_EN = re.compile(
    r"\b(law|act|code|regulations?|rules?|measures|provisions|decree|ordinance|directive|statute|constitution)\b",
    re.IGNORECASE,
)
TABLES = ("database", "spreadsheet", "interface")
OPEN_GRADE = 1
LEAST_PERSONAL = 2
FREE = {"", "无", "无条件", "无条件共享", "无条件开放", "none", "unconditional"}


def wrong(resource: str, fault: str, **params: str | int) -> Invalid:
    """The refusal of a description: `fault` names the words `catalogue.resource.<fault>` and their remedy."""
    return Invalid(f"catalogue.resource.{fault}", resource=resource, **params)


def said(text: Text | None) -> str:
    """The text in either language."""
    return "" if text is None else (text.zh or text.en).strip()


def cites(text: Text | None) -> bool:
    """Whether a law, regulation or rule is named: 《…》, or a kind of law with its article, or such a word in English."""
    return text is not None and bool(CITED_ZH.search(text.zh) or CITED_EN.search(text.en) or CITED_ZH.search(text.en))


def check(id: str, wish: ResourceWish, standards: Standards, keepers: Collection[str]) -> None:
    """Raises Invalid `catalogue.resource.…` for the first thing that is wrong."""
    if not said(wish.title):
        raise wrong(id, "no_title")
    if wish.keeper not in keepers:
        raise wrong(id, "keeper_unknown", keeper=wish.keeper)
    _check_sharing(id, wish)
    _check_openness(id, wish)
    _check_place(id, wish, standards)
    _check_items(id, wish, standards)


def check_reported(id: str, wish: ResourceWish) -> None:
    """What a description of another catalogue must keep: its scheme, elements and organisations are its own.

    Raises Invalid `catalogue.resource.…`.
    """
    if not said(wish.title):
        raise wrong(id, "no_title")
    _check_sharing(id, wish, reported=True)
    _check_openness(id, wish)
    check_any(id, wish)


def check_any(id: str, wish: ResourceWish) -> None:
    """Raises Invalid where a table has no items; a document or a picture has none."""
    if not wish.items and wish.carrier in TABLES:
        raise wrong(id, "no_items")


def _check_sharing(id: str, wish: ResourceWish, reported: bool = False) -> None:
    if wish.sharing == "refused":
        if not cites(wish.refusal_law):
            raise wrong(id, "refusal_without_law", given=said(wish.refusal_law) or "-")
    elif wish.refusal_law is not None and said(wish.refusal_law):
        raise wrong(id, "law_without_refusal")
    condition = said(wish.sharing_condition)
    if wish.sharing == "conditional" and condition.casefold() in FREE and not reported:
        raise wrong(id, "condition_untold")
    if wish.sharing == "unconditional" and condition.casefold() not in FREE:
        raise wrong(id, "condition_invented", condition=condition)


def _check_openness(id: str, wish: ResourceWish) -> None:
    if wish.openness == "conditional" and said(wish.open_condition).casefold() in FREE:
        raise wrong(id, "open_condition_untold")
    if wish.openness == "closed":
        return
    if wish.sharing == "refused":
        raise wrong(id, "open_but_refused")
    if wish.openness == "open":
        for item in wish.items:
            if item.grade > OPEN_GRADE or item.personal:
                raise wrong(id, "open_too_high", item=claims.name_of(item), grade=item.grade)


def _check_place(id: str, wish: ResourceWish, standards: Standards) -> None:
    if wish.code and wish.category and wish.code.partition("/")[0] != wish.category:
        raise wrong(id, "code_differs", given=wish.code, category=wish.category)
    category = wish.category or wish.code.partition("/")[0]
    unknown = codes.unknown_level(category, standards.codes) if category else ""
    if unknown:
        raise wrong(id, "category_unknown", level=unknown, category=category)
    subjects = standards.codes.get(codes.SUBJECTS)
    if wish.subject and subjects and wish.subject not in subjects.current:
        raise wrong(id, "subject_unknown", subject=wish.subject, known=", ".join(subjects.current))
    if id in wish.derived_from:
        raise wrong(id, "derived_from_itself")


def _check_items(id: str, wish: ResourceWish, standards: Standards) -> None:
    check_any(id, wish)
    seen: set[str] = set()
    for item in wish.items:
        _check_item(id, wish, item, standards)
        key = claims.folded(item.qualifier) + "#" + claims.folded(claims.name_of(item))
        if key in seen:
            raise wrong(id, "item_twice", item=claims.name_of(item))
        seen.add(key)


def _check_item(id: str, wish: ResourceWish, item: Item, standards: Standards) -> None:
    name = claims.name_of(item)
    if not claims.folded(name):
        raise wrong(id, "item_without_name")
    _check_element(id, name, item.element, standards)
    if item.personal and item.grade < LEAST_PERSONAL:
        raise wrong(id, "personal_too_low", item=name)
    if item.authoritative and not wish.subject:
        raise wrong(id, "source_without_subject", item=name)


def _check_element(id: str, item: str, name: str, standards: Standards) -> None:
    if not name:
        return
    element = standards.elements.get(name)
    if element is None:
        raise wrong(id, "element_unknown", item=item, element=name)
    if element.status == "withdrawn":
        raise wrong(id, "element_withdrawn", item=item, element=name, version=element.version)


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
