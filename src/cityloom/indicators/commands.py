"""`cityloom indicators …`: count the population, list counts, show their figures."""

from pathlib import Path
from typing import Annotated

import typer

from cityloom.terminal import HERE, Token, Url, opened, read_body, show

app = typer.Typer(help="Figures that models of packs compute over the city's datasets.", no_args_is_help=True)

ROOT = "/api/indicators/population"
Id = Annotated[str, typer.Argument(help="The computation's id.")]


@app.command()
def population(
    id: Id,
    on: Annotated[str, typer.Option(help="Reference date, such as 2026-06-30.")],
    parameters: Annotated[str, typer.Option(help="A YAML or JSON file with readings other than the defaults.")] = "",
    url: Url = HERE,
    token: Token = "",
) -> None:
    """Count the population, and keep the figures under this id."""
    body = {"on": on, "parameters": read_body(Path(parameters)) if parameters else {}}
    with opened(url, token) as city:
        show(city.put(f"{ROOT}/{id}", body))


@app.command()
def computations(url: Url = HERE, token: Token = "") -> None:
    """What was computed, when, by whom, from what."""
    with opened(url, token) as city:
        show(city.get(ROOT))


@app.command()
def figures(
    id: Id,
    level: Annotated[str, typer.Option(help="city, district, street, community, grid or rules.")] = "city",
    area: Annotated[str, typer.Option(help="Only areas whose code begins so.")] = "",
    url: Url = HERE,
    token: Token = "",
) -> None:
    """Published figures of a computation; null where hidden."""
    with opened(url, token) as city:
        show(city.get(f"{ROOT}/{id}/figures", level=level, area=area))
