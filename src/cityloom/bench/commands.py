"""`cityloom bench NAME`: measure, and print one JSON line per item."""

import sys
from collections.abc import Callable
from typing import Annotated

import msgspec
import typer
from rich.console import Console

from cityloom.bench import (
    addresses,
    calendar,
    catalogue,
    exchange,
    facts,
    frames,
    history,
    line,
    linkage,
    mqtt,
    planning,
    register,
    scale,
    sensing,
    sharing,
    spark,
    start,
    web,
)
from cityloom.kernel import log

Talk = Callable[[str], None]
BENCHES: dict[str, Callable[[bool, Talk], None]] = {
    "addresses": addresses.run,
    "calendar": calendar.run,
    "catalogue": catalogue.run,
    "exchange": exchange.run,
    "expand": sensing.expand,
    "facts": facts.run,
    "frames": frames.run,
    "grants": sharing.grants,
    "history": history.run,
    "ingest": sensing.ingest,
    "latest": sensing.latest,
    "linkage": linkage.run,
    "mqtt": mqtt.run,
    "population": planning.population,
    "query": sharing.query,
    "register": register.run,
    "siting": planning.siting,
    "start": start.run,
    "web": web.run,
}


def bench(
    name: Annotated[str, typer.Argument(help=f"One of: {', '.join(BENCHES)}.")],
    quick: Annotated[bool, typer.Option("--quick", help="A tenth of the size.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="JSON lines only, no talk.")] = False,
) -> None:
    """Measure speed and memory, with the ratio to the plain engine doing the same work in the same run."""
    talk = Console(stderr=True, quiet=as_json)
    if name not in BENCHES:
        raise typer.BadParameter(f"there is no bench {name}; there are {', '.join(BENCHES)}")
    talk.print(line.machine(), highlight=False)
    BENCHES[name](quick, lambda text: talk.print(text, highlight=False))


scale_commands = typer.Typer(help="Grow past one machine.", no_args_is_help=True)


@scale_commands.callback()
def _scale() -> None:
    """Grow past one machine."""


@scale_commands.command("check")
def scale_check(
    people: Annotated[int, typer.Option(help="How many people the city has.", min=10_000, max=1_000_000)] = 10_000,
    master: Annotated[str, typer.Option(help="Spark master; by default two executors on this machine.")] = spark.LOCAL,
    as_json: Annotated[bool, typer.Option("--json", help="JSON lines only, no talk.")] = False,
) -> None:
    """Prove that DuckDB and Spark give the same answers from the change rows, and print both times.

    Exit code 1: they differ. Exit code 3: Spark cannot run here, so nothing was proved.
    """
    log.configure("error")
    talk = Console(stderr=True, quiet=as_json)
    differ = False
    try:
        for found in scale.check(people, master, lambda text: talk.print(text, highlight=False)):
            differ = differ or not found.equal or found.lake_equal is False
            sys.stdout.write(msgspec.json.encode(found).decode() + "\n")
            sys.stdout.flush()
    except spark.Missing as missing:
        Console(stderr=True).print(f"[red]{missing}[/red]", highlight=False)
        raise typer.Exit(3) from missing
    raise typer.Exit(1 if differ else 0)
