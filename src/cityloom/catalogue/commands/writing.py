"""Describe and retire resources, the three lists, reports between catalogues."""

from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from cityloom import client
from cityloom.catalogue.commands.lines import show_lines
from cityloom.terminal import HERE, AsJson, Token, Url, opened, read_body, show, talk

app = typer.Typer()

RESOURCES, LISTS = "/api/catalogue/resources", "/api/catalogue/lists"
EffectiveOn = Annotated[str, typer.Option(help="Day on which a breaking change comes into force, as 2026-01-31.")]
Keeper = Annotated[str, typer.Option(help="Only what this organisation keeps.")]
After = Annotated[str, typer.Option(help="The last id of the page before.")]
Limit = Annotated[int, typer.Option(min=1, max=1000)]
FromFile = Annotated[
    Path, typer.Argument(exists=True, dir_okay=False, allow_dash=True, help="YAML or JSON; - is stdin.")
]


def body(file: Path) -> dict[str, Any]:
    """What a YAML or JSON file says, as the body of a request."""
    return {"content": msgspec.json.encode(read_body(file)), "headers": {"content-type": "application/json"}}


def given(**params: str) -> dict[str, str]:
    """Those that were given."""
    return {name: value for name, value in params.items() if value}


@app.command("put")
def put_resource(
    resource: str,
    description: FromFile,
    effective_on: EffectiveOn = "",
    reason: Annotated[str, typer.Option(help="Why; told to those who follow the resource.")] = "",
    url: Url = HERE,
    token: Token = "",
) -> None:
    """Describe a resource that your organisation keeps; the same again changes nothing."""
    params = given(effective_on=effective_on, reason=reason)
    with opened(url, token) as city:
        show(client.checked(city.http.put(f"{RESOURCES}/{resource}", params=params, **body(description))))


@app.command()
def retire(
    resource: str,
    reason: Annotated[str, typer.Option(help="Why; told to those who follow the resource.")],
    effective_on: EffectiveOn,
    url: Url = HERE,
    token: Token = "",
) -> None:
    """Announce that a resource goes, on a day to come."""
    params = given(effective_on=effective_on, reason=reason)
    with opened(url, token) as city:
        show(client.checked(city.http.delete(f"{RESOURCES}/{resource}", params=params)))


@app.command("take-back")
def take_back(resource: str, url: Url = HERE, token: Token = "") -> None:
    """Take an announcement back before its day."""
    with opened(url, token) as city:
        show(client.checked(city.http.delete(f"{RESOURCES}/{resource}/announcement")))


@app.command()
def supply(
    keeper: Keeper = "", after: After = "", limit: Limit = 100, as_json: AsJson = False, url: Url = HERE,
    token: Token = "",
) -> None:  # fmt: skip
    """What may be had (供给清单): id, keeper, sharing, condition, cycle, grade, name."""
    with opened(url, token) as city:
        rows = city.get(f"{LISTS}/supply", keeper=keeper, after=after, limit=limit)
    show_lines(rows, ("id", "keeper", "sharing", "condition", "cycle", "grade", "title"), as_json)


@app.command()
def responsibility(
    keeper: Keeper = "", after: After = "", limit: Limit = 100, as_json: AsJson = False, url: Url = HERE,
    token: Token = "",
) -> None:  # fmt: skip
    """Who answers for what (责任清单): keeper, id, subject, name, items it is the source of."""
    with opened(url, token) as city:
        rows = city.get(f"{LISTS}/responsibility", keeper=keeper, after=after, limit=limit)
    show_lines(rows, ("keeper", "resource", "subject", "title", "items"), as_json)


@app.command()
def demand(
    organisation: Annotated[str, typer.Option(help="Only what this organisation needs.")] = "",
    status: Annotated[str, typer.Option(help="open, met, refused or withdrawn.")] = "",
    after: After = "",
    limit: Limit = 100,
    as_json: AsJson = False,
    url: Url = HERE,
    token: Token = "",
) -> None:
    """What is needed (需求清单): id, organisation, state, resource, title, items."""
    with opened(url, token) as city:
        rows = city.get(f"{LISTS}/demand", organisation=organisation, status=status, after=after, limit=limit)
    show_lines(rows, ("id", "organisation", "state", "resource", "title", "items"), as_json)


@app.command()
def need(wish: FromFile, url: Url = HERE, token: Token = "") -> None:
    """Say what your organisation needs: title, purpose, legal_basis, items, resource."""
    with opened(url, token) as city:
        show(client.checked(city.http.post("/api/catalogue/demands", **body(wish))))


@app.command()
def answer(
    demand: str,
    state: Annotated[str, typer.Argument(help="met or refused")],
    said: Annotated[str, typer.Argument(help="What you say to it.")],
    url: Url = HERE,
    token: Token = "",
) -> None:
    """Answer a demand for what your organisation keeps."""
    with opened(url, token) as city:
        sent = {"state": state, "answer": said}
        show(client.checked(city.http.post(f"/api/catalogue/demands/{demand}/answer", json=sent)))


@app.command()
def report(
    into: Annotated[Path, typer.Argument(help="Where the report goes; - is stdout.")],
    since: Annotated[int, typer.Option(min=0, help="The sequence up to which it was told before.")] = 0,
    limit: Annotated[int, typer.Option(min=1, max=10_000)] = 10_000,
    url: Url = HERE,
    token: Token = "",
) -> None:
    """What changed here, for the catalogue above or below (级联): hand it in there with `hear`. Exit code 3: there is more."""
    with opened(url, token) as city:
        found = city.get("/api/catalogue/report", since=since, limit=limit)
    if str(into) == "-":
        show(found)
    else:
        into.write_bytes(msgspec.json.format(msgspec.json.encode(found)))
        talk.print(f"{len(found['changes'])} changes up to {found['until']}", highlight=False)
    raise typer.Exit(3 if found["more"] else 0)


@app.command()
def hear(file: FromFile, url: Url = HERE, token: Token = "") -> None:
    """Hand in what another catalogue reports; the same again changes nothing."""
    with opened(url, token) as city:
        show(client.checked(city.http.post("/api/catalogue/reports", **body(file))))
