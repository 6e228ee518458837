"""The `cityloom` command: data to stdout, talk to stderr, exit codes that mean something.

What a command needs is imported when it is called: the whole city takes two seconds to load, and most commands only speak
to one over HTTP.
"""

import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import httpx
import msgspec
import typer
from rich.console import Console
from typer.core import TyperGroup

from cityloom.kernel import words
from cityloom.kernel.errors import Problem
from cityloom.kernel.settings import Settings
from cityloom.kernel.words import Text
from cityloom.terminal import HINT, language

GROUPS = (
    "addresses", "appraisal", "audit", "catalogue", "exchange", "facts", "identity", "indicators", "packs", "quality",
    "registers", "scale", "sensing", "sharing", "topics", "web",
)  # fmt: skip
SINGLE = ("backup", "bench", "bundle", "check", "logs", "restore", "systemd", "test", "upgrade")

talk = Console(stderr=True)


def group(name: str) -> typer.Typer:  # noqa: C901 - a list
    """The commands of one module, or of work on CityLoom itself."""
    match name:
        case "addresses":
            from cityloom.addresses.commands import app
        case "appraisal":
            from cityloom.appraisal.commands import app
        case "audit":
            from cityloom.kernel.audit.commands import app
        case "catalogue":
            from cityloom.catalogue.commands import app
        case "exchange":
            from cityloom.exchange.commands import app
        case "facts":
            from cityloom.facts.commands import app
        case "identity":
            from cityloom.identity.commands import app
        case "indicators":
            from cityloom.indicators.commands import app
        case "packs":
            from cityloom.devtools.packs import app
        case "quality":
            from cityloom.quality.commands import app
        case "registers":
            from cityloom.registers.commands import app
        case "scale":
            from cityloom.bench.commands import scale_commands as app
        case "sensing":
            from cityloom.sensing.commands import app
        case "sharing":
            from cityloom.sharing.commands import app
        case "topics":
            from cityloom.topics.commands import app
        case "web":
            from cityloom.devtools.web import app
        case _:
            raise LookupError(name)
    return app


def single(name: str) -> Callable[..., None]:
    """A command that stands alone."""
    command: Callable[..., None]
    match name:
        case "backup":
            from cityloom.backup import backup as command
        case "bench":
            from cityloom.bench.commands import bench as command
        case "bundle":
            from cityloom.devtools.bundle import bundle as command
        case "check":
            from cityloom.devtools.commands import check as command
        case "logs":
            from cityloom.logs import logs as command
        case "restore":
            from cityloom.backup import restore as command
        case "systemd":
            from cityloom.systemd import systemd as command
        case "test":
            from cityloom.devtools.commands import run_tests as command
        case "upgrade":
            from cityloom.upgrade import upgrade as command
        case _:
            raise LookupError(name)
    return command


class Commands(TyperGroup):
    """Those that are written here, and those that are loaded when they are called. Typer hides the classes of Click."""

    def list_commands(self, ctx: Any) -> list[str]:
        """All names, in order."""
        return sorted((*super().list_commands(ctx), *GROUPS, *SINGLE))

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of that name."""
        if cmd_name in GROUPS:
            loaded = typer.main.get_command(group(cmd_name))
            loaded.name = cmd_name
            return loaded
        if cmd_name in SINGLE:
            alone = typer.Typer(add_completion=False)
            alone.command(cmd_name, context_settings=PASSED_ON if cmd_name == "test" else None)(single(cmd_name))
            return typer.main.get_command(alone)
        return super().get_command(ctx, cmd_name)


PASSED_ON = {"allow_extra_args": True, "ignore_unknown_options": True}
"""What follows `test` goes to pytest."""
cli = typer.Typer(
    name="cityloom",
    help="CityLoom (织城): one platform a city runs on.",
    cls=Commands,
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
    from cityloom import supervise
    from cityloom.kernel import log
    from cityloom.kernel.settings import load

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
    from cityloom import supervise
    from cityloom.demo import run as demonstration
    from cityloom.kernel import log
    from cityloom.kernel.settings import load

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
            accounts, password = demonstration.desks(running)
            say(f"The city is served at [bold]{running.url}[/bold]. Ctrl-C stops it.")
            say(f"Sign in as {', '.join(accounts)}; the password of each is [bold]{password}[/bold].")
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
    from cityloom.kernel.settings import load
    from cityloom.operation.contracts import ORDER
    from cityloom.status import look, show_status

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
    context.obj = _running_parts


def _running_parts(settings: Settings) -> Any:
    from cityloom.app import require_home, running_parts

    require_home(settings)
    return running_parts(settings)


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
        texts = words.everything()
        detail, remedy = texts.problem(problem, language())
        talk.print(f"[red]{ERROR.of(language())}[/red] {detail}", highlight=False)
        if remedy:
            talk.print(f"[dim]{HINT.of(language())}[/dim] {remedy}", highlight=False)
        sys.exit(2)
    except httpx.TransportError as error:
        talk.print(f"[red]{ERROR.of(language())}[/red] {AWAY.of(language())} ({error})", highlight=False)
        sys.exit(2)
