"""A real PostgreSQL for the whole run, and for each test that asks a scratch database with everything migrated."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import disk_usage, rmtree
from tempfile import mkdtemp
from uuid import uuid4

import msgspec
import psycopg
import pytest
from argon2 import PasswordHasher
from psycopg.conninfo import make_conninfo

from cityloom.identity.rules import passwords
from cityloom.kernel import migrate, packs, secrets
from cityloom.kernel.calendar.rules import calendars
from cityloom.kernel.calendar.spec import CalendarSpec
from cityloom.kernel.context import Parts
from cityloom.kernel.db import Database
from cityloom.kernel.postgres import Server, drop_clusters
from cityloom.kernel.settings import Settings
from scratch import Scratch

PACKAGES = (
    "cityloom.kernel", "cityloom.identity", "cityloom.operation", "cityloom.catalogue", "cityloom.exchange",
    "cityloom.sensing", "cityloom.sharing", "cityloom.quality", "cityloom.addresses", "cityloom.registers", "cityloom.facts",
    "cityloom.topics", "cityloom.indicators", "cityloom.maps", "cityloom.appraisal", "cityloom.console",
)  # fmt: skip
TEMPLATE = "migrated"
MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of its own is made in it
LONG = (
    "test_demo.py", "test_every_route.py", "test_described.py", "test_database.py", "test_disk_full.py", "test_kills.py",
    "test_odd_values.py", "test_pages.py", "test_upgrade.py", "test_backup.py", "test_systemd.py",
)  # fmt: skip
"""Files of minutes: begun first, so that no process works at one alone when the other has nothing left."""
REAL_HASHES = passwords.HASHER, passwords.DECOY


@pytest.hookimpl(trylast=True)  # after the order was shuffled
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long files first; a file goes to one process whole."""
    items.sort(key=lambda item: LONG.index(item.path.name) if item.path.name in LONG else len(LONG))


@pytest.fixture(scope="session", autouse=True)
def cheap_hashes() -> Iterator[None]:
    """Passwords are hashed at next to no cost: nearly every test makes accounts, and few are about hashes."""
    passwords.HASHER = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
    passwords.DECOY = passwords.HASHER.hash("nobody's")
    yield
    passwords.HASHER, passwords.DECOY = REAL_HASHES


@pytest.fixture(scope="session", autouse=True)
def no_clusters_of_the_run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Database clusters that a city of the whole run made outside its folder, as root does, are gone after it."""
    yield
    drop_clusters(tmp_path_factory.getbasetemp())


@pytest.fixture(autouse=True)
def no_clusters_left(request: pytest.FixtureRequest) -> Iterator[None]:
    """The same for the cities of one test: a hundred of them would fill a disk."""
    folder: Path | None = request.getfixturevalue("tmp_path") if "tmp_path" in request.fixturenames else None
    yield
    if folder is not None:
        drop_clusters(folder)


@pytest.fixture
def real_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hashes as the product makes them, for tests that are about them."""
    for name, real in zip(("HASHER", "DECOY"), REAL_HASHES, strict=True):
        monkeypatch.setattr(passwords, name, real)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """A server of this test process. Roles and their passwords belong to all its databases.

    In memory where there is room: a database is then copied in a tenth of the time.
    """
    roomy = MEMORY.is_dir() and disk_usage(MEMORY).free > 4 << 30
    home = Path(mkdtemp(prefix="cityloom-tests-", dir=MEMORY if roomy else None))
    home.chmod(0o711)  # the server's own user gets through
    server = Server(home)
    server.start()
    try:
        with psycopg.connect(server.admin_url, autocommit=True) as connection:
            for name in ("fsync", "full_page_writes", "synchronous_commit"):  # nothing here outlives the run
                connection.execute(f"ALTER SYSTEM SET {name} = off".encode())
            connection.execute("SELECT pg_reload_conf()")
        yield server
    finally:
        server.stop()
        rmtree(server.state, ignore_errors=True)
        rmtree(server.sockets, ignore_errors=True)
        rmtree(home, ignore_errors=True)


@pytest.fixture(scope="session")
def template(postgres: Server) -> str:
    """Name of a database that was migrated once; scratch databases are copies of it."""
    folder = postgres.home / "secrets"
    with psycopg.connect(postgres.admin_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {TEMPLATE}".encode())
    url = make_conninfo(postgres.admin_url, dbname=TEMPLATE)
    passwords = {name: secrets.load_or_make(folder, name) for name in ("cityloom_app", "cityloom_lake")}
    scope_key = bytes.fromhex(secrets.load_or_make(folder, "scope"))
    migrate.migrate(url, PACKAGES, passwords["cityloom_app"], passwords["cityloom_lake"], scope_key)
    return TEMPLATE


@pytest.fixture
def scratch(postgres: Server, template: str, tmp_path: Path) -> Iterator[Scratch]:
    """A home folder and a freshly migrated database, both gone after the test."""
    with scratched(postgres, template, tmp_path) as found:
        yield found


@pytest.fixture(scope="module")
def shared_scratch(postgres: Server, template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scratch]:
    """The same for all tests of a file, which leave one another's things alone."""
    with scratched(postgres, template, tmp_path_factory.mktemp("shared")) as found:
        yield found


@contextmanager
def scratched(postgres: Server, template: str, folder: Path) -> Iterator[Scratch]:
    """A home in this folder and a freshly migrated database, which goes at the end."""
    name = f"scratch_{uuid4().hex}"
    home = folder / "home"
    home.mkdir()
    secret = postgres.home / "secrets"
    (home / "secrets").symlink_to(secret)
    with psycopg.connect(postgres.admin_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY".encode())
        migrate.admit_roles(connection, name)  # rights on a database itself are not copied with it
        url = make_conninfo(postgres.admin_url, dbname=name)
        settings = Settings(home=home, database_url=url, lake_memory_mib=512, lake_threads=2, secure_cookies=False)
        try:
            yield Scratch(
                settings=settings,
                admin_url=url,
                app_url=_as_role(url, secret, "cityloom_app"),
                lake_url=_as_role(url, secret, "cityloom_lake"),
                scope_key=bytes.fromhex(secrets.load_or_make(secret, "scope")),
            )
        finally:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


def _as_role(url: str, folder: Path, role: str) -> str:
    return make_conninfo(url, user=role, password=secrets.load_or_make(folder, role))


@pytest.fixture
def database(scratch: Scratch) -> Iterator[Database]:
    """The scratch database as the application's role."""
    opened = Database(scratch.app_url, scratch.scope_key)
    yield opened
    opened.close()


@pytest.fixture
def parts(scratch: Scratch) -> Iterator[Parts]:
    """The running parts over the scratch database, with a lake of their own and no packs."""
    from cityloom import app  # here, so that tests of the floors below need nothing of those above

    assert app.PACKAGES == PACKAGES, "the scratch databases are migrated for other modules than the city has"
    opened = app.open_parts(scratch.settings)
    yield msgspec.structs.replace(opened, packs=packs.Packs(()), calendars=calendars(CalendarSpec()))
    app.close_parts(opened)


@pytest.fixture
def city(scratch: Scratch) -> Iterator[Parts]:
    """The running parts with the packs of the shipped city, installed by every module as at a start."""
    from cityloom import app
    from installing import installed

    opened = installed(scratch, language=scratch.settings.language, min_free_mib=scratch.settings.min_free_mib)
    yield opened
    app.close_parts(opened)
