"""Records of the datasets of addresses, as the exchange gives them, in the form that the library has."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

import msgspec

from cityloom.addresses.contracts import NewCell, NewChange, NewEntry, NewSpan
from cityloom.addresses.rules.levels import Level
from cityloom.addresses.rules.parsing import canonical
from cityloom.addresses.spec import Part

Record = Mapping[str, Any]
New = NewEntry | NewSpan | NewCell | NewChange
KEYS: Final[Mapping[Part, tuple[str, ...]]] = {
    Part.addresses: ("code",),
    Part.divisions: ("address", "since"),
    Part.changes: ("old_code", "new_code", "changed_on"),
    Part.cells: ("code",),
    Part.cell_spans: ("address", "since"),
}
"""The key that a dataset must have for each part."""


class Page(msgspec.Struct, frozen=True):
    """What some change rows come to: of each key its last word."""

    written: tuple[New, ...]
    gone: tuple[tuple[Any, ...], ...]


def page(part: Part, rows: Iterable[Record]) -> Page:
    """Change rows in order; a row without `_op` is one of the current state."""
    last: dict[tuple[Any, ...], New | None] = {}
    for row in rows:
        key = tuple(row[name] for name in KEYS[part])
        last[key] = None if row.get("_op") == "delete" else new(part, row)
    return Page(
        tuple(each for each in last.values() if each is not None), tuple(key for key, each in last.items() if each is None)
    )  # fmt: skip


def new(part: Part, row: Record) -> New:
    """One record."""
    if part == Part.addresses:
        return _entry(row)
    if part == Part.changes:
        return NewChange(
            row["old_code"], row["new_code"], row["changed_on"], row["kind"], row["old_name"], row["new_name"],
            row["approval"] or "",
        )  # fmt: skip
    if part == Part.cells:
        return NewCell(row["code"], row["division"], row["name"], row["since"], row["until"])
    return NewSpan(row["address"], row["since"], row["until"], row["division" if part == Part.divisions else "cell"])


def _entry(row: Record) -> NewEntry:
    level = Level[row["level"]]
    heirs = tuple(dict.fromkeys((row["replaced_by"] or "").split()))
    return NewEntry(
        row["code"], row["parent"] or "", int(level), _comparable(level, row["name"]), row["division"], row["since"],
        row["until"], heirs, row["name"], row["full_text"], _number(row["longitude"]), _number(row["latitude"]),
    )  # fmt: skip


@lru_cache(maxsize=200_000)
def _comparable(level: Level, name: str) -> str:
    """Most doors have one of a few thousand names."""
    return canonical(level, name)


def _number(value: Any) -> float | None:
    return None if value is None else float(value)


def pages(batches: Iterable[Sequence[Record]], size: int) -> Iterator[list[Record]]:
    """Batches gathered to pages of `size` rows; the last one may be smaller."""
    gathered: list[Record] = []
    for batch in batches:
        gathered += batch
        while len(gathered) >= size:
            yield gathered[:size]
            gathered = gathered[size:]
    if gathered:
        yield gathered
