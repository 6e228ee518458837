"""`cityloom logs`: the lines of all processes of this machine, in order of time."""

import re
import sys
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import msgspec
import typer

from cityloom import backup
from cityloom.kernel import logfiles
from cityloom.kernel.clock import SystemClock
from cityloom.kernel.errors import Invalid
from cityloom.kernel.settings import load

SPAN = re.compile(r"(\d{1,5})([smhd])")
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
ACCESS = ("method", "path", "status", "milliseconds", "account", "organisation", "address", "request")


def logs(
    home: backup.Home = None,
    since: Annotated[
        str, typer.Option(help="How long back (90s, 15m, 2h, 7d), or a moment (2026-06-30T08:00).")
    ] = "1h",
    request: Annotated[str, typer.Option(help="Only what belongs to this request, as a problem names it.")] = "",
    access: Annotated[bool, typer.Option("--access", help="Only the lines about requests.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The lines as they were written.")] = False,
) -> None:
    """Show this machine's logs, of past days too. Exit code 1: there is nothing to show."""
    settings = load(home=home)
    found = False
    for line in logfiles.read(settings.logs, moment(since, SystemClock().now()), request):
        if access and line.get("event") != "access":
            continue
        found = True
        sys.stdout.write((msgspec.json.encode(line).decode() if as_json else _shown(line)) + "\n")
    raise typer.Exit(0 if found else 1)


def moment(text: str, now: datetime) -> datetime:
    """What `--since` means. Without a zone it is the machine's own. Raises Invalid `logs.since_wrong`."""
    if match := SPAN.fullmatch(text):
        return now - timedelta(seconds=int(match.group(1)) * UNITS[match.group(2)])
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        raise Invalid("logs.since_wrong", since=text) from None


def _shown(line: Mapping[str, Any]) -> str:
    """One line for people; whatever could steer a terminal stays escaped."""
    if line.get("event") == "access":
        rest = " ".join(str(line.get(name, "")) or "-" for name in ACCESS)
    else:
        known = {"timestamp", "event", "level"}
        rest = " ".join(f"{name}={value}" for name, value in line.items() if name not in known)
    text = f"{line.get('timestamp', '')} {line.get('level', '')} {line.get('event', '')} {rest}"
    return "".join(each if each.isprintable() else repr(each)[1:-1] for each in text)
