"""`cityloom indicators …`: have figures computed, list computations, show their figures."""

from pathlib import Path
from typing import Annotated

import typer

from cityloom.terminal import HERE, Token, Url, opened, read_body, show

app = typer.Typer(help="Figures that models of packs compute over the city's datasets.", no_args_is_help=True)

ROOT = "/api/indicators"
Name = Annotated[str, typer.Argument(help="population, health_centres or school_pressure")]
Id = Annotated[str, typer.Argument(help="The computation's id.")]


@app.command()
def compute(
    indicator: Name,
    id: Id,
    on: Annotated[str, typer.Option(help="Reference date, such as 2026-06-30.")],
    parameters: Annotated[str, typer.Option(help="A YAML or JSON file with readings other than the defaults.")] = "",
    url: Url = HERE,
    token: Token = "",
) -> None:
    """Compute, and keep the figures under this id."""
    body = {"on": on, "parameters": read_body(Path(parameters)) if parameters else {}}
    with opened(url, token) as city:
        show(city.put(f"{ROOT}/{indicator}/{id}", body))


@app.command()
def computations(indicator: Name, url: Url = HERE, token: Token = "") -> None:
    """What was computed, when, by whom, from what."""
    with opened(url, token) as city:
        show(city.get(f"{ROOT}/{indicator}"))


@app.command()
def figures(
    indicator: Name,
    id: Id,
    level: Annotated[str, typer.Option(help="city, district, street, community, grid, rules; site; school")] = "city",
    area: Annotated[str, typer.Option(help="Only areas whose code begins so.")] = "",
    url: Url = HERE,
    token: Token = "",
) -> None:
    """Published figures of a computation; null where hidden."""
    with opened(url, token) as city:
        show(city.get(f"{ROOT}/{indicator}/{id}/figures", level=level, area=area))
