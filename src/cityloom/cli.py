"""The `cityloom` command: data to stdout, talk to stderr, exit codes that mean something."""

import sys
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import httpx
import msgspec
import typer
from rich.console import Console

from cityloom import app as city
from cityloom import backup, logs, supervise, systemd, upgrade
from cityloom.bench.commands import bench, scale_commands
from cityloom.demo import run as demonstration
from cityloom.devtools import commands as devtools
from cityloom.devtools import packs
from cityloom.kernel import log, words
from cityloom.kernel.errors import Problem
from cityloom.kernel.settings import load
from cityloom.kernel.words import Text
from cityloom.operation.contracts import ORDER
from cityloom.status import look, show_status
from cityloom.terminal import HINT, language

talk = Console(stderr=True)
cli = typer.Typer(
    name="cityloom",
    help="CityLoom (织城): one platform a city runs on.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

Home = Annotated[Path | None, typer.Option(help="Folder of this city.")]
Port = Annotated[int | None, typer.Option(help="Port of the HTTP door.", min=0, max=65535)]


def say(text: str) -> None:
    """Tell the person at the terminal."""
    talk.print(text, highlight=False)


@cli.command()
def serve(home: Home = None, port: Port = None) -> None:
    """Run the city: database, web and job workers, until Ctrl-C."""
    settings = load(home=home, port=port)
    log.configure(settings.log_level, settings.logs, "serve")
    running = supervise.City(settings, say)
    try:
        running.start()
        running.wait_until_ready()
        say(
            f"The city is served at [bold]{running.url}[/bold] (API: {running.url}/schema/openapi.json). Ctrl-C stops it."
        )
        running.run()
    finally:
        running.stop()


@cli.command()
def demo(
    once: Annotated[bool, typer.Option("--once", help="Build and deliver the city, check it, and end.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as one JSON object.")] = False,
    people: Annotated[int, typer.Option(help="How many people the city has.", min=10_000, max=20_000_000)] = 200_000,
    seed: Annotated[int, typer.Option(help="The same seed makes the same city.")] = 2026,
    city_pack: Annotated[
        str, typer.Option("--city", help="City pack: shenzhen or yancheng, or one of your own.")
    ] = "shenzhen",
    home: Home = None,
    port: Port = None,
) -> None:
    """Build a sample city and deliver its departments' files through the public doors."""
    settings = demonstration.settings(load(home=home, port=port, city=city_pack), home is None)
    log.configure("error")
    running = supervise.City(settings, say)
    try:
        result = demonstration.run(running, people, seed, talk)
        if as_json:
            sys.stdout.write(msgspec.json.encode(result).decode() + "\n")
            sys.stdout.flush()
        else:
            demonstration.show(result, talk)
        if not once:
            say(f"The city is served at [bold]{running.url}[/bold]. Ctrl-C stops it.")
            running.run()
    finally:
        running.stop()
    raise typer.Exit(0 if result.sound else 1)


@cli.command()
def status(
    home: Home = None,
    port: Port = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """How the city is. Exit code 0: all is well; 1: a warning; 2: an alarm, or something does not answer."""
    settings = load(home=home, port=port)
    found = look(settings)
    if as_json:
        sys.stdout.write(msgspec.json.encode(found).decode() + "\n")
    else:
        show_status(found, settings, talk)
    raise typer.Exit(ORDER.index(found.level))


def _tell_version(wanted: bool) -> None:
    if wanted:
        sys.stdout.write(f"{version('cityloom')}\n")
        raise typer.Exit


@cli.callback()
def root(
    context: typer.Context,
    _version: Annotated[
        bool, typer.Option("--version", callback=_tell_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Hand the modules' commands the way to open a city: they cannot know how it is put together."""
    context.obj = city.running_parts


cli.command()(backup.backup)
cli.command()(backup.restore)
cli.command()(upgrade.upgrade)
cli.command()(logs.logs)
cli.command()(systemd.systemd)
cli.command()(bench)
devtools.register(cli)
cli.add_typer(packs.commands, name="packs")
cli.add_typer(scale_commands, name="scale")
for module in city.MODULES:
    if module.commands is not None:
        cli.add_typer(module.commands, name=module.name)


ERROR = Text("error:", "错误：")
AWAY = Text(
    "the city does not answer. Is `cityloom serve` running, and is CITYLOOM_URL its address?",
    "城市服务没有应答。`cityloom serve` 是否在运行，CITYLOOM_URL 是否为其地址？",
)


def main() -> None:
    """Run the command; a problem is told with its remedy and exit code 2."""
    try:
        cli()
    except Problem as problem:
        texts = words.load(city.PACKAGES)
        detail, remedy = texts.problem(problem, language())
        talk.print(f"[red]{ERROR.of(language())}[/red] {detail}", highlight=False)
        if remedy:
            talk.print(f"[dim]{HINT.of(language())}[/dim] {remedy}", highlight=False)
        sys.exit(2)
    except httpx.TransportError as error:
        talk.print(f"[red]{ERROR.of(language())}[/red] {AWAY.of(language())} ({error})", highlight=False)
        sys.exit(2)
