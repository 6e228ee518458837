"""Geometries: from GeoJSON and WKT to GEOS, the box around them, and what the functions of `$filter` reckon."""

import json
from collections.abc import Callable, Mapping, Sequence

import msgspec
import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from cityloom.kernel.errors import BadRequest

MOST_POINTS = 100_000


class Shape(msgspec.Struct, frozen=True):
    """A geometry as it is kept: WKB, and the box around it in degrees."""

    wkb: bytes
    west: float
    south: float
    east: float
    north: float


def of_geojson(value: object) -> Shape | None:
    """The geometry of a GeoJSON geometry or Feature (RFC 7946); None where there is none to reckon with."""
    if isinstance(value, Mapping) and value.get("type") == "Feature":
        value = value.get("geometry")
    if not isinstance(value, Mapping):
        return None
    try:
        found = shapely.from_geojson(json.dumps(value))
    except (shapely.errors.GEOSException, ValueError, TypeError):
        return None
    return None if found is None or found.is_empty else _kept(found)


def _kept(found: BaseGeometry) -> Shape | None:
    bounds = [float(each) for each in found.bounds]
    if not np.isfinite(bounds).all() or shapely.get_num_coordinates(found) > MOST_POINTS:
        return None
    return Shape(shapely.to_wkb(found), *bounds)


def of_wkt(text: str, position: int) -> BaseGeometry:
    """A literal `geography'POINT (114 22)'`. Raises BadRequest `sensing.filter_wrong`."""
    try:
        found = shapely.from_wkt(text.partition(";")[2] if text.upper().startswith("SRID=") else text)
    except (shapely.errors.GEOSException, ValueError) as error:
        raise BadRequest("sensing.filter_wrong", position=position, near=text[:40]) from error
    if found is None:
        raise BadRequest("sensing.filter_wrong", position=position, near=text[:40])
    return found


PREDICATES: dict[str, Callable[..., object]] = {
    "geo.intersects": shapely.intersects, "st_intersects": shapely.intersects, "st_equals": shapely.equals,
    "st_disjoint": shapely.disjoint, "st_touches": shapely.touches, "st_within": shapely.within,
    "st_overlaps": shapely.overlaps, "st_crosses": shapely.crosses, "st_contains": shapely.contains,
}  # fmt: skip
MEASURES: dict[str, Callable[..., object]] = {"geo.distance": shapely.distance, "geo.length": shapely.length}
RELATE = "st_relate"
FAR = "st_disjoint"
"""The one predicate of which a box that lies elsewhere decides nothing."""


def true_of(name: str, kept: Sequence[bytes], other: BaseGeometry, pattern: str, swapped: bool) -> list[bool]:
    """For each kept geometry whether the predicate holds with `other`; `swapped`: `other` comes first."""
    found = shapely.from_wkb(np.asarray(kept, dtype=object))
    pair = (other, found) if swapped else (found, other)
    told = shapely.relate_pattern(*pair, pattern) if name == RELATE else PREDICATES[name](*pair)
    return [bool(each) for each in np.atleast_1d(np.asarray(told))]


def measured(name: str, kept: Sequence[bytes], other: BaseGeometry | None) -> list[float]:
    """The distance of each to `other`, or its length, in degrees as the standard has it for coordinates in degrees."""
    found = shapely.from_wkb(np.asarray(kept, dtype=object))
    told = MEASURES[name](found) if other is None else MEASURES[name](found, other)
    return [float(each) for each in np.atleast_1d(np.asarray(told))]


def box(west: float, south: float, east: float, north: float) -> dict[str, object]:
    """The GeoJSON of a box: a point where it has no extent."""
    if west == east and south == north:
        return {"type": "Point", "coordinates": [west, south]}
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    return {"type": "Polygon", "coordinates": [ring]}
