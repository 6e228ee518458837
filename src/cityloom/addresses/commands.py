"""`cityloom addresses …`: texts read and matched, whole files of them, single addresses, through the HTTP door."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.progress import Progress

from cityloom.addresses import intake
from cityloom.kernel.errors import Invalid
from cityloom.terminal import HERE, Token, Url, opened, show, talk

app = typer.Typer(help="Standard addresses: read, match, show, search.", no_args_is_help=True)

ROOT: Final = "/api/addresses"
Texts = Annotated[list[str], typer.Argument(help="Addresses as somebody wrote them.")]
Day = Annotated[str, typer.Option(help="The day on which the answer must hold, such as 2026-03-01; today without it.")]
Within = Annotated[str, typer.Option(help="Code of the division in which to look.")]
ADDED: Final = ("address_code", "address_text", "address_score", "address_verdict")
GROUP: Final = 500
"""Rows of a file that are asked for at once."""


@app.command()
def parse(texts: Texts, url: Url = HERE, token: Token = "") -> None:
    """What texts say, level by level."""
    with opened(url, token) as city:
        show(city.post(f"{ROOT}/parse", {"texts": texts}))


@app.command()
def match(
    texts: Annotated[list[str] | None, typer.Argument(help="Addresses as somebody wrote them.")] = None,
    file: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="A .csv or .xlsx file of them.")
    ] = None,
    column: Annotated[str, typer.Option(help="Name of the file's column with the address.")] = "address",
    out: Annotated[Path | None, typer.Option(dir_okay=False, help="Where the file goes, .csv or .xlsx.")] = None,
    on: Day = "",
    written: Annotated[str, typer.Option(help="The day of the texts, when it is known.")] = "",
    within: Within = "",
    url: Url = HERE,
    token: Token = "",
) -> None:
    """Which standard addresses texts mean; with --file every row of a file, with code, text, score and verdict beside it."""
    more = {"on": on, "written": written, "within": within}
    wish = {name: value for name, value in more.items() if value}
    if file is None and not texts:
        raise typer.BadParameter("give texts, or a file with --file")
    with opened(url, token) as city:
        if file is None:
            show(city.post(f"{ROOT}/match", {"texts": texts, **wish}))
            return
        target = out or file.with_name(f"{file.stem}.matched{file.suffix.lower()}")
        counted = _match_file(city, file, target, column, wish)
    talk.print(f"{target}: " + ", ".join(f"{number} {verdict}" for verdict, number in sorted(counted.items())))
    show(counted)


def _match_file(city: Any, file: Path, target: Path, column: str, wish: dict[str, str]) -> dict[str, int]:
    counted: dict[str, int] = {}
    with intake.opened(file) as table, intake.created(target) as writer, Progress(console=talk, transient=True) as bar:
        if column not in table.header:
            raise Invalid("addresses.column_unknown", column=column, known=", ".join(table.header))
        kept = [place for place, name in enumerate(table.header) if name not in ADDED]  # a file that was matched before
        writer.write([*(table.header[place] for place in kept), *ADDED])
        task, place = bar.add_task(file.name, total=None), table.header.index(column)
        for rows in _groups(table.rows):
            for row, found in zip(rows, _ask(city, [row[place] for row in rows], wish), strict=True):
                verdict = str(found["decision"])
                counted[verdict] = counted.get(verdict, 0) + 1
                best = found["candidates"][0]["full_text"] if found["candidates"] else ""
                told = [found["code"], best, f"{found['score']:.4f}", verdict]
                writer.write([*(row[each] for each in kept), *told], marked=verdict == "doubtful")
            bar.advance(task, len(rows))
    return counted


NOTHING: Final[dict[str, Any]] = {"decision": "unmatched", "score": 0.0, "code": "", "candidates": []}


def _ask(city: Any, texts: Sequence[str], wish: dict[str, str]) -> list[dict[str, Any]]:
    """An answer for each; an empty cell is asked of nobody."""
    asked = [text[:1000] for text in texts if text.strip()]
    answers = iter(city.post(f"{ROOT}/match", {"texts": asked, "candidates": 1, **wish}) if asked else [])
    return [next(answers) if text.strip() else NOTHING for text in texts]


def _groups(rows: Iterator[list[str]]) -> Iterator[list[list[str]]]:
    group: list[list[str]] = []
    for row in rows:
        group.append(row)
        if len(group) == GROUP:
            yield group
            group = []
    if group:
        yield group


@app.command("show")
def show_one(code: str, on: Day = "", url: Url = HERE, token: Token = "") -> None:
    """One address: its way, its life, where it lay on a day."""
    with opened(url, token) as city:
        show(city.get(f"{ROOT}/{code}", **({"on": on} if on else {})))


@app.command()
def search(
    text: Annotated[str, typer.Argument(help="Beginning of a code or text, or a part of a name.")] = "",
    within: Annotated[str, typer.Option(help="Code of a division, or of an address.")] = "",
    after: str = "",
    limit: int = 20,
    url: Url = HERE,
    token: Token = "",
) -> None:
    """Addresses by what is typed; with --within an address and no text, all that lies directly in it."""
    with opened(url, token) as city:
        show(city.get(ROOT, q=text, within=within, after=after, limit=limit))


@app.command()
def library(url: Url = HERE, token: Token = "") -> None:
    """How far the library follows its datasets."""
    with opened(url, token) as city:
        show(city.get(f"{ROOT}/library"))
