"""一数一源: which item an item is, so that a second source of the same one is seen.

An item is known by its subject (person, place, …) and by two concepts: its name, folded, and its data element with its
qualifier (限定词). A claim on either is a claim on the item. An item that is called what a data element is called is of
that element.
"""

import unicodedata
from collections.abc import Mapping

import msgspec

from cityloom.catalogue.contracts import Element, Item, ResourceWish

DROPPED = " \u3000\t\r\n*·、,，.。:：;；()（）[]【】<>《》\"'“”‘’_-—/\\\u200b\ufeff"
DROP = str.maketrans("", "", DROPPED)


def folded(text: str) -> str:
    """A name without what people vary: full and half width, upper and lower case, spaces, punctuation."""
    return unicodedata.normalize("NFKC", text).casefold().translate(DROP)


def name_of(item: Item) -> str:
    """The item's name in the language that departments write, Chinese where it has one."""
    return item.name.zh or item.name.en


class Concept(msgspec.Struct, frozen=True):
    """One of the keys under which an item is known for its subject."""

    concept: str
    item: str


class Elements:
    """The data elements by name and by title."""

    def __init__(self, elements: Mapping[str, Element]) -> None:
        self.named = elements
        withdrawn_first = sorted(elements.items(), key=lambda each: each[1].status == "current")
        self._titles = {
            folded(title): name
            for name, element in withdrawn_first
            for title in (element.title.zh, element.title.en)
            if folded(title)
        }

    def of(self, name: str, element: str = "") -> str:
        """The element that is named, or else the one that is called so; empty where there is none."""
        return element or self._titles.get(folded(name), "")


def concepts(item: Item, elements: Elements) -> list[Concept]:
    """The keys of an item."""
    name = name_of(item)
    return [Concept(each, name) for each in concepts_of(name, item.element, item.qualifier, elements)]


def concepts_of(name: str, element: str, qualifier: str, elements: Elements) -> list[str]:
    """The keys of what is called so, or is of that element. 户籍 + 地址 and 户籍地址 are one name."""
    whole = name if folded(name).startswith(folded(qualifier)) else qualifier + name
    found = [f"name:{folded(whole)}"] if name else []
    if of := elements.of(name, element):
        found.append(f"element:{of}#{folded(qualifier)}")
    return found


def claims(wish: ResourceWish, elements: Elements) -> list[Concept]:
    """The keys of every item that the keeper says it answers for, each once."""
    found: dict[str, Concept] = {}
    for item in wish.items:
        if item.authoritative:
            for each in concepts(item, elements):
                found.setdefault(each.concept, each)
    return list(found.values())


def ruled(id: str, wish: ResourceWish, won: Mapping[str, str], elements: Elements) -> ResourceWish:
    """The description with its claims as disputes were ruled; `won` says which resource has each concept since then."""
    items = []
    for item in wish.items:
        winners = {won[each.concept] for each in concepts(item, elements) if each.concept in won}
        items.append(msgspec.structs.replace(item, authoritative=id in winners) if winners else item)
    return msgspec.structs.replace(wish, items=tuple(items))
