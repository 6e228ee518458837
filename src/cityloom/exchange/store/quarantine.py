"""Rows that were not accepted, as they came, with their faults: written with the delivery, read back by its sender."""

from collections.abc import Iterator

import duckdb
import msgspec

from cityloom.exchange.contracts import Mode
from cityloom.exchange.store.records import Stamp
from cityloom.exchange.store.shape import Shape
from cityloom.kernel import sql


class FaultRow(msgspec.Struct, frozen=True):
    """One fault of one row, without words yet."""

    row: int
    field: str
    rule: str
    value: str | None


class Quarantined(msgspec.Struct, frozen=True):
    """One row as it came, with all its faults."""

    row: int
    raw: list[str | None]
    faults: list[FaultRow]


def gather(cursor: duckdb.DuckDBPyConnection, shape: Shape, faults: str, raw: str, mode: Mode) -> None:
    """Make the temporary table `held`: (_row, raw, faults) of every row that is not accepted.

    `faults` is a query of (row, field, rule, value), `raw` the list of a row's texts over the
    alias `d` of `delivered`. An append's keys that are known
    with other content are added here, since only the comparison finds them.
    """
    clash = ""
    if mode == Mode.append:
        first = shape.key[0]
        clash = (
            f" UNION ALL SELECT c._row, {sql.literal(first)}, 'key', CAST(c.{sql.name(first)} AS VARCHAR)"
            " FROM checked c JOIN matched m ON m._row = c._row WHERE m.differs"
        )
    cursor.execute("DROP TABLE IF EXISTS held")
    cursor.execute(
        f"""CREATE TEMP TABLE held AS
            WITH named (row, field, rule, value) AS ({faults}{clash}), told AS (
                SELECT row, list(struct_pack(field := field, rule := rule, value := value)) AS faults FROM named GROUP BY row
            )
            SELECT d._row, {raw} AS raw, told.faults FROM delivered d JOIN told ON told.row = d._row"""
    )


def write(cursor: duckdb.DuckDBPyConnection, shape: Shape, stamp: Stamp) -> None:
    """Put `held` into the quarantine, inside the delivery's lake commit."""
    cursor.execute(
        f"INSERT INTO {shape.quarantine} (_delivery, _at, _row, raw, faults) SELECT ?, ?, _row, raw, faults FROM held",
        [stamp.delivery, stamp.at.replace(tzinfo=None)],
    )


def held_faults(cursor: duckdb.DuckDBPyConnection, most: int) -> list[FaultRow]:
    """The first faults of `held`, by row."""
    rows = cursor.execute(
        "SELECT _row, f.field, f.rule, f.value FROM (SELECT _row, unnest(faults) AS f FROM held) ORDER BY _row, f.field LIMIT ?",
        [most],
    ).fetchall()
    return [FaultRow(*row) for row in rows]


def held_total(cursor: duckdb.DuckDBPyConnection) -> int:
    """How many faults `held` has in all."""
    row = cursor.execute("SELECT coalesce(sum(len(faults)), 0) FROM held").fetchone()
    return int(row[0]) if row else 0


def read(
    cursor: duckdb.DuckDBPyConnection, shape: Shape, delivery: str, after: int = 0, limit: int | None = None
) -> Iterator[Quarantined]:
    """The quarantined rows of a delivery beyond a row number, in their order; at most `limit`."""
    result = cursor.execute(
        f"SELECT _row, raw, faults FROM {shape.quarantine} WHERE _delivery = ? AND _row > ? ORDER BY _row LIMIT ?",
        [delivery, after, limit],
    )
    while batch := result.fetchmany(1000):
        for number, raw, faults in batch:
            found = [FaultRow(number, fault["field"], fault["rule"], fault["value"]) for fault in faults]
            yield Quarantined(number, raw, found)
