"""What matching asks of the standard addresses, wherever they are held.

`known.Known` has what was fetched of a database so far: what it is asked
besides it notes down, and `settle` says so, for whoever fetches it and asks again.
"""

from collections.abc import Iterable, Iterator
from datetime import date
from typing import Protocol

from cityloom.addresses.rules.levels import Level


class AddressBook(Protocol):
    """Entries are numbers; a number means nothing outside its book."""

    def code(self, entry: int) -> str:
        """Its standard code."""

    def name(self, entry: int) -> str:
        """Its comparable name."""

    def level(self, entry: int) -> Level:
        """Its level."""

    def division(self, entry: int) -> str:
        """The division in which it lies now."""

    def ever(self, entry: int) -> tuple[str, ...]:
        """All divisions in which it ever lay, as far as boundaries were redrawn around it."""

    def since(self, entry: int) -> int:
        """Its first day, as a number of days."""

    def holds(self, entry: int, on: date) -> bool:
        """Whether it is an address on that day."""

    def ended(self, entry: int, on: date) -> date | None:
        """Since when it is an address no more, if it is not by that day."""

    def heirs(self, entry: int, on: date) -> tuple[int, ...]:
        """The entries that hold on that day and to which it leads; itself while it holds."""

    def path(self, entry: int) -> list[int]:
        """The entry and what it lies in, from the widest on."""

    def children(self, entry: int, level: Level, name: str | None = None) -> Iterator[int]:
        """What lies directly in an entry at a level, with a name or with any."""

    def has_children(self, entry: int, levels: Iterable[Level]) -> bool:
        """Whether there is anything below an entry at one of these levels."""

    def bases(self, level: Level, name: str, division: str = "") -> list[int]:
        """Entries of a named level with this name that lie in a division or contain it."""

    def expect(self, named: Iterable[tuple[Level, str, str]]) -> None:
        """Bases of these levels, names and divisions are about to be asked for."""

    def similar(self, level: Level, name: str) -> list[tuple[str, float]]:
        """Other names of a level that are nearly this one, the nearest first, and how near (0–1)."""

    def settle(self) -> None:
        """Raises Missing when something was asked that is not known yet: the answers since are not to be used."""
