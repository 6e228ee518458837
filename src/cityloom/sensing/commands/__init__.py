"""`cityloom sensing …`: devices, what they said, what the city senses; the gateways, and devices that are not there."""

import os
import sys
from typing import Annotated

import typer

from cityloom.sensing.commands import broker, devices, events, simulating
from cityloom.terminal import HERE, Token, Url, opened, show

app = typer.Typer(help="Devices and their gateways, what the city senses, and the events in it.", no_args_is_help=True)
app.add_typer(devices.app, name="device")
app.add_typer(events.events, name="events")
app.add_typer(events.rules, name="rules")
app.command()(simulating.simulate)
app.command()(broker.broker)
app.command()(broker.push_key)


@app.command()
def serve() -> None:
    """Open the ports that the city's packs declare (sensing/doors.yaml), until stopped. `cityloom serve` does so itself.

    The setting CITYLOOM_GATEWAY_HOST names the address; on a machine of its own, with the city's database and secrets.
    """
    os.environ.setdefault("CITYLOOM_GATEWAY_HOST", "127.0.0.1")
    os.execv(sys.executable, [sys.executable, "-m", "cityloom.process", "sensing.gateways"])  # noqa: S606 - this program


@app.command()
def quarantine(
    device: Annotated[int, typer.Option(help="Only of this device.")] = 0,
    reason: Annotated[str, typer.Option(help="Only for this reason, such as crc_wrong or device_unknown.")] = "",
    before: Annotated[int, typer.Option(help="Older than this number, as the last page said.")] = 0,
    limit: int = 100,
    url: Url = HERE,
    token: Token = "",
) -> None:
    """What could not be read or came from strangers, with its bytes; the newest first."""
    with opened(url, token) as city:
        show(city.get("/api/sensing/quarantine", device=device, reason=reason, before=before, limit=limit))


@app.command()
def coverage(
    district: Annotated[str, typer.Option(help="Only of this district.")] = "", url: Url = HERE, token: Token = ""
) -> None:
    """The sensing catalogue: of each item how many devices, how they are, and where."""
    with opened(url, token) as city:
        show(city.get("/api/sensing/coverage", district=district))
