"""Buckets of time: where they begin, and how their parts merge."""

from datetime import UTC, date, datetime, timedelta

import msgspec

from cityloom.sensing.contracts.buckets import Part, Ruler, Width


def ruler(width: Width, offset: timedelta) -> Ruler:
    """The buckets of a city whose clocks are so far ahead of UTC."""
    return Ruler(width, datetime(2000, 1, 1, tzinfo=UTC) - offset)


def merged(one: Part, other: Part) -> Part:
    """Both together."""
    if not one.numbers or not other.numbers:
        whole = one if one.numbers else other
        return msgspec.structs.replace(whole, total=one.total + other.total, good=one.good + other.good)
    first = one if _key(one.opened) <= _key(other.opened) else other
    last = one if _key(one.closed) > _key(other.closed) else other
    return Part(
        one.total + other.total, one.numbers + other.numbers, one.good + other.good,
        (one.added or 0.0) + (other.added or 0.0), min(_is(one.least), _is(other.least)), max(_is(one.most), _is(other.most)),
        first.opening, first.opened, last.closing, last.closed,
    )  # fmt: skip


def _key(at: tuple[datetime, date] | None) -> tuple[datetime, date]:
    return at or (datetime.min.replace(tzinfo=UTC), date.min)


def _is(number: float | None) -> float:
    return 0.0 if number is None else number
