"""Finds made-up centres of communities within the real shapes of their districts (positions in degrees, EPSG:4326)."""

from itertools import pairwise

import msgspec
import numpy as np
from numpy.typing import NDArray

from cityloom.samplecity.rules import chance
from cityloom.samplecity.rules.chance import Flags, Units
from cityloom.samplecity.spec import Feature, Features, MultiPolygon, Place, Point, Polygon

TRIES = 60
"""Points drawn for each community; a district fills more than a tenth of its bounding box."""


class Shape(msgspec.Struct, frozen=True):
    """A district or a part of one."""

    code: str
    streets: frozenset[str]
    """The streets that make up the part; empty for the district itself."""
    rings: tuple[NDArray[np.float64], ...]
    """Outer and inner rings alike, each n × 2: a point is inside when it is within an odd number of them."""


def shapes(collection: Features) -> list[Shape]:
    """The polygons of a feature collection."""
    return [_shape(feature) for feature in collection.features if not isinstance(feature.geometry, Point)]


def _shape(feature: Feature) -> Shape:
    geometry = feature.geometry
    polygons = geometry.coordinates if isinstance(geometry, MultiPolygon) else []
    polygons = [geometry.coordinates] if isinstance(geometry, Polygon) else polygons
    streets = feature.properties.get("streets", [])
    rings = tuple(np.array(ring, np.float64) for polygon in polygons for ring in polygon)
    return Shape(str(feature.properties["code"]), frozenset(streets if isinstance(streets, list) else []), rings)


def centres(seed: int, communities: list[Place], shapes: list[Shape], inside: dict[str, str]) -> tuple[Units, Units]:
    """Longitude and latitude of a point for each community. `inside` names the shape of districts that have none."""
    found = np.zeros((len(communities), 2), np.float64)
    of_shape: dict[int, list[int]] = {}
    for place, community in enumerate(communities):
        of_shape.setdefault(_home(community, shapes, inside), []).append(place)
    for home, places in of_shape.items():
        found[places] = _points(chance.key(seed, "centres", home), shapes[home], len(places))
    return found[:, 0], found[:, 1]


def _home(community: Place, shapes: list[Shape], inside: dict[str, str]) -> int:
    code = community.code[:6]
    code = inside.get(code, code)
    whole = [place for place, shape in enumerate(shapes) if shape.code == code and not shape.streets]
    part = [place for place, shape in enumerate(shapes) if community.parent in shape.streets]
    if not part and not whole:
        raise ValueError(f"no shape for the district {code}")
    return (part or whole)[0]


def _points(key: int, shape: Shape, count: int) -> NDArray[np.float64]:
    corners = np.concatenate(shape.rings)
    low, high = corners.min(axis=0), corners.max(axis=0)
    number = np.arange(count * TRIES)
    drawn = np.column_stack([chance.unit(key, "east", number), chance.unit(key, "north", number)]) * (high - low) + low
    kept = drawn[contains(shape, drawn)]
    return np.resize(kept, (count, 2)) if len(kept) < count else kept[:count]


def contains(shape: Shape, points: NDArray[np.float64]) -> Flags:
    """Whether each point (n × 2) is inside the shape."""
    odd = np.zeros(len(points), np.bool_)
    for ring in shape.rings:
        for (x0, y0), (x1, y1) in pairwise(ring):
            if y0 != y1:
                spans = (points[:, 1] < y0) != (points[:, 1] < y1)
                odd ^= spans & (points[:, 0] < (x1 - x0) * (points[:, 1] - y0) / (y1 - y0) + x0)
    return odd
