"""What the packs bring: data elements and code lists."""

import hashlib
from pathlib import Path

import msgspec

from cityloom.catalogue import spec
from cityloom.catalogue.contracts import CodeList, Element, Standards
from cityloom.catalogue.store import entries as store
from cityloom.kernel import packs
from cityloom.kernel.context import Context
from cityloom.kernel.errors import Invalid, NotFound
from cityloom.kernel.packs import Packs


def standards(active: Packs) -> Standards:
    """Every data element and code list of the active packs. A later pack may bring a newer version under the same name.

    Raises Invalid `kernel.pack_wrong` or `catalogue.codes_wrong` naming the file.
    """
    elements: dict[str, Element] = {}
    codes: dict[str, CodeList] = {}
    for pack in active:
        for path in pack.files("catalogue"):
            if path.stem == spec.LIMITS:
                continue
            if path.stem != "elements":
                reason = "only elements.yaml, limits.yaml, codes/ and flows/ belong here"
                raise Invalid("kernel.pack_wrong", file=str(path), reason=reason)
            elements |= packs.decode(path, spec.Elements)
        for path in sorted((pack.folder / "catalogue" / "codes").glob("*.yaml")):
            codes[path.stem] = _codes(path)
    return Standards(elements, codes)


def check(active: Packs) -> None:
    """Read all that packs say of the catalogue. Raises what `standards` raises."""
    standards(active)
    spec.limits(active)
    for kind in spec.FLOWS:
        spec.flow(active, kind)


def _codes(path: Path) -> CodeList:
    declared = packs.decode(path, spec.CodeListFile)
    table = None
    if declared.file is not None:
        beside = path.parent / declared.file
        if beside.parent != path.parent or not beside.is_file():
            raise Invalid("kernel.pack_wrong", file=str(path), reason=f"there is no file {declared.file} beside it")
        table = beside.read_text(encoding="utf-8")
    return spec.code_list(path.stem, declared, table)


def install(ctx: Context) -> None:
    """Keep the active packs' elements and code lists by version."""
    found = standards(ctx.packs)
    now = ctx.clock.now()
    with ctx.begin() as tx:
        for name, element in found.elements.items():
            store.put_element(tx, name, element, now)
        for codes in found.codes.values():
            store.put_codes(tx, codes, hashlib.sha256(msgspec.json.encode(codes)).hexdigest(), now)


def code_list(ctx: Context, name: str) -> CodeList:
    """A code list of the active packs. Raises NotFound `catalogue.codes_unknown`."""
    found = standards(ctx.packs).codes.get(name)
    if found is None:
        raise NotFound("catalogue.codes_unknown", codes=name)
    return found
