"""Its part of a pack: the organisations of the city (organisations.yaml), and for what they read data (purposes.yaml)."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from cityloom.identity.contracts import OrganisationKind
from cityloom.kernel.errors import Invalid
from cityloom.kernel.packs import Packs, decode
from cityloom.kernel.words import Text

ORGANISATIONS, PURPOSES = "organisations", "purposes"


class DeclaredOrganisation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One organisation as a pack declares it."""

    code: Annotated[str, Meta(pattern="^[a-z][a-z0-9_]{0,63}$")]
    title: Text
    kind: OrganisationKind
    division: str = ""
    parent: str = ""


class DeclaredPurpose(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One purpose as a pack declares it."""

    code: Annotated[str, Meta(pattern="^[a-z0-9][a-z0-9_.:-]{0,99}$")]
    title: Text
    legal_basis: Text
    """The law or duty that such reading serves."""


def purposes(packs: Packs) -> dict[str, DeclaredPurpose]:
    """The purposes of all packs by code; none when no pack declares any. Raises Invalid `kernel.pack_wrong`."""
    found: dict[str, DeclaredPurpose] = {}
    for path in _files(packs, PURPOSES):
        for each in decode(path, list[DeclaredPurpose]):
            if each.code in found:
                raise Invalid("kernel.pack_wrong", file=str(path), reason=f"{each.code} is declared twice")
            found[each.code] = each
    return found


def _files(packs: Packs, name: str) -> Iterator[Path]:
    for pack in packs:
        for path in pack.files("identity"):
            if path.stem not in (ORGANISATIONS, PURPOSES):
                reason = f"identity reads only {ORGANISATIONS}.yaml and {PURPOSES}.yaml"
                raise Invalid("kernel.pack_wrong", file=str(path), reason=reason)
            if path.stem == name:
                yield path


def check(packs: Packs) -> None:
    """Read all of it. Raises Invalid `kernel.pack_wrong` naming the file and the fault."""
    read(packs)
    purposes(packs)


def read(packs: Packs) -> dict[str, DeclaredOrganisation]:
    """The organisations of all packs by code. Raises Invalid `kernel.pack_wrong` naming the file and the fault."""
    found: dict[str, DeclaredOrganisation] = {}
    origin: dict[str, str] = {}
    for path in _files(packs, ORGANISATIONS):
        for each in decode(path, list[DeclaredOrganisation]):
            if each.code in found:
                raise Invalid("kernel.pack_wrong", file=str(path), reason=f"{each.code} is declared twice")
            found[each.code] = each
            origin[each.code] = str(path)
    for each in found.values():
        if each.parent and (each.parent not in found or each.parent == each.code):
            reason = f"{each.code}: parent {each.parent} is no other organisation"
            raise Invalid("kernel.pack_wrong", file=origin[each.code], reason=reason)
    return found
