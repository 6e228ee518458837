"""What the lake answers, prunes and packs by its catalogue's bounds stays right when files are rewritten."""

import duckdb
import pytest

from cityloom.kernel.context import Parts
from cityloom.kernel.lake import Lake

ALL_KINDS = {
    "varchar": ("text", "'b'", "'c'"),
    "integer": ("whole", "1", "2"),
    "bigint": ("large", "-1", "5000000000"),
    "double": ("real", "-0.5", "7.25"),
    "boolean": ("flag", "false", "true"),
    "date": ("day", "DATE '1949-10-01'", "DATE '2026-01-31'"),
    "timestamp": ("moment", "TIMESTAMP '2026-01-31 08:00:00.5'", "TIMESTAMP '2026-02-01 00:00:00'"),
    "decimal(12,2)": ("money", "-1.25", "99.99"),
    "decimal(4,4)": ("part", "0.1", "0.2"),
}


@pytest.fixture
def lake(parts: Parts) -> Lake:
    return parts.lake


def fill(lake: Lake, cursor: duckdb.DuckDBPyConnection) -> None:
    """A table of two files: one with values of every kind, one without any; one row of each file is deleted."""
    columns = ", ".join(f"{name} {kind}" for kind, (name, _, _) in ALL_KINDS.items())
    least, greatest = (", ".join(kind[at] for kind in ALL_KINDS.values()) for at in (1, 2))
    cursor.execute("CALL lake.set_option('data_inlining_row_limit', 0)")
    cursor.execute(f"CREATE TABLE lake.main.kept (number INTEGER, {columns})")
    for rows in (f"(1, {least}), (2, {greatest}), (3, {least})", ", ".join(f"({n}{', NULL' * 9})" for n in (4, 5, 6))):
        with lake.commit(cursor, "rows", {}):
            cursor.execute(f"INSERT INTO lake.main.kept VALUES {rows}")
    with lake.commit(cursor, "fewer", {}):
        cursor.execute("DELETE FROM lake.main.kept WHERE number IN (3, 6)")


def rewrite(cursor: duckdb.DuckDBPyConnection) -> None:
    cursor.execute(
        "CALL ducklake_rewrite_data_files('lake', 'kept', schema => 'main', delete_threshold => 0)"
    ).fetchall()


def test_a_rewrite_and_an_insert_leave_the_other_rows_as_they_are(lake: Lake) -> None:
    with lake.session() as cursor:
        fill(lake, cursor)
        before = cursor.execute("SELECT * FROM lake.main.kept").fetchall()
        rewrite(cursor)
        greatest = ", ".join(kind[2] for kind in ALL_KINDS.values())
        with lake.commit(cursor, "more", {}):
            cursor.execute(f"INSERT INTO lake.main.kept VALUES (7, {greatest})")
        after = cursor.execute("SELECT * FROM lake.main.kept ORDER BY number").fetchall()
        assert after[:-1] == sorted(before)
        for name, least, most in ALL_KINDS.values():
            found = cursor.execute(f"SELECT list(number ORDER BY number) FROM lake.main.kept WHERE {name} = {least}")
            assert found.fetchall() == [([1],)], name
            found = cursor.execute(f"SELECT min({name}) = {least}, max({name}) = {most}, count(*) FROM lake.main.kept")
            assert found.fetchall() == [(True, True, 5)], name


def test_values_of_deleted_rows_can_be_taken_out_of_the_catalogue(lake: Lake) -> None:
    with lake.session() as cursor:
        fill(lake, cursor)
        cursor.execute("CALL postgres_execute('__ducklake_metadata_lake', 'SELECT lake.widen(ARRAY[''kept''])')")
        with lake.commit(cursor, "more", {}):
            cursor.execute("CREATE TABLE lake.main.other (number INTEGER)")
            cursor.execute("INSERT INTO lake.main.other VALUES (1)")
        bounds = cursor.execute(
            """SELECT min_value, max_value FROM __ducklake_metadata_lake.lake.ducklake_table_column_stats s
               JOIN __ducklake_metadata_lake.lake.ducklake_column c USING (table_id, column_id) WHERE column_name = 'text'"""
        ).fetchall()
        assert bounds == [("", "\U0010ffff" * 8)]
        assert cursor.execute("SELECT min(text), max(whole), count(*) FROM lake.main.kept").fetchall() == [("b", 2, 4)]
