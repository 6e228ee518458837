"""Search the catalogue, look at resources and their history, hand files in and out, check forms, re-index."""

import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import Progress

from cityloom import client
from cityloom.catalogue.api import search as searching
from cityloom.catalogue.commands.lines import show_lines
from cityloom.kernel.context import Parts
from cityloom.kernel.jobs import platform_context
from cityloom.kernel.settings import Settings, load
from cityloom.terminal import HERE, AsJson, Token, Url, opened, show, talk

app = typer.Typer()

OpenParts = Callable[[Settings], AbstractContextManager[Parts]]
"""Given by the `cityloom` command as the context's object: the catalogue cannot know how a city is put together."""

MEDIA = {
    ".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    ".csv": "text/csv",
    ".ttl": "text/turtle",
    ".jsonld": "application/ld+json",
    ".json": "application/ld+json",
    ".rdf": "application/rdf+xml",
    ".nt": "application/n-triples",
}


@app.command()
def search(
    text: Annotated[str, typer.Argument(help="What to look for, in Chinese or English; all if absent.")] = "",
    keeper: str = "",
    sharing: str = "",
    subject: str = "",
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 20,
    as_json: AsJson = False,
    url: Url = HERE,
    token: Token = "",
) -> None:
    """Resources that fit, best first: id, grade, sharing, keeper, name. Exit code 1 when there is none."""
    with opened(url, token) as doors:
        page = doors.get(
            "/api/catalogue/resources", q=text, keeper=keeper, sharing=sharing, subject=subject, limit=limit
        )
    if as_json:
        show(page)
    else:
        for each in page["resources"]:
            cells = (each["id"], str(each["grade"]), each["sharing"], each["keeper"], each["title"])
            sys.stdout.write("\t".join(cells) + "\n")
        talk.print(f"{page['total']}{'' if page['exact'] else ' or more'}", highlight=False)
    raise typer.Exit(0 if page["resources"] else 1)


@app.command("show")
def show_resource(resource: str, url: Url = HERE, token: Token = "") -> None:
    """One resource in full."""
    with opened(url, token) as doors:
        show(doors.get(f"/api/catalogue/resources/{resource}"))


@app.command()
def history(resource: str, as_json: AsJson = False, url: Url = HERE, token: Token = "") -> None:
    """Revisions of a resource, newest first: number, time, cause, grade, whether it broke others, who."""
    with opened(url, token) as doors:
        rows = doors.get(f"/api/catalogue/resources/{resource}/revisions")
    show_lines(rows, ("revision", "at", "cause", "grade", "breaking", "actor"), as_json)


@app.command()
def diff(resource: str, first: int, second: int, url: Url = HERE, token: Token = "") -> None:
    """What differs between two revisions. Exit code 3 when it breaks what others use."""
    with opened(url, token) as doors:
        found = doors.get(f"/api/catalogue/resources/{resource}/diff", first=first, second=second)
        show(found)
    raise typer.Exit(3 if found["breaking"] else 0)


@app.command()
def lineage(
    resource: str,
    depth: Annotated[int, typer.Option(min=1, max=20)] = 3,
    way: Annotated[str, typer.Option(help="up: what it is made from; down: what is made from it; both.")] = "both",
    as_json: AsJson = False,
    url: Url = HERE,
    token: Token = "",
) -> None:
    """What a resource is made from, and what is made from it: distance, source, kind, target."""
    with opened(url, token) as doors:
        found = doors.get(f"/api/catalogue/resources/{resource}/lineage", depth=depth, way=way)
    if as_json:
        show(found)
    else:
        show_lines(found["lines"], ("distance", "source", "kind", "target"), as_json=False)
        if found["cut"]:
            talk.print("there is more; ask with a smaller --depth, or one --way", highlight=False)


@app.command()
def facets(
    text: Annotated[str, typer.Argument(help="What to look for; all if absent.")] = "",
    as_json: AsJson = False,
    url: Url = HERE,
    token: Token = "",
) -> None:
    """How many resources fit by keeper, sharing, openness, grade, subject and category: facet, value, count, title."""
    with opened(url, token) as doors:
        found = doors.get("/api/catalogue/facets", q=text)
    rows = [{"facet": each["name"], **value} for each in found["facets"] for value in each["values"]]
    if as_json:
        show(found)
    else:
        show_lines(rows, ("facet", "value", "count", "title"), as_json=False)


@app.command()
def notices(as_json: AsJson = False, url: Url = HERE, token: Token = "") -> None:
    """What is to come for what your organisation follows: day, resource, what breaks, why."""
    with opened(url, token) as doors:
        rows = doors.get("/api/catalogue/notices")
    for row in rows:
        row["breaks"] = [each["path"] for each in row["changes"] if each["breaking"]] or ["retired"]
    show_lines(rows, ("effective_on", "resource", "breaks", "reason"), as_json)


@app.command()
def messages(
    after: Annotated[int, typer.Option(min=0, help="The number of the last one you know.")] = 0,
    as_json: AsJson = False,
    url: Url = HERE,
    token: Token = "",
) -> None:
    """Deadlines, reviews, rulings, and what could not be done for what you keep: number, time, kind, subject, text."""
    with opened(url, token) as doors:
        rows = doors.get("/api/catalogue/messages", after=after, limit=1000)
    show_lines(rows, ("id", "at", "kind", "subject", "told"), as_json)


@app.command()
def follow(
    resource: str,
    no_more: Annotated[bool, typer.Option("--no-more", help="Hear no more of it.")] = False,
    url: Url = HERE,
    token: Token = "",
) -> None:
    """Hear of what is to come for a resource."""
    with opened(url, token) as doors:
        address = f"/api/catalogue/resources/{resource}/following"
        answered = doors.http.delete(address) if no_more else doors.http.put(address)
        if answered.status_code != 204:
            client.checked(answered)
    talk.print(f"{resource}: {'not followed' if no_more else 'followed'}", highlight=False)


@app.command("export")
def fetch(into: Path, keeper: str = "", after: str = "", url: Url = HERE, token: Token = "") -> None:
    """Fetch the catalogue as .xlsx (the departments' workbook), .ttl or .jsonld (DCAT-AP 3), by the file's name."""
    names = {".xlsx": "guide.xlsx", ".ttl": "dcat.ttl", ".jsonld": "dcat.jsonld"}
    if into.suffix not in names:
        raise typer.BadParameter(f"{into.name}: the name must end in {', '.join(names)}")
    with opened(url, token) as doors:
        doors.download(f"/api/catalogue/{names[into.suffix]}", into, keeper=keeper, after=after)


@app.command("import")
def hand_in(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False)],
    trial: Annotated[bool, typer.Option("--trial", help="Check only; nothing is kept.")] = False,
    effective_on: Annotated[str, typer.Option(help="Day on which breaking changes come into force.")] = "",
    keeper: Annotated[str, typer.Option(help="DCAT: who keeps what names no organisation of this city.")] = "",
    as_json: AsJson = False,
    url: Url = HERE,
    token: Token = "",
) -> None:
    """Hand in a workbook, a CSV or a DCAT file. Exit code 0: all taken; 3: some were refused; 1: the file was."""
    if file.suffix not in MEDIA:
        raise typer.BadParameter(f"{file.name}: the name must end in {', '.join(MEDIA)}")
    kind = "guide-imports" if file.suffix in (".xlsx", ".csv") else "dcat-imports"
    params: dict[str, str] = {"trial": str(trial).lower()}
    params |= {name: given for name, given in (("effective_on", effective_on), ("keeper", keeper)) if given}
    with opened(url, token) as doors:
        headers = {"content-type": MEDIA[file.suffix]}
        answer = doors.http.post(f"/api/catalogue/{kind}", params=params, headers=headers, content=file.read_bytes())
        report = client.checked(answer)
    show(report) if as_json else _tell(report)
    raise typer.Exit(3 if report["refused"] or report["faults"] else 0)


def _tell(report: dict[str, Any]) -> None:
    counts = ", ".join(
        f"{name} {report[name]}" for name in ("added", "changed", "unchanged", "announced", "drafted", "refused")
    )
    talk.print(f"read {report['read']}: {counts}", highlight=False)
    if report.get("columns_unknown"):
        talk.print(f"columns that were not read: {', '.join(report['columns_unknown'])}", highlight=False)
    for fault in report["faults"][:50]:
        place = f"row {fault['row']}" if fault["row"] else fault["subject"]
        told = " ".join(part for part in (place, fault["column"]) if part)
        talk.print(f"  {told}: {fault['problem']} [dim]{fault['remedy']}[/dim]", highlight=False)


@app.command("check-form")
def check_form(
    file: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, help="The form as JSON: title, subject, fields.")
    ],
    url: Url = HERE,
    token: Token = "",
) -> None:
    """Which fields of a form sharing gives already. Exit code 3 when it may not be published."""
    with opened(url, token) as doors:
        headers = {"content-type": "application/json"}
        answer = doors.http.post("/api/catalogue/form-checks", headers=headers, content=file.read_bytes())
        found = client.checked(answer)
        show(found)
    raise typer.Exit(0 if found["publishable"] else 3)


@app.command()
def reindex(
    context: typer.Context,
    home: Annotated[Path | None, typer.Option(help="Folder of this city.")] = None,
    as_json: AsJson = False,
) -> None:
    """Gather everything that search reads anew, at the machine itself. Search answers meanwhile as before."""
    open_parts: OpenParts = context.obj
    with open_parts(load(home=home)) as parts, Progress(console=talk, transient=True) as bar:
        task = bar.add_task("re-index", total=None)
        done = searching.reindex(platform_context(parts, "reindex"), lambda count: bar.advance(task, count))
    if as_json:
        show(done)
    else:
        talk.print(f"{done.resources} resources, {done.terms} terms", highlight=False)
