"""Drafts and their review, disputes about who answers for an item."""

from typing import Annotated, Any
from uuid import uuid4

import typer

from cityloom import client
from cityloom.catalogue.commands.lines import show_lines
from cityloom.catalogue.commands.writing import EffectiveOn, FromFile, body, given
from cityloom.terminal import HERE, AsJson, Token, Url, opened, show

app = typer.Typer()

DRAFTS, DISPUTES = "/api/catalogue/drafts", "/api/catalogue/disputes"
Reason = Annotated[str, typer.Option(help="Why; some moves need it.")]


@app.command()
def draft(id: str, said: FromFile, url: Url = HERE, token: Token = "") -> None:
    """Write a draft, or write it anew: resource, record (none: retire it), effective_on, reason."""
    with opened(url, token) as city:
        show(client.checked(city.http.put(f"{DRAFTS}/{id}", **body(said))))


@app.command()
def drafts(
    id: Annotated[str, typer.Argument()] = "", status: str = "", as_json: AsJson = False, url: Url = HERE,
    token: Token = "",
) -> None:  # fmt: skip
    """One draft with its differences and moves; or ours and those to review: id, state, keeper, resource, due."""
    with opened(url, token) as city:
        if id:
            show(city.get(f"{DRAFTS}/{id}"))
            return
        rows = city.get(DRAFTS, status=status, limit=1000)
    show_lines(rows, ("id", "state", "organisation", "resource", "due_at"), as_json)


@app.command()
def review(
    id: str,
    move: Annotated[str, typer.Argument(help="submit, withdraw; approve, return")],
    reason: Reason = "",
    effective_on: EffectiveOn = "",
    url: Url = HERE,
    token: Token = "",
) -> None:
    """Submit or withdraw a draft of yours; approve or return one that was submitted to you."""
    with opened(url, token) as city:
        show(_move(city, f"{DRAFTS}/{id}", {"move": move, "reason": reason, **given(effective_on=effective_on)}))


@app.command()
def dispute(id: str, claim: FromFile, url: Url = HERE, token: Token = "") -> None:
    """Claim an item that another answers for (数源争议): resource, item, qualifier, law, reason."""
    with opened(url, token) as city:
        show(client.checked(city.http.put(f"{DISPUTES}/{id}", **body(claim))))


@app.command()
def disputes(
    id: Annotated[str, typer.Argument()] = "", status: str = "", as_json: AsJson = False, url: Url = HERE,
    token: Token = "",
) -> None:  # fmt: skip
    """One dispute with its moves; or those you are a party to: id, state, claimant, holder, subject, item, due."""
    with opened(url, token) as city:
        if id:
            show(city.get(f"{DISPUTES}/{id}"))
            return
        rows = city.get(DISPUTES, status=status, limit=1000)
    show_lines(rows, ("id", "state", "organisation", "holder", "subject", "item", "due_at"), as_json)


@app.command()
def settle(
    id: str,
    move: Annotated[str, typer.Argument(help="answer, concede; withdraw; move_source, confirm")],
    reason: Reason = "",
    law: Annotated[str, typer.Option(help="The law that an answer or a ruling rests on.")] = "",
    url: Url = HERE,
    token: Token = "",
) -> None:
    """Answer, withdraw or rule on a dispute."""
    with opened(url, token) as city:
        show(_move(city, f"{DISPUTES}/{id}", {"move": move, "reason": reason, "law": law}))


def _move(city: client.Exchange, address: str, act: dict[str, Any]) -> Any:
    version = city.get(address)["version"]
    return client.checked(city.http.post(f"{address}/moves", json={**act, "version": version, "key": uuid4().hex}))
