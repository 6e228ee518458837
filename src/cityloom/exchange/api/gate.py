"""The quality gate: reads the datasets of the packs, and brings a delivered file to the table `checked`."""

import hashlib

import msgspec

from cityloom.catalogue import api as catalogue
from cityloom.catalogue.contracts import Entry, Line
from cityloom.exchange.rules import resolve
from cityloom.exchange.spec import Dataset, ResolvedDataset
from cityloom.exchange.store import ledger, shape
from cityloom.exchange.store.shape import Shape
from cityloom.kernel.context import Context
from cityloom.kernel.errors import NotFound
from cityloom.kernel.packs import Packs


def declared(packs: Packs) -> dict[str, ResolvedDataset]:
    """Every dataset of the active packs, resolved. Raises Invalid naming file, field, fault and remedy."""
    standards = catalogue.standards(packs)
    return resolve.resolve_all(packs.read("exchange", Dataset), standards.elements, standards.codes)


def install(ctx: Context) -> None:
    """Make the packs' datasets known: catalogue entry with lineage, ledger, lake tables. Safe to run twice."""
    found = declared(ctx.packs)
    origin = {path.stem: pack.name for pack in ctx.packs for path in pack.files("exchange")}
    with ctx.begin() as tx:
        before = ledger.installed(tx)
    for name, resolved in found.items():
        encoded = msgspec.json.encode(resolved)
        digest = hashlib.sha256(encoded).hexdigest()
        if before.get(name) == digest:
            continue
        with ctx.lake.session() as cursor:
            shape.create_tables(cursor, shape_of(resolved))
        with ctx.begin() as tx:
            now = ctx.clock.now()
            entry = Entry(name, origin[name], resolved.keeper, resolved.title, resolved.grade, encoded)
            catalogue.register(tx, entry, lineage(resolved), now)
            ledger.install(tx, name, resolved.keeper, encoded, digest, now)
            ctx.record(tx, "exchange.dataset_installed", f"dataset:{name}", digest=digest)
    with ctx.begin() as tx:
        ledger.retire(tx, list(found))


def lineage(resolved: ResolvedDataset) -> list[Line]:
    """What the dataset's fields are checked against and described by."""
    lines = []
    for field in resolved.fields:
        target = f"{resolved.name}.{field.name}"
        if field.reference:
            lines.append(Line(str(field.reference), target, "references"))
        if field.codes:
            lines.append(Line(f"codes:{field.codes.name}@{field.codes.version}", target, "codes"))
        if field.element:
            lines.append(Line(f"element:{field.element}", target, "element"))
    return lines


def dataset(ctx: Context, name: str) -> ResolvedDataset:
    """The dataset as last installed, the same for every process. Raises NotFound `exchange.dataset_unknown`."""
    with ctx.begin() as tx:
        encoded = ledger.spec(tx, name)
    if encoded is None:
        raise NotFound("exchange.dataset_unknown", dataset=name)
    return msgspec.json.decode(encoded, type=ResolvedDataset)


def shape_of(resolved: ResolvedDataset) -> Shape:
    """The dataset's tables in the lake."""
    return Shape(resolved.name, tuple((field.name, field.column_type) for field in resolved.fields), resolved.key)
