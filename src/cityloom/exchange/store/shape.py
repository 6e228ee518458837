"""The lake tables of a dataset: current state, change rows, quarantine, confirmations."""

from collections.abc import Iterable

import duckdb
import msgspec

from cityloom.kernel import sql

SCHEMA = ("lake", "exchange")
RETAINED = "retained"
"""Cause of a row at the floor of the change rows: not a change, but what a key falls back to (store.retention)."""
UNREADABLE = ("DATE", "TIMESTAMP")
"""Types that DuckLake 1.5.5 cannot read back inside a STRUCT that it keeps inlined: reading one ends the whole DuckDB.
Change rows with such a `_before` go to a file at once."""
BOOKKEEPING = "_sequence BIGINT, _delivery VARCHAR, _at TIMESTAMP"


class Shape(msgspec.Struct, frozen=True):
    """What the store needs to know of a dataset: its name, its columns with their DuckDB types, its key."""

    dataset: str
    columns: tuple[tuple[str, str], ...]
    key: tuple[str, ...]

    @property
    def current(self) -> str:
        """The current state: the fields, and the sequence, delivery and moment that last set the row."""
        return sql.name(*SCHEMA, self.dataset)

    @property
    def changes(self) -> str:
        """The change rows, append-only: one per key that a delivery, withdrawal or retention run changed."""
        return sql.name(*SCHEMA, f"{self.dataset}__changes")

    @property
    def quarantine(self) -> str:
        """Rows that were not accepted, as they came, with their faults."""
        return sql.name(*SCHEMA, f"{self.dataset}__quarantine")

    @property
    def confirmed(self) -> str:
        """Keys that a delivery stated again unchanged, so that withdrawing an earlier one does not lose them."""
        return sql.name(*SCHEMA, f"{self.dataset}__confirmed")

    def names(self, prefix: str = "") -> str:
        """The field columns, quoted and separated by commas."""
        return ", ".join(prefix + sql.name(name) for name, _ in self.columns)

    def key_names(self, prefix: str = "") -> str:
        """The key columns, quoted and separated by commas."""
        return ", ".join(prefix + sql.name(name) for name in self.key)

    def same_key(self, left: str, right: str) -> str:
        """A join condition on the key of two aliases."""
        return " AND ".join(f"{left}.{sql.name(name)} = {right}.{sql.name(name)}" for name in self.key)

    def differs(self, left: str, right: str) -> str:
        """A condition: some field that is not of the key has another value."""
        tests = [
            f"{left}.{sql.name(name)} IS DISTINCT FROM {right}.{sql.name(name)}"
            for name, _ in self.columns
            if name not in self.key
        ]
        return "(" + (" OR ".join(tests) or "false") + ")"

    def packed(self, alias: str) -> str:
        """The row of an alias as one STRUCT."""
        return (
            "struct_pack("
            + ", ".join(f"{sql.name(name)} := {alias}.{sql.name(name)}" for name, _ in self.columns)
            + ")"
        )

    def keyed_only(self, alias: str) -> str:
        """The fields of an alias with NULL for all that are not of the key: what a deleting change row shows."""
        return ", ".join(
            f"{alias}.{sql.name(name)}" if name in self.key else f"NULL::{kind} AS {sql.name(name)}"
            for name, kind in self.columns
        )


def create_tables(cursor: duckdb.DuckDBPyConnection, shapes: Iterable[Shape]) -> None:
    """Make the tables of these datasets, or add the columns that their declarations have gained. In a lake commit."""
    cursor.execute(f"CREATE SCHEMA IF NOT EXISTS {sql.name(*SCHEMA)}")
    for shape in shapes:
        _create(cursor, shape)


def _create(cursor: duckdb.DuckDBPyConnection, shape: Shape) -> None:
    fields = ", ".join(f"{sql.name(name)} {kind}" for name, kind in shape.columns)
    packed = ", ".join(f"{sql.name(name)} {kind}" for name, kind in shape.columns)
    keys = ", ".join(f"{sql.name(name)} {kind}" for name, kind in shape.columns if name in shape.key)
    cursor.execute(f"CREATE TABLE IF NOT EXISTS {shape.current} ({fields}, {BOOKKEEPING})")
    cursor.execute(
        f"CREATE TABLE IF NOT EXISTS {shape.changes} ({BOOKKEEPING}, _op VARCHAR, _cause VARCHAR, _as_of DATE,"
        f" {fields}, _before STRUCT({packed}))"
    )
    cursor.execute(
        f"CREATE TABLE IF NOT EXISTS {shape.quarantine} (_delivery VARCHAR, _at TIMESTAMP, _row BIGINT,"
        " raw VARCHAR[], faults STRUCT(field VARCHAR, rule VARCHAR, value VARCHAR)[])"
    )
    cursor.execute(f"CREATE TABLE IF NOT EXISTS {shape.confirmed} ({BOOKKEEPING}, {keys})")
    _add_columns(cursor, shape)


def keep_in_files(cursor: duckdb.DuckDBPyConnection, shapes: Iterable[Shape]) -> None:
    """Have change rows written to files at once whose kind could not be read back otherwise. After `create_tables`."""
    for shape in shapes:
        if any(kind in UNREADABLE for _, kind in shape.columns):
            cursor.execute(
                "CALL lake.set_option('data_inlining_row_limit', 0, schema => ?, table_name => ?)",
                [SCHEMA[1], f"{shape.dataset}__changes"],
            )


def _add_columns(cursor: duckdb.DuckDBPyConnection, shape: Shape) -> None:
    rows = cursor.execute(
        "SELECT column_name FROM duckdb_columns() WHERE database_name = 'lake' AND schema_name = 'exchange' AND table_name = ?",
        [shape.dataset],
    ).fetchall()
    present = {row[0] for row in rows}
    for name, kind in shape.columns:
        if name not in present:
            cursor.execute(f"ALTER TABLE {shape.current} ADD COLUMN {sql.name(name)} {kind}")
            cursor.execute(f"ALTER TABLE {shape.changes} ADD COLUMN {sql.name(name)} {kind}")
            cursor.execute(f"ALTER TABLE {shape.changes} ADD COLUMN _before.{sql.name(name)} {kind}")
