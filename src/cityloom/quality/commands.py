"""`cityloom quality …`: dispute values, answer disputes, and see how good data is, through the HTTP door."""

from pathlib import Path
from typing import Annotated
from uuid import uuid4

import typer

from cityloom import client
from cityloom.terminal import HERE, Token, Url, opened, read_body, show

app = typer.Typer(help="Correction tickets, corrections, and quality over time.", no_args_is_help=True)

Purpose = Annotated[str, typer.Option(envvar="CITYLOOM_PURPOSE", help="The purpose that the grant names.")]
Dataset = Annotated[str, typer.Option(help="Only of this dataset.")]
TICKETS, SCORES = "/api/quality/tickets", "/api/quality/scores"


@app.command("open")
def open_ticket(
    id: str,
    ticket: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="The dispute as YAML or JSON.")],
    purpose: Purpose = "",
    url: Url = HERE,
    token: Token = "",
) -> None:
    """Dispute a value; the same id with the same content may be sent again."""
    body = read_body(ticket)
    with opened(url, token) as city:
        show(client.checked(city.http.put(f"{TICKETS}/{id}", json=body, headers={"x-purpose": purpose})))


@app.command()
def tickets(
    id: Annotated[str, typer.Argument()] = "",
    side: Annotated[str, typer.Option(help="all, mine, keeper, arbiter")] = "all",
    status: Annotated[str, typer.Option(help="A state, or open: all that have not ended.")] = "",
    dataset: Dataset = "",
    after: str = "",
    url: Url = HERE,
    token: Token = "",
) -> None:
    """One ticket with its moves, or those of us, to us, and for us to rule on."""
    with opened(url, token) as city:
        if id:
            show(city.get(f"{TICKETS}/{id}"))
        else:
            show(city.get(TICKETS, side=side, status=status, dataset=dataset, after=after))


@app.command()
def move(
    id: str,
    move: Annotated[str, typer.Argument(help="accept, reject; withdraw, contest; uphold, dismiss")],
    reason: Annotated[str, typer.Option(help="Why; most moves need it.")] = "",
    evidence: Annotated[str, typer.Option(help="For a rejection: what proves that the value is right.")] = "",
    law: Annotated[str, typer.Option(help="For a rejection: the law that says so.")] = "",
    url: Url = HERE,
    token: Token = "",
) -> None:
    """Answer a ticket, contest a rejection, rule on it, or withdraw it."""
    with opened(url, token) as city:
        version = city.get(f"{TICKETS}/{id}")["version"]
        act = {"move": move, "version": version, "key": uuid4().hex, "reason": reason, "evidence": evidence, "law": law}
        show(client.checked(city.http.post(f"{TICKETS}/{id}/moves", json=act)))


@app.command()
def corrections(dataset: Dataset = "", after: int = 0, url: Url = HERE, token: Token = "") -> None:
    """What was corrected in data that we have."""
    with opened(url, token) as city:
        show(city.get("/api/quality/corrections", dataset=dataset, after=after))


@app.command()
def scores(
    start: Annotated[str, typer.Argument(help="First day, such as 2026-03-01.")],
    end: Annotated[str, typer.Argument(help="The day after the last.")],
    dataset: Dataset = "",
    organisation: Annotated[str, typer.Option(help="Only the datasets of this keeper.")] = "",
    after: Annotated[str, typer.Option(help="Day/dataset that the last page ended with.")] = "",
    url: Url = HERE,
    token: Token = "",
) -> None:
    """How good data was, by day, dataset and dimension."""
    with opened(url, token) as city:
        show(city.get(SCORES, start=start, end=end, dataset=dataset, organisation=organisation, after=after))


@app.command()
def explain(dataset: str, day: str, url: Url = HERE, token: Token = "") -> None:
    """What the scores of a dataset's day were counted from."""
    with opened(url, token) as city:
        show(city.get(f"{SCORES}/{dataset}/{day}"))


@app.command()
def measure(dataset: str, day: str, url: Url = HERE, token: Token = "") -> None:
    """Measure a day that is over (again)."""
    with opened(url, token) as city:
        show(client.checked(city.http.post(f"{SCORES}/{dataset}/{day}")))
