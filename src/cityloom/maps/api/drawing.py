"""Atlases drawn from boundaries and positions whenever those change, by a job, so that no reader waits for it."""

import hashlib
from datetime import datetime, timedelta
from functools import lru_cache
from weakref import WeakKeyDictionary

import duckdb
import msgspec

from cityloom.catalogue.api import packs as catalogue
from cityloom.exchange.api import reading, tables
from cityloom.exchange.contracts import StateTable
from cityloom.kernel import log
from cityloom.kernel.context import Context
from cityloom.kernel.db import Database
from cityloom.kernel.packs import Packs
from cityloom.kernel.words import Text
from cityloom.maps import rules, spec, store
from cityloom.maps.api import atlas
from cityloom.maps.contracts import MapState

WIDE = 64
"""Tiles of a zoom that are made beforehand at most, of each level: the views that hold most areas."""
ORDER = ("city", "district", "street", "community", "grid", "school")

SETTLED = timedelta(seconds=10)
"""So long what an atlas is drawn from stays the same before it is drawn anew: datasets arrive in many deliveries."""
LATEST = timedelta(minutes=10)
"""After that it is drawn even while they arrive."""

logger = log.logger("maps")
_seen: WeakKeyDictionary[Database, tuple[str, datetime]] = WeakKeyDictionary()
"""The version that this process saw when it last looked, and since when."""


def draw_settled(ctx: Context) -> bool:
    """Draw the atlas where there is none, or anew when what it is drawn from has come to rest; whether it was drawn."""
    version, now = _version(ctx), ctx.clock.now()
    with ctx.begin() as tx:
        drawn_at = store.drawn_at(tx)
    seen, since = _seen.get(ctx.parts.db, ("", now))
    if seen != version:
        _seen[ctx.parts.db] = (version, since := now)
    if drawn_at is None or now - since >= SETTLED or now - drawn_at >= LATEST:
        return draw_due(ctx)
    return False


def draw_due(ctx: Context) -> bool:
    """Draw the atlas anew where what it is drawn from has changed; whether it had. As the platform."""
    version = _version(ctx)
    with ctx.begin() as tx:
        kept = store.newest(tx)
    if kept is not None and kept.version == version:
        return False
    file = atlas.own_file(ctx)
    try:
        shapes = atlas.instance(ctx)
        with shapes:
            store.prepare(shapes, file)
            about = _draw(ctx, shapes, version)
            store.close(shapes)
        content = file.read_bytes()
    finally:
        file.unlink(missing_ok=True)
    with ctx.begin() as tx:
        store.keep(tx, store.KeptRow(version, msgspec.json.encode(about).decode()), content, ctx.clock.now())
    logger.info("atlas_drawn", version=version, kib=len(content) >> 10)
    return True


@lru_cache(maxsize=2)
def _declared_digest(packs: Packs) -> bytes:
    declared = spec.declared(packs)
    digest = hashlib.sha256(msgspec.json.encode([declared.positions, declared.places, declared.grid, declared.lists]))
    for each in declared.shapes:
        digest.update(msgspec.json.encode(each.declared) + each.content)
    return digest.digest()


def _version(ctx: Context) -> str:
    declared = spec.declared(ctx.packs)
    reached = {each.name: each.last_sequence for each in reading.datasets(ctx)}
    digest = hashlib.sha256(_declared_digest(ctx.packs))
    digest.update(msgspec.json.encode([(name, reached.get(name)) for name in declared.datasets]))
    digest.update(msgspec.json.encode([_names(ctx.packs, ctx.settings.city), duckdb.__version__]))
    return digest.hexdigest()[:16]


def _draw(ctx: Context, shapes: duckdb.DuckDBPyConnection, version: str) -> atlas.About:
    """Draw all levels. What is shown is an area, never a record."""
    declared = spec.declared(ctx.packs)
    names = dict(_names(ctx.packs, ctx.settings.city))
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
    store.finish(shapes)
    state = _state(shapes, declared, version)
    _wide(shapes, state)
    return atlas.About(state, names)


def _wide(shapes: duckdb.DuckDBPyConnection, state: MapState) -> None:
    """Make the tiles of the views of the whole city."""
    if state.bounds is None:
        return
    for each in state.levels:
        for zoom, column, row in rules.covering(state.bounds, WIDE):
            made = store.draw_tile(shapes, each.level, rules.band(zoom), zoom, column, row)
            store.keep_tile(shapes, each.level, zoom, column, row, made)


@lru_cache(maxsize=2)
def _names(active: Packs, city: str) -> dict[str, Text]:
    """Of the city and its divisions, by code."""
    lists = catalogue.standards(active).codes
    told = [name for name in spec.declared(active).lists.values() if name in lists]
    return {"": active.named(city).manifest.title} | {
        code.code: code.title for name in told for code in lists[name].codes
    }


def _tables(ctx: Context, declared: spec.Declared) -> dict[str, StateTable]:
    there = {each.name for each in reading.datasets(ctx)}
    wanted = [name for name in declared.datasets if name in there]
    return {each.dataset: each for each in tables.states(ctx, wanted)}


def _known(shapes: duckdb.DuckDBPyConnection, declared: spec.Declared) -> list[rules.Part]:
    """Every known shape put in its place; the parts of the districts."""
    parts: list[rules.Part] = []
    read: list[tuple[int, str, str, str]] = []
    for each in declared.shapes:
        for number, feature in enumerate(msgspec.json.decode(each.content, type=Features).features, start=len(parts)):
            code = feature.properties.code
            read.append((number, each.declared.level, code, bytes(feature.geometry).decode()))
            parts.append(rules.Part(number, code, frozenset(feature.properties.streets)))
    store.add_parts(shapes, read)
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
