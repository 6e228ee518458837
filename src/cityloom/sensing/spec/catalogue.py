"""The sensing catalogue (`sensing/catalogue/*.yaml`): what a city may sense, by category and theme, item by item."""

from typing import Annotated

import msgspec
from msgspec import Meta

from cityloom.kernel.errors import Invalid
from cityloom.kernel.packs import Packs
from cityloom.kernel.words import Text

Code = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]{1,59}$")]


class Item(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One thing that is sensed."""

    code: Code
    title: Text


class Theme(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Items of one theme."""

    code: Code
    title: Text
    items: tuple[Item, ...]


class Category(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file: one category with its themes."""

    title: Text
    order: int
    source: str
    """From where the list is; `ours` where it is not a published one."""
    themes: tuple[Theme, ...]


def categories(packs: Packs) -> dict[str, Category]:
    """By code (the file's name), in their order. Raises Invalid `kernel.pack_wrong`."""
    found = packs.read("sensing/catalogue", Category)
    ordered = dict(sorted(found.items(), key=lambda each: each[1].order))
    seen: set[str] = set()
    for name, each in ordered.items():
        codes = [code for theme in each.themes for code in (theme.code, *(f"{item.code}" for item in theme.items))]
        twice = [code for place, code in enumerate(codes) if code in seen or code in codes[:place]]
        if twice:
            raise Invalid(
                "kernel.pack_wrong", file=f"sensing/catalogue/{name}.yaml", reason=f"the code {twice[0]} is used twice"
            )
        seen.update(codes)
    return ordered


def items(packs: Packs) -> dict[str, Item]:
    """Every item by its code."""
    return {item.code: item for each in categories(packs).values() for theme in each.themes for item in theme.items}
