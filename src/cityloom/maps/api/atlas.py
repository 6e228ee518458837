"""The shapes of one city in this process: drawn from boundaries and positions, and drawn anew when those change.

Every process draws its own atlas, from the same shapes and records to the same version, so a browser may ask any of them.
"""

import hashlib
from collections import OrderedDict
from functools import lru_cache
from threading import Lock
from time import monotonic

import duckdb
import msgspec

from cityloom.catalogue.api import packs as catalogue
from cityloom.exchange.api import reading, tables
from cityloom.exchange.contracts import StateTable
from cityloom.kernel import lake, processes
from cityloom.kernel.access import Principal
from cityloom.kernel.context import Context
from cityloom.kernel.db import EVERY_ORGANISATION, Database
from cityloom.kernel.packs import Packs
from cityloom.kernel.words import Text
from cityloom.maps import rules, spec, store
from cityloom.maps.contracts import DIGITS, MapState

ASKED_EVERY = 10.0
"""Seconds for which an atlas is taken to be of today."""
KEPT = 32 << 20
"""Bytes of tiles that a process keeps at most; the longest unused go first."""
MEMORY_MIB = 512
ORDER = ("city", "district", "street", "community", "grid", "school")


class Atlas:
    """All shapes as they were at one version."""

    def __init__(self, state: MapState, names: dict[str, Text], shapes: duckdb.DuckDBPyConnection) -> None:
        self.state = state
        self.names = names
        self._shapes = shapes
        self._lock = Lock()
        self._tiles: OrderedDict[tuple[str, int, int, int], bytes] = OrderedDict()
        self._size = 0

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
        with self._shapes.cursor() as cursor:
            return store.areas(cursor, level, within, after, limit)

    def tile(self, level: str, zoom: int, column: int, row: int) -> bytes:
        """A tile, from those that were made before where it is among them."""
        name = (level, zoom, column, row)
        with self._lock:
            if name in self._tiles:
                self._tiles.move_to_end(name)
                return self._tiles[name]
        with self._shapes.cursor() as cursor:
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
        self._drawing = Lock()

    def newest(self, ctx: Context) -> Atlas:
        """As of a few seconds ago at most; while one request draws anew, others get what was there."""
        known = self._atlas
        if known is not None and monotonic() - self._asked < ASKED_EVERY:
            return known
        if not self._drawing.acquire(blocking=known is None):
            return known or self.newest(ctx)
        try:
            if self._atlas is not known and self._atlas is not None:
                return self._atlas
            version = _version(ctx)
            if known is None or known.state.version != version:
                known = draw(ctx, version)
            self._atlas, self._asked = known, monotonic()
            return known
        finally:
            self._drawing.release()


@lru_cache(maxsize=2)
def _shelf(db: Database, active: Packs) -> Shelf:
    del db, active  # they only tell one city from another
    return Shelf()


def of(ctx: Context) -> Atlas:
    """The city's atlas, for whoever is signed in: where areas lie is no secret."""
    return _shelf(ctx.parts.db, ctx.packs).newest(ctx)


def _version(ctx: Context) -> str:
    declared = spec.declared(ctx.packs)
    reached = {each.name: each.last_sequence for each in reading.datasets(ctx)}
    digest = hashlib.sha256(msgspec.json.encode([declared.positions, declared.places, declared.grid]))
    for each in declared.shapes:
        digest.update(each.content)
    digest.update(msgspec.json.encode([(name, reached.get(name)) for name in declared.datasets]))
    return digest.hexdigest()[:16]


def draw(ctx: Context, version: str) -> Atlas:
    """Draw all levels. Where positions come from is read in the platform's name; what is shown is an area, never a record."""
    declared = spec.declared(ctx.packs)
    names = _names(ctx, declared)
    shapes = lake.spatial(MEMORY_MIB, ctx.settings.lake_threads, processes.own_folder(ctx.settings.home / "tmp"))
    store.prepare(shapes)
    parts = _known(shapes, declared)
    with ctx.lake.session() as cursor:
        found = _tables(ctx, declared)
        _communities(cursor, shapes, declared, found, parts)
        _divisions(shapes, declared)
        for each in declared.places:
            if each.dataset in found:
                fields = (each.code, each.name, each.area, each.longitude, each.latitude)
                places = store.places(cursor, found[each.dataset].table, fields)
                store.draw_places(shapes, each.level, places)
                told = zip(places["code"].to_pylist(), places["name"].to_pylist(), strict=True)
                names |= {code: Text(name, name) for code, name in told}
    for place in range(len(rules.BANDS)):
        store.simplify(shapes, place, rules.tolerance(place))
    return Atlas(_state(shapes, declared, version), names, shapes)


def _names(ctx: Context, declared: spec.Declared) -> dict[str, Text]:
    lists = catalogue.standards(ctx.packs).codes
    named = {code.code: code.title for name in declared.lists.values() if name in lists for code in lists[name].codes}
    return {"": ctx.packs.named(ctx.settings.city).manifest.title, **named}


def _tables(ctx: Context, declared: spec.Declared) -> dict[str, StateTable]:
    platform = Principal(ctx.principal.name, EVERY_ORGANISATION, frozenset({"platform"}))
    there = {each.name for each in reading.datasets(ctx)}
    wanted = [name for name in declared.datasets if name in there]
    return {each.dataset: each for each in tables.states(msgspec.structs.replace(ctx, principal=platform), wanted)}


def _known(shapes: duckdb.DuckDBPyConnection, declared: spec.Declared) -> list[rules.Part]:
    """Every known shape put in its place; the parts of the districts."""
    parts: list[rules.Part] = []
    for each in declared.shapes:
        for feature in msgspec.json.decode(each.content, type=Features).features:
            number, code = len(parts), feature.properties.code
            store.add_part(shapes, number, each.declared.level, code, bytes(feature.geometry).decode())
            parts.append(rules.Part(number, code, frozenset(feature.properties.streets)))
    levels = {each.declared.level for each in declared.shapes}
    if "community" in levels:
        store.draw_known(shapes, "community", ())
    return parts


def _communities(
    cursor: duckdb.DuckDBPyConnection, shapes: duckdb.DuckDBPyConnection, declared: spec.Declared,
    found: dict[str, StateTable], parts: list[rules.Part],
) -> None:  # fmt: skip
    middles: dict[str, tuple[float, float]] = {}
    for each in declared.positions:
        if each.dataset in found:
            table = found[each.dataset].table
            middles = store.middles(cursor, table, each.area, each.longitude, each.latitude) | middles
    homes = rules.homes(sorted(middles), parts, _within(declared))
    store.add_sites(shapes, ((code, part, *middles[code]) for code, part in homes.items()))
    store.draw_communities(shapes)


def _divisions(shapes: duckdb.DuckDBPyConnection, declared: spec.Declared) -> None:
    levels = {each.declared.level for each in declared.shapes}
    if "street" in levels:
        store.draw_known(shapes, "street", ())
    store.join_communities(shapes, "street")
    store.draw_known(shapes, "district", sorted(rules.shared(_within(declared))))
    store.join_communities(shapes, "district")
    store.draw_city(shapes)
    if declared.grid is not None:
        store.draw_grid(shapes, declared.grid)


def _within(declared: spec.Declared) -> dict[str, str]:
    return {code: of for each in declared.shapes for code, of in each.declared.within.items()}


def _state(shapes: duckdb.DuckDBPyConnection, declared: spec.Declared, version: str) -> MapState:
    found = store.levels(shapes)
    return MapState(
        version, tuple(sorted(found, key=lambda each: ORDER.index(each.level))), store.bounds(shapes), declared.grid,
        tuple(dict.fromkeys(each.declared.source for each in declared.shapes)),
    )  # fmt: skip


class Properties(msgspec.Struct, frozen=True):
    """What a feature says of itself."""

    code: str
    streets: tuple[str, ...] = ()


class Feature(msgspec.Struct, frozen=True):
    """One shape of a GeoJSON file."""

    properties: Properties
    geometry: msgspec.Raw


class Features(msgspec.Struct, frozen=True):
    """A GeoJSON file (RFC 7946, FeatureCollection)."""

    features: tuple[Feature, ...]
