"""The city drawn from its district boundaries and the dwellings that were delivered, read back by another reader (GDAL)."""

import json
from collections.abc import Iterator
from pathlib import Path

import duckdb
import httpx
import msgspec
import pytest
from litestar.testing import TestClient

from cityloom import app
from cityloom.kernel import lake, packs
from cityloom.kernel.context import Parts
from cityloom.kernel.jobs import platform_context
from cityloom.maps import rules, spec, store
from cityloom.maps.api import atlas, drawing
from indicators.indicators_kit import deliver, headers
from scratch import Scratch
from serving import served

Door = TestClient[object]
TILES = "/api/maps/tiles"


@pytest.fixture
def town(scratch: Scratch) -> Iterator[Parts]:
    """The shipped city; nothing has been delivered."""
    parts = app.open_parts(msgspec.structs.replace(scratch.settings, language="en", min_free_mib=1))
    ctx = platform_context(parts, "install")
    for module in app.MODULES:
        if module.install:
            module.install(ctx)
    yield parts
    app.close_parts(parts)


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with lake.spatial(256, 1, tmp_path / "reader") as connection:
        yield connection


def read(reader: duckdb.DuckDBPyConnection, folder: Path, answer: httpx.Response, zoom: int, x: int, y: int) -> None:
    """The tile as the table `tile` (code, geom in EPSG:3857)."""
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/vnd.mapbox-vector-tile"
    place = folder / str(zoom) / str(x) / f"{y}.mvt"
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(answer.content)
    reader.execute(
        "CREATE OR REPLACE TABLE tile AS SELECT code, ST_MakeValid(geom) AS geom FROM ST_Read(?)", [str(place)]
    )


def differing(reader: duckdb.DuckDBPyConnection, shapes: Path, zoom: int, x: int, y: int) -> dict[str, float]:
    """Of each district, the share of its area in the tile by which the tile and the source differ."""
    reader.execute("CREATE OR REPLACE TABLE source (code VARCHAR, geom GEOMETRY)")
    for feature in json.loads(shapes.read_text())["features"]:
        reader.execute(
            "INSERT INTO source SELECT ?, ST_MakeValid(ST_Transform(ST_GeomFromGeoJSON(?), 'OGC:CRS84', 'EPSG:3857', true))",
            [feature["properties"]["code"], json.dumps(feature["geometry"])],
        )
    rows = reader.execute(
        """WITH whole AS (
             SELECT code, ST_Intersection(ST_Union_Agg(geom), ST_TileEnvelope(?, ?, ?)) AS geom FROM source GROUP BY code),
           seen AS (SELECT code, ST_Intersection(ST_Union_Agg(geom), ST_TileEnvelope(?, ?, ?)) AS geom FROM tile GROUP BY code)
           SELECT code, (ST_Area(ST_Difference(whole.geom, seen.geom)) + ST_Area(ST_Difference(seen.geom, whole.geom)))
             / ST_Area(whole.geom) FROM whole LEFT JOIN seen USING (code) WHERE ST_Area(whole.geom) > 1e6""",
        [zoom, x, y] * 2,
    ).fetchall()
    return dict(rows)


def test_tiles_hold_the_districts_and_what_is_drawn_around_their_dwellings(
    town: Parts, reader: duckdb.DuckDBPyConnection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(atlas, "ASKED_EVERY", 0.0)
    who = headers(town, "transport", "exchange.read_receipt")
    shapes = packs.shipped() / "shenzhen/places/districts.geojson"
    platform = platform_context(town, "test")
    with served(town) as http:
        early = http.get("/api/maps", headers=who)
        assert (early.status_code, early.json()["version"], early.json()["levels"]) == (200, "", []), "no reader draws"
        none = http.get("/api/maps/areas", params={"level": "district"}, headers=who)
        assert (none.status_code, none.json()["code"]) == (503, "maps.not_drawn")
        assert drawing.draw_settled(platform), "there is none"
        assert not drawing.draw_due(platform), "nothing has changed"
        state = http.get("/api/maps", headers=who).json()
        assert {each["level"]: each["areas"] for each in state["levels"]}["district"] == 9
        assert "community" not in {each["level"] for each in state["levels"]}, "nobody said where they lie"
        assert state["sources"][0]["en"].startswith("TransBigData")

        # the true lines at every zoom, to the pixel
        for zoom, x, y, worst in ((9, 418, 223, 0.02), (11, 1672, 892, 0.004), (14, 13382, 7138, 0.002)):
            read(reader, tmp_path, http.get(f"{TILES}/district/{zoom}/{x}/{y}", headers=who), zoom, x, y)
            found = differing(reader, shapes, zoom, x, y)
            assert found, zoom
            assert all(share is not None and share < worst for share in found.values()), (zoom, found)

        # what it answers to browsers and to nonsense
        first = http.get(f"{TILES}/district/9/418/223", headers=who)
        assert (
            http.get(f"{TILES}/district/9/418/223", headers={**who, "if-none-match": first.headers["etag"]}).status_code
            == 304
        )
        lasting = http.get(f"{TILES}/district/9/418/223", params={"v": state["version"]}, headers=who)
        assert "immutable" in lasting.headers["cache-control"]
        assert "no-cache" in first.headers["cache-control"]
        assert http.get(f"{TILES}/district/9/0/0", headers=who).status_code == 204
        for path, status in (
            ("district/25/0/0", 400),
            ("district/3/8/0", 400),
            ("district/3/0/-1", 400),
            ("village/9/1/1", 404),
        ):
            assert http.get(f"{TILES}/{path}", headers=who).status_code == status, path
        assert http.get(f"{TILES}/district/9/418/223").status_code == 401

        # dwellings come: communities appear, cover their districts and do not overlap
        deliver(platform, tmp_path, {"dwelling", "school"})
        assert http.get("/api/maps", headers=who).json() == state, "drawn by the job alone"
        assert drawing.draw_due(platform)
        later = http.get("/api/maps", headers=who).json()
        assert later["version"] != state["version"]
        levels = {each["level"]: each for each in later["levels"]}
        assert levels["community"]["drawn"] == "positions"
        assert levels["school"]["areas"] > 0
        read(reader, tmp_path, http.get(f"{TILES}/community/9/418/223", headers=who), 9, 418, 223)
        whole, summed, joined = reader.execute(
            """SELECT (SELECT ST_Area(ST_Union_Agg(geom)) FROM source), sum(ST_Area(geom)), ST_Area(ST_Union_Agg(geom))
               FROM tile WHERE left(code, 4) = '4403'"""
        ).fetchone() or (0, 0, 0)
        assert summed == pytest.approx(joined, rel=0.01)
        assert joined == pytest.approx(
            reader.execute(
                "SELECT ST_Area(ST_Intersection(ST_Union_Agg(geom), ST_TileEnvelope(9, 418, 223))) FROM source"
            ).fetchone()[0],
            rel=0.05,
        ), whole

        # every named community is told of, drawn or not; each point inside lies in its own bounds
        areas = http.get("/api/maps/areas", params={"level": "community", "limit": 10_000}, headers=who).json()
        assert len(areas) == 788
        drawn = [each for each in areas if each["bounds"]]
        assert len(drawn) == levels["community"]["areas"]
        for each in drawn:
            (west, south, east, north), (x_, y_) = each["bounds"], each["middle"]
            assert west <= x_ <= east, each
            assert south <= y_ <= north, each
        within = http.get("/api/maps/areas", params={"level": "street", "within": "440303"}, headers=who).json()
        assert {each["parent"] for each in within} == {"440303"}
        assert within[0]["name"] == {"en": "Guiyuan Subdistrict", "zh": "桂园街道"}
        cells = http.get("/api/maps/areas", params={"level": "grid", "within": drawn[0]["code"]}, headers=who).json()
        assert cells
        pages = [
            each
            for after in ("", areas[399]["code"])
            for each in http.get(
                "/api/maps/areas", params={"level": "community", "after": after, "limit": 400}, headers=who
            ).json()
        ]
        assert pages == areas

        # wide views are made beforehand, and are what the shapes would give
        known = atlas.of(platform)
        with known.cursor() as cursor:
            zooms = cursor.execute("SELECT DISTINCT zoom FROM made WHERE level = 'community' ORDER BY zoom").fetchall()
            assert zooms == [(8,), (9,), (10,), (11,)]
            drawn_now = store.draw_tile(cursor, "community", rules.band(9), 9, 418, 223)
        assert drawn_now == http.get(f"{TILES}/community/9/418/223", headers=who).content

    # whoever starts anew has it at once
    again = app.open_parts(town.settings)
    try:
        assert atlas.of(platform_context(again, "test")).state == known.state
    finally:
        app.close_parts(again)


def test_cells_are_those_in_which_people_are_counted() -> None:
    active = packs.choose([packs.shipped()], "shenzhen")
    grid = packs.model(active.named("people"), "population").Grid()
    declared = spec.declared(active).grid
    assert declared is not None
    assert msgspec.structs.asdict(declared) == {
        name: getattr(grid, name) for name in ("metres", "west", "south", "latitude")
    }
