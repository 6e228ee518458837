"""A city is upgraded on a copy first, then itself; what cannot be upgraded stays as it is, and an older release keeps off.

The newer release is this one with a package `later` that has a migration more; the older lake was made by DuckDB 1.4.4.
"""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import msgspec
import psycopg
import pytest
import typer
from psycopg.conninfo import make_conninfo
from typer.testing import CliRunner

from cityloom import app, backup, upgrade
from cityloom.client import File
from cityloom.kernel import dump, lake, migrate
from cityloom.kernel.errors import Conflict, Invalid
from cityloom.kernel.lake import Lake
from cityloom.kernel.postgres import Server
from cityloom.kernel.settings import Settings
from faults.running import RunningCity
from scratch import Scratch

HERE = Path(__file__).parent
MORE = """\
CREATE TABLE later.note (dataset text NOT NULL, delivery text NOT NULL);
INSERT INTO later.note SELECT dataset, id FROM exchange.delivery;
"""
WRONG = "CREATE TABLE later.note (dataset text);\nINSERT INTO later.note SELECT 1/0;\n"
FILE = "later/migrations/0001_more.sql"
SECRET = "correct horse"


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCity]:
    """A small city of this release, with two deliveries, running until all tests are done."""
    folder = tmp_path_factory.mktemp("city")
    running = RunningCity(folder)
    running.start()
    try:
        running.wait()
        door = running.door()
        for name in ("d1", "d2"):
            (folder / f"{name}.csv").write_text(f"item,amount\n{name}a,1\n{name}b,2\nB!,3\n")
            door.deliver("stock", name, File(folder / f"{name}.csv"))
        door.close()
        yield running
    finally:
        running.remove()


@pytest.fixture(scope="module")
def copy(source: RunningCity, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A backup of it."""
    path = tmp_path_factory.mktemp("backups") / "first"
    backup.make(source.settings, path, SECRET)
    return path


@pytest.fixture
def stopped(source: RunningCity, copy: Path, tmp_path: Path) -> Iterator[Settings]:
    """The same city in a home of its own, not running."""
    settings = msgspec.structs.replace(source.settings, home=tmp_path / "home")
    backup.bring_back(copy, settings, SECRET)
    yield settings
    clear(settings.home)


def clear(home: Path) -> None:
    """The database cluster of a home may lie elsewhere, when the tests run as root."""
    server = Server(home)
    server.stop()
    shutil.rmtree(server.state, ignore_errors=True)


def newer(monkeypatch: pytest.MonkeyPatch, folder: Path, text: str = MORE) -> None:
    """From here on the code is a newer release's."""
    package = folder / "release" / "later"
    (package / "migrations").mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "migrations" / "0001_more.sql").write_text(text)
    monkeypatch.syspath_prepend(str(folder / "release"))
    monkeypatch.delitem(__import__("sys").modules, "later", raising=False)
    monkeypatch.setattr(app, "PACKAGES", (*app.PACKAGES, "later"))


def older(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "PACKAGES", tuple(each for each in app.PACKAGES if each != "later"))


def state(settings: Settings) -> dict[str, int]:
    """Every table's rows; the city may run or not."""
    server = Server(settings.home)
    ours = not server.answers()
    if ours:
        server.start()
    try:
        return dump.rows(server.admin_url)
    finally:
        if ours:
            server.stop()


def lasting(settings: Settings) -> dict[str, int]:
    """The tables that a running city does not write to by itself, or by being copied."""
    return {
        name: rows for name, rows in state(settings).items() if name.startswith(("exchange.", "identity.", "later."))
    }


def trial_cluster(settings: Settings) -> Path:
    """Where a rehearsal's database lies."""
    place = settings.home / upgrade.SCRATCH
    state = Server(place / "home").state
    shutil.rmtree(place)
    return state


def test_a_rehearsal_tells_what_would_be_and_changes_nothing(
    source: RunningCity, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, cluster = lasting(source.settings), trial_cluster(source.settings)
    homes = sorted(source.settings.home.iterdir())
    newer(monkeypatch, tmp_path)
    report = upgrade.try_out(source.settings)
    assert (report.rehearsal, report.migrations) == (True, (FILE,))
    assert upgrade.Rows("later.note", None, 2) in report.rows
    assert dump.KEY_TABLE not in {each.table for each in report.rows}
    assert (report.deliveries, report.records, report.unreconciled) == (2, 4, 0)
    assert (report.audit_verified, report.findings) == (True, ())
    assert report.audit_entries > 4
    assert (report.lake_before, report.lake_after) == ("1.0", "1.0")
    assert 0 < report.migrate_seconds < report.seconds
    assert min(report.needs_mib, report.database_mib, report.free_mib) > 0
    assert lasting(source.settings) == before
    assert not cluster.exists()
    assert {path.name for path in homes} | {"backup.json"} == {path.name for path in source.settings.home.iterdir()}
    source.wait()


def test_a_rehearsal_on_a_backup_does_not_even_read_the_city(
    source: RunningCity, copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    newer(monkeypatch, tmp_path)
    elsewhere = msgspec.structs.replace(source.settings, home=tmp_path / "nothing")
    report = upgrade.try_out(elsewhere, copy, SECRET, tmp_path / "trial")
    assert (report.migrations, report.deliveries, report.records) == ((FILE,), 2, 4)
    assert not (tmp_path / "trial").exists()
    assert backup.faults(copy) == []


def test_a_migration_that_fails_in_rehearsal_is_named_and_the_city_is_untouched(
    source: RunningCity, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, cluster = lasting(source.settings), trial_cluster(source.settings)
    newer(monkeypatch, tmp_path, WRONG)
    with pytest.raises(Conflict, match=r"kernel\.migration_failed") as refused:
        upgrade.try_out(source.settings)
    assert refused.value.params == {"file": FILE, "reason": "division by zero"}
    assert lasting(source.settings) == before
    assert not cluster.exists()
    assert not (source.settings.home / upgrade.SCRATCH).exists()


def test_a_running_city_is_not_changed_under_its_processes(
    source: RunningCity, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = lasting(source.settings)
    newer(monkeypatch, tmp_path)
    with pytest.raises(Conflict, match=r"kernel\.home_in_use"):
        upgrade.carry_out(source.settings, tmp_path / "copy")
    by_url = msgspec.structs.replace(source.settings, database_url=Server(source.settings.home).admin_url)
    with pytest.raises(Conflict, match=r"kernel\.city_runs"):
        upgrade.carry_out(by_url, tmp_path / "copy")
    with pytest.raises(Conflict, match=r"kernel\.city_runs"), app.running_parts(source.settings):
        pass
    assert lasting(source.settings) == before
    assert not (tmp_path / "copy").exists()


def test_an_upgrade_backs_up_migrates_and_can_be_taken_back(
    stopped: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    newer(monkeypatch, tmp_path)
    report = upgrade.carry_out(stopped, tmp_path / "before", SECRET)
    assert (report.rehearsal, report.migrations, report.sound) == (False, (FILE,), True)
    assert report.backup == str(tmp_path / "before")
    assert state(stopped)["later.note"] == 2
    again = upgrade.carry_out(stopped, None)
    assert (again.migrations, again.backup, again.sound) == ((), "", True)
    older(monkeypatch)
    home = tmp_path / "back"
    try:
        told = backup.bring_back(tmp_path / "before", msgspec.structs.replace(stopped, home=home), SECRET)
        assert (told.deliveries, told.records, told.audit_verified) == (2, 4, True)
        assert "later.note" not in state(msgspec.structs.replace(stopped, home=home))
    finally:
        clear(home)


def test_a_migration_that_fails_in_earnest_leaves_the_backup_and_what_was(
    stopped: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = lasting(stopped)
    newer(monkeypatch, tmp_path, WRONG)
    with pytest.raises(Conflict, match=r"kernel\.migration_failed"):
        upgrade.carry_out(stopped, tmp_path / "before", SECRET)
    assert lasting(stopped) == before
    assert backup.faults(tmp_path / "before") == []


def test_an_older_release_does_not_start_on_a_newer_database(
    stopped: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    newer(monkeypatch, tmp_path)
    upgrade.carry_out(stopped, None)
    after = lasting(stopped)
    older(monkeypatch)
    with pytest.raises(Conflict, match=r"kernel\.database_newer") as refused:
        upgrade.carry_out(stopped, tmp_path / "before")
    assert refused.value.params == {"file": FILE, "more": 0}
    running = RunningCity(tmp_path, home=stopped.home, packs=stopped.packs)
    running.start()
    assert running.process is not None
    assert running.process.wait(60) == 2
    assert FILE in running.tail().replace("\n", "")
    assert lasting(stopped) == after
    assert not (tmp_path / "before").exists()


def test_the_command_wants_a_backup_or_a_word(stopped: Settings, tmp_path: Path) -> None:
    cli = typer.Typer()
    cli.command()(upgrade.upgrade)
    call = CliRunner(env={"CITYLOOM_PACKS": stopped.packs, "CITYLOOM_CITY": "small"})
    refused = call.invoke(cli, ["--home", str(stopped.home)])
    assert isinstance(refused.exception, Invalid)
    assert refused.exception.code == "upgrade.backup_needed"
    done = call.invoke(cli, ["--home", str(stopped.home), "--backup", str(tmp_path / "before"), "--json"])
    assert done.exit_code == 0, done.output
    assert msgspec.json.decode(done.stdout, type=upgrade.Report).backup == str(tmp_path / "before")


def test_a_cluster_of_another_postgresql_is_told_and_left_alone(tmp_path: Path) -> None:
    server = Server(tmp_path / "home")
    try:
        server.start()
        server.stop()
        (server.data / "PG_VERSION").write_text("17\n")
        with pytest.raises(Conflict, match=r"kernel\.database_other_major") as refused:
            Server(tmp_path / "home").start()
        assert refused.value.params == {"found": "17", "needed": "18", "folder": str(server.data)}
        assert server.pid() is None
        # PostgreSQL itself agrees that there is no other way
        tried = subprocess.run(
            [server.program("pg_controldata"), str(server.data)], capture_output=True, text=True, check=False
        )
        assert "Catalog version number" in tried.stdout
    finally:
        shutil.rmtree(server.state, ignore_errors=True)


def test_an_earlier_database_gets_exactly_what_it_lacks(scratch: Scratch, monkeypatch: pytest.MonkeyPatch) -> None:
    """The database of the release before the last migration of each module, with rows in it."""
    every = migrate.steps(app.PACKAGES)
    last = [
        max((step for step in every if step.module == name), key=lambda step: step.name)
        for name in ("identity", "sharing")
    ]
    url = make_conninfo(scratch.admin_url, dbname="postgres")
    name = "earlier"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    earlier = make_conninfo(scratch.admin_url, dbname=name)
    settings = msgspec.structs.replace(scratch.settings, database_url=earlier)
    try:
        with monkeypatch.context() as patch:
            patch.setattr(migrate, "steps", lambda _: [step for step in every if step not in last])
            app_password, lake_password = (
                psycopg.conninfo.conninfo_to_dict(each)["password"] for each in (scratch.app_url, scratch.lake_url)
            )
            migrate.migrate(earlier, app.PACKAGES, str(app_password), str(lake_password), scratch.scope_key)
        with psycopg.connect(earlier, autocommit=True) as connection:
            connection.execute("INSERT INTO kernel.outbox (topic, body, recorded_at) VALUES ('x', '{}', now())")
        assert migrate.pending(earlier, app.PACKAGES) == sorted(last, key=every.index)
        report = upgrade.carry_out(settings, None)
        assert report.migrations == tuple(step.path for step in sorted(last, key=every.index))
        assert migrate.pending(earlier, app.PACKAGES) == []
        assert dump.rows(earlier)["kernel.outbox"] >= 1
    finally:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


def test_a_lake_catalogue_of_an_older_ducklake_is_told_and_upgraded(scratch: Scratch) -> None:
    files = scratch.settings.home / "lake"
    shutil.copytree(HERE / "lake-0.3" / "main", files / "main")
    with psycopg.connect(scratch.admin_url, autocommit=True) as connection:
        connection.execute("SET ROLE cityloom_lake")
        connection.execute((HERE / "lake-0.3" / "catalogue.sql").read_bytes())
        connection.execute("UPDATE lake.ducklake_metadata SET value = %s WHERE key = 'data_path'", [f"{files}/"])
    settings = app.lake_settings(scratch.settings, scratch.admin_url)
    before = dump.rows(scratch.admin_url)
    with pytest.raises(Conflict, match=r"kernel\.lake_older") as refused:
        app.prepare(scratch.settings)
    assert refused.value.params == {"found": "0.3", "needed": "1.0"}
    assert dump.rows(scratch.admin_url) == before
    report = upgrade.carry_out(scratch.settings, None)
    assert (report.lake_before, report.lake_after) == ("0.3", "1.0")
    opened = Lake(settings)
    try:
        with opened.session() as cursor:
            assert cursor.execute("FROM lake.main.stock ORDER BY item").fetchall() == [("a", 1), ("c", 3)]
            with opened.commit(cursor, "after", {}):
                cursor.execute("INSERT INTO lake.main.stock VALUES ('d', 4)")
            assert opened.find(cursor, "after") is not None
    finally:
        opened.close()


def test_the_version_of_the_catalogue_is_the_extensions_own(scratch: Scratch) -> None:
    opened = Lake(app.lake_settings(scratch.settings, scratch.admin_url))
    try:
        with opened.session() as cursor:
            cursor.execute("CREATE TABLE lake.main.any (item VARCHAR)")
    finally:
        opened.close()
    assert lake.catalogue_version(scratch.admin_url) == lake.CATALOGUE_VERSION
    with psycopg.connect(scratch.admin_url, autocommit=True) as connection:
        connection.execute("UPDATE lake.ducklake_metadata SET value = '1.1' WHERE key = 'version'")
    with pytest.raises(Conflict, match=r"kernel\.lake_newer"):
        lake.require_catalogue(scratch.admin_url)
