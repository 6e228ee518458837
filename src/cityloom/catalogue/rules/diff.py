"""What differs between two descriptions of a resource, and whether it breaks what others have built on it."""

from collections.abc import Callable, Iterator

import msgspec

from cityloom.catalogue.contracts import Change, Item, ResourceWish
from cityloom.catalogue.rules import claims

SHARING = ("unconditional", "conditional", "refused")
OPENNESS = ("open", "conditional", "closed")
CYCLES = ("real_time", "day", "week", "month", "quarter", "half_year", "year", "irregular")
Breaks = Callable[[ResourceWish, ResourceWish], bool]


def never(_before: ResourceWish, _after: ResourceWish) -> bool:
    """Such a change breaks nothing."""
    return False


def always(_before: ResourceWish, _after: ResourceWish) -> bool:
    """Such a change always breaks."""
    return True


def _later(scale: tuple[str, ...], field: str) -> Breaks:
    def breaks(before: ResourceWish, after: ResourceWish) -> bool:
        return scale.index(getattr(after, field)) > scale.index(getattr(before, field))

    return breaks


def _harder(before: ResourceWish, after: ResourceWish) -> bool:
    """A condition matters only to who could have had it before."""
    return before.sharing == "conditional" == after.sharing and bool(before.sharing_condition.zh)


BREAKS: dict[str, Breaks] = {
    "code": always,
    "keeper": always,
    "sharing": _later(SHARING, "sharing"),
    "openness": _later(OPENNESS, "openness"),
    "cycle": _later(CYCLES, "cycle"),
    "sharing_condition": _harder,
    "carrier": always,
    "format": lambda before, _: bool(before.format),
}
"""Fields whose change may break; all others never do."""


def compare(before: ResourceWish, after: ResourceWish) -> list[Change]:
    """Every difference, fields first, then items by name."""
    found = []
    for field in ResourceWish.__struct_fields__:
        old, new = getattr(before, field), getattr(after, field)
        if field != "items" and old != new:
            found.append(Change(field, _json(old), _json(new), BREAKS.get(field, never)(before, after)))
    return [*found, *_items(before, after)]


def _items(before: ResourceWish, after: ResourceWish) -> Iterator[Change]:
    old, new = _by_name(before), _by_name(after)
    for key, item in old.items():
        path = f"items.{_label(item)}"
        if key not in new:
            yield Change(path, _json(item), None, True)
        elif new[key] != item:
            yield from _item(path, item, new[key])
    for key, item in new.items():
        if key not in old:
            yield Change(f"items.{_label(item)}", None, _json(item), False)
    kept = [key for key in old if key in new]
    if kept != [key for key in new if key in old]:
        yield Change("items", _json([_label(old[key]) for key in kept]), _json(list(map(_label, after.items))), False)


def _by_name(wish: ResourceWish) -> dict[str, Item]:
    return {f"{claims.folded(item.qualifier)}#{claims.folded(claims.name_of(item))}": item for item in wish.items}


def _label(item: Item) -> str:
    return item.qualifier + claims.name_of(item)


def _item(path: str, before: Item, after: Item) -> Iterator[Change]:
    for field in Item.__struct_fields__:
        old, new = getattr(before, field), getattr(after, field)
        if old != new:
            yield Change(f"{path}.{field}", _json(old), _json(new), _item_breaks(field, before, after))


def _item_breaks(field: str, before: Item, after: Item) -> bool:
    if field == "length":
        return after.length is not None and (before.length is None or after.length < before.length)
    if field == "grade":  # who was allowed the lower grade may not be allowed the higher one
        return after.grade > before.grade
    if field == "personal":
        return after.personal
    return field in ("type", "element")


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
