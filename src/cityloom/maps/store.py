"""SQL of maps: positions out of the lake, shapes and tiles in a DuckDB file with its spatial extension, and that file in PostgreSQL.

Shapes are in EPSG:3857 there, which is what tiles are in. The table `shape` has each area as it is; `drawn` has it simplified for
the zooms of each band, all areas of a level together, so that neighbours keep their common line; `area` has what is told of it,
and `made` the tiles of the wide views, which hold most areas and take longest.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import pyarrow as pa

from cityloom.kernel import sql
from cityloom.kernel.db import Transaction
from cityloom.maps.contracts import DIGITS, MapGrid, MapLevel

ROUGHLY = 3
"""Decimals of a degree to which the middle of a community's places is rounded: 100 m, so that no single door is told."""
TABLES = """
CREATE TABLE part (number INTEGER, level VARCHAR, code VARCHAR, geom GEOMETRY);
CREATE TABLE site (code VARCHAR, part INTEGER, geom GEOMETRY);
CREATE TABLE shape (level VARCHAR, code VARCHAR, parent VARCHAR, drawn VARCHAR, geom GEOMETRY);
CREATE TABLE drawn (level VARCHAR, band INTEGER, code VARCHAR, geom GEOMETRY, x1 DOUBLE, y1 DOUBLE, x2 DOUBLE, y2 DOUBLE);
CREATE TABLE area (level VARCHAR, code VARCHAR, parent VARCHAR, west DOUBLE, south DOUBLE, east DOUBLE, north DOUBLE,
  longitude DOUBLE, latitude DOUBLE);
CREATE TABLE made (level VARCHAR, zoom INTEGER, "column" INTEGER, "row" INTEGER, content BLOB);
"""
DEGREES, METRES = "'OGC:CRS84'", "'EPSG:3857'"
FAR = 30
"""Helping points stand so many times the size of a shape away, too far to move a line inside of it."""


class AreaRow(msgspec.Struct, frozen=True):
    """One area."""

    code: str
    parent: str
    west: float
    south: float
    east: float
    north: float
    longitude: float
    latitude: float


def middles(
    cursor: duckdb.DuckDBPyConnection, table: tuple[str, str, str], area: str, longitude: str, latitude: str
) -> dict[str, tuple[float, float]]:
    """The middle (median, roughly) of all records of each community, by its code of 12 digits."""
    area, longitude, latitude = sql.name(area), sql.name(longitude), sql.name(latitude)
    rows = cursor.execute(
        f"""SELECT {area}, round(median({longitude}::DOUBLE), {ROUGHLY}), round(median({latitude}::DOUBLE), {ROUGHLY})
            FROM {sql.name(*table)}
            WHERE length({area}) = 12 AND {longitude} IS NOT NULL AND {latitude} IS NOT NULL GROUP BY ALL"""
    ).fetchall()
    return {str(code): (float(east), float(north)) for code, east, north in rows}


def places(cursor: duckdb.DuckDBPyConnection, table: tuple[str, str, str], fields: Sequence[str]) -> pa.Table:
    """Places one by one: code, name, area, longitude, latitude."""
    names = [sql.name(field) for field in fields]
    return cursor.execute(
        f"""SELECT {names[0]}::VARCHAR AS code, {names[1]}::VARCHAR AS name, {names[2]}::VARCHAR AS area,
              {names[3]}::DOUBLE AS longitude, {names[4]}::DOUBLE AS latitude
            FROM {sql.name(*table)} WHERE {names[3]} IS NOT NULL AND {names[4]} IS NOT NULL"""
    ).to_arrow_table()


def prepare(atlas: duckdb.DuckDBPyConnection, file: Path) -> None:
    """A new file with the empty tables."""
    atlas.execute(f"ATTACH {sql.literal(str(file))} AS atlas")
    atlas.execute(f"USE atlas; {TABLES}")


def finish(atlas: duckdb.DuckDBPyConnection) -> None:
    """Write down what is told of each area, drop what only drawing needed, and let go of the file."""
    atlas.execute(
        f"""INSERT INTO area
            SELECT level, code, parent, ST_XMin(flat), ST_YMin(flat), ST_XMax(flat), ST_YMax(flat), ST_X(inside), ST_Y(inside)
            FROM (SELECT level, code, parent, ST_Transform(geom, {METRES}, {DEGREES}, true) AS flat,
                    ST_Transform(ST_PointOnSurface(geom), {METRES}, {DEGREES}, true) AS inside FROM shape)
            ORDER BY level, code"""
    )
    atlas.execute("DROP TABLE part; DROP TABLE site")


def close(atlas: duckdb.DuckDBPyConnection) -> None:
    """Bring all that was written into the file, and leave it."""
    atlas.execute("CHECKPOINT atlas; USE memory; DETACH atlas")


def open_file(atlas: duckdb.DuckDBPyConnection, file: Path) -> None:
    """Open a finished file, for reading only."""
    atlas.execute(f"ATTACH {sql.literal(str(file))} AS atlas (READ_ONLY)")


def cursor(atlas: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
    """A cursor of an opened file, which the caller closes."""
    made = atlas.cursor()
    made.execute("USE atlas")
    return made


def add_parts(atlas: duckdb.DuckDBPyConnection, parts: Iterable[tuple[int, str, str, str]]) -> None:
    """Known shapes: number, level, code, and a geometry of GeoJSON in degrees."""
    columns = list(zip(*parts, strict=True)) or [(), (), (), ()]
    kinds = (pa.int32(), pa.string(), pa.string(), pa.string())
    given = pa.table({name: pa.array(column, kind) for name, column, kind in zip("nlcg", columns, kinds, strict=True)})
    atlas.register("given", given)
    atlas.execute(
        f"""INSERT INTO part
            SELECT n, l, c, ST_MakeValid(ST_Transform(ST_GeomFromGeoJSON(g), {DEGREES}, {METRES}, true)) FROM given"""
    )
    atlas.unregister("given")


def add_sites(atlas: duckdb.DuckDBPyConnection, sites: Iterable[tuple[str, int, float, float]]) -> None:
    """Communities with the part in which they lie and their middle in degrees; of two at one point the first counts."""
    columns = list(zip(*sites, strict=True)) or [(), (), (), ()]
    kinds = (pa.string(), pa.int32(), pa.float64(), pa.float64())
    given = pa.table({name: pa.array(column, kind) for name, column, kind in zip("cpxy", columns, kinds, strict=True)})
    atlas.register("given", given)
    atlas.execute(
        f"""INSERT INTO site SELECT min(c), p, ST_Transform(ST_Point(x, y), {DEGREES}, {METRES}, true)
            FROM given GROUP BY p, x, y"""
    )
    atlas.unregister("given")


def draw_communities(atlas: duckdb.DuckDBPyConnection) -> None:
    """Cut each part into what is nearest to each of its communities (Voronoi), and keep what lies inside of the part."""
    atlas.execute(
        f"""CREATE TEMP TABLE cell AS
            WITH size AS (
              SELECT number, geom AS part, ST_XMin(geom) AS x, ST_YMin(geom) AS y,
                greatest(ST_XMax(geom) - ST_XMin(geom), ST_YMax(geom) - ST_YMin(geom)) AS width
              FROM part WHERE level = 'district'),
            points AS (
              SELECT part AS number, geom FROM site
              UNION ALL
              SELECT number, ST_Point(x + width * east, y + width * north) FROM size,
                (VALUES (-{FAR}, -{FAR}), (-{FAR}, {FAR}), ({FAR}, -{FAR}), ({FAR}, {FAR})) AS corner (east, north)),
            cut AS (
              SELECT number, unnest(ST_Dump(ST_VoronoiDiagram(ST_Collect(list(geom))))).geom AS geom FROM points
              GROUP BY number)
            SELECT cut.number, cut.geom, ST_XMin(cut.geom) AS x1, ST_YMin(cut.geom) AS y1, ST_XMax(cut.geom) AS x2,
              ST_YMax(cut.geom) AS y2, size.part
            FROM cut JOIN size USING (number)"""
    )
    atlas.execute(
        """INSERT INTO shape
           SELECT 'community', code, left(code, 9), 'positions', geom FROM (
             SELECT site.code, ST_CollectionExtract(ST_Intersection(cell.geom, cell.part), 3) AS geom
             FROM site JOIN cell ON cell.number = site.part AND ST_X(site.geom) BETWEEN x1 AND x2
               AND ST_Y(site.geom) BETWEEN y1 AND y2 AND ST_Contains(cell.geom, site.geom))
           WHERE ST_Area(geom) > 0
             AND NOT EXISTS (FROM shape WHERE level = 'community')"""
    )
    atlas.execute("DROP TABLE cell")


def draw_known(atlas: duckdb.DuckDBPyConnection, level: str, but: Sequence[str]) -> None:
    """The shapes of a level that are known, but of those that share theirs with others."""
    parent = {"district": 0, "street": 6, "community": 9}[level]
    atlas.execute(
        """INSERT INTO shape SELECT level, code, left(code, ?), 'boundary', ST_Union_Agg(geom) FROM part
           WHERE level = ? AND NOT list_contains(?::VARCHAR[], code) GROUP BY level, code""",
        [parent, level, list(but)],
    )


def join_communities(atlas: duckdb.DuckDBPyConnection, level: str) -> None:
    """The areas of a level that have no shape yet, from those of their communities."""
    parent = {"district": 0, "street": 6}[level]
    atlas.execute(
        """INSERT INTO shape SELECT ?, left(code, ?) AS area, left(code, ?), 'joined', ST_Union_Agg(geom) FROM shape
           WHERE level = 'community' AND left(code, ?) NOT IN (SELECT code FROM shape WHERE level = ?)
           GROUP BY ALL""",
        [level, DIGITS[level], parent, DIGITS[level], level],
    )


def draw_city(atlas: duckdb.DuckDBPyConnection) -> None:
    """The city, from all its districts."""
    atlas.execute(
        """INSERT INTO shape SELECT 'city', '', '', 'joined', ST_Union_Agg(geom) FROM shape WHERE level = 'district'
           HAVING count(*) > 0"""
    )


def draw_grid(atlas: duckdb.DuckDBPyConnection, grid: MapGrid) -> None:
    """The cells that touch the city; each belongs to the community in which its middle lies, or that it touches first."""
    atlas.execute(
        f"""CREATE TEMP TABLE square AS
            WITH edge AS (
              SELECT ST_Transform(geom, {METRES}, {DEGREES}, true) AS geom FROM shape WHERE level = 'city'),
            size AS (
              SELECT 111320 * cos(radians($latitude)) / $metres AS across, 110574 / $metres AS up, ST_XMin(geom) AS x1,
                ST_YMin(geom) AS y1, ST_XMax(geom) AS x2, ST_YMax(geom) AS y2 FROM edge)
            SELECT column_, row_, ST_Transform(ST_MakeEnvelope(
                column_ / across + $west, row_ / up + $south, (column_ + 1) / across + $west, (row_ + 1) / up + $south),
                {DEGREES}, {METRES}, true) AS geom
            FROM size,
              unnest(generate_series(floor((x1 - $west) * across)::BIGINT, floor((x2 - $west) * across)::BIGINT))
                AS columns_ (column_),
              unnest(generate_series(floor((y1 - $south) * up)::BIGINT, floor((y2 - $south) * up)::BIGINT)) AS rows_ (row_)""",
        {"west": grid.west, "south": grid.south, "latitude": grid.latitude, "metres": grid.metres},
    )
    atlas.execute(
        """INSERT INTO shape
           SELECT 'grid', column_ * 1000000 + row_, arg_min(home.code, (NOT ST_Contains(home.geom, ST_Centroid(square.geom)), home.code)),
             'cells', any_value(square.geom)
           FROM square JOIN (
             SELECT CASE level WHEN 'community' THEN code ELSE '' END AS code, geom FROM shape
             WHERE level = CASE WHEN EXISTS (FROM shape WHERE level = 'community') THEN 'community' ELSE 'city' END) AS home
             ON ST_Intersects(square.geom, home.geom)
           GROUP BY column_, row_"""
    )
    atlas.execute("DROP TABLE square")


def draw_places(atlas: duckdb.DuckDBPyConnection, level: str, found: pa.Table) -> None:
    """Places as points."""
    atlas.register("given", found)
    atlas.execute(
        f"""INSERT INTO shape SELECT ?, code, coalesce(area, ''), 'points',
              ST_Transform(ST_Point(longitude, latitude), {DEGREES}, {METRES}, true) FROM given""",
        [level],
    )
    atlas.unregister("given")


def simplify(atlas: duckdb.DuckDBPyConnection, band: int, tolerance: float) -> None:
    """What is drawn at the zooms of a band. Squares and points are as they are; lines are simplified with their neighbours'."""
    box = "ST_XMin(geom), ST_YMin(geom), ST_XMax(geom), ST_YMax(geom)"
    atlas.execute(
        f"""INSERT INTO drawn SELECT level, ?, code, geom, {box} FROM shape
            WHERE ? = 0 OR level IN ('grid', 'school', 'city')""",
        [band, tolerance],
    )
    if tolerance:
        atlas.execute(
            f"""INSERT INTO drawn
                WITH line AS (
                  SELECT level, code, geom, row_number() OVER (PARTITION BY level ORDER BY code) AS place FROM shape
                  WHERE level NOT IN ('grid', 'school', 'city')),
                piece AS (
                  SELECT level, unnest(ST_Dump(ST_CoverageSimplify(list(geom ORDER BY code), $tolerance))) AS piece
                  FROM line GROUP BY level)
                SELECT level, $band, code, geom, {box} FROM (
                  SELECT level, code, ST_CollectionExtract(ST_Collect(list(piece.geom)), 3) AS geom
                  FROM piece JOIN line USING (level) WHERE place = piece.path[1] GROUP BY ALL)
                WHERE NOT ST_IsEmpty(geom)""",
            {"band": band, "tolerance": tolerance},
        )


def levels(atlas: duckdb.DuckDBPyConnection) -> list[MapLevel]:
    """Which levels there are, with the number of areas, and how most of them are drawn."""
    rows = atlas.execute(
        "SELECT {'level': level, 'areas': count(*), 'drawn': mode(drawn)} FROM shape GROUP BY level"
    ).fetchall()
    return [msgspec.convert(row[0], MapLevel) for row in rows]


def areas(atlas: duckdb.DuckDBPyConnection, level: str, within: str, after: str, limit: int) -> list[AreaRow]:
    """Areas of a level by code: those whose code, or whose parent's code, begins so; of the grid, those that touch the area."""
    touching = level == "grid" and bool(within)
    where = (
        """code IN (SELECT code FROM shape WHERE level = 'grid' AND ST_Intersects(geom,
             (SELECT ST_Buffer(geom, -1) FROM shape WHERE level <> 'grid' AND code = $within)))"""
        if touching
        else "(starts_with(code, $within) OR starts_with(parent, $within))"
    )
    rows: list[tuple[Any, ...]] = atlas.execute(
        f"""SELECT code, parent, west, south, east, north, longitude, latitude FROM area
            WHERE level = $level AND code > $after AND {where} ORDER BY code LIMIT $limit""",
        {"level": level, "within": within, "after": after, "limit": limit},
    ).fetchall()
    return [AreaRow(*row) for row in rows]


def bounds(atlas: duckdb.DuckDBPyConnection) -> tuple[float, float, float, float] | None:
    """West, south, east, north of the city, in degrees."""
    row = atlas.execute("SELECT west, south, east, north FROM area WHERE level = 'city'").fetchone()
    return None if row is None else (row[0], row[1], row[2], row[3])


def tile(atlas: duckdb.DuckDBPyConnection, level: str, band: int, zoom: int, column: int, row: int) -> bytes:
    """The areas of a level in one tile; empty where none lies."""
    made = atlas.execute(
        """SELECT content FROM made WHERE level = $level AND zoom = $zoom AND "column" = $column AND "row" = $row""",
        {"level": level, "zoom": zoom, "column": column, "row": row},
    ).fetchone()
    return bytes(made[0]) if made else draw_tile(atlas, level, band, zoom, column, row)


def draw_tile(atlas: duckdb.DuckDBPyConnection, level: str, band: int, zoom: int, column: int, row: int) -> bytes:
    """The same, out of the shapes."""
    found = atlas.execute(
        """WITH frame AS (SELECT ST_TileEnvelope($zoom, $column, $row) AS whole),
           seen AS (
             SELECT code, ST_AsMVTGeom(geom, ST_Extent(whole), 4096, 64, true) AS geom FROM drawn, frame
             WHERE level = $level AND band = $band AND x1 <= ST_XMax(whole) AND x2 >= ST_XMin(whole)
               AND y1 <= ST_YMax(whole) AND y2 >= ST_YMin(whole) ORDER BY code)
           SELECT ST_AsMVT({'code': code, 'geom': geom}, 'areas', 4096, 'geom') FROM seen
           WHERE geom IS NOT NULL AND NOT ST_IsEmpty(geom) HAVING count(*) > 0""",
        {"level": level, "band": band, "zoom": zoom, "column": column, "row": row},
    ).fetchone()
    return b"" if found is None else bytes(found[0])


def keep_tile(atlas: duckdb.DuckDBPyConnection, level: str, zoom: int, column: int, row: int, content: bytes) -> None:
    """A tile that need not be drawn again."""
    atlas.execute("INSERT INTO made VALUES (?, ?, ?, ?, ?)", [level, zoom, column, row, content])


class KeptRow(msgspec.Struct, frozen=True):
    """The newest atlas that was kept: of which version, and what it says of itself."""

    version: str
    about: str


def newest(tx: Transaction) -> KeptRow | None:
    """Without its file."""
    return tx.first(KeptRow, "SELECT version, about FROM maps.atlas ORDER BY drawn_at DESC LIMIT 1")


def drawn_at(tx: Transaction) -> datetime | None:
    """When it was drawn; None before the first."""
    found = tx.values(datetime, "SELECT drawn_at FROM maps.atlas ORDER BY drawn_at DESC LIMIT 1")
    return found[0] if found else None


def content(tx: Transaction, version: str) -> bytes | None:
    """The file of a version; None where a newer one has taken its place."""
    found = tx.values(bytes, "SELECT content FROM maps.atlas WHERE version = %s", [version])
    return found[0] if found else None


def keep(tx: Transaction, row: KeptRow, content: bytes, at: datetime) -> None:
    """Keep an atlas in the place of the earlier one."""
    tx.execute("DELETE FROM maps.atlas")
    tx.execute(
        "INSERT INTO maps.atlas (version, about, content, drawn_at) VALUES (%s, %s, %s, %s)",
        [row.version, row.about, content, at],
    )
