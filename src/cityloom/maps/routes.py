"""The HTTP door of maps: what can be drawn, areas with their names, and vector tiles."""

from typing import Annotated, Any

from litestar import Request, Response, get
from litestar.params import FromPath, FromQuery, QueryParameter

from cityloom.identity import api as identity
from cityloom.maps.api import showing
from cityloom.maps.contracts import AreaCode, MapArea, MapLevelName, MapState

AnyRequest = Request[Any, Any, Any]
TAGS = ["maps"]
MEDIA = "application/vnd.mapbox-vector-tile"
Limit = Annotated[int, QueryParameter(ge=1, le=10_000)]
Version = Annotated[str, QueryParameter(pattern="^[0-9a-f]{0,16}$", description="version for which the tile is asked")]
LASTING = "private, max-age=604800, immutable"


@get("/api/maps", tags=TAGS, summary="What can be drawn of the city", sync_to_thread=True)
def get_map(request: AnyRequest) -> MapState:
    """The levels of areas, how they are drawn, their version (empty until they are), and whom to name beside the map."""
    return showing.state(identity.open_context(request))


@get("/api/maps/areas", tags=TAGS, summary="Areas that can be drawn", sync_to_thread=True)
def list_map_areas(
    request: AnyRequest, level: FromQuery[MapLevelName], within: FromQuery[AreaCode] = "",
    after: FromQuery[AreaCode] = "", limit: Limit = 1000,
) -> list[MapArea]:  # fmt: skip
    """Of one level, in the division `within`, with name, bounds and a point inside. By code; the next page is asked for with
    `after` = the last code."""
    return showing.areas(identity.open_context(request), level, within, after, limit)


@get(
    "/api/maps/tiles/{level:str}/{zoom:int}/{column:int}/{row:int}",
    tags=TAGS,
    summary="A vector tile",
    description=f"Mapbox Vector Tile 2.1 in the tiling of Web Mercator (WebMercatorQuad of OGC 17-083r4): one layer `areas`, "
    f"whose features have a `code`, by which figures are joined. 204 where nothing lies. Type `{MEDIA}`.",
    media_type=MEDIA,
    sync_to_thread=True,
)
def get_map_tile(
    request: AnyRequest, level: FromPath[str], zoom: FromPath[int], column: FromPath[int], row: FromPath[int],
    v: Version = "",
) -> Response[bytes]:  # fmt: skip
    """400 where there is no such tile; 304 where it is still as the browser has it."""
    made = showing.tile(identity.open_context(request), level, zoom, column, row)
    tag = f'"{made.version}-{level}-{zoom}-{column}-{row}"'
    headers = {"etag": tag, "cache-control": LASTING if v == made.version else "private, no-cache"}
    if tag in request.headers.get("if-none-match", ""):
        return Response(b"", status_code=304, media_type=MEDIA, headers=headers)
    status = 200 if made.content else 204
    return Response(made.content, status_code=status, media_type=MEDIA, headers=headers)


ROUTES = (get_map, list_map_areas, get_map_tile)
