"""Its part of a pack: `addresses/library.yaml` says which datasets and code lists the library of addresses is made from."""

from collections.abc import Mapping
from enum import StrEnum
from functools import lru_cache
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from cityloom.kernel.errors import Invalid
from cityloom.kernel.packs import Packs

Name = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9]*(_[a-z0-9]+)*$", max_length=63)]
FILE = "library"


class Part(StrEnum):
    """What a dataset tells of."""

    addresses = "addresses"
    divisions = "divisions"
    """In which division an address lay from one day to another."""
    changes = "changes"
    """What divisions became of others."""
    cells = "cells"
    """The cells of the grid (网格)."""
    cell_spans = "cell_spans"
    """In which cell an address lay from one day to another."""


FIELDS: Final[Mapping[Part, tuple[str, ...]]] = {
    Part.addresses: (
        "code", "parent", "level", "name", "full_text", "division", "since", "until", "replaced_by", "longitude",
        "latitude",
    ),
    Part.divisions: ("address", "division", "since", "until"),
    Part.changes: ("changed_on", "kind", "old_code", "old_name", "new_code", "new_name", "approval"),
    Part.cells: ("code", "division", "name", "since", "until"),
    Part.cell_spans: ("address", "cell", "since", "until"),
}  # fmt: skip
"""The fields that a dataset must have for each part; more do no harm."""


class LibraryFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The datasets by what they tell of, and the code lists that name divisions, from the widest on."""

    datasets: dict[Part, Name]
    lists: tuple[Name, ...] = ()
    home: Name = ""
    """A list whose codes all begin with the city: its common beginning is the city's own code."""


@lru_cache(maxsize=8)
def library(packs: Packs) -> LibraryFile | None:
    """What the packs say of the library; None when no pack of the city has addresses.

    Raises Invalid `kernel.pack_wrong`, `addresses.library_wrong`.
    """
    found = packs.read("addresses", LibraryFile)
    for name in found.keys() - {FILE}:
        raise Invalid("addresses.library_wrong", what=f"addresses/{name}.yaml")
    declared = found.get(FILE)
    if declared is not None and Part.addresses not in declared.datasets:
        raise Invalid("addresses.library_wrong", what="datasets.addresses")
    return declared
