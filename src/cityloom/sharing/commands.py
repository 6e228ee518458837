"""`cityloom sharing …`: ask for data, decide, and use what was granted, through the HTTP door."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any
from uuid import uuid4

import typer

from cityloom import client
from cityloom.terminal import HERE, Token, Url, opened, read_body, show, talk

app = typer.Typer(help="Ask for other departments' data, decide on requests, use grants.", no_args_is_help=True)

Purpose = Annotated[str, typer.Option(envvar="CITYLOOM_PURPOSE", help="The purpose that the grant names.")]
Case = Annotated[str, typer.Option(help="Number of the case or matter that this is for.")]
Reason = Annotated[str, typer.Option(help="Why; some moves need it.")]
REQUESTS, GRANTS = "/api/sharing/requests", "/api/sharing/grants"


@contextmanager
def using(url: str, token: str, purpose: str) -> Iterator[client.Exchange]:
    """The city's doors for a use, which names its purpose."""
    with opened(url, token) as city:
        city.http.headers["x-purpose"] = purpose
        yield city


@app.command()
def ask(
    id: str,
    wish: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="The request as YAML or JSON.")],
    url: Url = HERE,
    token: Token = "",
) -> None:
    """Ask for data; the same id with the same content may be sent again."""
    body = read_body(wish)
    with opened(url, token) as city:
        show(city.put(f"{REQUESTS}/{id}", body))


@app.command()
def requests(
    id: Annotated[str, typer.Argument()] = "", status: str = "", url: Url = HERE, token: Token = ""
) -> None:  # fmt: skip
    """One request with its moves, or those to and from us."""
    with opened(url, token) as city:
        show(city.get(f"{REQUESTS}/{id}") if id else city.get(REQUESTS, status=status))


@app.command()
def decide(
    id: str,
    move: Annotated[str, typer.Argument(help="approve, offer, refuse; accept, decline, withdraw")],
    reason: Reason = "",
    law: Annotated[str, typer.Option(help="For a refusal: the law and article that forbid sharing.")] = "",
    terms: Annotated[Path | None, typer.Option(exists=True, help="For an offer: the terms as YAML or JSON.")] = None,
    url: Url = HERE,
    token: Token = "",
) -> None:
    """Decide on a request, or answer an offer."""
    more = {"terms": read_body(terms)} if terms else {}
    with opened(url, token) as city:
        show(_move(city, f"{REQUESTS}/{id}", {"move": move, "reason": reason, "law": law, **more}))


@app.command()
def grants(
    id: Annotated[str, typer.Argument()] = "", status: str = "", url: Url = HERE, token: Token = ""
) -> None:  # fmt: skip
    """One grant with its moves, or those to and from us."""
    with opened(url, token) as city:
        show(city.get(f"{GRANTS}/{id}") if id else city.get(GRANTS, status=status))


@app.command()
def end(
    id: str,
    move: Annotated[str, typer.Argument(help="certify, revoke; give_back")],
    reason: Reason = "",
    url: Url = HERE,
    token: Token = "",
) -> None:
    """Certify a grant again, revoke it, or give it back."""
    with opened(url, token) as city:
        show(_move(city, f"{GRANTS}/{id}", {"move": move, "reason": reason}))


def _move(city: client.Exchange, address: str, act: dict[str, Any]) -> Any:
    version = city.get(address)["version"]
    sent = {**act, "version": version, "key": uuid4().hex}
    return client.checked(city.http.post(f"{address}/moves", json=sent))


@app.command()
def uses(grant: str, after: str = "", url: Url = HERE, token: Token = "") -> None:
    """Every use of a grant."""
    with opened(url, token) as city:
        show(city.get(f"{GRANTS}/{grant}/uses", after=after, limit=1000))


@app.command()
def query(
    grant: str,
    key: Annotated[list[str], typer.Argument(help="Values of the key fields, in order.")],
    case: Case,
    purpose: Purpose,
    url: Url = HERE,
    token: Token = "",
) -> None:
    """One record through a grant, as the signed statement."""
    with using(url, token, purpose) as city:
        show(client.checked(city.http.post(f"{GRANTS}/{grant}/query", json={"key": key, "case": case})))


@app.command()
def verify(
    grant: str,
    key: Annotated[list[str], typer.Argument(help="Values of the key fields, in order.")],
    claim: Annotated[list[str], typer.Option(help="field=value; may be given several times.")],
    case: Case,
    purpose: Purpose,
    url: Url = HERE,
    token: Token = "",
) -> None:
    """Verify claims about one record: yes or no for each."""
    if unclear := [each for each in claim if "=" not in each]:
        raise typer.BadParameter(f"{unclear[0]} names no value; write a claim as FIELD=VALUE")
    claims = dict(each.split("=", 1) for each in claim)
    with using(url, token, purpose) as city:
        body = {"key": key, "case": case, "claims": claims}
        show(client.checked(city.http.post(f"{GRANTS}/{grant}/verify", json=body)))


@app.command()
def batch(
    grant: str,
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="CSV with the key fields in its header.")],
    into: Annotated[Path, typer.Argument(help="Where the answers go, as NDJSON.")],
    case: Case,
    purpose: Purpose,
    url: Url = HERE,
    token: Token = "",
) -> None:
    """Many records by a file of keys."""
    with using(url, token, purpose) as city:
        address, params = f"{GRANTS}/{grant}/batches", {"case": case}
        with city.http.stream("POST", address, params=params, content=file.read_bytes()) as answer:
            if answer.status_code >= 400:
                answer.read()
                client.checked(answer)
            with into.open("wb") as out:
                for chunk in answer.iter_bytes():
                    out.write(chunk)
    talk.print(f"answers written to {into}", highlight=False)


@app.command()
def changes(
    grant: str,
    into: Annotated[Path, typer.Argument(help="Where the change rows go, as NDJSON.")],
    case: Case,
    purpose: Purpose,
    since: int = 0,
    url: Url = HERE,
    token: Token = "",
) -> None:
    """Change rows through a grant, after a sequence."""
    with using(url, token, purpose) as city:
        city.download(f"{GRANTS}/{grant}/changes", into, case=case, since=since)
    talk.print(f"change rows written to {into}", highlight=False)
