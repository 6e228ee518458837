"""`cityloom facts …`: what is asked of people's records, and asking it, through the HTTP door."""

from pathlib import Path
from typing import Annotated

import typer

from cityloom import client
from cityloom.terminal import HERE, Token, Url, opened, read_body, show

app = typer.Typer(help="Facts about people, verified by sharing instead of papers.", no_args_is_help=True)

Purpose = Annotated[str, typer.Option(envvar="CITYLOOM_PURPOSE", help="The purpose of the list.")]
LISTS = "/api/facts"


@app.command("list")
def list_lists(url: Url = HERE, token: Token = "") -> None:
    """The lists, with the facts of each and the papers that they replace."""
    with opened(url, token) as city:
        show(
            [
                {
                    "name": each["name"], "title": each["title"], "askers": each["askers"], "purpose": each["purpose"],
                    "facts": {fact["name"]: fact["paper"] for fact in each["facts"]},
                }
                for each in city.get(LISTS)
            ]
        )  # fmt: skip


@app.command("show")
def show_list(list: str, url: Url = HERE, token: Token = "") -> None:
    """What is asked, of whom, by which law, from which sources."""
    with opened(url, token) as city:
        show(city.get(f"{LISTS}/{list}"))


@app.command()
def ask(
    list: str,
    questions: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, help="A question, or several, as YAML or JSON.")
    ],
    purpose: Purpose = "",
    url: Url = HERE,
    token: Token = "",
) -> None:
    """Ask; each answer is a signed statement."""
    body = read_body(questions)
    batch = body if isinstance(body, dict) and "questions" in body else {"questions": _several(body)}
    with opened(url, token) as city:
        show(client.checked(city.http.post(f"{LISTS}/{list}/ask", json=batch, headers={"x-purpose": purpose})))


@app.command()
def asked(id: str, url: Url = HERE, token: Token = "") -> None:
    """What was asked under an id, and the answers, without any value."""
    with opened(url, token) as city:
        show(city.get(f"{LISTS}/asked/{id}"))


def _several(body: object) -> object:
    return body if isinstance(body, list) else [body]
