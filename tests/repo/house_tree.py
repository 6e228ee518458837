"""The repository as texts by path; a change is laid over it without touching a file, to prove that a rule sees it."""

import ast
import subprocess
from collections.abc import Callable, Iterator, Mapping
from functools import cache, lru_cache
from pathlib import Path

import msgspec

ROOT = Path(__file__).parents[2]
BINARY = {".gz", ".ico", ".jpg", ".parquet", ".pdf", ".png", ".woff2", ".xlsx", ".zip"}


class Tree(msgspec.Struct, frozen=True):
    """Every file that git knows or would add, except those in .gitignore. `changes` are laid over; None removes."""

    paths: frozenset[str]
    changes: Mapping[str, str] = {}

    def read(self, path: str) -> str:
        """The text of a file."""
        return self.changes[path] if path in self.changes else _text(path)

    def find(self, *endings: str, under: str = "") -> Iterator[str]:
        """Paths under a folder that end like this (without endings: all), in order."""
        return (path for path in sorted(self.paths) if path.startswith(under) and path.endswith(endings or ("",)))

    def texts(self) -> Iterator[str]:
        """Paths of all files that are text."""
        return (path for path in sorted(self.paths) if Path(path).suffix not in BINARY)

    def python(self, under: str) -> Iterator[tuple[str, ast.Module]]:
        """Every Python file under a folder, parsed."""
        return ((path, _parsed(self.read(path))) for path in self.find(".py", under=under))

    def having(self, path: str, text: str) -> "Tree":
        """The tree with one more, or another, file."""
        return Tree(self.paths | {path}, {**self.changes, path: text})

    def lacking(self, path: str) -> "Tree":
        """The tree without that file."""
        if path not in self.paths:
            raise FileNotFoundError(path)
        return Tree(self.paths - {path}, self.changes)

    def edited(self, path: str, old: str, new: str) -> "Tree":
        """The tree with a passage of one file replaced."""
        text = self.read(path)
        if old not in text:
            raise ValueError(f"{path} does not contain {old!r}")
        return self.having(path, text.replace(old, new, 1))


Rule = Callable[[Tree], list[str]]


def here() -> Tree:
    """This repository as it lies on disk."""
    command = [
        "git",
        "-c",
        f"safe.directory={ROOT}",
        "-C",
        str(ROOT),
        "ls-files",
        "-z",
        "--cached",
        "--others",
        "--exclude-standard",
    ]
    listed = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split("\0")
    return Tree(frozenset(path for path in listed if path and (ROOT / path).is_file()))


@cache
def _text(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


@lru_cache(maxsize=4096)
def _parsed(text: str) -> ast.Module:
    return ast.parse(text)
