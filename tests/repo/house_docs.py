"""Rules of the house about what is written beside the code: docs, change log, pins, publiccode.yml."""

import re
import tomllib
from pathlib import PurePosixPath
from typing import Annotated, Literal

import msgspec
from house_tree import Rule, Tree
from msgspec import Meta
from packaging.requirements import Requirement

from cityloom.devtools import reference

FENCE = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`[^`\n]*`")
LINK = re.compile(r"\[[^\]]*\]\(<?([^)>\s]+)>?(?:\s+\"[^\"]*\")?\)")
HEADING = re.compile(r"^#{1,6}\s+(.+?)\s*#*$", re.MULTILINE)
ELSEWHERE = re.compile(r"[a-z]+:")
PARTS = ("Context", "Decision", "Considered", "Cost of the other way")


def links_resolve(tree: Tree) -> list[str]:
    """Every relative link of every page leads to a file of the repository, and to a heading of it."""
    links = [(path, target) for path in tree.find(".md") for target in _links(tree.read(path))]
    return [f"{path}: {target} leads nowhere" for path, target in links if not _leads_somewhere(tree, path, target)]


def _links(text: str) -> list[str]:
    """Where the links of a page point to, addresses left out."""
    return [each for each in LINK.findall(INLINE.sub("", FENCE.sub("", text))) if not ELSEWHERE.match(each)]


def _leads_somewhere(tree: Tree, path: str, target: str) -> bool:
    name, _, anchor = target.partition("#")
    place = _resolve(PurePosixPath(path).parent, name) if name else path
    if place not in tree.paths:
        return any(other.startswith(f"{place.rstrip('/')}/") for other in tree.paths) and not anchor
    return not anchor or anchor in _anchors(tree.read(place))


def _resolve(folder: PurePosixPath, name: str) -> str:
    parts: list[str] = []
    for part in (folder / name).parts:
        if part == ".." and parts:
            parts.pop()
        elif part != ".":
            parts.append(part)
    return "/".join(parts)


def _anchors(text: str) -> set[str]:
    """Headings as the usual viewers name them: lower case, spaces to hyphens, punctuation dropped."""
    titles = (re.sub(r"[`*]", "", title).strip().lower() for title in HEADING.findall(FENCE.sub("", text)))
    return {re.sub(r"[^\w\- ]", "", title).replace(" ", "-") for title in titles}


def pages_are_reachable(tree: Tree) -> list[str]:
    """Every page of docs/ can be reached from docs/index.md by links."""
    reached, todo = set[str](), ["docs/index.md"]
    while todo:
        path = todo.pop()
        if path in reached or path not in tree.paths or not path.endswith(".md"):
            continue
        reached.add(path)
        targets = LINK.findall(FENCE.sub("", tree.read(path)))
        todo += [
            _resolve(PurePosixPath(path).parent, each.partition("#")[0])
            for each in targets
            if not ELSEWHERE.match(each)
        ]
    return [f"{path}: no page leads here" for path in tree.find(".md", under="docs/") if path not in reached]


def decisions(tree: Tree) -> list[str]:
    """Decision records are numbered without a gap and have the same parts."""
    found = []
    for number, path in enumerate(tree.find(".md", under="docs/decisions/"), 1):
        name, text = PurePosixPath(path).name, tree.read(path)
        if not name.startswith(f"{number:04d}-") or not text.startswith(f"# {number:04d}. "):
            found.append(f"{path}: record {number} must be named {number:04d}-….md and begin '# {number:04d}. '")
        found += [f"{path}: no part '{part}'" for part in PARTS if part not in HEADING.findall(text)]
        if "**Status:**" not in text or "**Tags:**" not in text:
            found.append(f"{path}: no status or no tags")
    return found


def reference_is_fresh(tree: Tree) -> list[str]:
    """Pages made from the code are what the code says now."""
    stale = [name for name, text in reference.pages().items() if name not in tree.paths or tree.read(name) != text]
    return [f"{name}: not what the code says; run ./loom check --fix" for name in stale]


def changes_are_told(tree: Tree) -> list[str]:
    """CHANGELOG.md has a part for what is coming or for the version of pyproject.toml, and it is not empty."""
    version = tomllib.loads(tree.read("pyproject.toml"))["project"]["version"]
    parts = re.split(r"^## ", tree.read("CHANGELOG.md"), flags=re.MULTILINE)[1:]
    titles = {part.splitlines()[0].split(" - ")[0].strip("[]"): part.splitlines()[1:] for part in parts}
    if not {"Unreleased", version} & set(titles):
        return [f"CHANGELOG.md: neither Unreleased nor {version}"]
    return [
        f"CHANGELOG.md: {title} is empty"
        for title, lines in titles.items()
        if not any(line.startswith("- ") for line in lines)
    ]


def pins_are_whole(tree: Tree) -> list[str]:
    """The locks have what pyproject.toml asks for, one version of each, with hashes and without an address."""
    project = tomllib.loads(tree.read("pyproject.toml"))
    needed = {
        "requirements.lock": project["project"]["dependencies"],
        "requirements-dev.lock": project["dependency-groups"]["dev"],
    }
    pins = {name: _pins(tree.read(name)) for name in needed}
    found = [
        f"{name}: nothing for {each}"
        for name, wanted in needed.items()
        for each in map(Requirement, wanted)
        if not _fits(each, pins[name].get(re.sub(r"[-_.]+", "-", each.name).lower(), []))
    ]
    for name, entries in pins.items():
        found += [
            f"{name}: {package} has no hash" for package, pin in entries.items() if not all(each.hashed for each in pin)
        ]
        found += [f"{name}: an address" for _ in re.findall(r"https?://", tree.read(name))]
    both = set(pins["requirements.lock"]) & set(pins["requirements-dev.lock"])
    differ = [each for each in sorted(both) if len({tuple(pins[name][each]) for name in needed}) > 1]
    return found + [f"requirements-dev.lock: {each} is not as in requirements.lock" for each in differ]


class Pin(msgspec.Struct, frozen=True):
    """One line of a lock. A package has several where the version depends on the Python."""

    version: str
    hashed: bool


def _pins(text: str) -> dict[str, list[Pin]]:
    found: dict[str, list[Pin]] = {}
    for entry in re.findall(r"^[a-z0-9].*(?:\n[ ]+--hash.*)*", text, re.MULTILINE):
        name, _, version = entry.split()[0].partition("==")
        found.setdefault(name, []).append(Pin(version, "--hash=sha256:" in entry))
    return found


def _fits(wanted: Requirement, pins: list[Pin]) -> bool:
    return bool(pins) and all(wanted.specifier.contains(pin.version) for pin in pins)


class Description(msgspec.Struct, kw_only=True):
    """What one language says of the software."""

    short: Annotated[str, Meta(min_length=1, max_length=150)] = msgspec.field(name="shortDescription")
    long: Annotated[str, Meta(min_length=150, max_length=10000)] = msgspec.field(name="longDescription")
    features: Annotated[list[str], Meta(min_length=1)]


class Legal(msgspec.Struct):
    license: str


class Contact(msgspec.Struct):
    name: str


class Maintenance(msgspec.Struct):
    type: Literal["internal", "community"]
    contacts: Annotated[list[Contact], Meta(min_length=1)]


class Localisation(msgspec.Struct, rename="camel"):
    localisation_ready: bool
    available_languages: Annotated[list[str], Meta(min_length=1)]


class PublicCode(msgspec.Struct, rename="camel", kw_only=True):
    """The mandatory keys of publiccode.yml 0.4 (docs/standard/schema.core.rst of that version)."""

    version: Literal["0.4"] = msgspec.field(name="publiccodeYmlVersion")
    name: str
    url: Annotated[str, Meta(pattern="^https://")]
    software_version: str
    release_date: Annotated[str, Meta(pattern=r"^\d{4}-\d{2}-\d{2}$")]
    platforms: Annotated[list[str], Meta(min_length=1)]
    categories: Annotated[list[str], Meta(min_length=1)]
    development_status: Literal["concept", "development", "beta", "stable", "obsolete"]
    software_type: Literal["standalone/web", "standalone/backend"]
    description: dict[str, Description]
    legal: Legal
    maintenance: Maintenance
    localisation: Localisation


def publiccode(tree: Tree) -> list[str]:
    """publiccode.yml is valid and says what pyproject.toml says."""
    project = tomllib.loads(tree.read("pyproject.toml"))["project"]
    try:
        said = msgspec.yaml.decode(tree.read("publiccode.yml"), type=PublicCode)
    except msgspec.ValidationError as error:
        return [f"publiccode.yml: {error}"]
    found = []
    if said.software_version != project["version"] or said.legal.license != project["license"]:
        found.append("publiccode.yml: version or licence is not that of pyproject.toml")
    if set(said.description) != set(said.localisation.available_languages):
        found.append("publiccode.yml: not described in every language it is available in")
    return found


RULES: tuple[Rule, ...] = (
    links_resolve, pages_are_reachable, decisions, reference_is_fresh, changes_are_told, pins_are_whole, publiccode,
)  # fmt: skip
