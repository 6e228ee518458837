"""What the commands of all modules share: the city's doors at a terminal, data to stdout, talk to stderr."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import msgspec
import typer
from rich.console import Console

from cityloom import client

talk = Console(stderr=True)

Url = Annotated[str, typer.Option(envvar="CITYLOOM_URL", help="Where the city is served.")]
Token = Annotated[str, typer.Option(envvar="CITYLOOM_TOKEN", help="API token of your organisation (ctl_…).")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
HERE = "http://127.0.0.1:8440"


@contextmanager
def opened(url: str, token: str) -> Iterator[client.Exchange]:
    """The city's doors; a refusal is told with its remedy, exit code 1."""
    doors = client.Exchange(url, token)
    try:
        yield doors
    except client.Refused as refused:
        talk.print(f"[red]refused:[/red] {refused.problem.get('detail', '')}", highlight=False)
        if refused.problem.get("remedy"):
            talk.print(f"[dim]hint:[/dim] {refused.problem['remedy']}", highlight=False)
        raise typer.Exit(1) from refused
    finally:
        doors.close()


def show(value: Any) -> None:
    """Data goes to stdout."""
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(value)).decode() + "\n")
