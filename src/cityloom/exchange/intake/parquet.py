"""Parquet: its columns rendered as text inside DuckDB, digit for digit, so that all formats meet the same checks."""

from pathlib import Path

import duckdb

from cityloom.exchange.intake.batches import FAULTS, FAULTS_SQL, ROW
from cityloom.exchange.intake.limits import MIB, Limits
from cityloom.kernel import sql
from cityloom.kernel.errors import Invalid, TooLarge, Unsupported

PLAIN = ("BOOLEAN", "DATE", "TIME", "UUID")
WHOLE = (
    "TINYINT",
    "SMALLINT",
    "INTEGER",
    "BIGINT",
    "HUGEINT",
    "UTINYINT",
    "USMALLINT",
    "UINTEGER",
    "UBIGINT",
    "UHUGEINT",
)
FRACTIONS = ("FLOAT", "DOUBLE")
LOCAL_MOMENTS = ("TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS")
ZONED_MOMENT = "TIMESTAMP WITH TIME ZONE"
DAMAGED = "(contains({0}, chr(65533)) OR contains({0}, chr(0)))"


def header(con: duckdb.DuckDBPyConnection, path: Path, limits: Limits) -> tuple[tuple[str, str], ...]:
    """Names and DuckDB types of the columns, after a look at what the footer claims.

    Raises Invalid `exchange.parquet_unreadable`, `exchange.file_no_rows`, TooLarge `exchange.too_many_columns`,
    `exchange.unpacked_too_large`, `exchange.too_many_rows`, Unsupported `exchange.column_type`.
    """
    file = sql.literal(str(path))
    try:
        rows = _first(con, f"SELECT num_rows FROM parquet_file_metadata({file})")
        size = _first(con, f"SELECT coalesce(sum(total_uncompressed_size), 0) FROM parquet_metadata({file})")
        columns = con.execute(
            f"SELECT column_name, column_type FROM (DESCRIBE SELECT * EXCLUDE (file_row_number) FROM {_scan(path)})"
        ).fetchall()
    except duckdb.Error as error:
        raise Invalid("exchange.parquet_unreadable") from error
    if len(columns) > limits.max_columns:
        raise TooLarge("exchange.too_many_columns", found=len(columns), limit=limits.max_columns)
    if size > limits.max_bytes:
        raise TooLarge("exchange.unpacked_too_large", limit=limits.max_bytes // MIB)
    if rows > limits.max_rows:
        raise TooLarge("exchange.too_many_rows", found=rows, limit=limits.max_rows)
    if not rows:
        raise Invalid("exchange.file_no_rows")
    for name, kind in columns:
        if rendered("x", kind) is None:
            raise Unsupported("exchange.column_type", column=name, type=kind.partition("(")[0])
    return tuple(columns)


def table(con: duckdb.DuckDBPyConnection, path: Path, columns: tuple[tuple[str, str], ...], limits: Limits) -> str:
    """A table expression: `_row`, `_faults` and the columns as text. Reads the file once, to be sure that it can.

    Raises Invalid `exchange.parquet_unreadable`, TooLarge `exchange.cell_too_large`.
    """
    texts = [sql.name(name) for name, kind in columns if kind == "VARCHAR"]
    longest = [f"coalesce(max(strlen({name})), 0)" for name in texts]
    damaged = [f"coalesce(bool_or({DAMAGED.format(name)}), false)" for name in texts]
    everything = f"max(hash({', '.join(sql.name(name) for name, _ in columns)}))"
    try:
        found = con.execute(f"SELECT {', '.join([everything, *longest, *damaged])} FROM {_scan(path)}").fetchone() or ()
    except duckdb.Error as error:
        raise Invalid("exchange.parquet_unreadable") from error
    lengths, flags = found[1 : 1 + len(texts)], found[1 + len(texts) :]
    if max(lengths, default=0) > limits.max_cell_bytes:
        raise TooLarge("exchange.cell_too_large", limit=limits.max_cell_bytes)
    faults = _faults([name for (name, kind), flag in zip(_texts(columns), flags, strict=True) if flag])
    values = ", ".join(f"{rendered(sql.name(name), kind)} AS {sql.name(name)}" for name, kind in columns)
    return f"(SELECT file_row_number + 1 AS {ROW}, {faults} AS {FAULTS}, {values} FROM {_scan(path)})"


def rendered(value: str, kind: str) -> str | None:
    """The SQL expression `value` of a DuckDB type as text; None for types not taken (nested, binary, spans)."""
    text = f"CAST({value} AS VARCHAR)"
    if kind in WHOLE or kind in PLAIN or kind.startswith(("DECIMAL(", "ENUM(")):
        return text
    if kind == "VARCHAR":
        return f"nullif({value}, '')"
    if kind in FRACTIONS:
        return _fraction(text)
    if kind in LOCAL_MOMENTS:
        return f"replace({text}, ' ', 'T')"
    if kind == ZONED_MOMENT:
        return f"replace(CAST(make_timestamp(epoch_us({value})) AS VARCHAR), ' ', 'T') || 'Z'"
    return None


def _fraction(text: str) -> str:
    """The shortest digits that name the number, without `.0` and with the exponent written out."""
    digits = f"replace(replace(split_part({text}, 'e', 1), '.', ''), '-', '')"
    sign = f"CASE WHEN starts_with({text}, '-') THEN '-' ELSE '' END"
    power = f"CAST(split_part({text}, 'e', 2) AS INTEGER)"
    return (
        f"CASE WHEN contains({text}, 'e+') THEN {sign} || rpad({digits}, {power} + 1, '0')"
        f" WHEN contains({text}, 'e-') THEN {sign} || '0.' || repeat('0', -{power} - 1) || {digits}"
        f" WHEN ends_with({text}, '.0') THEN left({text}, -2) ELSE {text} END"
    )


def _faults(damaged: list[str]) -> str:
    if not damaged:
        return f"CAST(NULL AS {FAULTS_SQL})"
    each = ", ".join(
        f"CASE WHEN {DAMAGED.format(sql.name(name))} THEN {{'field': {sql.literal(name)}, 'rule': 'encoding', 'value':"
        f" replace({sql.name(name)}, chr(0), chr(65533)), 'reason': 'exchange.value_undecodable'}} END"
        for name in damaged
    )
    told = f"list_filter([{each}], lambda fault: fault IS NOT NULL)"
    return f"CASE WHEN len({told}) > 0 THEN {told} END"


def _texts(columns: tuple[tuple[str, str], ...]) -> list[tuple[str, str]]:
    return [(name, kind) for name, kind in columns if kind == "VARCHAR"]


def _scan(path: Path) -> str:
    return f"read_parquet({sql.literal(str(path))}, binary_as_string=true, file_row_number=true)"


def _first(con: duckdb.DuckDBPyConnection, query: str) -> int:
    row = con.execute(query).fetchone()
    return int(row[0]) if row else 0
