"""What `cityloom status` tells: whether the door and the database answer, and every gauge."""

import httpx
import msgspec
from rich.console import Console
from rich.table import Table

from cityloom import app as city
from cityloom.kernel.jobs import platform_context
from cityloom.kernel.settings import Settings
from cityloom.operation import api as operation
from cityloom.operation.contracts import Health, Level, Measured

COLOURS: dict[Level, str] = {"ok": "green", "warning": "yellow", "alarm": "red"}


class Status(msgspec.Struct, frozen=True):
    """How the city is, as seen from its machine."""

    level: Level
    door: bool
    """The HTTP door says that it is ready."""
    database: bool
    current: bool
    """The gauges were read within the last two minutes."""
    gauges: tuple[Measured, ...] = ()


def look(settings: Settings) -> Status:
    """Ask door and database; starts and changes nothing."""
    door = _door(settings)
    if not city.is_there(settings) or not city.database_answers(settings):
        return Status("alarm", door, database=False, current=False)
    health = _health(settings)
    level = health.level if door else "alarm"
    return Status(level, door, database=True, current=health.current, gauges=health.gauges)


def _door(settings: Settings) -> bool:
    try:
        answer = httpx.get(f"http://{settings.host}:{settings.port}/readyz", timeout=10)
    except httpx.TransportError:
        return False
    return answer.status_code == 200


def _health(settings: Settings) -> Health:
    parts = city.open_parts(settings)
    try:
        return operation.health_here(platform_context(parts, "status"))
    finally:
        city.close_parts(parts)


def show_status(found: Status, settings: Settings, console: Console) -> None:
    """A table for the person at the terminal."""
    console.print(f"home {settings.home}, http://{settings.host}:{settings.port}", highlight=False)
    for name, fine in (("door", found.door), ("database", found.database), ("gauges current", found.current)):
        console.print(f"{name}: {'yes' if fine else '[red]no[/red]'}", highlight=False)
    if not found.gauges:
        return
    table = Table("gauge", "level", "value", "warning", "alarm", "of", "since", box=None)
    for each in found.gauges:
        level = f"[{COLOURS[each.level]}]{each.level}[/{COLOURS[each.level]}]"
        values = (f"{each.value:.1f} {each.unit}", f"{each.warning:g}", f"{each.alarm:g}")
        table.add_row(f"{each.name}  {each.title}", level, *values, each.subject, f"{each.since:%Y-%m-%d %H:%M}")
    console.print(table)
