"""The quality gate: reads the datasets of the packs, and brings a delivered file to the table `checked`."""

import gzip
import hashlib
from collections.abc import Sequence
from pathlib import Path

import duckdb
import msgspec

from cityloom.catalogue import api as catalogue
from cityloom.catalogue.contracts import Entry, Line
from cityloom.exchange.contracts import Declaration, Fault, Mode, Spooled
from cityloom.exchange.intake import columns, read
from cityloom.exchange.intake.columns import Matched, Wanted
from cityloom.exchange.intake.limits import Limits
from cityloom.exchange.rules import compile, describe, explain, resolve
from cityloom.exchange.spec import Dataset, ResolvedDataset
from cityloom.exchange.store import checked, ledger, quarantine, shape
from cityloom.exchange.store.shape import Shape
from cityloom.kernel.context import Context
from cityloom.kernel.errors import Invalid, NotFound, Unsupported
from cityloom.kernel.packs import Packs


def declared(packs: Packs) -> dict[str, ResolvedDataset]:
    """Every dataset of the active packs, resolved. Raises Invalid naming file, field, fault and remedy."""
    standards = catalogue.standards(packs)
    return resolve.resolve_all(packs.read("exchange", Dataset), standards.elements, standards.codes)


def install(ctx: Context) -> None:
    """Make the packs' datasets known: catalogue entry with lineage, ledger, lake tables. Safe to run twice."""
    found = declared(ctx.packs)
    origin = {path.stem: pack.name for pack in ctx.packs for path in pack.files("exchange")}
    encodings = {name: msgspec.json.encode(resolved) for name, resolved in found.items()}
    digests = {name: hashlib.sha256(encoded).hexdigest() for name, encoded in encodings.items()}
    with ctx.begin() as tx:
        before = ledger.installed(tx)
    changes = [name for name, digest in digests.items() if before.get(name) != digest]
    if changes:
        shapes = [shape_of(found[name]) for name in changes]
        with ctx.lake.session() as cursor:
            with ctx.lake.commit(cursor, "install", {"datasets": len(changes)}):
                shape.create_tables(cursor, shapes)
            shape.keep_in_files(cursor, shapes)
    for name, resolved in found.items():
        encoded, digest, changed = encodings[name], digests[name], name in changes
        with ctx.begin() as tx:
            described = describe.wish(resolved)
            entry = Entry(name, origin[name], resolved.keeper, resolved.title, resolved.grade, encoded, described)
            catalogue.register(ctx, tx, entry, lineage(resolved))
            if changed:
                ledger.install(tx, name, resolved.keeper, encoded, digest, ctx.clock.now())
                ctx.record(tx, "exchange.dataset_installed", f"dataset:{name}", digest=digest)
    with ctx.begin() as tx:
        catalogue.keep_datasets(ctx, tx, list(found))
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


class Checked(msgspec.Struct, frozen=True):
    """A delivery whose rows stand in the session's temporary table `checked`."""

    dataset: ResolvedDataset
    shape: Shape
    columns: tuple[str, ...]
    """The file's columns as it names them, those of the platform (`_…`) left out."""
    faults: str
    """Query of (row, field, rule, value), one line per fault."""
    raw: str
    """List of a row's texts in the order of `columns`, over the alias `d` of the table `delivered`."""


MEDIA: dict[str, read.Format] = {
    "text/csv": "csv",
    "application/csv": "csv",
    "text/plain": "csv",
    "text/tab-separated-values": "csv",
    "application/vnd.ms-excel": "csv",  # what browsers on Windows call a .csv
    "application/x-ndjson": "ndjson",
    "application/ndjson": "ndjson",
    "application/jsonl": "ndjson",
    "application/vnd.apache.parquet": "parquet",
    "application/x-parquet": "parquet",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
}
UNTOLD = ("", "application/octet-stream", "application/x-www-form-urlencoded", "application/gzip")
ENCODINGS = ("", "identity", "gzip", "x-gzip")


def check(ctx: Context, cursor: duckdb.DuckDBPyConnection, delivery: ledger.Delivery) -> Checked:
    """Check a received delivery's rows into `checked`. Raises the Problem for which the file is refused whole."""
    said = Declaration(
        media=delivery.media, encoding=delivery.encoding, charset=delivery.charset, rows=delivery.declared_rows
    )
    spooled = Spooled(delivery.spool or "", delivery.bytes or 0, delivery.sha256 or "")
    return check_file(ctx, cursor, delivery.dataset, Mode(delivery.mode), said, spooled)


def check_file(
    ctx: Context, cursor: duckdb.DuckDBPyConnection, name: str, mode: Mode, declared: Declaration, spooled: Spooled
) -> Checked:
    """Read a spooled file and check its rows into `checked`. Raises Invalid `exchange.rows_differ`."""
    resolved = dataset(ctx, name)
    matched = _read(ctx, cursor, resolved, mode, declared, Path(spooled.path))
    at = ctx.clock.now().astimezone(ctx.parts.calendars.city.table.zone)
    texts = checked.texts([field.name for field in resolved.fields])
    compiled = compile.compile_delivery(resolved, texts, at, _relations(ctx, resolved), mode=mode, intake=True)
    rows = checked.check(cursor, compiled.statement, compiled.parameters)
    if declared.rows is not None and rows != declared.rows:
        raise Invalid("exchange.rows_differ", declared=declared.rows, found=rows)
    present = {column: field for field, column in matched.pairs if column is not None}
    faults = checked.faults(compile.faults_sql(compiled), compile.INTAKE_RULES, present)
    return Checked(resolved, shape_of(resolved), tuple(present), faults, checked.raw(tuple(present.values())))


def wanted(resolved: ResolvedDataset, needed: Sequence[str] = ()) -> list[Wanted]:
    """The dataset's fields as the columns of a file may name them."""
    return [Wanted(field.name, (field.title.en, field.title.zh), field.name in needed) for field in resolved.fields]


def _read(
    ctx: Context,
    cursor: duckdb.DuckDBPyConnection,
    resolved: ResolvedDataset,
    mode: Mode,
    declared: Declaration,
    path: Path,
) -> Matched:
    """Make the temporary table `delivered`: `_row`, `_faults` and a text for every field of the dataset."""
    needed = resolved.key if mode == Mode.delete else tuple(field.name for field in resolved.fields if field.required)
    fields = wanted(resolved, needed)
    limits = Limits(max_bytes=4 * ctx.settings.delivery_max_mib << 20)
    with read.open_source(
        cursor, path, format_of(declared, path), ctx.settings.spool, limits, charset=declared.charset, fields=fields
    ) as source:
        matched = columns.match(source.columns, fields)
        checked.keep(cursor, matched.select(source.scan()))
    return matched


def _relations(ctx: Context, resolved: ResolvedDataset) -> dict[str, str]:
    """The current state of the datasets that the checks look into."""
    names = set(resolved.references)
    if any(field.unique for field in resolved.fields):
        names.add(resolved.name)
    return {name: shape_of(resolved if name == resolved.name else dataset(ctx, name)).current for name in names}


def format_of(declared: Declaration, path: Path) -> read.Format:
    """The file's format, by the media type or, where none was told, by its first bytes.

    Raises Unsupported `exchange.media_unknown`, `exchange.encoding_unknown`.
    """
    if declared.encoding not in ENCODINGS:
        raise Unsupported("exchange.encoding_unknown", encoding=declared.encoding, known="gzip")
    if declared.media in MEDIA:
        return MEDIA[declared.media]
    if declared.media not in UNTOLD:
        raise Unsupported("exchange.media_unknown", media=declared.media, known=", ".join(sorted(set(MEDIA))))
    with path.open("rb") as file:
        head = file.read(64)
    if head.startswith(b"\x1f\x8b"):
        with gzip.open(path) as unpacked:
            head = unpacked.read(64)
    if head.startswith(b"PAR1"):
        return "parquet"
    if head.startswith(b"PK\x03\x04"):
        return "xlsx"
    return "ndjson" if head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{") else "csv"


def explained(ctx: Context, resolved: ResolvedDataset, faults: Sequence[quarantine.FaultRow]) -> list[Fault]:
    """Faults in words of the caller's language."""
    words, language = ctx.parts.words, ctx.language
    return [explain.explain(resolved, words, language, each.row, each.field, each.rule, each.value) for each in faults]


def explain_faults(
    ctx: Context, cursor: duckdb.DuckDBPyConnection, source: Checked, mode: Mode, most: int
) -> tuple[list[Fault], int]:
    """The first faults of a checked and compared delivery in words, and how many there are in all."""
    quarantine.gather(cursor, source.shape, source.faults, source.raw, mode)
    faults = explained(ctx, source.dataset, quarantine.held_faults(cursor, most))
    return faults, quarantine.held_total(cursor)
