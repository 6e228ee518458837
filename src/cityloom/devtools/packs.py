"""`cityloom packs new|check|try`: a pack's whole life on its author's machine."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console

from cityloom import app as city
from cityloom.exchange.api import deliveries, reading, spool
from cityloom.exchange.contracts import Declaration, Mode, Receipt
from cityloom.kernel import packs, words
from cityloom.kernel.context import Context
from cityloom.kernel.errors import Invalid, Problem
from cityloom.kernel.jobs import platform_context
from cityloom.kernel.packs import Pack, Packs
from cityloom.kernel.postgres import passing_folder
from cityloom.kernel.settings import Settings, load

app = typer.Typer(help="Write, check and try packs.", no_args_is_help=True)
talk = Console(stderr=True)

Folder = Annotated[Path | None, typer.Option("--in", help="Folder of packs, beside the shipped ones.")]
PIECE = 1 << 20
RULES = (
    ("pack.yaml is complete and its needs are there", "pack"),
    ("every file is read by its module", "read"),
    ("README.md says what the pack gives a city", "readme"),
    ("every dataset has a sample", "samples"),
    ("samples/expect.yaml says what each sample must come to", "expect"),
)


class ExpectedFault(msgspec.Struct, frozen=True, forbid_unknown_fields=True, order=True):
    """A fault that a sample holds on purpose."""

    row: int
    field: str
    rule: str


class Expected(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one sample must come to."""

    rows: int
    accepted: int
    quarantined: int = 0
    duplicates: int = 0
    mode: Mode | None = None
    faults: tuple[ExpectedFault, ...] = ()


PACK = """\
name: {name}
title: {{en: {name}, zh: {name}}}
version: "0.1"
keeper: {keeper}
level: bronze
needs: [base]
"""
DATASET = """\
title: {{en: Example, zh: 示例}}
keeper: {keeper}
legal_basis: {{en: name the law, zh: 请填写法律依据}}
class: event
sharing: conditional
modes: [upsert]
update: {{every: month, due_days: 5, days: working}}
key: [number]
retention: {{records: P10Y}}
fields:
  - {{name: number, title: {{en: Number, zh: 编号}}, type: text, required: true, pattern: "[A-Z]{{2}}[0-9]{{4}}"}}
  - {{name: title, title: {{en: Title, zh: 名称}}, type: text, required: true, max_length: 100}}
  - {{name: since, title: {{en: Since, zh: 起始日期}}, type: date}}
"""
SAMPLE = "编号,名称,起始日期\nAB0001,first,2020-01-31\nAB0002,second,2020年2月1日\nwrong,third,\n"
EXPECT = """\
{name}_example:
  rows: 3
  accepted: 2
  quarantined: 1
  faults:
    - {{row: 3, field: number, rule: pattern}}
"""
README = "# {name}\n\nWhat this pack gives a city, for a reader who does not code.\n"


@app.command()
def new(name: str, keeper: Annotated[str, typer.Option(help="Organisation that keeps its datasets.")] = "platform",
        folder: Folder = None) -> None:  # fmt: skip
    """A new pack with one dataset, a sample and what it must come to: it passes `check` and `try` as it is."""
    if not name.isidentifier() or not name.islower():
        raise Invalid("devtools.pack_name_wrong", name=name)
    root = (folder or Path("packs")) / name
    if root.exists():
        raise Invalid("devtools.pack_exists", path=str(root))
    for path, text in (
        ("pack.yaml", PACK), ("README.md", README), (f"exchange/{name}_example.yaml", DATASET),
        (f"samples/{name}_example.csv", SAMPLE), ("samples/expect.yaml", EXPECT),
    ):  # fmt: skip
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(
            text.format(name=name, keeper=keeper) if path != f"samples/{name}_example.csv" else text, "utf-8"
        )
    sys.stdout.write(f"{root}\n")


@app.command()
def check(name: str, folder: Folder = None) -> None:
    """Hold a pack against its rules. Exit code 1 when one is not met."""
    settings = _settings(folder, name)
    active = packs.choose(packs.folders(settings), name)
    failed = _faults(active, active.named(name))
    for title, rule in RULES:
        sys.stdout.write(f"{'todo' if rule in failed else 'done'}\t{title}\n")
        if rule in failed:
            talk.print(f"  {failed[rule]}", highlight=False)
    raise typer.Exit(1 if failed else 0)


def _faults(active: Packs, pack: Pack) -> dict[str, str]:
    """What is wrong, by rule."""
    failed: dict[str, str] = {}
    texts = words.load(city.PACKAGES)
    for module in city.MODULES:
        if module.check:
            try:
                module.check(active)
            except Problem as problem:
                failed["read"] = " ".join(texts.problem(problem, "en"))
    if not (pack.folder / "README.md").is_file():
        failed["readme"] = "there is no README.md"
    datasets = {path.stem for path in pack.files("exchange")}
    samples = {path.stem for path in (pack.folder / "samples").glob("*.csv")}
    if datasets - samples:
        failed["samples"] = f"no samples/<dataset>.csv for {', '.join(sorted(datasets - samples))}"
    expected = _expected(pack)
    if samples - set(expected):
        failed["expect"] = f"samples/expect.yaml lacks {', '.join(sorted(samples - set(expected)))}"
    return failed


@app.command("try")
def try_out(name: str, folder: Folder = None) -> None:
    """Deliver the pack's samples to a scratch city and compare with samples/expect.yaml. Exit code 1 on a difference."""
    with passing_folder("cityloom-try-") as home:
        settings = msgspec.structs.replace(_settings(folder, name), home=home)
        with city.running_parts(settings, lambda text: talk.print(text, highlight=False)) as parts:
            ctx = platform_context(parts, "try")
            # a city's code lists are narrower than the samples of the packs it stands on, which name other places
            alone = ctx.packs.named(name).manifest.city
            tried = [pack for pack in ctx.packs if pack.name == name or not alone]
            wrong = [fault for pack in tried for fault in _try_pack(ctx, pack, pack.name == name)]
    for fault in wrong:
        talk.print(f"[red]{fault}[/red]", highlight=False)
    raise typer.Exit(1 if wrong else 0)


def _try_pack(ctx: Context, pack: Pack, tell: bool) -> Iterator[str]:
    """Deliver a pack's samples in the order of expect.yaml: what one refers to comes before it."""
    for dataset, expected in _expected(pack).items():
        receipt = _deliver(ctx, dataset, pack.folder / "samples" / f"{dataset}.csv", expected)
        wrong = list(_differences(ctx, dataset, expected, receipt))
        yield from wrong
        if tell:
            sys.stdout.write(f"{'different' if wrong else 'as expected'}\t{dataset}\n")


def _deliver(ctx: Context, dataset: str, path: Path, expected: Expected) -> Receipt:
    declared = Declaration(mode=expected.mode, media="text/csv", file_name=path.name, rows=expected.rows)
    delivery = deliveries.claim(ctx, dataset, "sample", declared)
    with path.open("rb") as file:
        spooled = spool.copy(ctx, iter(lambda: file.read(PIECE), b""))
    deliveries.received(ctx, delivery, spooled)
    return deliveries.process(ctx, dataset, "sample")


def _differences(ctx: Context, dataset: str, expected: Expected, receipt: Receipt) -> Iterator[str]:
    if receipt.counts is None:
        yield f"{dataset}: refused whole: {receipt.refusal.detail if receipt.refusal else receipt.state}"
        return
    counts = receipt.counts
    for word in ("accepted", "quarantined", "duplicates"):
        if getattr(counts, word) != getattr(expected, word):
            yield f"{dataset}: {word} {getattr(counts, word)}, expected {getattr(expected, word)}"
    found = set(_found(ctx, dataset))
    for fault in sorted(set(expected.faults) - found):
        yield f"{dataset}: row {fault.row}, field {fault.field}: {fault.rule} was not found"
    for fault in sorted(found - set(expected.faults)):
        yield f"{dataset}: row {fault.row}, field {fault.field}: {fault.rule} was not expected"


def _found(ctx: Context, dataset: str) -> Iterator[ExpectedFault]:
    for line in b"".join(reading.faults(ctx, dataset, "sample")).splitlines():
        fault = msgspec.json.decode(line)
        yield ExpectedFault(fault["row"], fault["field"], fault["rule"])


def _expected(pack: Pack) -> dict[str, Expected]:
    path = pack.folder / "samples" / "expect.yaml"
    return packs.decode(path, dict[str, Expected]) if path.is_file() else {}


def _settings(folder: Path | None, name: str) -> Settings:
    place = str(folder or Path("packs"))
    return load(packs=place, city=name)
