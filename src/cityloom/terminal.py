"""What the commands of all modules share: the city's doors at a terminal, data to stdout, talk to stderr."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
import typer
import yaml
from rich.console import Console

from cityloom import client
from cityloom.kernel.errors import Invalid
from cityloom.kernel.words import Language, Text

talk = Console(stderr=True)

Url = Annotated[str, typer.Option(envvar="CITYLOOM_URL", help="Where the city is served.")]
Token = Annotated[str, typer.Option(envvar="CITYLOOM_TOKEN", help="API token of your organisation (ctl_…).")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
HERE = "http://127.0.0.1:8440"
REFUSED: Final = Text("refused:", "被拒绝：")
HINT: Final = Text("hint:", "建议：")
PATIENCE: Final = 20.0
"""Seconds for which a command asks again while the city is away or busy; a delivery is more patient."""


def language() -> Language:
    """The language of the person at the terminal: as set for the city, else the terminal's."""
    chosen = os.environ.get("CITYLOOM_LANGUAGE") or os.environ.get("LANG", "")
    return "zh" if chosen.startswith("zh") else "en"


def read_body(path: Path) -> Any:
    """What a YAML or JSON file (`-` is stdin) says, as JSON has it: days and moments as texts.

    Raises Invalid `kernel.file_not_utf8`, `kernel.file_not_yaml`, `kernel.file_empty`.
    """
    try:
        found = yaml.safe_load(sys.stdin.read() if str(path) == "-" else path.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise Invalid("kernel.file_not_utf8", file=str(path)) from error
    except yaml.YAMLError as error:
        raise Invalid("kernel.file_not_yaml", file=str(path), reason=" ".join(str(error).split())) from error
    if found is None:
        raise Invalid("kernel.file_empty", file=str(path))
    return msgspec.to_builtins(found, str_keys=True)


@contextmanager
def opened(url: str, token: str, patience: float = PATIENCE) -> Iterator[client.Exchange]:
    """The city's doors; a refusal is told with its remedy, exit code 1."""
    doors = client.Exchange(url, token, language())
    doors.patience = patience
    try:
        yield doors
    except client.Refused as refused:
        talk.print(f"[red]{REFUSED.of(language())}[/red] {refused.problem.get('detail', '')}", highlight=False)
        if refused.problem.get("remedy"):
            talk.print(f"[dim]{HINT.of(language())}[/dim] {refused.problem['remedy']}", highlight=False)
        raise typer.Exit(1) from refused
    finally:
        doors.close()


def show(value: Any) -> None:
    """Data goes to stdout."""
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(value)).decode() + "\n")
