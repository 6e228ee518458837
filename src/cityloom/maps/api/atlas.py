"""The shapes of the city in this process: the newest atlas that was drawn, and its tiles.

Atlases are drawn by a job (`drawing`) and kept in the database, so whoever serves has the same one at once, also after a restart.
"""

from collections import OrderedDict
from functools import lru_cache
from pathlib import Path
from threading import Lock
from time import monotonic
from uuid import uuid4

import duckdb
import msgspec

from cityloom.kernel import lake, processes
from cityloom.kernel.context import Context
from cityloom.kernel.db import PLATFORM, Database
from cityloom.kernel.errors import Unavailable
from cityloom.kernel.packs import Packs
from cityloom.kernel.words import Text
from cityloom.maps import rules, store
from cityloom.maps.contracts import DIGITS, MapState

ASKED_EVERY = 5.0
"""Seconds for which an atlas is taken to be the newest."""
KEPT = 32 << 20
"""Bytes of tiles that a process keeps at most; the longest unused go first."""
MEMORY_MIB = 512


class About(msgspec.Struct, frozen=True):
    """What an atlas says of itself."""

    state: MapState
    names: dict[str, Text]
    """Of divisions and places, by code."""


class Atlas:
    """All shapes as they were at one version."""

    def __init__(self, state: MapState, names: dict[str, Text], shapes: duckdb.DuckDBPyConnection) -> None:
        self.state = state
        self.names = names
        self._shapes = shapes
        self._lock = Lock()
        self._tiles: OrderedDict[tuple[str, int, int, int], bytes] = OrderedDict()
        self._size = 0

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """For questions to the shapes; the caller closes it."""
        return store.cursor(self._shapes)

    @property
    def levels(self) -> tuple[str, ...]:
        """Those that can be drawn."""
        return tuple(each.level for each in self.state.levels)

    def divisions(self, level: str) -> list[str]:
        """The codes of all divisions of a level that have a name."""
        digits = DIGITS.get(level, 0)
        return [code for code in self.names if digits and len(code) == digits and code.isdigit()]

    def areas(self, level: str, within: str, after: str, limit: int) -> list[store.AreaRow]:
        """Areas of a level by code."""
        with self.cursor() as cursor:
            return store.areas(cursor, level, within, after, limit)

    def tile(self, level: str, zoom: int, column: int, row: int) -> bytes:
        """A tile, from those that were made before where it is among them."""
        name = (level, zoom, column, row)
        with self._lock:
            if name in self._tiles:
                self._tiles.move_to_end(name)
                return self._tiles[name]
        with self.cursor() as cursor:
            made = store.tile(cursor, level, rules.band(zoom), zoom, column, row)
        with self._lock:
            if name not in self._tiles:
                self._tiles[name] = made
                self._size += len(made)
            while self._size > KEPT:
                self._size -= len(self._tiles.popitem(last=False)[1])
        return made


class Shelf:
    """The newest atlas of a city."""

    def __init__(self) -> None:
        self._atlas: Atlas | None = None
        self._asked = 0.0
        self._fetching = Lock()

    def newest(self, ctx: Context) -> Atlas:
        """As of a few seconds ago at most; while one request fetches it, others get what was there.

        Raises Unavailable `maps.not_drawn` before the first one was drawn.
        """
        known = self._atlas
        if known is not None and monotonic() - self._asked < ASKED_EVERY:
            return known
        if not self._fetching.acquire(blocking=known is None):
            return known or self.newest(ctx)
        try:
            if self._atlas is not None and self._atlas is not known:
                return self._atlas
            self._atlas, self._asked = fetch(ctx, known), monotonic()
            return self._atlas
        finally:
            self._fetching.release()


def fetch(ctx: Context, known: Atlas | None) -> Atlas:
    """The newest atlas out of the database; the known one where it is that."""
    with ctx.parts.db.begin(PLATFORM) as tx:
        row = store.newest(tx)
        if row is None:
            raise Unavailable("maps.not_drawn")
        if known is not None and known.state.version == row.version:
            return known
        content = store.content(tx, row.version)
    if content is None:
        return fetch(ctx, known)
    about = msgspec.json.decode(row.about, type=About)
    shapes = instance(ctx)
    file = own_file(ctx)
    file.write_bytes(content)
    store.open_file(shapes, file)
    file.unlink()  # it is open; its room is given back with this process
    return Atlas(about.state, about.names, shapes)


def instance(ctx: Context) -> duckdb.DuckDBPyConnection:
    """A DuckDB for shapes."""
    return lake.spatial(MEMORY_MIB, ctx.settings.lake_threads, processes.own_folder(ctx.settings.home / "tmp"))


def own_file(ctx: Context) -> Path:
    """A place for the file of an atlas, that is no other's."""
    return processes.own_folder(ctx.settings.home / "tmp") / f"atlas-{uuid4().hex}.duckdb"


@lru_cache(maxsize=2)
def _shelf(db: Database, active: Packs) -> Shelf:
    del db, active  # they only tell one city from another
    return Shelf()


def of(ctx: Context) -> Atlas:
    """The city's atlas, for whoever is signed in: where areas lie is no secret. Raises Unavailable `maps.not_drawn`."""
    return _shelf(ctx.parts.db, ctx.packs).newest(ctx)


def state(ctx: Context) -> MapState:
    """What the newest atlas says of itself; before the first one is drawn, a state without a version and with nothing in it."""
    try:
        return of(ctx).state
    except Unavailable:
        return MapState(version="", levels=(), bounds=None, grid=None, sources=())
