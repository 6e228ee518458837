"""A consistent copy of the database by PostgreSQL's own programs, and what the lake's catalogue says at that moment."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import psycopg
from psycopg import sql

from cityloom.kernel.errors import Conflict, Unavailable

VARIABLES = {
    "host": "PGHOST",
    "hostaddr": "PGHOSTADDR",
    "port": "PGPORT",
    "user": "PGUSER",
    "password": "PGPASSWORD",
    "dbname": "PGDATABASE",
    "sslmode": "PGSSLMODE",
    "sslrootcert": "PGSSLROOTCERT",
    "sslcert": "PGSSLCERT",
    "sslkey": "PGSSLKEY",
    "connect_timeout": "PGCONNECT_TIMEOUT",
}
ROLES = ("cityloom_app", "cityloom_lake")
KEY_TABLE = "kernel.scope_key"
"""Its rows are a secret, and are written anew at each start."""


class LakeFile(msgspec.Struct, frozen=True):
    """A file that the lake's catalogue names, relative to the lake's folder."""

    path: str
    bytes: int


class Snapshot(msgspec.Struct, frozen=True):
    """A moment of the database that other connections can look at while it is held."""

    id: str
    version: str
    lake_files: tuple[LakeFile, ...]


@contextmanager
def snapshot(url: str) -> Iterator[Snapshot]:
    """Hold the database's state of now. `url` is an administrator's. Raises Unavailable when the database is away."""
    with _connected(url) as connection, connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        row = connection.execute("SELECT pg_export_snapshot(), current_setting('server_version')").fetchone()
        id, version = row or ("", "")
        tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'lake'").fetchall()
        for (table,) in tables:  # the lake drops tables of its own; not before they are copied
            connection.execute(sql.SQL("LOCK TABLE lake.{} IN ACCESS SHARE MODE").format(sql.Identifier(table)))
        yield Snapshot(id, version, _lake_files(connection) if tables else ())


def _lake_files(connection: psycopg.Connection[Any]) -> tuple[LakeFile, ...]:
    rows = connection.execute(
        """SELECT DISTINCT s.path || t.path || f.path, f.file_size_bytes FROM (
             SELECT table_id, path, file_size_bytes, path_is_relative FROM lake.ducklake_data_file
             UNION ALL SELECT table_id, path, file_size_bytes, path_is_relative FROM lake.ducklake_delete_file) f
           JOIN lake.ducklake_table t ON t.table_id = f.table_id
           JOIN lake.ducklake_schema s ON s.schema_id = t.schema_id
           WHERE f.path_is_relative AND t.path_is_relative AND s.path_is_relative ORDER BY 1"""
    ).fetchall()
    return tuple(LakeFile(path, size) for path, size in rows)


def write(program: str, url: str, snapshot_id: str, path: Path) -> None:
    """Write the database, as it was at the snapshot, in pg_dump's own format, readable by the owner alone.

    The role must see all rows (a superuser, or one with BYPASSRLS). Raises Unavailable `backup.dump_failed`.
    """
    command = [program, "--format=custom", "--no-password", f"--snapshot={snapshot_id}"]
    command.append(f"--exclude-table-data={KEY_TABLE}")
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        _run(command, url, stdout=file.fileno())
        os.fsync(file.fileno())


def read(program: str, url: str, path: Path) -> None:
    """Make the database what the dump says. It must be empty.

    Raises Conflict `backup.database_not_empty`, Unavailable `backup.dump_failed`.
    """
    with _connected(url) as connection:
        ours = "SELECT 1 FROM pg_namespace WHERE nspname IN ('kernel', 'lake', 'jobs')"
        if connection.execute(ours).fetchone() is not None:
            raise Conflict("backup.database_not_empty", database=connection.info.dbname)
        for role in ROLES:
            if connection.execute("SELECT FROM pg_roles WHERE rolname = %s", [role]).fetchone() is None:
                rights = "LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE NOINHERIT"
                connection.execute(sql.SQL("CREATE ROLE {} " + rights).format(sql.Identifier(role)))
        connection.execute("GRANT cityloom_lake TO CURRENT_USER")
        database = connection.info.dbname
    command = [
        program,
        "--no-password",
        "--no-owner",
        "--exit-on-error",
        "--single-transaction",
        f"--dbname={database}",
    ]
    with path.open("rb") as file:
        _run(command, url, stdin=file.fileno())


def move_lake(url: str, folder: str) -> None:
    """Give the lake's tables back to their owner and let its catalogue look for the files in `folder`."""
    with _connected(url) as connection, connection.transaction():
        connection.execute("ALTER SCHEMA lake OWNER TO cityloom_lake")
        tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'lake'").fetchall()
        for (table,) in tables:
            connection.execute(sql.SQL("ALTER TABLE lake.{} OWNER TO cityloom_lake").format(sql.Identifier(table)))
        if tables:
            connection.execute("UPDATE lake.ducklake_metadata SET value = %s WHERE key = 'data_path'", [folder + "/"])
            # what was to be removed was not copied
            connection.execute("DELETE FROM lake.ducklake_files_scheduled_for_deletion")


def rows(url: str) -> dict[str, int]:
    """How many rows each table of the city has, by schema and name. Counts them; large tables take their time."""
    with _connected(url) as connection:
        tables = connection.execute(
            """SELECT schemaname, tablename FROM pg_tables
               WHERE schemaname <> 'information_schema' AND schemaname NOT LIKE 'pg\\_%' ORDER BY 1, 2"""
        ).fetchall()
        found = {}
        for schema, table in tables:
            counted = connection.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(schema, table)))
            row = counted.fetchone()
            found[f"{schema}.{table}"] = int(row[0]) if row else 0
        return found


def size(url: str) -> int:
    """Bytes that the database takes on its disk."""
    with _connected(url) as connection:
        row = connection.execute("SELECT pg_database_size(current_database())").fetchone()
        return int(row[0]) if row else 0


@contextmanager
def _connected(url: str) -> Iterator[psycopg.Connection[Any]]:
    try:
        with psycopg.connect(url, autocommit=True, connect_timeout=10) as connection:
            yield connection
    except psycopg.errors.InsufficientPrivilege as error:
        raise Unavailable("backup.dump_failed", reason=str(error)) from error
    except psycopg.OperationalError as error:
        raise Unavailable("kernel.database_unreachable") from error


def _run(command: list[str], url: str, stdin: int = subprocess.DEVNULL, stdout: int = subprocess.DEVNULL) -> None:
    given = psycopg.conninfo.conninfo_to_dict(url)
    # by the environment: the arguments of a process can be read by everybody
    ours = {VARIABLES[key]: str(value) for key, value in given.items() if key in VARIABLES and value is not None}
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PG")} | ours
    done = subprocess.run(command, stdin=stdin, stdout=stdout, stderr=subprocess.PIPE, env=environment, check=False)
    if done.returncode != 0:
        raise Unavailable("backup.dump_failed", reason=done.stderr.decode(errors="replace").strip()[-800:])
