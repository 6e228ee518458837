"""`cityloom topics …`: libraries, their figures, and subjects' records, through the HTTP door."""

from typing import Annotated

import typer

from cityloom import client
from cityloom.terminal import HERE, Token, Url, opened, show

app = typer.Typer(
    help="Topic libraries: what they hold, how complete, fresh and agreed they are.", no_args_is_help=True
)

ROOT = "/api/topics"
Purpose = Annotated[str, typer.Option(envvar="CITYLOOM_PURPOSE", help="What the records are needed for.")]


@app.command("list")
def list_topics(url: Url = HERE, token: Token = "") -> None:
    """Every library with the figures of the whole, and what is missing."""
    with opened(url, token) as city:
        show(city.get(ROOT))


@app.command("show")
def show_topic(
    topic: str,
    days: Annotated[int, typer.Option(help="Length of the curve.")] = 31,
    day: Annotated[str, typer.Option(help="The figures of this day in words, such as 2026-03-02.")] = "",
    url: Url = HERE,
    token: Token = "",
) -> None:
    """One library with its parts and its curve."""
    with opened(url, token) as city:
        show(city.get(f"{ROOT}/{topic}/days/{day}") if day else city.get(f"{ROOT}/{topic}", days=days))


@app.command()
def differences(
    topic: str,
    register: Annotated[str, typer.Option(help="Empty: the first of the library.")] = "",
    field: Annotated[str, typer.Option(help="Only on this field.")] = "",
    pair: Annotated[str, typer.Option(help="Only between these datasets, such as birth/household_resident.")] = "",
    after: str = "",
    url: Url = HERE,
    token: Token = "",
) -> None:
    """On which entities two sources contradict each other."""
    with opened(url, token) as city:
        show(city.get(f"{ROOT}/{topic}/differences", register=register, field=field, pair=pair, after=after))


@app.command()
def read(
    topic: str,
    subjects: Annotated[list[str], typer.Argument(help="Ids of the register, or kind=value such as uscc=…")],
    case: Annotated[str, typer.Option(help="Number of the case or matter.")],
    register: Annotated[str, typer.Option(help="Empty: the first of the library.")] = "",
    purpose: Purpose = "",
    url: Url = HERE,
    token: Token = "",
) -> None:
    """What we may see of up to 20 subjects in a library."""
    wish = {"case": case, "subjects": [{"register": register, **_subject(each)} for each in subjects]}
    with opened(url, token) as city:
        found = city.http.post(f"{ROOT}/{topic}/records/read", json=wish, headers={"x-purpose": purpose})
        show(client.checked(found))


def _subject(text: str) -> dict[str, str]:
    kind, named, value = text.partition("=")
    return {"kind": kind, "value": value} if named else {"id": text}
