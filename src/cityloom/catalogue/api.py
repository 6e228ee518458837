"""What others may call: read the packs' standards, register datasets with their lineage, look both up."""

import hashlib
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import msgspec

from cityloom.catalogue import spec, store
from cityloom.catalogue.contracts import CodeList, Element, Entry, EntryDetail, EntrySummary, Line, Standards
from cityloom.kernel import packs
from cityloom.kernel.context import Context
from cityloom.kernel.db import Transaction
from cityloom.kernel.errors import Invalid, NotFound
from cityloom.kernel.packs import Packs
from cityloom.kernel.words import Text


def standards(active: Packs) -> Standards:
    """Every data element and code list of the active packs. A later pack may bring a newer version under the same name.

    Raises Invalid `kernel.pack_wrong` or `catalogue.codes_wrong` naming the file.
    """
    elements: dict[str, Element] = {}
    codes: dict[str, CodeList] = {}
    for pack in active:
        for path in pack.files("catalogue"):
            if path.stem != "elements":
                raise Invalid("kernel.pack_wrong", file=str(path), reason="only elements.yaml and codes/ belong here")
            elements |= packs.decode(path, spec.Elements)
        for path in sorted((pack.folder / "catalogue" / "codes").glob("*.yaml")):
            codes[path.stem] = _codes(path)
    return Standards(elements, codes)


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


def register(tx: Transaction, entry: Entry, lines: Sequence[Line], at: datetime) -> bool:
    """Make a dataset known, or its new declaration; False when nothing changed. Earlier revisions stay readable."""
    digest = hashlib.sha256(entry.spec).hexdigest()
    newest = store.newest(tx, entry.name)
    if newest is not None and newest.digest == digest and not newest.retired:
        return False
    store.add_entry(tx, entry, newest.revision + 1 if newest else 1, digest, at)
    store.set_lineage(tx, entry.name, list(lines))
    return True


def entries(ctx: Context) -> list[EntrySummary]:
    """The entries in force. What exists is no secret between departments."""
    with ctx.begin() as tx:
        return [_summary(row, ctx.language) for row in store.entries(tx)]


def entry(ctx: Context, name: str) -> EntryDetail:
    """One entry with its declaration and lineage. Raises NotFound `catalogue.entry_unknown`."""
    with ctx.begin() as tx:
        rows = store.revisions(tx, name)
        lines = store.lineage(tx, name)
    if not rows:
        raise NotFound("catalogue.entry_unknown", dataset=name)
    newest = rows[0]
    return EntryDetail(
        _summary(newest, ctx.language), msgspec.Raw(newest.spec.encode()), lines, [row.revision for row in rows]
    )


def code_list(ctx: Context, name: str) -> CodeList:
    """A code list of the active packs. Raises NotFound `catalogue.codes_unknown`."""
    found = standards(ctx.packs).codes.get(name)
    if found is None:
        raise NotFound("catalogue.codes_unknown", codes=name)
    return found


def _summary(row: store.EntryRow, language: str) -> EntrySummary:
    title = msgspec.json.decode(row.title, type=Text).of(language)
    return EntrySummary(row.name, title, row.keeper, row.pack, row.grade, row.revision, row.installed_at)
