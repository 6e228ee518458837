"""The sample city's part of a pack: samplecity/city.yaml, census.csv, names.yaml, wishes.yaml; and what it reads of the datasets."""

import csv
import re
from io import StringIO
from typing import Any, Literal

import msgspec

from cityloom.kernel.words import Text

AGES = (*((0, 1), (1, 5)), *((low, low + 5) for low in range(5, 85, 5)), (85, 100))
"""Age bands of census.csv in completed years: from, up to but without."""
COLUMNS = ("district", "people", "households", "household_people", "registered", "minority", "renting")


class City(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """samplecity/city.yaml. Files are named from the folder it is in."""

    title: Text
    division: str
    """GB/T 2260 code of the city."""
    time_zone: str
    census: str
    """CSV: see `census`."""
    districts: str
    """GeoJSON in EPSG:4326 with `code` in its properties, and `streets` where it is a part of a district."""
    district_names: str
    """CSV with columns code, zh, en, parent; so are streets and communities."""
    streets: str
    communities: str
    firms_per_person: float
    employed: float
    """Share of those of working age."""
    vehicles_per_household: float
    health_centres_per_community: float
    stops: dict[str, str] = {}
    """GeoJSON of points by the dataset they are delivered as; its properties are the dataset's fields."""
    inside: dict[str, str] = {}
    """Districts without a shape of their own, and the one in whose shape they lie."""
    province: Text | None = None
    """What people write before the city; not said of a city that lies in none."""


class Names(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """samplecity/names.yaml: what names of people, firms and roads are made of."""

    surnames: dict[str, float]
    male: str
    female: str
    rare: str
    roads: tuple[str, ...]
    firm_words: str
    firm_trades: dict[str, tuple[str, ...]]
    """Trade words by industry section."""
    shops: dict[str, tuple[str, ...]]
    place_first: str
    place_second: str
    road_endings: tuple[str, ...]
    estate_endings: tuple[str, ...]
    landmarks: tuple[str, ...]


class Wish(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An entry of samplecity/wishes.yaml: see PlannedWish."""

    id: str
    organisation: str
    wish: dict[str, Any]
    answer: Literal["approve", "offer", "refuse"] = "approve"
    why: str = ""
    law: str = ""
    offer: dict[str, Any] = {}
    queries: int = 0
    verifications: int = 0
    count_by: tuple[str, ...] = ()


class District(msgspec.Struct, frozen=True):
    """A line of census.csv."""

    code: str
    people: int
    households: int
    """Family households."""
    household_people: int
    """People living in them; the others live in collective households."""
    registered: float
    """Share of the people who are registered in the city."""
    minority: float
    renting: float
    """Share of the family households."""
    ages: tuple[int, ...]
    """Men by age band, then women."""


class Place(msgspec.Struct, frozen=True):
    """A line of a list of divisions."""

    code: str
    zh: str
    parent: str


class Point(msgspec.Struct, frozen=True, tag_field="type"):
    """Longitude and latitude in degrees (EPSG:4326)."""

    coordinates: tuple[float, float]


class Polygon(msgspec.Struct, frozen=True, tag_field="type"):
    """An outer ring and its holes."""

    coordinates: list[list[tuple[float, float]]]


class MultiPolygon(msgspec.Struct, frozen=True, tag_field="type"):
    """Several polygons."""

    coordinates: list[list[list[tuple[float, float]]]]


class Feature(msgspec.Struct, frozen=True):
    """A feature of a GeoJSON file; what else it says is not read here."""

    properties: dict[str, str | int | float | list[str]]
    geometry: Point | Polygon | MultiPolygon


class Features(msgspec.Struct, frozen=True):
    """A GeoJSON feature collection."""

    features: list[Feature]


def census(text: str) -> tuple[District, ...]:
    """The lines of census.csv: the columns of COLUMNS, then male_… and female_… for every band of AGES.

    Raises ValueError when a column is missing, or the ages of a district do not sum up to its people.
    """
    found = []
    for row in csv.DictReader(StringIO(text)):
        ages = tuple(int(value) for name, value in row.items() if name.startswith(("male_", "female_")))
        if set(COLUMNS) - set(row) or len(ages) != 2 * len(AGES):
            raise ValueError(f"census.csv: line of {row.get('district')} has not every column")
        if sum(ages) != int(row["people"]):
            raise ValueError(f"census.csv: ages of {row['district']} sum up to {sum(ages)}, not to {row['people']}")
        shares = (float(row["registered"]), float(row["minority"]), float(row["renting"]))
        counts = (int(row["people"]), int(row["households"]), int(row["household_people"]))
        found.append(District(row["district"], *counts, *shares, ages))
    return tuple(found)


def places(text: str) -> tuple[Place, ...]:
    """The lines of a list of divisions (CSV with columns code, zh, parent and more)."""
    return tuple(Place(row["code"], row["zh"], row["parent"]) for row in csv.DictReader(StringIO(text)))


class Element(msgspec.Struct, frozen=True):
    """What a field may inherit; the file has more."""

    type: str | None = None
    format: str | None = None
    min: int | float | str | None = None
    max: int | float | str | None = None
    max_length: int | None = None
    pattern: str | None = None
    codes: str | None = None
    precision: int | None = None
    scale: int | None = None


class Field(Element, frozen=True, kw_only=True):
    """A field of a dataset file."""

    name: str
    title: Text = Text("", "")
    element: str | None = None
    required: bool = False
    unique: bool = False
    references: str | None = None
    fresh_within: str | None = None


class Check(msgspec.Struct, frozen=True):
    """A cross-field rule."""

    name: str
    expression: str


class Dataset(msgspec.Struct, frozen=True):
    """What the generator reads of exchange/<dataset>.yaml: enough to write files for it, and to spoil them."""

    keeper: str
    key: tuple[str, ...]
    fields: tuple[Field, ...]
    modes: tuple[str, ...] = ("upsert",)
    checks: tuple[Check, ...] = ()

    def field(self, name: str) -> Field:
        """The field of that name. Raises KeyError."""
        for field in self.fields:
            if field.name == name:
                return field
        raise KeyError(name)

    def inheriting(self, elements: dict[str, Element]) -> "Dataset":
        """The dataset with what its fields inherit from their elements written out."""
        return msgspec.structs.replace(self, fields=tuple(_inherit(field, elements) for field in self.fields))


def _inherit(field: Field, elements: dict[str, Element]) -> Field:
    element = elements.get(field.element or "")
    if element is None:
        return field
    missing = {name: getattr(element, name) for name in Element.__struct_fields__ if getattr(field, name) is None}
    return msgspec.structs.replace(field, **missing)


def days(duration: str) -> int:
    """Days of an ISO 8601 duration in years, months, weeks and days, a month as 30 days and a year as 365."""
    found = re.fullmatch(r"P(?:(\d+)Y)?(?:(\d+)M)?(?:(\d+)W)?(?:(\d+)D)?", duration)
    if found is None:
        raise ValueError(f"not a duration in whole days: {duration}")
    years, months, weeks, rest = (int(part or 0) for part in found.groups())
    return years * 365 + months * 30 + weeks * 7 + rest
