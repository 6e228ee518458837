"""How lists of the catalogue are shown at a terminal."""

import sys
from collections.abc import Iterable
from typing import Any

from cityloom.terminal import show


def show_lines(rows: Iterable[dict[str, Any]], columns: tuple[str, ...], as_json: bool) -> None:
    """One row a line, parted by tabs; or all as JSON."""
    if as_json:
        show(list(rows))
        return
    for row in rows:
        sys.stdout.write("\t".join(_cell(row.get(column)) for column in columns) + "\n")


def _cell(value: Any) -> str:
    said = ", ".join(map(str, value)) if isinstance(value, list) else "" if value is None else str(value)
    return " ".join(said.split())
