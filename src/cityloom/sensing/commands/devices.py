"""`cityloom sensing device …`: the life of devices, through the HTTP door."""

from pathlib import Path
from typing import Annotated, Any

import typer

from cityloom import client
from cityloom.terminal import HERE, Token, Url, opened, read_body, show

app = typer.Typer(help="Register, approve, suspend and retire devices; give them secrets.", no_args_is_help=True)

ROOT = "/api/sensing/devices"
Why = Annotated[str, typer.Option("--reason", help="Why; suspending, refusing and retiring need it.")]
Protocol = Annotated[str, typer.Argument(help="hj212, jt808, sl651, mqtt or http")]
Number = Annotated[str, typer.Argument(help="MN, telephone number, station address or client id.")]


@app.command()
def add(
    device: Annotated[Path, typer.Argument(help="The device as YAML or JSON; - is stdin.")],
    url: Url = HERE,
    token: Token = "",
) -> None:
    """Register a device; it waits for approval. Secrets that were made for it are printed once."""
    body = read_body(device)
    with opened(url, token) as city:
        show(client.checked(city.http.post(ROOT, json=body)))


@app.command("list")
def list_devices(
    status: Annotated[str, typer.Option(help="registered, approved, in_service, suspended, retired, refused")] = "",
    station: Annotated[str, typer.Option(help="Only of this type.")] = "",
    district: str = "",
    group: str = "",
    health: Annotated[str, typer.Option(help="online, silent, stuck, drifting, implausible, unheard")] = "",
    after: int = 0,
    url: Url = HERE,
    token: Token = "",
) -> None:
    """Devices of our organisation by id, with their signs of life."""
    with opened(url, token) as city:
        asked = {"status": status, "station": station, "district": district, "group": group, "health": health}
        show(city.get(ROOT, after=after, **asked))


@app.command("show")
def show_device(id: int, url: Url = HERE, token: Token = "") -> None:
    """One device with its log."""
    with opened(url, token) as city:
        show({"device": city.get(f"{ROOT}/{id}"), "log": city.get(f"{ROOT}/{id}/log")})


def _move(id: int, move: str, reason: str, url: str, token: str) -> None:
    with opened(url, token) as city:
        show(client.checked(city.http.post(f"{ROOT}/{id}/moves", json={"move": move, "reason": reason})))


@app.command()
def approve(id: int, reason: Why = "", url: Url = HERE, token: Token = "") -> None:
    """Let it speak; its Thing and its Datastreams are made."""
    _move(id, "approve", reason, url, token)


@app.command()
def refuse(id: int, reason: Why = "", url: Url = HERE, token: Token = "") -> None:
    """It will not be let in; a terminal of JT/T 808 hears so when it registers again."""
    _move(id, "refuse", reason, url, token)


@app.command()
def suspend(id: int, reason: Why = "", url: Url = HERE, token: Token = "") -> None:
    """It is not heard from now on."""
    _move(id, "suspend", reason, url, token)


@app.command()
def resume(id: int, reason: Why = "", url: Url = HERE, token: Token = "") -> None:
    """It is heard again."""
    _move(id, "resume", reason, url, token)


@app.command()
def retire(id: int, reason: Why = "", url: Url = HERE, token: Token = "") -> None:
    """Its life is over; what it observed stays."""
    _move(id, "retire", reason, url, token)


@app.command()
def rotate(
    id: int,
    protocol: Protocol,
    number: Number,
    secret: Annotated[str, typer.Option(help="The one that was set in the device; without it one is made.")] = "",
    url: Url = HERE,
    token: Token = "",
) -> None:
    """Another secret for a number; the one before is no good any more. One that is made is printed once."""
    body = {"protocol": protocol, "number": number, "secret": secret}
    with opened(url, token) as city:
        show(client.checked(city.http.post(f"{ROOT}/{id}/secrets", json=body)))


@app.command()
def revoke(id: int, protocol: Protocol, number: Number, url: Url = HERE, token: Token = "") -> None:
    """No secret of that number is good any more."""
    with opened(url, token) as city:
        answer = city.http.delete(f"{ROOT}/{id}/secrets/{protocol}/{number}")
        if answer.status_code != 204:
            client.checked(answer)


@app.command("import")
def bring(
    sheet: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="An .xlsx or a CSV with headings.")],
    keep: Annotated[bool, typer.Option("--keep", help="Register them; without it they are only tried.")] = False,
    url: Url = HERE,
    token: Token = "",
) -> None:
    """Devices of a sheet: every fault by row and column; with --keep all of them, or with a fault none. Exit code 1: faults."""
    headers = {"content-type": "application/octet-stream"}
    trial = "false" if keep else "true"
    with opened(url, token) as city:
        answer = city.http.post(f"{ROOT}/import?trial={trial}", content=sheet.read_bytes(), headers=headers)
        found: Any = client.checked(answer)
        show(found)
    if found["faults"]:
        raise typer.Exit(1)


@app.command()
def frames(id: int, limit: int = 50, url: Url = HERE, token: Token = "") -> None:
    """The newest frames of a device as they were sent."""
    with opened(url, token) as city:
        show(city.get(f"{ROOT}/{id}/frames", limit=limit))


@app.command()
def note(id: int, text: str, url: Url = HERE, token: Token = "") -> None:
    """Write a line into the maintenance log."""
    with opened(url, token) as city:
        show(client.checked(city.http.post(f"{ROOT}/{id}/log", json={"note": text})))
