"""`cityloom audit …`: export the log, prove an entry, verify an export anywhere."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from psycopg.conninfo import make_conninfo
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from cityloom.kernel import secrets, settings, words
from cityloom.kernel.audit import api, files, keys, verify
from cityloom.kernel.audit.entry import Contradiction, Report, SignedHead, encode
from cityloom.kernel.audit.judge import Progress as Tell
from cityloom.kernel.clock import SystemClock
from cityloom.kernel.db import PLATFORM, Database
from cityloom.kernel.errors import Invalid, NotFound
from cityloom.kernel.postgres import Server

app = typer.Typer(help="The audit log: what was done, signed, and verifiable by anyone.", no_args_is_help=True)
talk = Console(stderr=True)

FOUND = 1
"""Exit code when something is wrong with the log; 2 when it cannot be read."""

Home = Annotated[Path | None, typer.Option(help="Folder of this city.")]
Json = Annotated[bool, typer.Option("--json", help="Print the report as one JSON object.")]


@app.command("verify")
def verify_command(
    path: Annotated[Path, typer.Argument(help="An export (folder or .zip) or a proof (.json).")],
    key: Annotated[list[Path] | None, typer.Option(help="Public key (PEM) that you have from the city itself.")] = None,
    head: Annotated[list[Path] | None, typer.Option(help="Signed head that you kept; the log must contain it.")] = None,
    as_json: Json = False,
) -> None:
    """Verify an export or a proof with nothing but its files."""
    trusted = [keys.read_public(_text(file)) for file in key or []]
    kept = [_head(file) for file in head or []]
    with _progress("verify") as tell:
        report = verify.verify(path, trusted, kept, tell)
    _answer(report, as_json)


@app.command("check")
def check_command(home: Home = None, as_json: Json = False) -> None:
    """Hold the running database against the signed files and name every difference."""
    with _database(home) as (chosen, db), _progress("check") as tell:
        report = api.check(db, chosen.audit_files, tell)
    _answer(report, as_json)


@app.command("export")
def export_command(
    path: Annotated[Path, typer.Argument(help="A new folder, or a file ending in .zip.")], home: Home = None
) -> None:
    """Write the log out, for others to verify."""
    with _database(home) as (chosen, db):
        now = SystemClock().now()
        try:
            api.seal(db, keys.open_signer(chosen.secrets), chosen.audit_files, now)
        except Contradiction as problem:
            _talk("audit.seal_refused", reason=_words().problem(problem, _language())[0])
        with _progress("export") as tell:
            manifest = api.export(db, chosen.audit_files, path, now, tell)
    _print(encode(manifest))


@app.command("prove")
def prove_command(
    position: Annotated[int, typer.Argument(min=0, help="Position of the entry, as a receipt names it.")],
    home: Home = None,
) -> None:
    """Print the proof that one entry is in the log as last signed."""
    with _database(home) as (chosen, db), db.begin(PLATFORM) as tx:
        _print(encode(api.prove_entry(tx, chosen.audit_files, position)))


@app.command("prove-growth")
def prove_growth_command(
    first: Annotated[int, typer.Argument(min=1, help="Size of the earlier head.")],
    second: Annotated[int | None, typer.Argument(min=1, help="Size of the later head; else the last one.")] = None,
    home: Home = None,
) -> None:
    """Print the proof that the log of one head begins the log of another."""
    with _database(home) as (chosen, db), db.begin(PLATFORM) as tx:
        _print(encode(api.prove_growth(tx, chosen.audit_files, first, second)))


@app.command("head")
def head_command(home: Home = None) -> None:
    """Print the last signed head. Keep it elsewhere: the log can never again deny what it signs."""
    with _database(home) as (_, db), db.begin(PLATFORM) as tx:
        found = api.last_head(tx)
    if found is None:
        raise NotFound("audit.no_such_head", size=1)
    _print(encode(found))


@app.command("key")
def key_command(home: Home = None) -> None:
    """Print the public key that checks what this city signs."""
    print(keys.open_signer(settings.load(home=home).secrets).public.pem(), end="")


@contextmanager
def _database(home: Path | None) -> Iterator[tuple[settings.Settings, Database]]:
    """The database of the city; our own server is started for as long as it takes if it does not run."""
    chosen = settings.load(home=home)
    server = None if chosen.database_url else Server(chosen.home, lambda text: talk.print(text, highlight=False))
    if server and not (server.data / "PG_VERSION").exists():
        raise NotFound("audit.no_city", home=str(chosen.home))
    started = server is not None and not server.answers()
    if server and started:
        server.start()
    try:
        url = server.admin_url if server else chosen.database_url
        password = secrets.load_or_make(chosen.secrets, "cityloom_app")
        scope_key = bytes.fromhex(secrets.load_or_make(chosen.secrets, "scope"))
        db = Database(make_conninfo(url, user="cityloom_app", password=password), scope_key)
        try:
            yield chosen, db
        finally:
            db.close()
    finally:
        if server and started:
            server.stop()


@contextmanager
def _progress(what: str) -> Iterator[Tell]:
    columns = (SpinnerColumn(), TextColumn("{task.description} {task.completed:,.0f}"), TimeElapsedColumn())
    with Progress(*columns, console=talk, transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done: bar.update(task, completed=done)


def _answer(report: Report, as_json: bool) -> None:
    """Print the report and leave with its exit code."""
    said = _words()
    texts = [said.say(finding.code, _language(), **finding.params()) for finding in report.findings]
    if as_json:
        _print(msgspec.json.encode({"ok": report.ok, **msgspec.structs.asdict(report), "texts": texts}))
        raise typer.Exit(0 if report.ok else FOUND)
    for text in texts:
        print(text)
    code = "audit.verified" if report.ok else "audit.not_verified"
    print(said.say(code, _language(), entries=report.entries, heads=report.heads, count=len(texts)))
    if report.unsigned:
        _talk("audit.not_yet_signed", count=report.unsigned)
    if not report.pinned:
        _talk("audit.keys_not_pinned", keys=", ".join(report.keys))
    raise typer.Exit(0 if report.ok else FOUND)


def _talk(code: str, **params: object) -> None:
    talk.print(_words().say(code, _language(), **params), highlight=False, markup=False)


def _print(data: bytes) -> None:
    sys.stdout.write(data.decode() + "\n")


def _words() -> words.Words:
    return words.load(["cityloom.kernel"])


def _language() -> str:
    """As the settings say if they say it, else as the terminal does."""
    if f"{settings.PREFIX}LANGUAGE" in os.environ:
        return settings.load().language
    return "zh" if os.environ.get("LANG", "").startswith("zh") else "en"


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise Invalid("audit.export_unreadable", path=str(path), reason=str(error)) from error


def _head(path: Path) -> SignedHead:
    """A head that was kept: the line of `cityloom audit head`, or the last line of a file of heads."""
    lines = _text(path).split()
    head = files.read_head(lines[-1].encode()) if lines else None
    if head is None:
        raise Invalid("audit.head_unusable", path=str(path))
    return head
