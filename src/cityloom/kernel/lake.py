"""The lake: Parquet files under DuckLake, with PostgreSQL as their catalogue. Nothing above knows which engine it is.

One DuckDB instance per process. Extensions are loaded from the installed wheels by path; nothing is ever downloaded.
"""

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import duckdb
import duckdb_extension_ducklake
import duckdb_extension_httpfs
import duckdb_extension_postgres_scanner
import duckdb_extension_spatial
import msgspec
import psycopg

from cityloom.kernel import log, sql
from cityloom.kernel.errors import Conflict, NoRoom, Unavailable
from cityloom.kernel.lanes import Term

logger = log.logger("lake")

CATALOG = "lake"
CATALOGUE_VERSION = "1.0"
"""The version of DuckLake's catalogue that the pinned extension reads and writes."""
TURNS = 2
EXTENSIONS = {
    "ducklake": duckdb_extension_ducklake,
    "postgres_scanner": duckdb_extension_postgres_scanner,
    "httpfs": duckdb_extension_httpfs,
}
LATE = "this lake commit is late"
"""What `lake.refuse_late_commit()` says (migration 0005)."""
TRIGGERS = {
    "refuse_late_commit": "BEFORE INSERT ON lake.ducklake_snapshot_changes FOR EACH ROW",
    "keep_bounds": """BEFORE UPDATE ON lake.ducklake_table_column_stats FOR EACH ROW
        WHEN ((NEW.min_value IS NULL OR NEW.max_value IS NULL) AND OLD.min_value IS NOT NULL)""",
}
"""What guards the catalogue, each by a function of the same name (migrations 0005 and 0006)."""
NO_ROOM = "No space left on device"
BROKEN = (duckdb.FatalException, duckdb.InternalException)
"""After these an instance of DuckDB refuses all further work."""
LOST = (
    "connection to server",
    "server closed the connection",
    "no connection to the server",
    "connection not open",
    "terminating connection",
    "the database system is",
    "could not connect",
    "Unable to connect",
    "SSL SYSCALL",
    # a killed backend may leave no reason at all, and a transaction that nobody can end
    "Failed to execute query",
    "Current transaction is aborted",
)
"""Signs that the catalogue did not do what it was asked; whatever its reason, the caller's rows are not it."""


class LakeSettings(msgspec.Struct, frozen=True):
    """Where the catalogue and the files are, and what one process may use."""

    catalogue_url: str
    files: str
    memory_mib: int
    threads: int
    temporary: Path
    s3: Mapping[str, str] = {}


class Commit(msgspec.Struct, frozen=True):
    """What one lake commit said about itself."""

    snapshot: int
    facts: dict[str, int | str | None]


class Lake:
    """Gives sessions (DuckDB cursors with the lake attached as `lake`), and commits that carry their own receipt."""

    def __init__(self, settings: LakeSettings) -> None:
        self._settings = settings
        self._guard = threading.Lock()
        self._turns = threading.BoundedSemaphore(TURNS)
        self._instance: duckdb.DuckDBPyConnection | None = None

    @contextmanager
    def session(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A cursor of this process's DuckDB; its temporary tables end with it.

        Raises Unavailable `kernel.lake_unreachable` when the catalogue is away, `kernel.disk_full` when a write has
        no room; the next session connects anew.
        """
        try:
            with self._connection().cursor() as cursor:
                cursor.execute(f"USE {CATALOG}")
                yield cursor
        except duckdb.Error as error:
            text = str(error)
            if NO_ROOM in text:
                raise NoRoom("kernel.disk_full", free=0, needed="?") from error
            if isinstance(error, BROKEN) or any(sign in text for sign in LOST):
                logger.warning("lake_lost", kind=type(error).__name__)
                self._forget()
                raise Unavailable("kernel.lake_unreachable") from error
            raise

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Heavy work takes turns, so that what runs at once stays within the memory limit."""
        with self._turns:
            yield

    @contextmanager
    def commit(
        self,
        cursor: duckdb.DuckDBPyConnection,
        message: str,
        facts: Mapping[str, int | str | None],
        term: Term | None = None,
    ) -> Iterator[None]:
        """One lake commit: all that is written inside, or nothing. `facts` are kept beside the snapshot.

        `facts` may be filled until the end of the block; `find` reads them back, whoever died in between. With `term`
        the commit happens only while that term of its lane lasts. Raises Unavailable `kernel.lake_commit_late` when it
        does not, and `kernel.lake_unreachable` when it is not known whether the commit happened: `find` tells, to
        whoever holds the lane next.
        """
        cursor.execute("BEGIN")
        try:
            yield
            said = {"facts": dict(facts)} | ({"lane": term.lane, "term": term.number} if term else {})
            cursor.execute(
                f"CALL {CATALOG}.set_commit_message('cityloom', ?, extra_info => ?)", [message, json.dumps(said)]
            )
            self._end(cursor)
        except BaseException:
            with suppress(duckdb.Error):  # a failed COMMIT has already rolled back
                cursor.execute("ROLLBACK")
            raise

    def _end(self, cursor: duckdb.DuckDBPyConnection) -> None:
        try:
            cursor.execute("COMMIT")
        except duckdb.Error as error:
            # the rows were already judged good, so whatever stops a commit is not the caller's fault
            text = str(error)
            # its text holds the rows themselves, so only its kind is logged
            logger.warning("lake_commit_failed", kind=type(error).__name__, late=LATE in text, no_room=NO_ROOM in text)
            if LATE in text:
                raise Unavailable("kernel.lake_commit_late") from error
            if NO_ROOM in text:
                raise
            self._forget()
            raise Unavailable("kernel.lake_unreachable") from error

    def find(self, cursor: duckdb.DuckDBPyConnection, message: str) -> Commit | None:
        """The commit with this message, if it happened."""
        row = cursor.execute(
            f"SELECT snapshot_id, commit_extra_info FROM ducklake_snapshots('{CATALOG}') WHERE commit_message = ?",
            [message],
        ).fetchone()
        return Commit(row[0], json.loads(row[1])["facts"]) if row else None

    def close(self) -> None:
        """Close this process's DuckDB."""
        with self._guard:
            if self._instance is not None:
                self._instance.close()
            self._instance = None

    def _connection(self) -> duckdb.DuckDBPyConnection:
        with self._guard:
            if self._instance is None:
                try:
                    self._instance = connect(self._settings)
                except psycopg.OperationalError as error:
                    raise Unavailable("kernel.lake_unreachable") from error
            return self._instance

    def _forget(self) -> None:
        with self._guard:
            self._instance = None  # closed when its last cursor is


def bare(memory_mib: int, threads: int, temporary: Path) -> duckdb.DuckDBPyConnection:
    """A DuckDB that downloads nothing and keeps to its limits, without a lake."""
    temporary.mkdir(parents=True, exist_ok=True)
    config: dict[str, str | bool | int | float | list[str]] = {
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
        "memory_limit": f"{memory_mib}MiB",
        "temp_directory": str(temporary),
    }
    if threads:
        config["threads"] = str(threads)
    return duckdb.connect(":memory:", config=config)


def spatial(memory_mib: int, threads: int, temporary: Path) -> duckdb.DuckDBPyConnection:
    """The same with shapes: DuckDB's spatial extension (GEOS, PROJ), from the installed wheel."""
    connection = bare(memory_mib, threads, temporary)
    connection.execute(
        f"LOAD {sql.literal(str(_extension(Path(duckdb_extension_spatial.__file__).parent, 'spatial')))}"
    )
    return connection


def catalogue_version(admin_url: str) -> str | None:
    """The version of the lake's catalogue; None before there is one."""
    with psycopg.connect(admin_url, autocommit=True, connect_timeout=10) as connection:
        there = connection.execute("SELECT to_regclass('lake.ducklake_metadata')").fetchone()
        if there is None or there[0] is None:
            return None
        row = connection.execute("SELECT value FROM lake.ducklake_metadata WHERE key = 'version'").fetchone()
        return str(row[0]) if row else None


def require_catalogue(admin_url: str) -> None:
    """Raises Conflict `kernel.lake_older` or `kernel.lake_newer` unless the catalogue is of the code's version."""
    found = catalogue_version(admin_url)
    if found is None or found == CATALOGUE_VERSION:
        return
    if _number(found) < _number(CATALOGUE_VERSION):
        raise Conflict("kernel.lake_older", found=found, needed=CATALOGUE_VERSION)
    raise Conflict("kernel.lake_newer", found=found, needed=CATALOGUE_VERSION)


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.partition("-")[0].split("."))


def migrate_catalogue(settings: LakeSettings) -> None:
    """Bring an older catalogue to the code's version; its files stay as they are.

    Raises Conflict `kernel.lake_migration_failed`.
    """
    try:
        connect(settings, migrate=True).close()
    except duckdb.Error as error:
        raise Conflict("kernel.lake_migration_failed", reason=str(error)[:500]) from error


def connect(settings: LakeSettings, migrate: bool = False) -> duckdb.DuckDBPyConnection:
    """A DuckDB with the lake attached. Raises duckdb.Error when the catalogue is away or, without `migrate`, older."""
    connection = bare(settings.memory_mib, settings.threads, settings.temporary)
    for name, package in EXTENSIONS.items():
        if name != "httpfs" or settings.s3:
            connection.execute(f"LOAD {sql.literal(str(_extension(Path(package.__file__).parent, name)))}")
    _create_secrets(connection, settings)
    connection.execute(f"ATTACH 'ducklake:city_lake' AS {CATALOG}{' (AUTOMATIC_MIGRATION)' if migrate else ''}")
    connection.execute("SET ducklake_max_retry_count = 100")
    _guard(settings.catalogue_url)
    return connection


def _guard(catalogue_url: str) -> None:
    """Let the catalogue refuse late commits and keep its bounds.

    Its tables are made by the first ATTACH, so no migration can do this.
    """
    with psycopg.connect(catalogue_url, connect_timeout=10) as connection:
        for name, trigger in TRIGGERS.items():
            if connection.execute("SELECT FROM pg_trigger WHERE tgname = %s", [name]).fetchone() is None:
                connection.execute(
                    f"CREATE OR REPLACE TRIGGER {name} {trigger} EXECUTE FUNCTION lake.{name}()".encode()
                )


def _extension(package: Path, name: str) -> Path:
    return next(package.glob(f"extensions/*/{name}.duckdb_extension"))


def _create_secrets(connection: duckdb.DuckDBPyConnection, settings: LakeSettings) -> None:
    facts = psycopg.conninfo.conninfo_to_dict(settings.catalogue_url)
    host, port = str(facts.get("host") or "localhost"), int(facts.get("port") or 5432)
    connection.execute(
        f"CREATE SECRET lake_catalogue (TYPE postgres, HOST {sql.literal(host)}, PORT {port},"
        f" DATABASE {sql.literal(str(facts['dbname']))}, USER {sql.literal(str(facts['user']))},"
        f" PASSWORD {sql.literal(str(facts['password']))})"
    )
    files = settings.files if "://" in settings.files else str(Path(settings.files).absolute())
    connection.execute(
        "CREATE SECRET city_lake (TYPE ducklake, METADATA_PATH '', METADATA_SCHEMA 'lake',"
        f" DATA_PATH {sql.literal(files + '/')},"
        " METADATA_PARAMETERS MAP {'TYPE': 'postgres', 'SECRET': 'lake_catalogue'})"
    )
    if settings.s3:
        options = ", ".join(f"{key} {sql.literal(value)}" for key, value in settings.s3.items())
        connection.execute(f"CREATE SECRET lake_files (TYPE s3, {options})")
