"""`cityloom registers …`: read records for a purpose, and decide as a steward, through the HTTP door."""

from pathlib import Path
from typing import Annotated

import typer

from cityloom import client
from cityloom.terminal import HERE, Token, Url, opened, read_body, show

app = typer.Typer(help="Records of people, firms, dwellings and places; doubtful pairs.", no_args_is_help=True)

Purpose = Annotated[str, typer.Option(envvar="CITYLOOM_PURPOSE", help="What the record is needed for.")]
Case = Annotated[str, typer.Option(help="Number of the case or matter.")]
Reason = Annotated[str, typer.Option(help="Why; kept for good.")]
ROOT = "/api/registers"


@app.command()
def states(register: Annotated[str, typer.Argument()] = "", url: Url = HERE, token: Token = "") -> None:
    """What the registers hold, and how far they follow their datasets."""
    with opened(url, token) as city:
        show(city.get(f"{ROOT}/{register}" if register else ROOT))


@app.command()
def read(
    register: str,
    id: Annotated[str, typer.Argument(help="Id of the record; or use --kind and --value.")] = "",
    case: Case = ...,  # type: ignore[assignment] # typer's sign for a must
    purpose: Purpose = "",
    kind: Annotated[str, typer.Option(help="Kind of identifier, such as citizen_id.")] = "",
    value: Annotated[str, typer.Option(help="The identifier.")] = "",
    known_on: Annotated[str, typer.Option(help="As known at this moment, such as 2026-03-01T00:00:00Z.")] = "",
    url: Url = HERE,
    token: Token = "",
) -> None:
    """One record, each field with its source."""
    lookup = {"case": case, "id": id, "kind": kind, "value": value} | ({"known_on": known_on} if known_on else {})
    with opened(url, token) as city:
        show(client.checked(city.http.post(f"{ROOT}/{register}/read", json=lookup, headers={"x-purpose": purpose})))


@app.command()
def readings(register: str, id: str, url: Url = HERE, token: Token = "") -> None:
    """Who read a record, and why."""
    with opened(url, token) as city:
        show(city.get(f"{ROOT}/{register}/{id}/readings"))


@app.command()
def versions(register: str, id: str, case: Case, purpose: Purpose = "", url: Url = HERE, token: Token = "") -> None:
    """What our own datasets ever said of an entity."""
    with opened(url, token) as city:
        found = city.http.get(f"{ROOT}/{register}/{id}/versions", params={"case": case}, headers={"x-purpose": purpose})
        show(client.checked(found))


@app.command()
def conflicts(
    register: str,
    id: str,
    tickets: Annotated[bool, typer.Option(help="Send each back to its keeper as a correction ticket.")] = False,
    url: Url = HERE,
    token: Token = "",
) -> None:
    """Where sources contradict the authority of a field."""
    with opened(url, token) as city:
        found = city.http.post(f"{ROOT}/{register}/{id}/conflicts", params={"tickets": str(tickets).lower()})
        show(client.checked(found))


@app.command()
def doubts(
    register: str,
    number: Annotated[int, typer.Argument(help="One, with its evidence.")] = 0,
    status: Annotated[str, typer.Option(help="open, merged, distinct, gone; empty for all")] = "open",
    after: int = 0,
    url: Url = HERE,
    token: Token = "",
) -> None:
    """Pairs that may be one."""
    with opened(url, token) as city:
        place = f"{ROOT}/{register}/doubts"
        show(city.get(f"{place}/{number}") if number else city.get(place, status=status, after=after))


@app.command()
def doubt(register: str, left: str, right: str, reason: Reason, url: Url = HERE, token: Token = "") -> None:
    """Put a pair before the stewards."""
    with opened(url, token) as city:
        pair = {"left": left, "right": right, "reason": reason}
        show(client.checked(city.http.post(f"{ROOT}/{register}/doubts", json=pair)))


@app.command()
def rule(
    register: str,
    number: int,
    answer: Annotated[str, typer.Argument(help="same or distinct")],
    reason: Reason,
    url: Url = HERE,
    token: Token = "",
) -> None:
    """Answer a doubt."""
    with opened(url, token) as city:
        act = {"answer": answer, "reason": reason}
        show(client.checked(city.http.post(f"{ROOT}/{register}/doubts/{number}/ruling", json=act)))


@app.command()
def merge(register: str, from_id: str, into: str, reason: Reason, url: Url = HERE, token: Token = "") -> None:
    """Two entities are one."""
    with opened(url, token) as city:
        wish = {"from_id": from_id, "into": into, "reason": reason}
        show(client.checked(city.http.post(f"{ROOT}/{register}/merges", json=wish)))


@app.command()
def split(
    register: str,
    wish: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, help="entity, records and reason as YAML or JSON.")
    ],
    url: Url = HERE,
    token: Token = "",
) -> None:
    """Some records are about somebody else."""
    body = read_body(wish)
    with opened(url, token) as city:
        show(client.checked(city.http.post(f"{ROOT}/{register}/splits", json=body)))


@app.command()
def link(register: str, url: Url = HERE, token: Token = "") -> None:
    """Link what is new now, instead of within the hour."""
    with opened(url, token) as city:
        client.checked(city.http.post(f"{ROOT}/{register}/linkage"))


@app.command()
def decisions(register: str, url: Url = HERE, token: Token = "") -> None:
    """Merges, splits, and what took them back."""
    with opened(url, token) as city:
        show(city.get(f"{ROOT}/{register}/decisions"))


@app.command()
def undo(register: str, number: int, reason: Reason, url: Url = HERE, token: Token = "") -> None:
    """Take a merge or split back."""
    with opened(url, token) as city:
        show(client.checked(city.http.post(f"{ROOT}/{register}/decisions/{number}/undo", json={"reason": reason})))
