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

from cityloom.identity.api import accounts, entrances, services
from cityloom.identity.contracts import OneTimePassword
from cityloom.kernel.context import Parts
from cityloom.kernel.jobs import platform_context
from cityloom.kernel.settings import Settings, load
from cityloom.terminal import show

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


@app.command()
def entrance(
    context: typer.Context,
    organisation: str,
    address: Annotated[
        list[str] | None, typer.Option(help="Networks it comes in from, in place of those there are.")
    ] = None,
    anywhere: Annotated[bool, typer.Option(help="Let it in from any address.")] = False,
    certificate: Annotated[list[Path] | None, typer.Option(help="Add a client certificate (PEM).")] = None,
    remove: Annotated[list[str] | None, typer.Option(help="Remove the certificate with this fingerprint.")] = None,
    home: Home = None,
) -> None:
    """From where, and with which client certificates, an organisation comes in: show it, or change it."""
    with _parts(context, home) as parts:
        ctx = platform_context(parts, "entrance")
        if address or anywhere:
            entrances.set_addresses(ctx, organisation, tuple(address or ()))
        for file in certificate or ():
            entrances.add_certificate(ctx, organisation, file.read_text(encoding="ascii", errors="replace"))
        for fingerprint in remove or ():
            entrances.drop_certificate(ctx, organisation, fingerprint)
        show(entrances.find(ctx, organisation))


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
