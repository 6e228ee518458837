"""The built files of the console, read once and kept: a megabyte or two."""

import mimetypes
from functools import cache
from importlib import resources
from pathlib import PurePosixPath

from cityloom.console.contracts import Page
from cityloom.kernel.errors import NotFound, Unavailable

INDEX = "index.html"
LASTING = "assets"
"""Vite puts there what it names by content."""


def page(path: str, gzip: bool) -> Page:
    """The file at `path`, or the console itself where the path is one of its own places.

    Raises NotFound `kernel.not_found` for a file that is not there; Unavailable `console.not_built`.
    """
    place = PurePosixPath(path.strip("/") or INDEX)
    files = built()
    if str(place) not in files:
        if place.parts[:1] == (LASTING,) or INDEX not in files:
            raise NotFound("kernel.not_found") if files else Unavailable("console.not_built")
        place = PurePosixPath(INDEX)
    name = str(place)
    packed = gzip and f"{name}.gz" in files
    media = mimetypes.guess_type(name)[0] or "application/octet-stream"
    content = files[f"{name}.gz" if packed else name]
    return Page(content, media, "gzip" if packed else "", place.parts[:1] == (LASTING,))


@cache
def built() -> dict[str, bytes]:
    """Path → content of every file; empty where the console was not built."""
    folder = resources.files("cityloom.console") / "static"
    found: dict[str, bytes] = {}
    waiting = [("", folder)] if folder.is_dir() else []
    while waiting:
        above, here = waiting.pop()
        for entry in here.iterdir():
            if entry.is_dir():
                waiting.append((f"{above}{entry.name}/", entry))
            else:
                found[f"{above}{entry.name}"] = entry.read_bytes()
    return found
