"""`cityloom scale check`: the same expressions, over change rows in plain Parquet, on DuckDB and on a Spark cluster.

A small city is delivered through the exchange, month after month with its updates and deletions, one delivery is withdrawn,
and the lake is maintained. Then the current state is worked out from the change rows by both engines and held against the
lake's own, and the models of the packs are run on it. Spark reads files that the lake never deletes rows from; the lake's
current state has delete files, which only DuckLake understands.
"""

import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import duckdb
import ibis
import msgspec
import pyarrow as pa
from ibis.expr.types import Table

from cityloom import app
from cityloom.bench import spark
from cityloom.exchange.api import deliveries, maintenance, spool, tables, withdrawals
from cityloom.exchange.contracts import Declaration, Mode
from cityloom.kernel import packs, sql
from cityloom.kernel.context import Context
from cityloom.kernel.jobs import platform_context
from cityloom.kernel.postgres import passing_folder
from cityloom.kernel.settings import Settings, load
from cityloom.samplecity import api as samplecity
from cityloom.samplecity.contracts import PlannedDelivery

PIECE = 1 << 20
DATASETS = (
    "household_resident", "household", "death", "birth", "pupil", "teacher", "school", "school_catchment", "school_plan",
    "social_insurance_payment", "provident_fund_payment", "tenancy", "residence_collected", "residence_permit", "dwelling",
    "clinic",
)  # fmt: skip
DIGITS = 9
"""Figures of a fraction that must be the same: two engines add in different orders."""


class Compared(msgspec.Struct, frozen=True, kw_only=True):
    """One expression on both engines."""

    item: str
    rows: int
    duckdb_seconds: float
    spark_seconds: float
    equal: bool
    lake_equal: bool | None = None
    """Of a current state: whether it is also what the lake itself says."""


class Written(msgspec.Struct, frozen=True):
    """What the exchange left in the lake: change rows as files, keys, and the current state as the lake tells it."""

    files: dict[str, list[str]]
    keys: dict[str, tuple[str, ...]]
    state: dict[str, pa.Table]
    operations: dict[str, int]
    on: date


def check(people: int, master: str, talk: Callable[[str], None]) -> Iterator[Compared]:
    """Build, read and compare. Raises spark.Missing before anything is built where Spark cannot run."""
    with passing_folder("cityloom-scale-") as place, spark.opened(master) as cluster:
        talk(f"Spark has {cluster.executors} executors ({master})")
        settings = msgspec.structs.replace(load(city="shenzhen"), home=place / "city", log_level="error")
        written = _build(settings, people, talk)
        with duckdb.connect(config={"memory_limit": "1GB"}) as connection:
            tables = {name: _show(connection, cluster, name, written) for name in DATASETS}
            for name, table in tables.items():
                yield _compare(connection, cluster, f"state of {name}", table, written.state[name])
            for item, expression in _models(tables, written.on):
                yield _compare(connection, cluster, item, expression)


def current(changes: Table, key: tuple[str, ...]) -> Table:
    """The current state by change rows: of each key the row of its last sequence, unless that deleted it."""
    last = changes.group_by(*key).agg(_sequence=changes["_sequence"].max())
    kept = changes.semi_join(last, "_sequence")
    return kept.filter(kept["_op"] != "delete").drop(*(name for name in changes.columns if name.startswith("_")))


def _build(settings: Settings, people: int, talk: Callable[[str], None]) -> Written:
    with app.running_parts(settings, talk) as parts:
        ctx = platform_context(parts, "scale")
        zone = parts.calendars.city.table.zone
        today = datetime.combine(parts.clock.now().astimezone(zone).date(), datetime.min.time(), zone)
        plan = samplecity.plan(parts.packs, people=people, seed=2026, as_of=today)
        last: PlannedDelivery | None = None
        with tempfile.TemporaryDirectory(dir=settings.home) as folder:
            for planned in samplecity.deliveries(plan, Path(folder)):
                _deliver(ctx, planned)
                last = planned if planned.dataset == "tenancy" and planned.mode != "delete" else last
        if last is not None:
            withdrawals.withdraw(ctx, last.dataset, last.delivery_id, "scale check")
        maintenance.maintain(ctx)
        written = _written(ctx, settings.home, today.date())
        rows, size = (
            sum(written.operations.values()),
            sum(Path(file).stat().st_size for each in written.files.values() for file in each),
        )
        talk(f"{rows:,} change rows after maintenance, {size / rows:.0f} bytes each: {written.operations}")
        return written


def _deliver(ctx: Context, planned: PlannedDelivery) -> None:
    declared = Declaration(
        mode=Mode(planned.mode), media=planned.content_type, encoding=planned.content_encoding,
        charset=planned.charset or "", file_name=planned.path.name, rows=planned.rows,
    )  # fmt: skip
    delivery = deliveries.claim(ctx, planned.dataset, planned.delivery_id, declared)
    with planned.path.open("rb") as file:
        spooled = spool.copy(ctx, iter(lambda: file.read(PIECE), b""))
    deliveries.received(ctx, delivery, spooled)
    deliveries.process(ctx, planned.dataset, planned.delivery_id)
    planned.path.unlink(missing_ok=True)


def _written(ctx: Context, home: Path, on: date) -> Written:
    """Copies of the files of change rows, since they go with the city; refused where rows were deleted from one."""
    files: dict[str, list[str]] = {}
    state: dict[str, pa.Table] = {}
    operations: dict[str, int] = {}
    found_tables = tables.states(ctx, DATASETS)
    with ctx.lake.session() as cursor:
        for each in found_tables:
            name, changes = each.dataset, f"{each.dataset}__changes"
            found = cursor.execute(
                "SELECT data_file, delete_file FROM ducklake_list_files('lake', ?, schema => ?)",
                [changes, each.table[1]],
            ).fetchall()
            if any(deleted for _, deleted in found):
                raise RuntimeError(
                    f"{name}: change rows were deleted from a file and not yet rewritten; maintain the lake first"
                )
            files[name] = _copied([Path(file) for file, _ in found], home.parent / name)
            fields = ", ".join(sql.name(field) for field in each.fields)
            state[name] = cursor.execute(f"SELECT {fields} FROM {sql.name(*each.table)}").to_arrow_table()
            counted = f"SELECT _op, count(*) FROM {sql.name(*each.table[:2], changes)} GROUP BY _op"
            for operation, count in cursor.execute(counted).fetchall():
                operations[operation] = operations.get(operation, 0) + count
    return Written(files, {each.dataset: each.key for each in found_tables}, state, operations, on)


def _copied(files: list[Path], folder: Path) -> list[str]:
    folder.mkdir()
    return [
        str(folder / f"{number}.parquet")
        for number, file in enumerate(files)
        if _copy(file, folder / f"{number}.parquet")
    ]


def _copy(file: Path, to: Path) -> bool:
    to.write_bytes(file.read_bytes())
    return True


def _show(connection: duckdb.DuckDBPyConnection, cluster: spark.Spark, name: str, written: Written) -> Table:
    """The change rows as a view of both engines, and the current state as an expression over it."""
    listed = ", ".join(sql.literal(file) for file in written.files[name])
    connection.execute(
        f"CREATE VIEW {sql.name(name)} AS SELECT * EXCLUDE (_before) FROM read_parquet([{listed}], union_by_name = true)"
    )
    cluster.show(name, written.files[name])
    empty = connection.execute(f"SELECT * FROM {sql.name(name)} LIMIT 0").to_arrow_table()
    return current(ibis.table(ibis.Schema.from_pyarrow(empty.schema), name=name), written.keys[name])


def _models(tables: Mapping[str, Table], on: date) -> Iterator[tuple[str, Table]]:
    """The expressions of the packs on the city's current state."""
    people, centres, schools = (
        _model(*each)
        for each in (("people", "population"), ("facilities", "health_centres"), ("facilities", "school_pressure"))
    )
    given = people.from_datasets(tables)
    counts = people.counts(people.persons(given, people.Parameters(on=on)), given.dwelling, people.Grid())
    yield "population, smallest pieces", counts
    yield "population, contributions", people.contributions(counts)
    by_community = (
        counts.filter(counts.community != "").group_by("community").agg(persons=counts.persons.sum().cast("int64"))
    )
    yield "health centres, shortfall", centres.shortfall(by_community, tables["clinic"], centres.Parameters(on=on))
    yield "health centres, ranking", _ranked(centres, people, tables, counts)
    parameters = schools.Parameters(year=on.year)
    cohorts = schools.cohorts(schools.children(schools.from_datasets(tables), on, parameters), on.year, parameters)
    history = schools.entrants(tables["pupil"], parameters)
    yield (
        "school pressure",
        schools.pressure(cohorts, tables["school_catchment"], tables["school_plan"], parameters, history),
    )


def _ranked(centres: ModuleType, people: ModuleType, tables: Mapping[str, Table], counts: Table) -> Table:
    """Cells with people, those no centre reaches, and every cell as a candidate, ranked."""
    parameters, grid = centres.Parameters(), people.Grid()
    inhabited = counts.filter(counts.cell >= 0).group_by("cell").agg(persons=counts.persons.sum().cast("int64"))
    demand = centres.in_metres(people.middles(inhabited, grid), parameters)
    clinic = tables["clinic"].filter(tables["clinic"].kind.isin(parameters.kinds))
    there = centres.in_metres(clinic.select("longitude", "latitude", site="code"), parameters)
    sites = demand.select("x", "y", site="cell")
    return centres.ranking(centres.reach(centres.uncovered(demand, there, parameters), sites, parameters))


def _model(pack: str, name: str) -> ModuleType:
    return packs.model(packs.available([packs.shipped()])[pack], name)


def _compare(
    connection: duckdb.DuckDBPyConnection,
    cluster: spark.Spark,
    item: str,
    expression: Table,
    lake: pa.Table | None = None,
) -> Compared:
    _ = ibis.pyspark  # its compiler reads options that are there once the backend is loaded
    started = time.perf_counter()
    here = connection.execute(str(ibis.to_sql(expression, dialect="duckdb"))).to_arrow_table()
    between = time.perf_counter()
    there = cluster.run(str(ibis.to_sql(expression, dialect="pyspark")))
    ended = time.perf_counter()
    rows = _rows(here)
    return Compared(
        item=item, rows=here.num_rows, duckdb_seconds=round(between - started, 3), spark_seconds=round(ended - between, 3),
        equal=rows == _rows(there), lake_equal=None if lake is None else rows == _rows(lake),
    )  # fmt: skip


def _rows(table: pa.Table) -> list[str]:
    """The rows as sorted texts, fractions cut to what must be the same."""
    names = sorted(table.column_names)
    columns = (table[name].to_pylist() for name in names)
    return sorted("\t".join(map(_text, row)) for row in zip(*columns, strict=True))


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.{DIGITS}g}"
    return str(value.replace(tzinfo=None)) if isinstance(value, datetime) else str(value)
