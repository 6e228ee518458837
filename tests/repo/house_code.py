"""Rules of the house about code: what a file may hold, where SQL may stand, what a module's folder looks like."""

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import PurePosixPath

from house_tree import Rule, Tree

PACKAGE = "src/cityloom/"
NOT_MODULES = {"bench", "demo", "devtools", "kernel", "samplecity"}
FLOORS = (
    "kernel", "identity", "operation", "catalogue", "exchange", "sharing", "quality", "addresses", "registers", "facts",
    "indicators",
    "appraisal",
)  # fmt: skip
SIBLINGS = {
    "sensing": "exchange",
    "topics": "indicators",
    "cases": "indicators",
    "services": "indicators",
    "opendata": "indicators",
}
ROOMS = {
    "__init__.py", "module.py", "routes.py", "commands.py", "jobs.py", "api.py", "rules.py", "store.py", "spec.py",
    "linkage.py", "events.py", "contracts.py", "intake.py", "connectors.py", "gateways.py", "words.yaml", "policies.cedar", "README.md",
}  # fmt: skip
ROOM_FOLDERS = {room.removesuffix(".py").removesuffix(".yaml") for room in ROOMS - {"__init__.py"}} | {"migrations"}

LONGEST = 500
CODE = (".py", ".sql", ".md", ".ts", ".vue", ".css", ".sh", ".cedar")
MAY_BE_LONG: dict[str, str] = {}
"""Path → reason."""

SPEAKS_SQL = {
    r"src/cityloom/kernel/": "database, lake, audit, queue and outbox are its business",
    r"src/cityloom/bench/": "the baseline is hand-written SQL",
    r"src/cityloom/exchange/rules/": "a dataset is compiled to one statement by pure functions; the store runs it",
    r"src/cityloom/registers/linkage/": "it works in a DuckDB of its own",
    r"src/cityloom/[a-z]+/(store|intake|connectors)(/|\.py$)": "the rooms for it",
}
SQL = re.compile(
    r"""\s*(
        SELECT\s | INSERT\ INTO\s | UPDATE\s+\S+\s+SET\s | DELETE\ FROM\s | MERGE\ INTO\s | WITH\s+\S+\s+AS\s
        | TRUNCATE\s | COPY\s | ATTACH\s | CALL\s
        | (CREATE|ALTER|DROP)\s+(OR\ REPLACE\s+)?(TEMP\w*\s+)?
          (TABLE|VIEW|SCHEMA|INDEX|ROLE|SECRET|FUNCTION|DATABASE|POLICY)\s
    )""",
    re.VERBOSE,
)

MACHINE = re.compile(r"(?<![\w.])/(work|farm|root|home/[a-z]+|Users/[A-Za-z]+|mnt/[a-z]+)/|\b[A-Z]:\\Users\\")
# the hosts are written with a gap, or this file would break its own rule
REGISTRIES = re.compile(
    r"\b("
    r"py" r"pi\.org|py" r"thonhosted\.org|npm" r"js\.(org|com)|npm" r"mirror\.com|yarn" r"pkg\.com"
    r"|proxy\.gol" r"ang\.org|crates" r"\.io|tuna\.tsing" r"hua\.edu\.cn|mirrors\.ali" r"yun\.com"
    r")\b"
)  # fmt: skip
UNFINISHED = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X)\b")

SCHEMAS = {"kernel": {"kernel", "lake", "jobs"}}
"""Schemas that a module makes things in, where it is not its own alone."""
REFERENCE = re.compile(r"\bREFERENCES\s+\"?(\w+)\"?\.", re.IGNORECASE)
MAKES = re.compile(
    r"^\s*(?:CREATE|ALTER|DROP)\s+(?:UNLOGGED\s+|OR REPLACE\s+)*(?:TABLE|VIEW|FUNCTION|SEQUENCE)\s+"
    r"(?:IF (?:NOT )?EXISTS\s+)?\"?(\w+)\"?\.",
    re.IGNORECASE | re.MULTILINE,
)


def modules(tree: Tree) -> list[str]:
    """Names of the packages under src/cityloom that are capability modules."""
    names = {path.removeprefix(PACKAGE).split("/")[0] for path in tree.find(under=PACKAGE) if path.count("/") > 2}
    return sorted(names - NOT_MODULES)


def short_files(tree: Tree) -> list[str]:
    """No file of code or prose has more than 500 lines."""
    counted = {path: tree.read(path).count("\n") for path in tree.find(*CODE) if path not in MAY_BE_LONG}
    return [f"{path}: {lines} lines, more than {LONGEST}" for path, lines in counted.items() if lines > LONGEST]


def written_imports(tree: Tree) -> list[str]:
    """Imports are absolute and written out, so that the floors can be proved."""
    found = []
    for path, code in tree.python("src/"):
        for node in ast.walk(code):
            if isinstance(node, ast.ImportFrom) and node.level:
                found.append(f"{path}:{node.lineno}: relative import")
            if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in {"import_module", "__import__"}:
                found.append(f"{path}:{node.lineno}: import by name")
    return found


def no_machine_paths(tree: Tree) -> list[str]:
    """Nothing depends on where one machine keeps its files."""
    return [f"{path}:{line}: path of one machine: {found}" for path, line, found in _grep(tree, MACHINE)]


def no_registries(tree: Tree) -> list[str]:
    """No address of a package registry: pins and hashes come without one."""
    return [f"{path}:{line}: package registry: {found}" for path, line, found in _grep(tree, REGISTRIES)]


def nothing_unfinished(tree: Tree) -> list[str]:
    """What is merged is finished; what is missing is said in the docs."""
    return [
        f"{path}:{line}: {found}"
        for path, line, found in _grep(tree, UNFINISHED)
        if path.endswith((".py", ".sql", ".md"))
    ]


def _grep(tree: Tree, pattern: re.Pattern[str]) -> Iterator[tuple[str, int, str]]:
    for path in tree.texts():
        text = tree.read(path)
        for match in pattern.finditer(text):
            yield path, text.count("\n", 0, match.start()) + 1, match.group().strip()


def sql_in_its_rooms(tree: Tree) -> list[str]:
    """SQL stands in store files, migrations and the few places named in SPEAKS_SQL."""
    found = []
    for path, code in tree.python(PACKAGE):
        if not any(re.match(place, path) for place in SPEAKS_SQL):
            lines = sorted({node.lineno for node in ast.walk(code) if isinstance(node, ast.expr) and _is_sql(node)})
            found += [f"{path}:{line}: SQL outside a store" for line in lines]
    return found


def _is_sql(node: ast.expr) -> bool:
    if isinstance(node, ast.JoinedStr):
        node = node.values[0] if node.values else node
    return isinstance(node, ast.Constant) and isinstance(node.value, str) and bool(SQL.match(node.value))


def rooms(tree: Tree) -> list[str]:
    """A module's folder has the rooms of the house and no other; one that is switched on tells what it is for."""
    found = []
    for module in modules(tree):
        inside = {
            path.removeprefix(f"{PACKAGE}{module}/").split("/")[0] for path in tree.find(under=f"{PACKAGE}{module}/")
        }
        found += [
            f"{PACKAGE}{module}/{name}: not a room of the house" for name in sorted(inside - ROOMS - ROOM_FOLDERS)
        ]
        if "module.py" in inside and "README.md" not in inside:
            found.append(f"{PACKAGE}{module}: no README.md")
    return found


def contracts_know_every_module(tree: Tree) -> list[str]:
    """The contract on rooms lists its modules; a new one must be added there, or nothing holds it."""
    contracts = tomllib.loads(tree.read("pyproject.toml"))["tool"]["importlinter"]["contracts"]
    listed = {name for contract in contracts if contract["id"] == "rooms" for name in contract["containers"]}
    known = {module for module in modules(tree) if f"{PACKAGE}{module}/__init__.py" in tree.paths}
    missing = sorted(module for module in known if f"cityloom.{module}" not in listed)
    return [
        f"pyproject.toml: cityloom.{module} is not in the containers of the contract on rooms" for module in missing
    ]


def migrations(tree: Tree) -> list[str]:
    """Migrations are numbered without a gap, stay in their module's schema, and point down only."""
    found: list[str] = []
    folders = {str(PurePosixPath(path).parent) for path in tree.find(".sql", under=PACKAGE) if "/migrations/" in path}
    for folder in sorted(folders):
        module = PurePosixPath(folder).parent.name
        for number, path in enumerate(tree.find(".sql", under=f"{folder}/"), 1):
            if not re.fullmatch(rf"{number:04d}_[a-z0-9_]+\.sql", PurePosixPath(path).name):
                found.append(f"{path}: migration {number} of its module must be named {number:04d}_what_it_does.sql")
            found += _strays(path, module, re.sub(r"--[^\n]*", "", tree.read(path)))
    return found


def _strays(path: str, module: str, text: str) -> list[str]:
    own = SCHEMAS.get(module, {module})
    made = [f"{path}: makes something in schema {name}" for name in sorted(set(MAKES.findall(text)) - own)]
    upward = sorted(name for name in set(REFERENCE.findall(text)) - {module} if _floor(name) >= _floor(module))
    return made + [f"{path}: a foreign key to schema {name}, which is not below {module}" for name in upward]


def _floor(module: str) -> int:
    name = SIBLINGS.get(module, module)
    return FLOORS.index(name) if name in FLOORS else len(FLOORS)


RULES: tuple[Rule, ...] = (
    short_files, written_imports, no_machine_paths, no_registries, nothing_unfinished, sql_in_its_rooms, rooms,
    contracts_know_every_module, migrations,
)  # fmt: skip
