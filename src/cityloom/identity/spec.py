"""identity/organisations.yaml of a pack: which organisations the city has."""

from typing import Annotated

import msgspec
from msgspec import Meta

from cityloom.identity.contracts import OrganisationKind
from cityloom.kernel.errors import Invalid
from cityloom.kernel.packs import Packs, decode
from cityloom.kernel.words import Text

FILE = "organisations"


class DeclaredOrganisation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One organisation as a pack declares it."""

    code: Annotated[str, Meta(pattern="^[a-z][a-z0-9_]{0,63}$")]
    title: Text
    kind: OrganisationKind
    division: str = ""
    parent: str = ""


def read(packs: Packs) -> dict[str, DeclaredOrganisation]:
    """The organisations of all packs by code. Raises Invalid `kernel.pack_wrong` naming the file and the fault."""
    found: dict[str, DeclaredOrganisation] = {}
    origin: dict[str, str] = {}
    for pack in packs:
        for path in pack.files("identity"):
            if path.stem != FILE:
                raise Invalid("kernel.pack_wrong", file=str(path), reason=f"identity reads only {FILE}.yaml")
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
