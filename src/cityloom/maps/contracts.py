"""What crosses the border of maps: the levels of areas, the areas themselves, and tiles."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from cityloom.kernel.words import Text

MapLevelName = Literal["city", "district", "street", "community", "grid", "school"]
AreaCode = Annotated[str, Meta(pattern=r"^-?[0-9A-Za-z_]{0,20}$")]
"""A code of GB/T 10114 (6, 9 or 12 digits), of a school, or the number of a grid cell; empty: the city."""
DIGITS = {"city": 0, "district": 6, "street": 9, "community": 12}
"""How long the code of a division is."""
DEEPEST = 18
"""Tiles are made down to this zoom; a tile is then 150 m wide."""

Drawn = Literal["boundary", "joined", "positions", "cells", "points"]
"""`boundary`: by its delivered line; `joined`: of the areas in it; `positions`: around the places that lie in it, up to the
middle between neighbours, so the line is not an official one; `cells`: squares of the grid; `points`: places."""


class MapGrid(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Squares of equal size on an equirectangular projection that is true at `latitude`; degrees are CGCS2000.

    A cell's number is column × 1,000,000 + row, counted from `west` and `south`.
    """

    metres: int
    west: float
    south: float
    latitude: float


class MapLevel(msgspec.Struct, frozen=True):
    """One level of areas, and how they are drawn."""

    level: MapLevelName
    areas: int
    drawn: Drawn


class MapState(msgspec.Struct, frozen=True):
    """What there is to draw. Changes its `version` whenever a shape may have changed."""

    version: str
    """Empty until the city is drawn for the first time, which takes up to a minute; then there are no levels either."""
    levels: tuple[MapLevel, ...]
    bounds: tuple[float, float, float, float] | None
    """West, south, east, north, in degrees (CGCS2000); None where nothing can be drawn yet."""
    grid: MapGrid | None
    sources: tuple[Text, ...]
    """Whom to name beside the map, and under which licence."""


class MapArea(msgspec.Struct, frozen=True):
    """An area: one that can be drawn, or a division that has a name and no shape."""

    code: str
    name: Text
    """Empty for cells of the grid, which have none."""
    parent: str
    """The next wider division in which it lies; of cells and schools the community."""
    bounds: tuple[float, float, float, float] | None
    """West, south, east, north, in degrees (CGCS2000); None where no shape is known."""
    middle: tuple[float, float] | None
    """A point inside of it, longitude and latitude."""


class MapTile(msgspec.Struct, frozen=True):
    """One vector tile (Mapbox Vector Tile 2.1), with a layer `areas` of features that have a `code`."""

    version: str
    content: bytes
    """Empty where nothing lies."""
