"""`cityloom bench NAME`: measure, and print one JSON line per item."""

from collections.abc import Callable
from typing import Annotated

import typer
from rich.console import Console

from cityloom.bench import addresses, calendar, catalogue, exchange, line, linkage, register, sharing, start

Talk = Callable[[str], None]
BENCHES: dict[str, Callable[[bool, Talk], None]] = {
    "addresses": addresses.run,
    "calendar": calendar.run,
    "catalogue": catalogue.run,
    "exchange": exchange.run,
    "grants": sharing.grants,
    "linkage": linkage.run,
    "query": sharing.query,
    "register": register.run,
    "start": start.run,
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
