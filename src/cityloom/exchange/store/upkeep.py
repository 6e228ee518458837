"""Keeps the lake small and in good order, and knows which of its files hold rows that are no longer there.

Of DuckLake's own tables only those are read here that its specification names (ducklake.select, version 1.0).
"""

from collections.abc import Sequence
from datetime import timedelta

import duckdb

from cityloom.exchange.store.shape import Shape
from cityloom.kernel import sql

CATALOG = "lake"
METADATA = sql.name("__ducklake_metadata_lake", "lake")
MARKS = sql.name("lake", "exchange", "__upkeep")
SMALL = 64 << 20
"""Files below this many bytes are merged, so that no file is merged again and again."""


def names(shape: Shape) -> tuple[str, ...]:
    """The names of the dataset's tables in the schema `exchange`."""
    return tuple(f"{shape.dataset}{ending}" for ending in ("", "__changes", "__quarantine", "__confirmed"))


def untidy(cursor: duckdb.DuckDBPyConnection, share: float) -> set[str]:
    """Names of the tables in the schema `exchange` that have rows in PostgreSQL, several small files, or a file of which
    more than this share of rows is deleted."""
    rows = cursor.execute(
        f"""SELECT t.table_name FROM {METADATA}.ducklake_table t
            JOIN {METADATA}.ducklake_schema s ON s.schema_id = t.schema_id AND s.schema_name = 'exchange'
            JOIN (SELECT f.table_id, count(*) FILTER (f.file_size_bytes < {SMALL}) > 1
                      OR bool_or(d.deleted > {share} * f.record_count) AS untidy
                  FROM {METADATA}.ducklake_data_file f
                  LEFT JOIN (SELECT data_file_id, sum(delete_count) AS deleted FROM {METADATA}.ducklake_delete_file
                             WHERE end_snapshot IS NULL GROUP BY data_file_id) d ON d.data_file_id = f.data_file_id
                  WHERE f.end_snapshot IS NULL GROUP BY f.table_id) w ON w.table_id = t.table_id AND w.untidy
            WHERE t.end_snapshot IS NULL"""
    ).fetchall()
    return {row[0] for row in rows} | _inlined(cursor)


def _inlined(cursor: duckdb.DuckDBPyConnection) -> set[str]:
    """Tables with rows, or deletions, in PostgreSQL."""
    holders = cursor.execute(
        f"""SELECT t.table_name, i.table_name FROM {METADATA}.ducklake_inlined_data_tables i
            JOIN {METADATA}.ducklake_table t ON t.table_id = i.table_id AND t.end_snapshot IS NULL
            JOIN {METADATA}.ducklake_schema s ON s.schema_id = t.schema_id AND s.schema_name = 'exchange'
            UNION ALL SELECT t.table_name, 'ducklake_inlined_delete_' || t.table_id FROM {METADATA}.ducklake_table t
            JOIN duckdb_tables() k ON k.database_name = '__ducklake_metadata_lake' AND k.schema_name = 'lake'
                AND k.table_name = 'ducklake_inlined_delete_' || t.table_id
            WHERE t.end_snapshot IS NULL"""
    ).fetchall()
    return {table for table, holder in holders if _any(cursor, f"{METADATA}.{sql.name(holder)}")}


def most_files(cursor: duckdb.DuckDBPyConnection) -> tuple[int, str]:
    """How many files the table has that has most, and its name."""
    row = cursor.execute(
        f"""SELECT count(*), t.table_name FROM {METADATA}.ducklake_data_file f
            JOIN {METADATA}.ducklake_table t ON t.table_id = f.table_id AND t.end_snapshot IS NULL
            WHERE f.end_snapshot IS NULL GROUP BY t.table_name ORDER BY 1 DESC, 2 LIMIT 1"""
    ).fetchone()
    return (row[0], row[1]) if row else (0, "")


def flush(cursor: duckdb.DuckDBPyConnection, table: str) -> None:
    """Write rows and deletions that lie in PostgreSQL into files, those of the past too. In a lake commit of its own."""
    cursor.execute(
        f"CALL ducklake_flush_inlined_data('{CATALOG}', schema_name => 'exchange', table_name => ?)", [table]
    ).fetchall()


def rewrite(cursor: duckdb.DuckDBPyConnection, table: str, share: float) -> None:
    """Rewrite the files of which more than this share of rows is deleted; 0: every file with a deleted row.

    In a lake commit of its own, after `flush`.
    """
    cursor.execute(
        f"CALL ducklake_rewrite_data_files('{CATALOG}', ?, schema => 'exchange', delete_threshold => ?)", [table, share]
    ).fetchall()


def merge(cursor: duckdb.DuckDBPyConnection, table: str) -> None:
    """Make one file of small ones. In a lake commit of its own."""
    cursor.execute(
        f"CALL ducklake_merge_adjacent_files('{CATALOG}', ?, schema => 'exchange', max_file_size => {SMALL})", [table]
    ).fetchall()


def expire(cursor: duckdb.DuckDBPyConnection, keep: timedelta) -> int:
    """Forget the snapshots older than `keep`, the last one excepted; how many. Their files are then up for removal."""
    return _number(cursor, f"SELECT count(*) FROM ducklake_expire_snapshots('{CATALOG}', older_than => {_ago(keep)})")


def remove_files(cursor: duckdb.DuckDBPyConnection, age: timedelta) -> int:
    """Remove the files that no snapshot has needed for `age`; how many. Readers still at them fail."""
    return _number(cursor, f"SELECT count(*) FROM ducklake_cleanup_old_files('{CATALOG}', older_than => {_ago(age)})")


def remove_orphans(cursor: duckdb.DuckDBPyConnection, age: timedelta) -> int:
    """Remove the files older than `age` that no commit names; how many. A writer still at work loses them."""
    return _number(
        cursor, f"SELECT count(*) FROM ducklake_delete_orphaned_files('{CATALOG}', older_than => {_ago(age)})"
    )


def files_with_deleted_rows(cursor: duckdb.DuckDBPyConnection, shape: Shape) -> set[str]:
    """Files of the dataset, relative to the lake's folder, some of whose rows are deleted, or all of which is replaced.

    Call after `flush`, under the commit lock: then a row that is in no current state is in these files or nowhere.
    """
    rows = cursor.execute(
        f"""SELECT s.path || t.path || f.path FROM {_files(shape)}
            WHERE f.end_snapshot IS NOT NULL
               OR f.data_file_id IN (SELECT data_file_id FROM {METADATA}.ducklake_delete_file)
            UNION ALL SELECT path FROM {METADATA}.ducklake_files_scheduled_for_deletion
            WHERE {_within(cursor, shape, "path")} AND path NOT LIKE '%-delete.parquet'"""
    ).fetchall()
    return {row[0] for row in rows}


def existing(cursor: duckdb.DuckDBPyConnection, shape: Shape, lake_files: str) -> set[str]:
    """Files in the dataset's folders, relative to the lake's folder."""
    found = set()
    for folder in _folders(cursor, shape):
        rows = cursor.execute("SELECT file FROM glob(?)", [f"{lake_files}/{folder}**"]).fetchall()
        found |= {row[0].removeprefix(f"{lake_files}/") for row in rows}
    return found


def named(cursor: duckdb.DuckDBPyConnection, shape: Shape) -> set[str]:
    """Files of the dataset that the lake's catalogue names, relative to the lake's folder."""
    rows = cursor.execute(
        f"""SELECT s.path || t.path || f.path FROM {_files(shape)}
            UNION ALL SELECT s.path || t.path || f.path FROM {_files(shape, "ducklake_delete_file")}
            UNION ALL SELECT path FROM {METADATA}.ducklake_files_scheduled_for_deletion"""
    ).fetchall()
    return {row[0] for row in rows}


def forget_bounds(cursor: duckdb.DuckDBPyConnection, shape: Shape) -> None:
    """Take the least and greatest values of the dataset's tables out of the catalogue; files keep theirs.

    A process may hold the old ones until the next commit to the lake, so follow it with `mark`.
    """
    statement = f"SELECT lake.widen(ARRAY[{_list(names(shape))}])"
    cursor.execute(f"CALL postgres_execute('__ducklake_metadata_lake', {sql.literal(statement)})")


def mark(cursor: duckdb.DuckDBPyConnection) -> None:
    """Add a row to a table of upkeep's own, inside a lake commit, for the commit's sake."""
    cursor.execute(f"CREATE TABLE IF NOT EXISTS {MARKS} (_at TIMESTAMP)")
    cursor.execute(f"INSERT INTO {MARKS} SELECT now()::TIMESTAMP")


def vacuum(cursor: duckdb.DuckDBPyConnection, shape: Shape) -> None:
    """Have PostgreSQL forget the deleted versions of inlined rows and of the least and greatest values."""
    rows = cursor.execute(
        f"""SELECT i.table_name FROM {METADATA}.ducklake_inlined_data_tables i
            JOIN {METADATA}.ducklake_table t ON t.table_id = i.table_id WHERE t.table_name IN ({_list(names(shape))})"""
    ).fetchall()
    for table in (*(row[0] for row in rows), "ducklake_file_column_stats", "ducklake_table_column_stats"):
        statement = sql.literal(f"VACUUM {sql.name('lake', table)}")
        cursor.execute(f"CALL postgres_execute('__ducklake_metadata_lake', {statement}, use_transaction => false)")


def count_records(cursor: duckdb.DuckDBPyConnection, datasets: Sequence[str]) -> int:
    """Records in the current states of the datasets that have one."""
    made = cursor.execute(
        "SELECT table_name FROM duckdb_tables() WHERE database_name = ? AND schema_name = 'exchange'", [CATALOG]
    ).fetchall()
    present = [name for name in datasets if (name,) in made]
    return sum(_number(cursor, f"SELECT count(*) FROM {sql.name(CATALOG, 'exchange', name)}") for name in present)


def _files(shape: Shape, kind: str = "ducklake_data_file") -> str:
    return (
        f"{METADATA}.{kind} f"
        f" JOIN {METADATA}.ducklake_table t ON t.table_id = f.table_id AND t.table_name IN ({_list(names(shape))})"
        f" JOIN {METADATA}.ducklake_schema s ON s.schema_id = t.schema_id AND s.schema_name = 'exchange'"
    )


def _folders(cursor: duckdb.DuckDBPyConnection, shape: Shape) -> list[str]:
    rows = cursor.execute(
        f"""SELECT DISTINCT s.path || t.path FROM {METADATA}.ducklake_table t
            JOIN {METADATA}.ducklake_schema s ON s.schema_id = t.schema_id AND s.schema_name = 'exchange'
            WHERE t.table_name IN ({_list(names(shape))})"""
    ).fetchall()
    return [row[0] for row in rows]


def _within(cursor: duckdb.DuckDBPyConnection, shape: Shape, column: str) -> str:
    return (
        "(" + " OR ".join(f"starts_with({column}, {sql.literal(folder)})" for folder in _folders(cursor, shape)) + ")"
    )


def _list(texts: Sequence[str]) -> str:
    return ", ".join(sql.literal(text) for text in texts)


def _ago(age: timedelta) -> str:
    return f"now() - to_microseconds({int(age.total_seconds() * 1_000_000)})"


def _any(cursor: duckdb.DuckDBPyConnection, table: str) -> bool:
    return bool(cursor.execute(f"SELECT 1 FROM {table} LIMIT 1").fetchall())


def _number(cursor: duckdb.DuckDBPyConnection, query: str) -> int:
    # all of the answer is fetched: DuckDB commits what the call did when its result has ended, not before
    return int(cursor.execute(query).fetchall()[0][0])
