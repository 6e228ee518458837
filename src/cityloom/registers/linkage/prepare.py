"""Records made ready: normal forms of every field, and how frequent they are, in a DuckDB of its own."""

from collections.abc import Iterator
from contextlib import contextmanager

import duckdb
import msgspec
import pyarrow as pa

from cityloom.kernel.errors import Invalid
from cityloom.kernel.sql import name
from cityloom.registers.linkage import kinds
from cityloom.registers.linkage.model import ALWAYS, Field, Model

AT_ONCE = 20_000
"""Values made at a time: millions of small objects alive at once keep Python's collector busy."""
RESERVED = ("row", "record", "source")


class Limits(msgspec.Struct, frozen=True):
    """What the engine may use."""

    memory_mib: int = 4096
    threads: int = 2
    spill: str = ""
    """A folder for what does not fit; empty: nothing is written, and what does not fit fails."""


@contextmanager
def engine(limits: Limits) -> Iterator[duckdb.DuckDBPyConnection]:
    """A DuckDB in memory, within its limits, closed at the end."""
    config: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": f"{limits.memory_mib}MiB",
        "threads": limits.threads,
        "temp_directory": limits.spill,
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        "preserve_insertion_order": False,
    }
    connection = duckdb.connect(config=config)
    connection.execute("SET enable_progress_bar = false")  # it would write to stdout, where data goes
    try:
        yield connection
    finally:
        connection.close()


def check(model: Model, columns: list[str]) -> None:
    """Refuse a model that does not fit: Invalid `registers.linkage_model` names the field and what is wrong."""
    fields = {field.name for field in model.fields}
    wanted = {"key": model.key, "source": model.source} | {field.name: field.name for field in model.fields}
    for what, column in wanted.items():
        if column and column not in columns:
            raise Invalid("registers.linkage_model", field=what, reason=f"there is no column {column}")
    for field in model.fields:
        problem = _wrong(field, fields, columns)
        if problem:
            raise Invalid("registers.linkage_model", field=field.name, reason=problem)
    if not model.fields or len(fields) < len(model.fields):
        raise Invalid("registers.linkage_model", field="fields", reason="at least one, each once")
    if not 0 < model.doubt <= model.link < 1:
        raise Invalid("registers.linkage_model", field="link", reason="0 < doubt <= link < 1")
    if model.one_to_one and not model.source:
        raise Invalid("registers.linkage_model", field="one_to_one", reason="needs a source")


def _wrong(field: Field, fields: set[str], columns: list[str]) -> str:
    if (
        field.name in RESERVED
        or "__" in field.name
        or not field.name.isidentifier()
        or field.name.lower() != field.name
    ):
        return "its name must be lower-case letters, digits and single underscores, and not row, record or source"
    if field.partner and field.partner not in fields - {field.name}:
        return f"its partner {field.partner} is no other field"
    if field.verified and field.kind != "identifier":
        return "only an identifier can be verified"
    if field.verified not in ("", ALWAYS) and field.verified not in columns:
        return f"there is no column {field.verified}"
    return ""


def prepare(
    connection: duckdb.DuckDBPyConnection, records: pa.Table, model: Model, table: str = "prepared", since: int = 0
) -> None:
    """Make a table of the records: row (from `since`), record, source, and each field's features.

    Raises Invalid `registers.linkage_model`, and `registers.linkage_key` for a key that is empty or there twice.
    """
    check(model, records.column_names)
    connection.register("given", records)
    source = f"CAST({name(model.source)} AS VARCHAR)" if model.source else "''"
    raw = ", ".join(f"CAST({name(field.name)} AS VARCHAR) AS {name(field.name)}" for field in model.fields)
    flags = "".join(
        f", {'true' if field.verified == ALWAYS else name(field.verified)} AS {name(field.name + '__checked')}"
        for field in model.fields
        if field.verified
    )
    connection.execute(
        f'CREATE OR REPLACE TEMP TABLE raw AS SELECT {since} + row_number() OVER () - 1 AS "row",'
        f" CAST({name(model.key)} AS VARCHAR) AS record, coalesce({source}, '') AS source, {raw}{flags} FROM given"
    )
    connection.unregister("given")
    _check_keys(connection)
    selected, joins = ["raw.row", "raw.record", "raw.source"], []
    for field in model.fields:
        _normal_forms(connection, field)
        joins.append(f"LEFT JOIN made_{field.name} ON made_{field.name}.given = raw.{field.name}")
        selected += [f"made_{field.name}.{kinds.column(field.name, each)}" for each in kinds.KINDS[field.kind].features]
        if field.verified:
            selected.append(
                f"CASE WHEN raw.{field.name}__checked THEN made_{field.name}.{field.name} END AS {field.name}__verified"
            )
    connection.execute(
        f"CREATE OR REPLACE TABLE {name(table)} AS SELECT {', '.join(selected)} FROM raw {' '.join(joins)} ORDER BY raw.row"
    )
    for field in model.fields:
        connection.execute(f"DROP TABLE made_{field.name}")
    connection.execute("DROP TABLE raw")


def _check_keys(connection: duckdb.DuckDBPyConnection) -> None:
    found = connection.execute(
        "SELECT record, count(*) FROM raw GROUP BY record HAVING record IS NULL OR count(*) > 1 LIMIT 1"
    ).fetchone()
    if found:
        raise Invalid("registers.linkage_key", key=str(found[0]), times=int(found[1]))


def _normal_forms(connection: duckdb.DuckDBPyConnection, field: Field) -> None:
    """Table made_FIELD: given value and its features; each different value is looked at once."""
    kind = kinds.KINDS[field.kind]
    given: list[str] = (
        connection.execute(f"SELECT DISTINCT {field.name} FROM raw WHERE {field.name} IS NOT NULL")
        .to_arrow_table()[field.name]
        .to_pylist()
    )
    names = ["given", *(kinds.column(field.name, each) for each in kind.features)]
    empty = (None,) * len(kind.features)
    tables = [pa.table([pa.array([], pa.string())] * len(names), names)]
    for since in range(0, len(given), AT_ONCE):
        some = given[since : since + AT_ONCE]
        made = zip(*(kind.make(each) or empty for each in some), strict=True)
        tables.append(pa.table([pa.array(some, pa.string()), *(pa.array(each, pa.string()) for each in made)], names))
    connection.register("made", pa.concat_tables(tables))
    connection.execute(f"CREATE OR REPLACE TEMP TABLE made_{field.name} AS FROM made")
    connection.unregister("made")


def frequent(model: Model) -> list[str]:
    """Columns whose frequency some level asks for."""
    found = {
        kinds.column(field.name, each.frequency)
        for field in model.fields
        for place, each in enumerate(kinds.levels(field.kind, bool(field.partner)))
        if each.frequency or place == 0
    }
    return sorted(found)


def add_frequencies(connection: duckdb.DuckDBPyConnection, model: Model, table: str, among: str) -> None:
    """Give `table` columns `tf_COLUMN`: the share of records of `among` that have the value; 1 / records if none has."""
    columns, joins = [], []
    for column in frequent(model):
        counts = f"frequency_{column}"
        connection.execute(
            f"CREATE TABLE IF NOT EXISTS {counts} AS SELECT {column} AS value, count(*) AS times,"
            f" count(*) / sum(count(*)) OVER () AS share FROM {among} WHERE {column} IS NOT NULL GROUP BY ALL"
        )
        joins.append(f"LEFT JOIN {counts} ON {counts}.value = t.{column}")
        columns.append(
            f"CASE WHEN t.{column} IS NOT NULL THEN coalesce({counts}.share, (SELECT min(share) FROM {counts}), 1.0) END"
            f" AS tf_{column}"
        )
    connection.execute(
        f"CREATE OR REPLACE TABLE {name(table)} AS SELECT t.*, {', '.join(columns)} FROM {name(table)} t"
        f" {' '.join(joins)} ORDER BY t.row"
    )
