"""In whose shape each community lies, and how coarse a shape may be at a zoom. No I/O."""

import math
from collections.abc import Iterable, Mapping, Sequence

import msgspec

BANDS = (8, 10, 12, 18)
"""Shapes are simplified for zooms up to these; the last are as they are."""
EQUATOR = 40_075_016.68
"""Metres around the earth in Web Mercator (EPSG:3857)."""
TILE_PIXELS = 512


class Part(msgspec.Struct, frozen=True):
    """A shape of a district, or of some streets of it."""

    number: int
    code: str
    streets: frozenset[str]


def band(zoom: int) -> int:
    """Which of the simplified shapes a zoom shows."""
    return next(place for place, upto in enumerate(BANDS) if zoom <= upto)


def tolerance(place: int) -> float:
    """How far (metres of EPSG:3857) a simplified line may lie from the true one: half a pixel at the band's last zoom."""
    return 0.0 if place == len(BANDS) - 1 else EQUATOR / TILE_PIXELS / 2 ** BANDS[place] / 2


def is_tile(zoom: int, column: int, row: int, deepest: int) -> bool:
    """Whether there is such a tile."""
    return 0 <= zoom <= deepest and 0 <= column < 2**zoom and 0 <= row < 2**zoom


def covering(bounds: tuple[float, float, float, float], most: int) -> list[tuple[int, int, int]]:
    """The tiles (zoom, column, row) that touch the bounds (west, south, east, north in degrees): from the zoom at which they are
    half a tile wide, since from farther away nobody looks, up to the last one at which there are no more than `most`."""
    found: list[tuple[int, int, int]] = []
    first = max(math.ceil(math.log2(180 / max(bounds[2] - bounds[0], 1e-3))), 0)
    for zoom in range(first, BANDS[-1]):
        (left, top), (right, bottom) = _tile(bounds[0], bounds[3], zoom), _tile(bounds[2], bounds[1], zoom)
        if (right - left + 1) * (bottom - top + 1) > most:
            break
        found += [(zoom, column, row) for column in range(left, right + 1) for row in range(top, bottom + 1)]
    return found


def _tile(longitude: float, latitude: float, zoom: int) -> tuple[int, int]:
    """In which tile of a zoom a point lies (Web Mercator, OGC 17-083r4, WebMercatorQuad)."""
    y = math.asinh(math.tan(math.radians(latitude))) / math.pi
    last = 2**zoom - 1
    return min(int((longitude + 180) / 360 * 2**zoom), last), min(max(int((1 - y) / 2 * 2**zoom), 0), last)


def homes(communities: Iterable[str], parts: Sequence[Part], within: Mapping[str, str]) -> dict[str, int]:
    """In which part each community (12 digits) lies: that of its street, else that of its district, else none."""
    by_street = {street: part.number for part in parts for street in part.streets}
    whole = {part.code: part.number for part in reversed(parts) if not part.streets}
    found = {}
    for code in communities:
        district = within.get(code[:6], code[:6])
        home = by_street.get(code[:9], whole.get(district))
        if home is not None:
            found[code] = home
    return found


def shared(within: Mapping[str, str]) -> frozenset[str]:
    """Divisions that are not as large as the shape they lie in."""
    return frozenset(within) | frozenset(within.values())
