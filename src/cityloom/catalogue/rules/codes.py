"""信息资源代码: category (类, 项, 目, 细目) and order number."""

import re
from collections.abc import Mapping

from cityloom.catalogue.contracts import CodeList

ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,127}")
"""A resource's id as its keeper may choose it: `ResourceId` without the ~ of what other catalogues report."""

SCHEME = "resource_class"
"""The code list of categories: 类 of one digit, below them 项 of three, 目 of six, 细目 of any length."""

SUBJECTS = "dataset_class"
"""The code list of subjects; a subject's parent is the category of its resources, where they state none."""

LEVELS = (1, 3, 6)
SHORTEST = 6
DEPARTMENTS = "3"
"""类 3, 部门信息资源: what belongs to no base or theme."""

ORDER_DIGITS = 6
LAST_NUMBER = 999_999_999_999
"""The highest order number that a code has room for."""

FARTHEST = 999_999
"""How far above the highest number of its category a code that somebody brings along may be."""


def levels(category: str) -> list[str]:
    """1010010001 → 1, 101, 101001, 1010010001."""
    found = [category[:length] for length in LEVELS if len(category) >= length]
    return found if len(category) == LEVELS[-1] else [*found, category]


def unknown_level(category: str, codes: Mapping[str, CodeList]) -> str:
    """The first level that the city's scheme does not have, where the scheme names any at that level; else empty.

    A scheme may leave 目 and 细目 to the departments: then any digits are right below what it names. Zeroes mean that
    a level is not stated.
    """
    scheme = codes.get(SCHEME)
    if scheme is None:
        return ""
    known = {code.code: code.parent for code in scheme.codes if code.status == "current"}
    above: str | None = None
    for level in levels(category):
        named = {code for code, parent in known.items() if parent == above}
        digits = level[len(above or "") :]
        if not named or not digits.strip("0"):
            return ""
        if level not in named:
            return level
        above = level
    return ""


def category_of(subject: str, codes: Mapping[str, CodeList]) -> str:
    """The category of a resource that states none: the one its subject belongs to, else that of departments."""
    listed = codes.get(SUBJECTS)
    parents = {code.code: code.parent for code in listed.codes} if listed else {}
    return (parents.get(subject) or DEPARTMENTS).ljust(SHORTEST, "0")


def numbered(category: str, number: int) -> str:
    """The code of the resource with that number in the category."""
    return f"{category}/{number:0{ORDER_DIGITS}d}"


def id_of(code: str) -> str:
    """The name in addresses of a resource that was given none."""
    return code.replace("/", "-")
