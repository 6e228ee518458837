"""`cityloom appraisal …`: sets, points with their evidence, results, filings and appeals; and points from a file of facts."""

import sys
from pathlib import Path
from typing import Annotated, Any
from uuid import uuid4

import msgspec
import typer
import yaml

from cityloom.appraisal import spec
from cityloom.appraisal.contracts import FactsFile, Ranked, Score
from cityloom.appraisal.rules import facts as checking
from cityloom.appraisal.rules import score as scoring
from cityloom.appraisal.spec import IndicatorSet
from cityloom.kernel import packs
from cityloom.kernel.settings import load
from cityloom.terminal import HERE, AsJson, Token, Url, opened, show

app = typer.Typer(help="Points of departments for how they share, with the rows behind each.", no_args_is_help=True)

ROOT = "/api/appraisal"
Start = Annotated[str, typer.Option("--from", help="First day, such as 2026-01-01.")]
End = Annotated[str, typer.Option("--to", help="Last day.")]
Chosen = Annotated[str, typer.Option("--set", help="Version of the indicators; empty: the newest valid one.")]
Reason = Annotated[str, typer.Option(help="Why.")]
Wish = Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="As YAML or JSON.")]
NUMBERS = msgspec.json.Encoder(decimal_format="number")


class Computed(msgspec.Struct, frozen=True):
    """What a file of facts comes to."""

    set: str
    digest: str
    ranking: tuple[Ranked, ...]
    departments: dict[str, Score]


@app.command()
def sets(name: Annotated[str, typer.Argument()] = "", url: Url = HERE, token: Token = "") -> None:
    """The versions of the indicators, or one of them."""
    with opened(url, token) as city:
        show(city.get(f"{ROOT}/sets/{name}" if name else f"{ROOT}/sets"))


@app.command()
def compute(
    organisation: Annotated[str, typer.Argument(help="Department, by the logs of the city.")] = "",
    facts: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="A file of facts instead; needs no city.")
    ] = None,
    chosen: Annotated[str, typer.Option("--set", help="Version of the indicators, or a file with one.")] = "",
    start: Start = "",
    end: End = "",
    as_json: AsJson = False,
    url: Url = HERE,
    token: Token = "",
) -> None:
    """Points of a department by the logs as they are now, or of the departments in a file of facts."""
    if facts is not None:
        computed = from_facts(packs.decode(facts, FactsFile), chosen)
        _print(computed, as_json)
        return
    if not (organisation and start and end):
        raise typer.BadParameter("give --facts FILE, or a department with --from and --to")
    with opened(url, token) as city:
        show(city.get(f"{ROOT}/scores/{organisation}", start=start, end=end, set=chosen))


def from_facts(given: FactsFile, chosen: str) -> Computed:
    """The points of every department in a file, by the formulas that the city uses itself.

    Raises Invalid `appraisal.facts_wrong`, NotFound `appraisal.set_unknown`, `appraisal.indicator_unknown`.
    """
    name, using = _set(chosen)
    for code, each in given.departments.items():
        checking.check(code, each)
        for given_points in each.reviewed:
            using.indicator(given_points.indicator)
    found = {
        code: scoring.score(code, using, each, spec.measures()) for code, each in sorted(given.departments.items())
    }
    ranking = scoring.rank({code: each.points for code, each in found.items()})
    return Computed(name, using.digest, ranking, found)


def _set(chosen: str) -> tuple[str, IndicatorSet]:
    """A set from a file, or of the packs that are on here."""
    path = Path(chosen)
    if path.suffix in (".yaml", ".yml") and path.is_file():
        return path.stem, spec.read(path)
    settings = load()
    active = packs.choose(packs.folders(settings), settings.city)
    name = chosen or list(spec.sets(active))[-1]
    return name, spec.named(active, name)


def _print(computed: Computed, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(msgspec.json.format(NUMBERS.encode(computed)).decode() + "\n")
        return
    for line in computed.ranking:
        score = computed.departments[line.organisation]
        sys.stdout.write(f"{line.place}\t{line.organisation}\t{score.points}\n")
        for each in score.indicators:
            sys.stdout.write(f"\t{each.title.zh}\t{each.points}\t{each.formula.zh}\n")


@app.command()
def evidence(
    organisation: str,
    indicator: str,
    start: Start = "",
    end: End = "",
    chosen: Chosen = "",
    publication: Annotated[str, typer.Option(help="Of a published result instead.")] = "",
    revision: int = 0,
    offset: int = 0,
    url: Url = HERE,
    token: Token = "",
) -> None:
    """The rows that an indicator rests on."""
    page = {"offset": offset, "limit": 1000}
    with opened(url, token) as city:
        if publication:
            address = f"{ROOT}/publications/{publication}/results/{organisation}/evidence/{indicator}"
            show(city.get(address, revision=revision, **page))
        else:
            address = f"{ROOT}/scores/{organisation}/evidence/{indicator}"
            show(city.get(address, start=start, end=end, set=chosen, **page))


@app.command()
def rank(
    start: Start = "",
    end: End = "",
    chosen: Chosen = "",
    publication: Annotated[str, typer.Option(help="The published ranking instead.")] = "",
    revision: int = 0,
    url: Url = HERE,
    token: Token = "",
) -> None:
    """All departments by their points."""
    with opened(url, token) as city:
        if publication:
            show(city.get(f"{ROOT}/publications/{publication}/ranking", revision=revision))
        else:
            show(city.get(f"{ROOT}/ranking", start=start, end=end, set=chosen))


@app.command()
def publish(
    chosen: Annotated[str, typer.Option("--set", help="Version of the indicators.")],
    start: Start,
    end: End,
    visible: Annotated[
        str, typer.Option("--show", help="points, places or own: what all see of the ranking.")
    ] = "points",
    reason: Reason = "",
    key: Annotated[str, typer.Option(help="The same key publishes nothing a second time.")] = "",
    url: Url = HERE,
    token: Token = "",
) -> None:
    """Freeze the result of a period that is over; a second time it is another revision, with its reason."""
    body = {"set": chosen, "start": start, "end": end, "show": visible, "reason": reason, "key": key or uuid4().hex}
    with opened(url, token) as city:
        show(city.post(f"{ROOT}/publications", body))


@app.command("show")
def show_result(
    publication: Annotated[str, typer.Argument()] = "",
    organisation: Annotated[str, typer.Argument()] = "",
    revision: int = 0,
    url: Url = HERE,
    token: Token = "",
) -> None:
    """What was published; a department's result in it."""
    with opened(url, token) as city:
        if organisation:
            show(city.get(f"{ROOT}/publications/{publication}/results/{organisation}", revision=revision))
        else:
            found = city.get(f"{ROOT}/publications")
            show([each for each in found if publication in ("", each["id"])])


@app.command()
def file(id: str, wish: Wish, url: Url = HERE, token: Token = "") -> None:
    """File material for an indicator; the same id with the same content may be sent again."""
    _put(f"{ROOT}/filings/{id}", wish, url, token)


@app.command()
def appeal(id: str, wish: Wish, url: Url = HERE, token: Token = "") -> None:
    """Appeal an indicator of your published result."""
    _put(f"{ROOT}/appeals/{id}", wish, url, token)


def _put(address: str, wish: Path, url: str, token: str) -> None:
    with opened(url, token) as city:
        show(city.put(address, _read(wish)))


def _read(path: Path) -> Any:
    return yaml.load(path.read_bytes(), packs.Loader)  # noqa: S506 - a safe loader


@app.command()
def decide(
    id: str,
    move: Annotated[str, typer.Argument(help="Filings: accept, reject, withdraw. Appeals: uphold, dismiss, withdraw.")],
    reason: Reason = "",
    points: Annotated[str, typer.Option(help="For uphold: the corrected points.")] = "",
    claims: Annotated[
        Path | None, typer.Option(exists=True, help="For accept: what is given instead, as YAML or JSON.")
    ] = None,
    of_appeal: Annotated[bool, typer.Option("--appeal", help="For withdraw: the id is an appeal's.")] = False,
    url: Url = HERE,
    token: Token = "",
) -> None:
    """Decide on a filing or an appeal."""
    kind = "appeals" if of_appeal or move in ("uphold", "dismiss") else "filings"
    address = f"{ROOT}/{kind}/{id}"
    more: dict[str, Any] = {"points": points} if points else {}
    more |= {"claims": _read(claims)} if claims else {}
    with opened(url, token) as city:
        version = city.get(address)["version"]
        act = {"move": move, "version": version, "key": uuid4().hex, "reason": reason, **more}
        show(city.post(f"{address}/moves", act))
