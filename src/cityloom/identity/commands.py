"""`cityloom identity …`: what is done at the machine itself and never over HTTP."""

import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console

from cityloom.identity.api import accounts, services
from cityloom.identity.contracts import OneTimePassword
from cityloom.kernel.context import Parts
from cityloom.kernel.jobs import platform_context
from cityloom.kernel.settings import Settings, load

app = typer.Typer(help="The first administrators, and letting them in again.", no_args_is_help=True)
talk = Console(stderr=True)

OpenParts = Callable[[Settings], AbstractContextManager[Parts]]
"""Given by the `cityloom` command as the context's object: identity cannot know how a city is put together."""

DELIVERING = ("exchange.deliver", "exchange.read_receipt", "exchange.read_changes")

Home = Annotated[Path | None, typer.Option(help="Folder of this city.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command()
def bootstrap(
    context: typer.Context,
    organisation: Annotated[str, typer.Option(help="Whose accounts they are; the platform's own if absent.")] = "",
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Make the three administrators (三员) with one-time passwords, while there is no account yet."""
    with _parts(context, home) as parts:
        _show(parts, accounts.bootstrap(platform_context(parts, "bootstrap"), organisation), as_json)


@app.command("reset-password")
def reset_password(context: typer.Context, account: str, home: Home = None, as_json: AsJson = False) -> None:
    """Give an account a one-time password and end its sessions; its roles stay. The only way for administrators."""
    with _parts(context, home) as parts:
        _show(parts, [accounts.reset_password(platform_context(parts, "reset-password"), account)], as_json)


@app.command()
def token(
    context: typer.Context,
    organisation: str,
    right: Annotated[list[str] | None, typer.Option(help="What it may do; repeat for several.")] = None,
    days: Annotated[int, typer.Option(help="How long it lasts.", min=1)] = 90,
    home: Home = None,
) -> None:
    """A token for a department's program, shown this once: it may deliver and read back what its organisation keeps."""
    with _parts(context, home) as parts:
        made = services.issue(platform_context(parts, "token"), organisation, right or DELIVERING, days)
    sys.stdout.write(made.secret + "\n")


def _parts(context: typer.Context, home: Path | None) -> AbstractContextManager[Parts]:
    open_parts: OpenParts = context.obj
    return open_parts(load(home=home))


def _show(parts: Parts, issued: Sequence[OneTimePassword], as_json: bool) -> None:
    """Data to stdout, advice to stderr."""
    language = parts.settings.language
    if as_json:
        sys.stdout.write(msgspec.json.encode(issued).decode() + "\n")
    else:
        for each in issued:
            held = ", ".join(parts.words.say(f"identity.role_{role}", language) for role in each.roles)
            sys.stdout.write(f"{each.account}\t{each.password}\t{held}\n")
    days = round((issued[0].valid_until - parts.clock.now()) / timedelta(days=1))
    talk.print(parts.words.say("identity.one_time_passwords", language, days=days), highlight=False)
