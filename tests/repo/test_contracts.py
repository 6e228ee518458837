"""The import contracts hold, and each wrong import is refused by the contract that is meant to see it.

The wrong imports are made one at a time in a copy of the real package, and taken out again.
"""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

ROOT = Path(__file__).parents[2]
PROGRAM = Path(sys.executable).parent / "lint-imports"
CALLS_UP = "from cityloom.exchange import api\n"
FOR_TYPES = f"from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    {CALLS_UP}"


class Wrong(msgspec.Struct, frozen=True):
    """A wrong import, the file it is written into, and the contract that refuses it."""

    what: str
    contract: str
    file: str
    text: str


WRONG = [
    Wrong("a call up", "floors", "catalogue/api/wrong.py", CALLS_UP),
    Wrong("a call up inside a function", "floors", "catalogue/api/wrong.py", f"def f() -> None:\n    {CALLS_UP}"),
    Wrong("a call up for types only", "floors", "catalogue/api/wrong.py", FOR_TYPES),
    Wrong("a call sideways", "floors", "sensing/api.py", CALLS_UP),
    Wrong("the kernel calls a module", "floors", "kernel/wrong.py", CALLS_UP),
    Wrong("the client calls the kernel", "floors", "client.py", "from cityloom.kernel import log\n"),
    Wrong("a floor that nobody declared", "floors", "utils.py", ""),
    Wrong("a module calls the list of modules", "floors", "exchange/api/wrong.py", "from cityloom import app\n"),
    Wrong("a room that nobody declared", "rooms", "exchange/helpers.py", ""),
    Wrong("a rule reads the store", "rooms", "exchange/rules/wrong.py", "from cityloom.exchange.store import ledger\n"),
    Wrong("the store decides", "rooms", "exchange/store/wrong.py", "from cityloom.exchange.rules import resolve\n"),
    Wrong("an api calls its route", "rooms", "exchange/api/wrong.py", "from cityloom.exchange import routes\n"),
    Wrong("a reach into another's store", "doors", "exchange/api/wrong.py", "from cityloom.catalogue import store\n"),
    Wrong("a reach into another's spec", "doors", "exchange/api/wrong.py", "from cityloom.catalogue import spec\n"),
    Wrong("the server calls a route itself", "doors", "server.py", "from cityloom.exchange import routes\n"),
    Wrong("the list of modules looks inside one", "doors", "app.py", "from cityloom.exchange.store import ledger\n"),
    Wrong("a driver in rules", "pure", "exchange/rules/wrong.py", "import psycopg\n"),
    Wrong("a database behind a rule", "pure", "exchange/rules/wrong.py", "from cityloom.kernel import context\n"),
    Wrong("an event that travels by itself", "pure", "exchange/events.py", "from cityloom.kernel import outbox\n"),
    Wrong("a route uses the database", "database", "exchange/routes.py", "from cityloom.kernel import db\n"),
    Wrong("a job uses the lake", "database", "exchange/jobs.py", "from cityloom.kernel.lake import Lake\n"),
    Wrong("a command brings its own driver", "database", "exchange/commands.py", "import duckdb\n"),
    Wrong("the sample city goes round the doors", "public", "samplecity/wrong.py", CALLS_UP),
    Wrong("a circle in the kernel", "circles", "kernel/clock.py", "from cityloom.kernel import context\n"),
]  # fmt: skip


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the package's Python files, and of the contracts."""
    home = tmp_path_factory.mktemp("copy")
    shutil.copy(ROOT / "pyproject.toml", home)
    for path in (ROOT / "src").rglob("*.py"):
        target = home / path.relative_to(ROOT / "src")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    return home


@pytest.fixture
def planted(copy: Path, request: pytest.FixtureRequest) -> Iterator[Wrong]:
    """The copy with the wrong import in it."""
    wrong: Wrong = request.param
    path = _place(copy / "cityloom", wrong.file)
    before = path.read_text() if path.exists() else None
    package = path.parent / "__init__.py"
    new = [file for file in (package, path) if not file.exists()]
    path.parent.mkdir(exist_ok=True)
    package.touch()
    path.write_text((before or "") + "\n" + wrong.text)
    yield wrong
    path.write_text(before or "")
    for file in new:
        file.unlink()


def _place(package: Path, file: str) -> Path:
    """Where the text goes: a room may be a folder or one file, and a file may have become a folder."""
    path = package / file
    if path.name == "wrong.py" and path.parent.with_suffix(".py").exists():
        return path.parent.with_suffix(".py")
    if path.with_suffix("").is_dir():
        return path.with_suffix("") / "__init__.py"
    return path


def lint(copy: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [str(PROGRAM), "--no-logo", "--no-cache", "--config", "pyproject.toml", *options]
    return subprocess.run(command, cwd=copy, capture_output=True, text=True, check=False)


def test_the_package_keeps_every_contract(copy: Path) -> None:
    done = lint(copy)
    assert done.returncode == 0, done.stdout
    assert "0 broken" in done.stdout


@pytest.mark.parametrize("planted", WRONG, ids=lambda wrong: wrong.what, indirect=True)
def test_a_wrong_import_is_refused(copy: Path, planted: Wrong) -> None:
    done = lint(copy, "--contract", planted.contract)
    assert done.returncode == 1, done.stdout
    assert "0 kept, 1 broken" in done.stdout
    assert _place(copy / "cityloom", planted.file).stem.removeprefix("__init__") in done.stdout


def test_every_contract_is_proved() -> None:
    contracts = msgspec.toml.decode((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    assert {wrong.contract for wrong in WRONG} == {contract["id"] for contract in contracts}
