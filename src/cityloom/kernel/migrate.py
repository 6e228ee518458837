"""Brings the database to the version of the code: roles, then each module's numbered SQL files in order."""

import hashlib
from collections.abc import Sequence
from importlib import resources
from typing import Any

import msgspec
import procrastinate
import procrastinate.schema
import psycopg
from psycopg import sql

from cityloom.kernel.errors import Conflict, Unavailable

OLDEST = 160000
LOCK = 7216041


class Step(msgspec.Struct, frozen=True):
    """One numbered SQL file of a module."""

    module: str
    name: str
    text: str

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()

    @property
    def path(self) -> str:
        return f"{self.module}/migrations/{self.name}"


def steps(packages: Sequence[str]) -> list[Step]:
    """The files migrations/NNNN_name.sql of each package, packages in the order given, files by number."""
    found = []
    for package in packages:
        folder = resources.files(package) / "migrations"
        if folder.is_dir():
            files = sorted((f for f in folder.iterdir() if f.name.endswith(".sql")), key=lambda f: f.name)
            found += [Step(package.rpartition(".")[2], f.name, f.read_text(encoding="utf-8")) for f in files]
    return found


def migrate(admin_url: str, packages: Sequence[str], app_password: str, lake_password: str, scope_key: bytes) -> int:
    """Run what has not run yet, each file in one transaction; the number of files run.

    Raises Unavailable `kernel.database_too_old` below PostgreSQL 16, Conflict `kernel.database_newer` when a newer
    release has migrated it, `kernel.migration_changed` when a file that ran has since been edited, and
    `kernel.migration_failed` with the file that could not run; what ran before it stays.
    """
    with psycopg.connect(admin_url, autocommit=True) as connection:
        version = connection.info.server_version
        if version < OLDEST:
            raise Unavailable("kernel.database_too_old", found=f"{version // 10000}")
        connection.execute("SELECT pg_advisory_lock(%s)", [LOCK])
        _roles(connection, app_password, lake_password)
        connection.execute(
            "CREATE SCHEMA IF NOT EXISTS kernel;"
            "CREATE TABLE IF NOT EXISTS kernel.migration (module text, name text, digest text NOT NULL,"
            " ran_at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (module, name))"
        )
        todo = _todo(connection, packages)
        _queue(connection)
        for step in todo:
            _run(connection, step)
        _scope_key(connection, scope_key)
        return len(todo)


def pending(admin_url: str, packages: Sequence[str]) -> list[Step]:
    """What has not run yet in a database that a release has made; none in a new one.

    Raises Conflict `kernel.database_newer` or `kernel.migration_changed`.
    """
    with _connected(admin_url) as connection:
        return _todo(connection, packages) if _made(connection) else []


def in_use(admin_url: str) -> int:
    """How many connections of a city's processes the database has."""
    with _connected(admin_url) as connection:
        row = connection.execute(
            """SELECT count(*) FROM pg_stat_activity
               WHERE datname = current_database() AND usename IN ('cityloom_app', 'cityloom_lake')"""
        ).fetchone()
        return int(row[0]) if row else 0


def _connected(url: str) -> psycopg.Connection[Any]:
    return psycopg.connect(url, autocommit=True, connect_timeout=10)


def _made(connection: psycopg.Connection[Any]) -> bool:
    row = connection.execute("SELECT to_regclass('kernel.migration') IS NOT NULL").fetchone()
    return row is not None and row[0]


def _todo(connection: psycopg.Connection[Any], packages: Sequence[str]) -> list[Step]:
    rows = connection.execute("SELECT module, name, digest FROM kernel.migration").fetchall()
    done = {(row[0], row[1]): row[2] for row in rows}
    known = steps(packages)
    unknown = sorted(done.keys() - {(step.module, step.name) for step in known})
    if unknown:
        module, name = unknown[0]
        raise Conflict("kernel.database_newer", file=f"{module}/migrations/{name}", more=len(unknown) - 1)
    for step in known:
        if done.get((step.module, step.name), step.digest) != step.digest:
            raise Conflict("kernel.migration_changed", file=step.path)
    return [step for step in known if (step.module, step.name) not in done]


def _queue(connection: psycopg.Connection[Any]) -> None:
    """The job queue's own tables, in a schema of their own; its functions name them without one."""
    if connection.execute("SELECT 1 FROM pg_namespace WHERE nspname = 'jobs'").fetchone():
        return
    with connection.transaction():
        connection.execute("CREATE SCHEMA jobs")
        connection.execute("SET LOCAL search_path = jobs")
        connection.execute(queue_schema().encode())
        connection.execute("GRANT USAGE ON SCHEMA jobs TO cityloom_app")
        connection.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA jobs TO cityloom_app")
        connection.execute("GRANT USAGE ON ALL SEQUENCES IN SCHEMA jobs TO cityloom_app")


def queue_schema() -> str:
    """SQL of procrastinate's tables and functions."""
    return procrastinate.schema.SchemaManager(procrastinate.PsycopgConnector()).get_schema()


def _run(connection: psycopg.Connection[Any], step: Step) -> None:
    try:
        with connection.transaction():
            connection.execute(f"CREATE SCHEMA IF NOT EXISTS {step.module}".encode())
            connection.execute(step.text.encode())
            connection.execute(
                "INSERT INTO kernel.migration (module, name, digest) VALUES (%s, %s, %s)",
                [step.module, step.name, step.digest],
            )
    except psycopg.OperationalError:
        raise
    except psycopg.Error as error:
        # without its details, which hold the rows themselves
        reason = error.diag.message_primary or type(error).__name__
        raise Conflict("kernel.migration_failed", file=step.path, reason=reason) from error


def _roles(connection: psycopg.Connection[Any], app_password: str, lake_password: str) -> None:
    """The application and the lake's catalogue log in as two roles, neither superuser nor able to bypass policies."""
    for role, password in (("cityloom_app", app_password), ("cityloom_lake", lake_password)):
        exists = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role]).fetchone()
        # only a superuser may name SUPERUSER in an ALTER, and a managed database gives none
        verb, rights = (
            ("ALTER", "") if exists else ("CREATE", " NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE NOINHERIT")
        )
        text = f"{verb} ROLE {role} LOGIN{rights} PASSWORD {{}}"
        connection.execute(sql.SQL(text).format(sql.Literal(password)))
    admit_roles(connection, connection.info.dbname)
    connection.execute("REVOKE ALL ON SCHEMA public FROM PUBLIC")
    if connection.execute("SELECT 1 FROM pg_namespace WHERE nspname = 'lake'").fetchone() is None:
        connection.execute("GRANT cityloom_lake TO CURRENT_USER")
        connection.execute("CREATE SCHEMA lake AUTHORIZATION cityloom_lake")


def admit_roles(connection: psycopg.Connection[Any], database: str) -> None:
    """Let the two roles into a database, and nobody else.

    The application's role may make nothing there, not even temporary tables and functions: they could stand in for
    what other transactions of the same connection use.
    """
    for text in (
        "REVOKE ALL ON DATABASE {} FROM PUBLIC, cityloom_app, cityloom_lake",
        "GRANT CONNECT ON DATABASE {} TO cityloom_app, cityloom_lake",
        "GRANT TEMPORARY ON DATABASE {} TO cityloom_lake",
    ):
        connection.execute(sql.SQL(text).format(sql.Identifier(database)))


def _scope_key(connection: psycopg.Connection[Any], key: bytes) -> None:
    block = key.ljust(64, b"\0")
    pads = (bytes(b ^ 0x36 for b in block), bytes(b ^ 0x5C for b in block))
    with connection.transaction():
        connection.execute("DELETE FROM kernel.scope_key")
        connection.execute("INSERT INTO kernel.scope_key VALUES (%s, %s)", pads)
