"""In whose shape each community lies, and how coarse a shape may be at a zoom. No I/O."""

from collections.abc import Iterable, Mapping, Sequence

import msgspec

BANDS = (9, 12, 18)
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
