"""`cityloom upgrade`: brings a city's database and lake catalogue up to this release, rehearsed on a copy first.

A rehearsal restores a backup into a scratch home with a PostgreSQL of its own and does there what the upgrade would do;
the running city is only read. The upgrade itself has the city to itself, and takes a backup before it changes anything.
"""

import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from cityloom import app as city
from cityloom import backup as backups
from cityloom.kernel import dump, lake, migrate
from cityloom.kernel.audit import api as audit
from cityloom.kernel.copies import Tell
from cityloom.kernel.db import Database
from cityloom.kernel.errors import Conflict, Invalid, NotFound
from cityloom.kernel.postgres import Server
from cityloom.kernel.settings import Settings, load

SCRATCH = "rehearsal"
UNPACKED = 5
"""A dump of so many bytes makes at most about this many times as large a database."""

talk = backups.talk


class Rows(msgspec.Struct, frozen=True):
    """A table that has another number of rows than before; None where there is no such table."""

    table: str
    before: int | None
    after: int | None


class Report(msgspec.Struct, frozen=True):
    """What an upgrade did, or would do: `rehearsal` tells which."""

    rehearsal: bool
    release: str
    migrations: tuple[str, ...]
    lake_before: str | None
    lake_after: str | None
    datasets: int
    deliveries: int
    records: int
    unreconciled: int
    audit_entries: int
    audit_verified: bool
    rows: tuple[Rows, ...]
    """Tables whose number of rows changed."""
    migrate_seconds: float
    """How long the city must stand still for the change itself, without the backup."""
    seconds: float
    """With backup or restore, and checks."""
    database_mib: int
    needs_mib: int
    """Disk that this took while it ran, with the backup."""
    free_mib: int
    backup: str = ""
    findings: tuple[str, ...] = ()

    @property
    def sound(self) -> bool:
        return self.audit_verified and not self.unreconciled


def upgrade(
    home: backups.Home = None,
    rehearse: Annotated[
        bool, typer.Option("--rehearse", help="Do it on a copy beside, and change nothing of the city.")
    ] = False,
    copy: Annotated[
        Path | None, typer.Option("--from", help="Rehearse on this backup instead of a fresh one.", exists=True)
    ] = None,
    scratch: Annotated[
        Path | None, typer.Option(help="Folder for the rehearsal; it is removed afterwards. Default: in the home.")
    ] = None,
    backup: Annotated[Path | None, typer.Option(help="New folder for the backup that is taken first.")] = None,
    no_backup: Annotated[bool, typer.Option("--no-backup", help="Take none: there is one already.")] = False,
    bucket: Annotated[
        bool, typer.Option("--lake-in-bucket", help="The lake is on S3: list its files in the backup.")
    ] = False,
    passphrase_file: backups.Secret = None,
    as_json: backups.AsJson = False,
) -> None:
    """Bring database and lake catalogue up to this release. Exit code 1: done, and a check found something wrong."""
    settings, passphrase = load(home=home), backups.read_passphrase(passphrase_file)
    with backups.bar("upgrade") as tell:
        if rehearse:
            report = try_out(settings, copy, passphrase, scratch, bucket, tell)
        elif backup is None and not no_backup:
            raise Invalid("upgrade.backup_needed")
        else:
            report = carry_out(settings, None if no_backup else backup, passphrase, bucket, tell)
    if as_json:
        sys.stdout.write(msgspec.json.encode(report).decode() + "\n")
    else:
        _show(report)
    raise typer.Exit(0 if report.sound else 1)


def try_out(
    settings: Settings,
    copy: Path | None = None,
    passphrase: str = "",
    scratch: Path | None = None,
    bucket: bool = False,
    tell: Tell = lambda _: None,
) -> Report:
    """Upgrade a copy in a scratch home, with a PostgreSQL of its own, and take the copy away again.

    Raises what `backup.make`, `backup.unpacked` and the upgrade raise, Conflict `upgrade.scratch_exists`.
    """
    started = time.monotonic()
    place = (scratch or settings.home / SCRATCH).absolute()
    if place.exists():
        raise Conflict("upgrade.scratch_exists", path=str(place))
    place.mkdir(mode=0o700, parents=True)
    target = msgspec.structs.replace(settings, home=place / "home", database_url="", lake_path=_lake_beside(settings))
    try:
        folder = copy or place / "backup"
        if copy is None:
            backups.make(settings, folder, passphrase, bucket, tell)
        _need_room(place, backups.read_manifest(folder))
        with backups.unpacked(folder, target, passphrase, tell) as (_, url):
            report = _upgrade(target, url, started)
            needs = report.database_mib + (_size(place) + (_size(copy) if copy else 0) >> 20)
            return msgspec.structs.replace(report, rehearsal=True, needs_mib=needs)
    finally:
        backups.empty(target)
        shutil.rmtree(place, ignore_errors=True)


def _lake_beside(settings: Settings) -> str:
    """A copy of the lake, or the bucket itself: an upgrade changes no file of it, only the copy of its catalogue."""
    return settings.lake_path if backups.in_bucket(settings) else ""


def _need_room(place: Path, manifest: backups.Manifest) -> None:
    sizes = {file.path: file.bytes for file in manifest.files}
    backups.need_room(place, sum(sizes.values()) + UNPACKED * sizes.get(backups.DATABASE, 0))


def carry_out(
    settings: Settings,
    backup: Path | None,
    passphrase: str = "",
    bucket: bool = False,
    tell: Tell = lambda _: None,
) -> Report:
    """Upgrade the city, which must not run; `backup` is a new folder for a copy of it as it is, None for no copy.

    Raises NotFound `backup.no_city`, Conflict `kernel.home_in_use` or `kernel.city_runs` while it runs, `kernel.database_newer`,
    `kernel.migration_failed`, `kernel.lake_migration_failed`, and what `backup.make` raises.
    """
    started = time.monotonic()
    if not settings.secrets.is_dir():
        raise NotFound("backup.no_city", home=str(settings.home))
    with _alone(settings) as url:
        migrate.pending(url, city.PACKAGES)  # refuses before anything is copied
        if backup is not None:
            backups.make(settings, backup, passphrase, bucket, tell)
        report = _upgrade(settings, url, started)
        with backups.opened(settings, url) as db:
            backups.record(db, "city.upgraded", release=report.release, migrations=len(report.migrations))
        kept = 0 if backup is None else _size(backup) >> 20
        return msgspec.structs.replace(report, backup=str(backup or ""), needs_mib=kept)


@contextmanager
def _alone(settings: Settings) -> Iterator[str]:
    """The administrator's URL of a database that no process of the city uses; our own is started for the block."""
    server = None if settings.database_url else Server(settings.home, lambda text: talk.print(text, highlight=False))
    if server is not None:
        server.start()
    try:
        url = city.admin_url(settings)
        if connections := migrate.in_use(url):
            raise Conflict("kernel.city_runs", connections=connections, file="")
        yield url
    finally:
        if server is not None:
            server.stop()


def _upgrade(settings: Settings, url: str, started: float) -> Report:
    """Migrations, catalogue, packs; then hold what is there against itself."""
    todo = [step.path for step in migrate.pending(url, city.PACKAGES)]
    before, lake_before = dump.rows(url), lake.catalogue_version(url)
    began = time.monotonic()
    if lake_before not in (None, lake.CATALOGUE_VERSION):
        lake.migrate_catalogue(city.lake_settings(settings, url))
    city.raise_to_code(settings, url)
    took = time.monotonic() - began
    with backups.opened(settings, url) as db:
        report = _checked(settings, db)
    after = dump.rows(url)
    names = sorted((before.keys() | after.keys()) - {dump.KEY_TABLE})  # written anew at each start
    changed = [Rows(name, before.get(name), after.get(name)) for name in names]
    return msgspec.structs.replace(
        report,
        migrations=tuple(todo),
        lake_before=lake_before,
        lake_after=lake.catalogue_version(url),
        rows=tuple(each for each in changed if each.before != each.after),
        migrate_seconds=round(took, 2),
        seconds=round(time.monotonic() - started, 2),
        database_mib=dump.size(url) >> 20,
    )


def _checked(settings: Settings, db: Database) -> Report:
    """The audit log against its signed heads, every delivery's rows, and the lake against its catalogue."""
    log, census = audit.check(db, settings.audit_files), backups.counted(settings, db)
    return Report(
        rehearsal=False,
        release=version("cityloom"),
        migrations=(),
        lake_before=None,
        lake_after=None,
        datasets=census.datasets,
        deliveries=census.deliveries,
        records=census.records,
        unreconciled=census.unreconciled,
        audit_entries=log.entries,
        audit_verified=not log.findings,
        rows=(),
        migrate_seconds=0,
        seconds=0,
        database_mib=0,
        needs_mib=0,
        free_mib=shutil.disk_usage(settings.home).free >> 20,
        findings=tuple(f"{finding.code} {finding.first}-{finding.last}" for finding in log.findings),
    )


def _size(folder: Path) -> int:
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file())


def _show(report: Report) -> None:
    told = f"{len(report.migrations)} migrations, lake catalogue {report.lake_before} → {report.lake_after}"
    what = "rehearsed, and the city is as it was" if report.rehearsal else "upgraded"
    lines = [f"{what}: release {report.release}; {told}", *(f"  {name}" for name in report.migrations)]
    lines += [f"  {each.table}: {each.before} → {each.after} rows" for each in report.rows]
    lines += [
        f"{report.datasets} datasets, {report.deliveries} deliveries, {report.records} records;"
        f" {report.unreconciled} deliveries do not add up",
        f"audit log: {report.audit_entries} entries, "
        + ("as signed" if report.audit_verified else f"[red]NOT what was signed[/red]: {', '.join(report.findings)}"),
        f"the change took {report.migrate_seconds} s, all of it {report.seconds} s; it needed {report.needs_mib} MiB"
        f" of disk, {report.free_mib} MiB are free",
    ]
    if report.backup:
        lines.append(f"to go back: the release before, and cityloom restore {report.backup} into an empty home")
    for line in lines:
        talk.print(line, highlight=False)
