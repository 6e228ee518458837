"""`cityloom sensing …`: what rules found in what was observed, and the rules, through the HTTP door."""

import typer

from cityloom.sensing.commands import events

app = typer.Typer(help="Devices, what they observe, and the events in it.", no_args_is_help=True)
app.add_typer(events.events, name="events")
app.add_typer(events.rules, name="rules")
