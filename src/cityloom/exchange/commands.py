"""`cityloom exchange …`: what a department's clerk or script does, through the HTTP door."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from cityloom import client
from cityloom.terminal import HERE, AsJson, Token, Url, opened, show, talk

DELIVERING = 600.0
"""Seconds for which a delivery is sent again while the city is away."""
app = typer.Typer(help="Deliver data, read receipts, changes and quarantined rows.", no_args_is_help=True)


@app.command()
def deliver(
    dataset: str,
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False)],
    id: Annotated[str, typer.Option(help="Delivery id; the file's name and content make one if absent.")] = "",
    mode: Annotated[str, typer.Option(help="append, upsert, replace or delete.")] = "",
    rows: Annotated[int | None, typer.Option(help="How many records you mean to send.")] = None,
    charset: Annotated[str, typer.Option(help="Only if it is not UTF-8 or GB18030.")] = "",
    corrects: Annotated[str, typer.Option(help="Delivery whose quarantined rows come back corrected.")] = "",
    trial: Annotated[bool, typer.Option("--trial", help="Check only; nothing is kept.")] = False,
    quarantine: Annotated[
        Path | None, typer.Option(help="Write rows that were not accepted to this file (.csv or .xlsx).")
    ] = None,
    as_json: AsJson = False,
    url: Url = HERE,
    token: Token = "",
) -> None:
    """Deliver a file and wait for its receipt. Exit code 0: all rows accepted; 3: some were quarantined; 1: refused."""
    sent = client.File(file, charset=charset)
    with opened(url, token, patience=DELIVERING) as exchange:
        if trial:
            result = exchange.try_out(dataset, sent, mode)
        else:
            name = id or f"{file.stem[:60]}-{client.digest(file)[:16]}".replace(" ", "_")
            with _bar(file) as progress:
                extra = {"corrects": corrects} if corrects else {}
                result = exchange.deliver(dataset, _plain(name), sent, mode=mode, rows=rows, progress=progress, **extra)
        if quarantine and result.get("quarantine"):
            exchange.download(result["quarantine"], quarantine, format=quarantine.suffix.lstrip(".") or "csv")
    show(result) if as_json else _tell(result)
    raise typer.Exit(3 if result["counts"].get("quarantined") else 0)


def _plain(text: str) -> str:
    kept = "".join(letter if letter.isascii() and (letter.isalnum() or letter in "._:@-") else "-" for letter in text)
    return kept.lstrip("._:@-") or "delivery"


@contextmanager
def _bar(file: Path) -> Iterator[client.Progress]:
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=talk, transient=True) as progress:
        task = progress.add_task(file.name, total=file.stat().st_size)
        yield lambda size: progress.advance(task, size)


def _tell(result: dict[str, Any]) -> None:
    counts = result["counts"]
    talk.print(
        f"rows {counts['rows_in']} = accepted [green]{counts['accepted']}[/green] + quarantined"
        f" [yellow]{counts['quarantined']}[/yellow] + duplicates {counts['duplicates']}",
        highlight=False,
    )
    for fault in result.get("faults", [])[:20]:
        talk.print(f"  {fault['problem']} [dim]{fault['remedy']}[/dim]", highlight=False)
    if result.get("sha256"):
        talk.print(
            f"sequence {result['first_sequence']}–{result['last_sequence']}, audit position {result['audit_position']}",
            highlight=False,
        )


@app.command()
def receipt(dataset: str, delivery: str, url: Url = HERE, token: Token = "") -> None:
    """The receipt of a delivery."""
    with opened(url, token) as exchange:
        show(exchange.get(f"/api/exchange/datasets/{dataset}/deliveries/{delivery}"))


@app.command()
def withdraw(
    dataset: str, delivery: str, reason: Annotated[str, typer.Option()], url: Url = HERE, token: Token = ""
) -> None:
    """Take a delivery back with all its effects."""
    with opened(url, token) as exchange:
        show(exchange.withdraw(dataset, delivery, reason))


@app.command()
def erase(
    dataset: str,
    keys: Annotated[typer.FileText, typer.Argument(help="One key a line, its parts parted by tabs; - reads stdin.")],
    legal_basis: Annotated[str, typer.Option(help="The law and article that ask for it.")],
    url: Url = HERE,
    token: Token = "",
) -> None:
    """Erase everything held under some keys. Prints the evidence, without the keys."""
    lines = [line.split("\t") for line in keys.read().splitlines() if line.strip()]
    with opened(url, token) as exchange:
        address = f"/api/exchange/datasets/{dataset}/erasures"
        show(client.checked(exchange.http.post(address, json={"keys": lines, "legal_basis": legal_basis})))


@app.command()
def deletions(dataset: str, after: int = 0, url: Url = HERE, token: Token = "") -> None:
    """Evidence of what was deleted for good, and whether its files are gone."""
    with opened(url, token) as exchange:
        show(exchange.get(f"/api/exchange/datasets/{dataset}/deletions", after=after))


@app.command("quarantine")
def fetch_quarantine(dataset: str, delivery: str, into: Path, url: Url = HERE, token: Token = "") -> None:
    """Fetch a delivery's quarantined rows as .csv, .xlsx or .ndjson, reasons beside."""
    with opened(url, token) as exchange:
        address = f"/api/exchange/datasets/{dataset}/deliveries/{delivery}/quarantine"
        exchange.download(address, into, format=into.suffix.lstrip(".") or "csv")


@app.command("template")
def fetch_template(dataset: str, into: Path, url: Url = HERE, token: Token = "") -> None:
    """Fetch the dataset's .xlsx to fill in."""
    with opened(url, token) as exchange:
        exchange.download(f"/api/exchange/datasets/{dataset}/template.xlsx", into)


@app.command("changes")
def fetch_changes(dataset: str, since: int = 0, limit: int = 100_000, url: Url = HERE, token: Token = "") -> None:
    """Change rows after a sequence number, as NDJSON on stdout."""
    with opened(url, token) as exchange:
        exchange.download(f"/api/exchange/datasets/{dataset}/changes", Path("/dev/stdout"), since=since, limit=limit)


@app.command("datasets")
def list_datasets(url: Url = HERE, token: Token = "") -> None:
    """Datasets and where they stand."""
    with opened(url, token) as exchange:
        show(exchange.get("/api/exchange/datasets"))


@app.command()
def reconcile(day: str, url: Url = HERE, token: Token = "") -> None:
    """Sent = accepted + quarantined + duplicates, per dataset, on a day (2026-01-31)."""
    with opened(url, token) as exchange:
        result = exchange.get("/api/exchange/reconciliation", day=date.fromisoformat(day).isoformat())
        show(result)
    raise typer.Exit(1 if any(line["difference"] for line in result) else 0)


@app.command()
def watch(
    folder: Annotated[Path, typer.Argument(exists=True, file_okay=False)],
    once: Annotated[bool, typer.Option("--once", help="Deliver what is there and end.")] = False,
    url: Url = HERE,
    token: Token = "",
) -> None:
    """Deliver every file put into FOLDER/<dataset>/. Done files move to done/ with their receipt, refused ones to refused/."""
    with opened(url, token) as exchange:
        while True:
            _deliver_settled(exchange, folder)
            if once:
                return
            time.sleep(2.0)


def _deliver_settled(exchange: client.Exchange, folder: Path) -> None:
    for path in sorted(folder.glob("*/*")):
        told = path.name.startswith(".") or path.parent.name in ("done", "refused")
        # a file still being copied in is left until it has been quiet for a while
        if told or not path.is_file() or time.time() - path.stat().st_mtime < 2.0:
            continue
        name = _plain(f"{path.stem[:60]}-{client.digest(path)[:16]}")
        try:
            result: dict[str, Any] = exchange.deliver(path.parent.name, name, client.File(path))
            outcome = "done"
        except client.Refused as refused:
            result, outcome = refused.problem, "refused"
        target = folder / outcome / path.parent.name
        target.mkdir(parents=True, exist_ok=True)
        path.rename(target / path.name)
        (target / f"{path.name}.receipt.json").write_bytes(msgspec.json.format(msgspec.json.encode(result)))
        if result.get("quarantine"):
            exchange.download(result["quarantine"], target / f"{path.name}.quarantine.csv", format="csv")
        talk.print(f"{outcome}: {path.parent.name}/{path.name}", highlight=False)
