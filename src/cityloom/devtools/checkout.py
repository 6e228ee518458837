"""The repository that this code runs from, for commands that need one."""

from pathlib import Path

import typer

import cityloom
from cityloom.kernel import words


def checkout(verb: str) -> Path:
    """The repository this code runs from; ends the command when it is an installed package."""
    root = Path(cityloom.__file__).parents[2]
    if (root / "pyproject.toml").is_file() and (root / "tests" / "repo").is_dir():
        return root
    texts = words.load(["cityloom.devtools"])
    for language in ("en", "zh"):  # who is at the keyboard is not known yet
        say(texts.say("devtools.checkout_needed", language, verb=verb))
        say(texts.say("devtools.checkout_needed.remedy", language, verb=verb))
    raise typer.Exit(2)


def say(text: str) -> None:
    """Tell the person at the terminal."""
    typer.echo(text, err=True)
