"""`cityloom catalogue …`: what a department's data officer or script does, through the HTTP door."""

import typer

from cityloom.catalogue.commands import finding, reviews, writing

app = typer.Typer(
    help="Search the catalogue, describe resources, have them reviewed, hand files and reports in and out.",
    no_args_is_help=True,
)
for part in (finding, writing, reviews):
    app.add_typer(part.app)
