"""Events of several rules at one place within a time."""

from collections.abc import Sequence

import msgspec


class Part(msgspec.Struct, frozen=True):
    """An event that counts: of which rule (or Thing), from when to when (None: it is open), both in µs since 1970."""

    what: str
    first: int
    last: int | None


class Meeting(msgspec.Struct, frozen=True):
    """From when to when enough of them came together; None: they still do."""

    first: int
    last: int | None


def meetings(parts: Sequence[Part], least: int, within: int) -> list[Meeting]:
    """When at least so many different ones hold at once, each counting `within` longer than it held."""
    moments: list[tuple[int, int, str]] = []
    for each in parts:
        moments.append((each.first, 0, each.what))
        if each.last is not None:
            moments.append((each.last + within, 1, each.what))
    standing: dict[str, int] = {}
    found: list[Meeting] = []
    begun: int | None = None
    for at, ends, what in sorted(moments):
        standing[what] = standing.get(what, 0) + (-1 if ends else 1)
        if not standing[what]:
            del standing[what]
        if begun is None and len(standing) >= least:
            begun = at
        elif begun is not None and len(standing) < least:
            found.append(Meeting(begun, at))
            begun = None
    return [*found, Meeting(begun, None)] if begun is not None else found
