"""`cityloom backup` and `cityloom restore`: a whole city in one folder, every file with its hash.

A copy is consistent because of one moment: while no delivery can change its state, the database's state is held and the
undecided deliveries' bytes are linked. Lake files are never changed, and none is removed while it is copied. The signed
history is copied before that moment, so that the database is never behind it.
"""

import errno
import hashlib
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Final

import msgspec
import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from cityloom import app as city
from cityloom.exchange.api import maintenance
from cityloom.kernel import copies, dump, lake, migrate, processes, sealed, secrets
from cityloom.kernel.audit import api as audit
from cityloom.kernel.audit import files as audit_files
from cityloom.kernel.audit import keys
from cityloom.kernel.audit import store as audit_store
from cityloom.kernel.audit.entry import Contradiction, Entry, Fact
from cityloom.kernel.clock import SystemClock
from cityloom.kernel.copies import Tell
from cityloom.kernel.db import PLATFORM, Database
from cityloom.kernel.errors import Conflict, Invalid, NoRoom, NotFound, Unsupported
from cityloom.kernel.gauges import LastBackup, note_backup
from cityloom.kernel.postgres import Server
from cityloom.kernel.settings import Settings, load

FORMAT: Final = "cityloom.backup/1"
MANIFEST, DATABASE = "manifest.json", "database.dump"
PLAIN, SEALED = "secrets.json", "secrets.sealed"
LAKE, AUDIT, SPOOL = "lake", "audit", "spool"

talk = Console(stderr=True)


class Manifest(msgspec.Struct, frozen=True):
    """What a backup holds. Whoever has its own SHA-256 can tell whether anything in the backup was changed."""

    format: str
    made_at: datetime
    release: str
    postgresql: str
    city: str
    files: tuple[copies.File, ...]
    elsewhere: tuple[dump.LakeFile, ...] = ()
    """Lake files in a bucket, whose own versioning keeps them."""


class Made(msgspec.Struct, frozen=True):
    """What a backup came to."""

    path: str
    files: int
    bytes: int
    manifest_sha256: str
    elsewhere: int = 0


class Restored(msgspec.Struct, frozen=True):
    """What was restored, and whether the audit log is what was signed."""

    home: str
    made_at: datetime
    files: int
    bytes: int
    datasets: int
    deliveries: int
    undecided: int
    """Deliveries that were received and not decided at the time; they are when the city runs."""
    records: int
    audit_entries: int
    audit_signed: int
    audit_verified: bool
    findings: tuple[str, ...] = ()


Home = Annotated[Path | None, typer.Option(help="Folder of this city.")]
Secret = Annotated[
    Path | None, typer.Option("--passphrase-file", help="A file whose first line seals the secrets in the backup.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def backup(
    folder: Annotated[Path, typer.Argument(help="A new folder; with --verify, an existing backup.")],
    home: Home = None,
    verify: Annotated[bool, typer.Option("--verify", help="Only compare a backup with its hashes.")] = False,
    passphrase_file: Secret = None,
    bucket: Annotated[
        bool, typer.Option("--lake-in-bucket", help="The lake is on S3: list its files, which are not copied.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Copy a whole city, while it runs, into a new folder. Exit code 1: the backup is not what its manifest says."""
    if verify:
        with bar(folder.name) as tell:
            wrong = faults(folder, tell)
        for name in wrong:
            talk.print(f"[red]wrong:[/red] {name}", highlight=False)
        if not wrong:
            talk.print("every file is as it was written", highlight=False)
        raise typer.Exit(1 if wrong else 0)
    with bar("backup") as tell:
        made = make(load(home=home), folder, read_passphrase(passphrase_file), bucket=bucket, tell=tell)
    if as_json:
        _print(made)
        return
    talk.print(f"{made.files} files, {made.bytes} bytes in {made.path}", highlight=False)
    talk.print(f"SHA-256 of the manifest: {made.manifest_sha256}", highlight=False)


def restore(
    folder: Annotated[Path, typer.Argument(help="A backup.", exists=True, file_okay=False)],
    home: Home = None,
    into: Annotated[Path | None, typer.Option(help="Another home folder to restore into; it must be empty.")] = None,
    passphrase_file: Secret = None,
    as_json: AsJson = False,
) -> None:
    """Make a city out of a backup, in an empty home. Exit code 1: its audit log is not what was signed."""
    with bar("restore") as tell:
        result = bring_back(folder, load(home=into or home), read_passphrase(passphrase_file), tell)
    if as_json:
        _print(result)
    else:
        told = f"{result.datasets} datasets, {result.records} records, {result.deliveries} deliveries"
        talk.print(f"restored into {result.home}: {told}, {result.undecided} of them undecided", highlight=False)
        signed = "verified" if result.audit_verified else "[red]NOT what was signed[/red]"
        talk.print(
            f"audit log: {result.audit_entries} entries, {result.audit_signed} signed, {signed}", highlight=False
        )
    raise typer.Exit(0 if result.audit_verified else 1)


def make(
    settings: Settings, folder: Path, passphrase: str = "", bucket: bool = False, tell: Tell = lambda _: None
) -> Made:
    """Copy the city into a new folder.

    Raises Conflict `backup.exists`, NotFound `backup.no_city`, Unsupported `backup.lake_in_bucket`, Unavailable
    `backup.dump_failed` or `kernel.disk_full`.
    """
    if folder.exists():
        raise Conflict("backup.exists", path=str(folder))
    if not settings.secrets.is_dir():
        raise NotFound("backup.no_city", home=str(settings.home))
    if in_bucket(settings) and not bucket:
        raise Unsupported("backup.lake_in_bucket", lake=settings.lake_files)
    draft = folder.with_name(f"{folder.name}.partial-{os.getpid()}")
    draft.mkdir(mode=0o700, parents=True)
    try:
        with _database(settings) as db:
            manifest = _copy_all(settings, db, draft, passphrase, tell)
            written = msgspec.json.format(msgspec.json.encode(manifest))
            copies.write(draft / MANIFEST, written)
            draft.rename(folder)
            digest = hashlib.sha256(written).hexdigest()
            size = sum(file.bytes for file in manifest.files)
            note_backup(settings, LastBackup(manifest.made_at, str(folder), digest))
            record(db, "city.backed_up", manifest=digest, files=len(manifest.files), bytes=size)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise NoRoom("kernel.disk_full", free=0, needed="?") from error
        raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return Made(str(folder), len(manifest.files), size, digest, len(manifest.elsewhere))


def _copy_all(settings: Settings, db: Database, draft: Path, passphrase: str, tell: Tell) -> Manifest:
    copied = [_copy_secrets(settings, draft, passphrase)]
    copied += _copy_history(settings, db, draft, tell)
    url, server = city.admin_url(settings), Server(settings.home)
    held = processes.own_folder(settings.home / "tmp") / draft.name
    try:
        with maintenance.files_stay(db):
            with _moment(db, url, held) as moment:
                dump.write(server.program("pg_dump"), url, moment.id, draft / DATABASE)
            copied.append(copies.hashed(draft, DATABASE))
            copied += [copies.copy(path, draft, f"{SPOOL}/{path.name}", tell) for path in sorted(held.glob("*"))]
            copied += [] if in_bucket(settings) else _copy_lake(settings, moment, draft, tell)
    finally:
        shutil.rmtree(held, ignore_errors=True)
    return Manifest(
        format=FORMAT,
        made_at=SystemClock().now(),
        release=version("cityloom"),
        postgresql=moment.version,
        city=settings.city,
        files=tuple(sorted(copied, key=lambda file: file.path)),
        elsewhere=moment.lake_files if in_bucket(settings) else (),
    )


def _copy_lake(settings: Settings, moment: dump.Snapshot, draft: Path, tell: Tell) -> list[copies.File]:
    need_room(draft, sum(file.bytes for file in moment.lake_files))
    folder = Path(settings.lake_files)
    return [copies.copy(folder / file.path, draft, f"{LAKE}/{file.path}", tell) for file in moment.lake_files]


@contextmanager
def _moment(db: Database, url: str, held: Path) -> Iterator[dump.Snapshot]:
    """The database's state, with the bytes of the deliveries that were undecided then linked into `held`."""
    held.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        with maintenance.undecided(db) as spooled:
            moment = stack.enter_context(dump.snapshot(url))
            for path in map(Path, spooled):
                if path.exists():  # what is lost already is told when the delivery is processed
                    copies.link(path, held / path.name)
        yield moment


def _copy_secrets(settings: Settings, draft: Path, passphrase: str) -> copies.File:
    found = {path.name: path.read_text() for path in settings.secrets.iterdir() if path.is_file()}
    content = msgspec.json.encode(found)
    name = SEALED if passphrase else PLAIN
    copies.write(draft / name, sealed.seal(content, passphrase) if passphrase else content)
    return copies.hashed(draft, name)


def _copy_history(settings: Settings, db: Database, draft: Path, tell: Tell) -> list[copies.File]:
    """The audit log's leaves and heads, signed up to now; nothing is signed meanwhile."""
    with db.begin(PLATFORM) as tx:
        hash_name = audit_store.log(tx).hash
    folder = settings.audit_files
    try:
        audit.seal(db, keys.open_signer(settings.secrets), folder, SystemClock().now())
    except Contradiction as problem:
        # it is copied as it is: evidence must be kept, and the restore tells it too
        talk.print(f"[red]the audit log is not what was signed:[/red] {problem}", highlight=False)
    with audit_files.locked(folder, hash_name):
        found = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != "lock")
        return [copies.copy(path, draft, f"{AUDIT}/{path.relative_to(folder)}", tell) for path in found]


def faults(folder: Path, tell: Tell = lambda _: None) -> list[str]:
    """Files of a backup that are missing, changed, or not in its manifest. Raises NotFound `backup.no_backup`."""
    manifest = read_manifest(folder)
    wrong = [
        file.path
        for file in manifest.files
        if not copies.inside(folder, file.path).is_file() or copies.hashed(folder, file.path, tell) != file
    ]
    known = {file.path for file in manifest.files} | {MANIFEST}
    found = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    return wrong + sorted(found - known)


def read_manifest(folder: Path) -> Manifest:
    """What the backup says it holds. Raises NotFound `backup.no_backup`, Unsupported `backup.format_unknown`."""
    try:
        manifest = msgspec.json.decode((folder / MANIFEST).read_bytes(), type=Manifest)
    except (OSError, msgspec.MsgspecError) as error:
        raise NotFound("backup.no_backup", path=str(folder)) from error
    if manifest.format != FORMAT:
        raise Unsupported("backup.format_unknown", format=manifest.format, known=FORMAT)
    return manifest


def bring_back(folder: Path, settings: Settings, passphrase: str = "", tell: Tell = lambda _: None) -> Restored:
    """Restore a backup into the settings' home, which must be empty, and bring it up for a look.

    Raises Invalid `backup.damaged` or `backup.passphrase_wrong`, Conflict `backup.home_not_empty` or
    `backup.database_not_empty`, Unsupported `backup.lake_in_bucket`; then the home is as empty as before.
    """
    with unpacked(folder, settings, passphrase, tell) as (manifest, url):
        key = bytes.fromhex(secrets.load_or_make(settings.secrets, "scope"))
        roles = [secrets.load_or_make(settings.secrets, role) for role in dump.ROLES]
        migrate.migrate(url, city.PACKAGES, roles[0], roles[1], key)
        if lake.catalogue_version(url) != lake.CATALOGUE_VERSION:
            lake.migrate_catalogue(city.lake_settings(settings, url))
        with opened(settings, url) as db:
            return _look(folder, settings, manifest, db)


@contextmanager
def unpacked(
    folder: Path, settings: Settings, passphrase: str = "", tell: Tell = lambda _: None
) -> Iterator[tuple[Manifest, str]]:
    """A backup verified and put into the settings' empty home, its database running for the block, as old as it was.

    Gives its manifest and the administrator's URL. When the block fails the home is as empty as before.
    """
    manifest = read_manifest(folder)
    wrong = faults(folder, tell)
    if wrong:
        raise Invalid("backup.damaged", files=", ".join(wrong[:10]), found=len(wrong))
    _refuse_full(settings, manifest)
    server = None if settings.database_url else Server(settings.home, lambda text: talk.print(text, highlight=False))
    try:
        _put_secrets(folder, settings, passphrase)
        for file in manifest.files:
            _put(folder, file, settings, tell)
        if server is not None:
            server.start()
        url = city.admin_url(settings)
        dump.read(Server(settings.home).program("pg_restore"), url, folder / DATABASE)
        files = settings.lake_files
        dump.move_lake(url, files if in_bucket(settings) else str(Path(files).absolute()))
        yield manifest, url
    except BaseException:
        if server is not None:
            server.stop()
        empty(settings)
        raise
    if server is not None:
        server.stop()


def _refuse_full(settings: Settings, manifest: Manifest) -> None:
    places = [settings.home]
    places += [] if in_bucket(settings) else [Path(settings.lake_files)]
    places += [] if settings.database_url else [Server(settings.home).state]
    for place in places:
        if place.exists() and any(place.iterdir()):
            raise Conflict("backup.home_not_empty", home=str(place))
    if in_bucket(settings) != bool(manifest.elsewhere):
        raise Unsupported("backup.lake_in_bucket", lake=settings.lake_files)


def _put_secrets(folder: Path, settings: Settings, passphrase: str) -> None:
    is_sealed = (folder / SEALED).exists()
    content = (folder / (SEALED if is_sealed else PLAIN)).read_bytes()
    if is_sealed:
        content = sealed.unseal(content, passphrase)
    settings.home.mkdir(parents=True, exist_ok=True)
    settings.secrets.mkdir(mode=0o700)
    for name, text in msgspec.json.decode(content, type=dict[str, str]).items():
        copies.write(settings.secrets / Path(name).name, text.encode())


def _put(folder: Path, file: copies.File, settings: Settings, tell: Tell) -> None:
    top, _, rest = file.path.partition("/")
    targets = {LAKE: Path(settings.lake_files), AUDIT: settings.audit_files, SPOOL: settings.spool}
    if top not in targets:
        return
    targets[top].mkdir(mode=0o755 if top == LAKE else 0o700, parents=True, exist_ok=True)
    put = copies.copy(copies.inside(folder, file.path), targets[top], rest, tell)
    if put.sha256 != file.sha256:
        raise Invalid("backup.damaged", files=file.path, found=1)


def _look(folder: Path, settings: Settings, manifest: Manifest, db: Database) -> Restored:
    """Hold what was restored against itself: the audit log against the signed heads, the lake against its catalogue."""
    undecided = maintenance.move_spool(db, str(settings.spool))
    report = audit.check(db, settings.audit_files)
    census = counted(settings, db)
    if not report.findings:
        digest = hashlib.sha256((folder / MANIFEST).read_bytes()).hexdigest()
        record(db, "city.restored", manifest=digest, files=len(manifest.files))
        audit.seal(db, keys.open_signer(settings.secrets), settings.audit_files, SystemClock().now())
    return Restored(
        home=str(settings.home),
        made_at=manifest.made_at,
        files=len(manifest.files),
        bytes=sum(file.bytes for file in manifest.files),
        datasets=census.datasets,
        deliveries=census.deliveries,
        undecided=undecided,
        records=census.records,
        audit_entries=report.entries,
        audit_signed=report.signed,
        audit_verified=not report.findings,
        findings=tuple(f"{finding.code} {finding.first}-{finding.last}" for finding in report.findings),
    )


def counted(settings: Settings, db: Database) -> maintenance.Census:
    """How much the lake and the ledger hold."""
    opened_lake = lake.Lake(city.lake_settings(settings, city.admin_url(settings)))
    try:
        return maintenance.census(db, opened_lake)
    finally:
        opened_lake.close()


def empty(settings: Settings) -> None:
    """Take away what a restore has written into a home that was empty before."""
    if not settings.database_url:
        server = Server(settings.home)
        server.stop()
        shutil.rmtree(server.state, ignore_errors=True)
    if not in_bucket(settings):
        shutil.rmtree(settings.lake_files, ignore_errors=True)
    for path in settings.home.glob("*"):
        shutil.rmtree(path) if path.is_dir() else path.unlink()


@contextmanager
def _database(settings: Settings) -> Iterator[Database]:
    """The city's database, started for the block if it does not run."""
    server = None if settings.database_url else Server(settings.home)
    ours = server is not None and not server.answers()
    if server is not None and ours:
        server.start()
    try:
        with opened(settings, city.admin_url(settings)) as db:
            yield db
    finally:
        if server is not None and ours:
            server.stop()


@contextmanager
def opened(settings: Settings, url: str) -> Iterator[Database]:
    """The database, which runs, as the application's role."""
    key = bytes.fromhex(secrets.load_or_make(settings.secrets, "scope"))
    db = Database(city.role_url(settings, url, "cityloom_app"), key)
    try:
        yield db
    finally:
        db.close()


def record(db: Database, action: str, **facts: Fact) -> None:
    """Write an act of the operator into the audit log."""
    entry = Entry(
        time=SystemClock().now(), actor="platform", organisation="*", action=action, subject="city:backup", facts=facts
    )
    with db.begin(PLATFORM) as tx:
        audit.append(tx, [entry])


def in_bucket(settings: Settings) -> bool:
    """Whether the lake's files are in a bucket, where a backup leaves them."""
    return "://" in settings.lake_files


def need_room(draft: Path, size: int) -> None:
    """Raises NoRoom `kernel.disk_full` when so many bytes do not fit."""
    free = shutil.disk_usage(draft).free
    if free < size:
        raise NoRoom("kernel.disk_full", free=free >> 20, needed=size >> 20)


def read_passphrase(file: Path | None) -> str:
    """The passphrase of a file, or of the environment. Raises Invalid `backup.passphrase_empty`."""
    if file is None:
        return os.environ.get("CITYLOOM_BACKUP_PASSPHRASE", "")
    lines = file.read_text().splitlines()
    if not lines or not lines[0]:
        raise Invalid("backup.passphrase_empty", path=str(file))
    return lines[0]


@contextmanager
def bar(title: str) -> Iterator[Tell]:
    """A bar that grows by the bytes it is told."""
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=talk, transient=True) as progress:
        task = progress.add_task(title, total=None)
        yield lambda size: progress.advance(task, size)


def _print(value: Made | Restored) -> None:
    sys.stdout.write(msgspec.json.encode(value).decode() + "\n")
