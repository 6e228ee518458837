"""`cityloom check` and `cityloom test`: what every change must pass, run as the repository's own tools."""

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from cityloom.devtools import reference
from cityloom.devtools.checkout import checkout, say
from cityloom.kernel import settings

PROCESSES = "4"
"""Twice the cores of a small machine: a quarter of the time is spent waiting for cities that start."""


class Step(msgspec.Struct, frozen=True):
    """One tool and its arguments; it is run in the checkout and exits with 0 when all is well."""

    name: str
    command: tuple[str, ...]


def steps(fix: bool) -> list[Step]:
    """What a check consists of; with `fix`, ruff mends what it can."""
    python, programs = sys.executable, Path(sys.executable).parent
    return [
        Step("ruff format", (python, "-m", "ruff", "format", "--quiet", *([] if fix else ["--check"]), ".")),
        Step("ruff check", (python, "-m", "ruff", "check", "--quiet", *(["--fix"] if fix else []), ".")),
        Step("mypy", (python, "-m", "mypy", "--no-error-summary")),
        Step("lint-imports", (str(programs / "lint-imports"), "--no-logo")),
        Step("console", (python, "-m", "cityloom", "web", "check", *(["--fix"] if fix else []))),
        Step("house rules", (python, "-m", "pytest", "-q", "-p", "no:randomly", "tests/repo/test_house.py")),
    ]


def check(fix: Annotated[bool, typer.Option("--fix", help="Mend what can be mended, then check.")] = False) -> None:
    """Format, lint, types, import rules and the rules of the house; exit code 1 when one fails."""
    root = checkout("check")
    if fix:
        for name in reference.write(root):
            say(f"wrote {name}")
    raise typer.Exit(0 if _all_pass(root, steps(fix=fix)) else 1)


def run_tests(
    context: typer.Context,
    full: Annotated[bool, typer.Option("--full", help="Also the sizes of a release: long, before a release.")] = False,
) -> None:
    """Check, then run the tests; what follows goes to pytest. Exit code 1 when the check or a test fails."""
    root = checkout("test")
    sound = _all_pass(root, steps(fix=False))
    chosen = [] if full else ["-m", "not full"]
    # a file goes to one process whole, so that what its tests share is made once
    spread = ("-n", PROCESSES, "--dist", "loadfile", "--no-loadscope-reorder")
    command = [sys.executable, "-m", "pytest", *spread, *chosen, *context.args]
    passed = subprocess.run(command, cwd=root, env=_environment(), check=False).returncode == 0
    if not sound:
        say("the tests ran, but the check before them failed (see above)")
    raise typer.Exit(0 if sound and passed else 1)


def _all_pass(root: Path, todo: list[Step]) -> bool:
    outcomes = [_passes(root, step) for step in todo]  # all of them: one failure does not hide the next
    return all(outcomes)


def _passes(root: Path, step: Step) -> bool:
    started = time.monotonic()
    done = subprocess.run(step.command, cwd=root, env=_environment(), check=False, capture_output=True, text=True)
    if done.returncode != 0:
        sys.stderr.write(done.stdout + done.stderr)
    verdict = "ok" if done.returncode == 0 else "FAILED"
    say(f"{step.name:<12} {verdict:<6} {time.monotonic() - started:6.1f} s")
    return done.returncode == 0


def _environment() -> dict[str, str]:
    # the settings of a city that this terminal looks after must not reach the tests
    return {name: value for name, value in os.environ.items() if not name.startswith(settings.PREFIX)}
