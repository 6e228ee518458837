"""What there is to draw, the areas with their names, and tiles: for whoever is signed in."""

from cityloom.kernel.context import Context
from cityloom.kernel.errors import BadRequest, NotFound
from cityloom.kernel.words import Text
from cityloom.maps import rules
from cityloom.maps.api import atlas
from cityloom.maps.contracts import DEEPEST, MapArea, MapState, MapTile
from cityloom.maps.store import AreaRow

NAMELESS = Text("", "")
UPWARD = {"street": 6, "community": 9}
"""How long the code of what a division lies in is."""


def state(ctx: Context) -> MapState:
    """The levels that can be drawn, and of which version they are; none before the first time the city is drawn."""
    return atlas.state(ctx)


def areas(ctx: Context, level: str, within: str, after: str, limit: int) -> list[MapArea]:
    """Areas of a level that lie in another, by code; divisions that have a name and no shape are among them."""
    known = atlas.of(ctx)
    drawn = {row.code: row for row in known.areas(level, within, after, limit)}
    named = {code for code in known.divisions(level) if code.startswith(within) and code > after}
    return [_area(known, level, code, drawn.get(code)) for code in sorted({*drawn, *named})[:limit]]


def _area(known: atlas.Atlas, level: str, code: str, row: AreaRow | None) -> MapArea:
    name = known.names.get(code, NAMELESS if level == "grid" else Text(code, code))
    if row is None:
        return MapArea(code, name, code[: UPWARD.get(level, 0)], None, None)
    whole = (row.west, row.south, row.east, row.north)
    return MapArea(code, name, row.parent, whole, (row.longitude, row.latitude))


def tile(ctx: Context, level: str, zoom: int, column: int, row: int) -> MapTile:
    """One tile of a level. Raises BadRequest `maps.tile_wrong`, NotFound `maps.level_missing`."""
    if not rules.is_tile(zoom, column, row, DEEPEST):
        raise BadRequest("maps.tile_wrong", zoom=zoom, column=column, row=row, deepest=DEEPEST)
    known = atlas.of(ctx)
    if level not in known.levels:
        raise NotFound("maps.level_missing", level=level, known=", ".join(known.levels) or "–")
    return MapTile(known.state.version, known.tile(level, zoom, column, row))
