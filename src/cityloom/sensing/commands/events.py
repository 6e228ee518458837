"""`cityloom sensing events …` and `cityloom sensing rules …`."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from cityloom import client
from cityloom.kernel.words import Text
from cityloom.terminal import HERE, AsJson, Token, Url, language, opened, read_body, show, talk

events = typer.Typer(help="Events that rules found.", no_args_is_help=True)
rules = typer.Typer(help="Rules that find events.", no_args_is_help=True)

EVENTS, RULES = "/api/sensing/events", "/api/sensing/rules"
Since = Annotated[str, typer.Option(help="From when on (ISO 8601 with its zone).")]
Reason = Annotated[str, typer.Option(help="Why, or what is done about it.")]
NONE = Text("none", "无")
FOUND = Text(
    "{found} events in {values} values of {datastreams} Datastreams",
    "{datastreams} 个数据流的 {values} 个值中有 {found} 个事件",
)


def _table(columns: list[str], rows: list[list[str]]) -> None:
    if not rows:
        talk.print(NONE.of(language()))
        return
    table = Table(*columns, box=None)
    for row in rows:
        table.add_row(*row)
    Console().print(table)


@events.command("list")
def list_events(
    status: Annotated[str, typer.Option(help="open or closed")] = "",
    rule: Annotated[str, typer.Option(help="Only of this rule.")] = "",
    severity: Annotated[str, typer.Option(help="From this one on: notice, blue, yellow, orange, red.")] = "notice",
    district: Annotated[str, typer.Option(help="Code of a district, with all that lies in it.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 100,
    as_json: AsJson = False,
    url: Url = HERE,
    token: Token = "",
) -> None:
    """Events that you see, the newest first."""
    with opened(url, token) as city:
        found = city.get(EVENTS, status=status, rule=rule, severity=severity, district=district, limit=limit)
    if as_json:
        show(found)
        return
    rows = [
        [str(e["id"]), e["severity"], e["state"], e["first"], e["last"], _number(e), e["thing_name"] or e["place"], e["title"][language()]]
        for e in found
    ]  # fmt: skip
    _table(["id", "severity", "state", "first", "last", "peak", "where", "what"], rows)


def _number(event: dict[str, Any]) -> str:
    return "" if event["peak"] is None else f"{event['peak']:g} {event.get('unit', '')}".strip()


@events.command("show")
def show_event(id: int, url: Url = HERE, token: Token = "") -> None:
    """One event with its evidence."""
    with opened(url, token) as city:
        show(city.get(f"{EVENTS}/{id}"))


@events.command()
def acknowledge(id: int, reason: Reason, url: Url = HERE, token: Token = "") -> None:
    """Say that somebody has seen it."""
    with opened(url, token) as city:
        show(client.checked(city.http.post(f"{EVENTS}/{id}/acknowledgement", json={"reason": reason})))


@events.command()
def close(id: int, reason: Reason, url: Url = HERE, token: Token = "") -> None:
    """Close it by hand."""
    with opened(url, token) as city:
        show(client.checked(city.http.post(f"{EVENTS}/{id}/closure", json={"reason": reason})))


@events.command()
def changes(
    since: Annotated[int, typer.Option(help="The last sequence that you have.")] = 0, url: Url = HERE, token: Token = ""
) -> None:  # fmt: skip
    """What was told after a number, in order."""
    with opened(url, token) as city:
        show(city.get(f"{EVENTS}/changes", since=since))


@rules.command("list")
def list_rules(as_json: AsJson = False, url: Url = HERE, token: Token = "") -> None:
    """The rules that are on."""
    with opened(url, token) as city:
        found = city.get(RULES)
    if as_json:
        show(found)
        return
    rows = [[r["name"], r["kind"], r["severity"], str(r["open"]), r["title"][language()], r["source"]] for r in found]
    _table(["rule", "kind", "severity", "open", "what", "source"], rows)


@rules.command("try")
def try_rule(
    rule: str,
    since: Since,
    until: Annotated[str, typer.Option(help="Until when; now if it is not said.")] = "",
    file: Annotated[Path | None, typer.Option(exists=True, dir_okay=False, help="Another wording of the rule.")] = None,
    as_json: AsJson = False,
    url: Url = HERE,
    token: Token = "",
) -> None:
    """Which events a rule would have made of what you observed. Nothing is kept."""
    body: dict[str, Any] = {"since": _moment(since)}
    if until:
        body["until"] = _moment(until)
    if file is not None:
        body["rule"] = read_body(file)
    with opened(url, token) as city:
        report = client.checked(city.http.post(f"{RULES}/{rule}/trial", json=body))
    if as_json:
        show(report)
        return
    rows = [
        [e["severity"], e["first"], e["last"], e["closed"] or "", _number(e), str(e["count"]), e["thing_name"] or e["district"]]
        for e in report["events"]
    ]  # fmt: skip
    _table(["severity", "first", "last", "closed", "peak", "values", "where"], rows)
    talk.print(FOUND.of(language()).format(**report))


def _moment(text: str) -> str:
    """A day is its beginning in UTC; a moment without a zone is UTC."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text} is no moment; write it as 2026-03-01T08:00:00+08:00") from None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).isoformat()
