"""A city with its packs installed, over the scratch of one test.

Installing makes the tables of every dataset, in the database and in the lake, which costs more than most tests. So what the same
packs came to is kept, from the second time on that a process asks for it, and copied.
"""

import hashlib
from collections import Counter
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec
import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from cityloom import app
from cityloom.kernel import migrate
from cityloom.kernel.clock import Clock
from cityloom.kernel.context import Parts
from cityloom.kernel.jobs import platform_context
from cityloom.kernel.settings import Settings
from scratch import Scratch

_asked: Counter[str] = Counter()
_kept: dict[str, str] = {}
"""The database of what was installed, by its key. The lake has no files yet: its tables are rows of the database."""


def installed(scratch: Scratch, clock: Clock | None = None, **changed: Any) -> Parts:
    """The open parts of a city with these settings, and the packs that they name installed. Whoever asks closes them."""
    settings = msgspec.structs.replace(scratch.settings, **{"language": "en", "min_free_mib": 1} | changed)
    key = _key(settings)
    _asked[key] += 1
    if key in _kept:
        _copy_database(scratch, _kept[key], _name(scratch))
        _move_lake(scratch, settings)
        return _opened(settings, clock)
    parts = _opened(settings, clock)
    for module in app.MODULES:
        if module.install:
            module.install(platform_context(parts, "install"))
    if _asked[key] == 1:
        return parts
    app.close_parts(parts)
    assert not list(Path(settings.lake_files).rglob("*")), (
        "what is installed has files in the lake, which are not copied"
    )
    name = f"installed_{uuid4().hex}"
    _copy_database(scratch, _name(scratch), name)
    _kept[key] = name
    return _opened(settings, clock)


def _opened(settings: Settings, clock: Clock | None) -> Parts:
    parts = app.open_parts(settings)
    return parts if clock is None else msgspec.structs.replace(parts, clock=clock)


def _key(settings: Settings) -> str:
    """A digest of what is installed: the settings but for their places, and every file of the packs."""
    plain = msgspec.structs.replace(settings, home=Path("/"), database_url="", packs="")
    whole = hashlib.sha256(repr(plain).encode())
    for place in settings.packs.split(":"):
        root = Path(place)
        for path in sorted(root.rglob("*")) if place else ():
            if path.is_file():
                whole.update(f"{path.relative_to(root)} {path.stat().st_size}\n".encode() + path.read_bytes())
    return whole.hexdigest()


def _move_lake(scratch: Scratch, settings: Settings) -> None:
    with psycopg.connect(scratch.admin_url) as connection:
        place = f"{Path(settings.lake_files).absolute()}/"
        connection.execute("UPDATE lake.ducklake_metadata SET value = %s WHERE key = 'data_path'", [place])


def _copy_database(scratch: Scratch, source: str, target: str) -> None:
    with psycopg.connect(make_conninfo(scratch.admin_url, dbname="postgres"), autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {target} WITH (FORCE)".encode())
        connection.execute(f"CREATE DATABASE {target} TEMPLATE {source} STRATEGY FILE_COPY".encode())
        migrate.admit_roles(connection, target)


def _name(scratch: Scratch) -> str:
    return str(conninfo_to_dict(scratch.admin_url)["dbname"])
