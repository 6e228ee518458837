"""The verbs `check` and `test`: every step is run, what follows goes to pytest, and without a checkout they say so."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from cityloom.cli import cli as cityloom
from cityloom.devtools import commands, reference
from cityloom.devtools.commands import Step

ROOT = Path(__file__).parents[2]
TESTS = """
import os
import pytest

def test_plain():
    assert not [name for name in os.environ if name.startswith("CITYLOOM_")]

@pytest.mark.full
def test_of_a_release():
    raise AssertionError("long")
"""


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch) -> typer.Typer:
    monkeypatch.setattr(commands, "PROCESSES", "0")  # pytest inside pytest starts quicker alone
    return cityloom


def run(cli: typer.Typer, *arguments: str) -> int:
    return CliRunner().invoke(cli, list(arguments)).exit_code


def test_a_check_is_made_of_every_tool() -> None:
    assert [step.name for step in commands.steps(fix=False)] == [
        "ruff format",
        "ruff check",
        "mypy",
        "lint-imports",
        "console",
        "house rules",
    ]
    assert "--check" in commands.steps(fix=False)[0].command
    assert "--check" not in commands.steps(fix=True)[0].command


def test_one_failure_hides_no_other(
    cli: typer.Typer, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    fails = Step("first", (sys.executable, "-c", "print('the reason'); raise SystemExit(3)"))
    passes = Step("second", (sys.executable, "-c", "print('unasked')"))
    monkeypatch.setattr(commands, "steps", lambda **_: [fails, passes])
    result = CliRunner().invoke(cli, ["check"])
    assert result.exit_code == 1
    assert [line.split()[:2] for line in result.stderr.splitlines()] == [
        ["the", "reason"],
        ["first", "FAILED"],
        ["second", "ok"],
    ]
    monkeypatch.setattr(commands, "steps", lambda **_: [passes])
    assert run(cli, "check") == 0


def test_fix_writes_the_pages_first(cli: typer.Typer, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Path] = []

    def write(root: Path) -> list[str]:
        asked.append(root)
        return []

    monkeypatch.setattr(commands, "steps", lambda **_: [])
    monkeypatch.setattr(reference, "write", write)
    assert run(cli, "check", "--fix") == 0
    assert run(cli, "check") == 0
    assert asked == [ROOT]


def test_what_follows_goes_to_pytest(
    cli: typer.Typer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "test_spare.py"
    file.write_text(TESTS)
    monkeypatch.setattr(commands, "steps", lambda **_: [])
    monkeypatch.setenv("CITYLOOM_HOME", str(tmp_path))
    assert run(cli, "test", str(file), "-q", "-p", "no:cacheprovider") == 0
    assert "1 passed" in capfd.readouterr().out
    assert run(cli, "test", "--full", str(file), "-q", "-p", "no:cacheprovider") == 1
    assert "1 failed, 1 passed" in capfd.readouterr().out


def test_a_failed_check_fails_the_tests_too(
    cli: typer.Typer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "test_spare.py"
    file.write_text("def test_plain():\n    pass\n")
    monkeypatch.setattr(commands, "steps", lambda **_: [Step("first", (sys.executable, "-c", "raise SystemExit(3)"))])
    assert run(cli, "test", str(file), "-q", "-p", "no:cacheprovider") == 1
    assert "1 passed" in capfd.readouterr().out


@pytest.mark.parametrize("verb", ["check", "test"])
def test_an_installed_package_says_that_it_needs_a_checkout(verb: str, tmp_path: Path) -> None:
    for part in ("__init__.py", "cli.py", "client.py", "terminal.py", "kernel", "devtools"):
        source, target = ROOT / "src" / "cityloom" / part, tmp_path / "cityloom" / part
        if source.is_dir():
            shutil.copytree(source, target)
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, target)
    program = "from cityloom.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", program, verb],
        env={**os.environ, "PYTHONPATH": str(tmp_path)}, cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (2, "")
    lines = done.stderr.splitlines()
    assert (
        lines[0]
        == f"`{verb}` needs a checkout: this cityloom was installed from a package, without its tests and tools."
    )
    assert lines[1] == f"Clone the repository and run `./loom {verb}` there."
    assert lines[3] == f"请克隆源代码仓库，在其中运行 `./loom {verb}`。"
