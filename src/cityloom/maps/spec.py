"""Its part of a pack: `maps/*.yaml` says which shapes are known, which datasets tell where things lie, and the grid."""

from functools import lru_cache
from typing import Literal

import msgspec

from cityloom.kernel.errors import Invalid
from cityloom.kernel.packs import Packs
from cityloom.kernel.words import Text
from cityloom.maps.contracts import MapGrid

Division = Literal["district", "street", "community"]


class Boundaries(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Shapes of one level, in a GeoJSON file of the pack (RFC 7946, degrees, CGCS2000), each with its `code`.

    A feature with `streets` (codes) is the part of its district that is made up of these.
    """

    level: Division
    file: str
    """From the pack's folder."""
    source: Text
    """Whom to name beside the map, with the licence."""
    within: dict[str, str] = {}
    """Divisions without a shape of their own, and in whose they lie."""


class Positions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A dataset whose records lie in communities, and its fields that say so."""

    dataset: str
    area: str
    longitude: str
    latitude: str


class Places(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A dataset whose records are drawn one by one."""

    level: Literal["school"]
    dataset: str
    code: str
    name: str
    area: str
    longitude: str
    latitude: str


class MapsFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one file says."""

    boundaries: tuple[Boundaries, ...] = ()
    positions: tuple[Positions, ...] = ()
    places: tuple[Places, ...] = ()
    grid: MapGrid | None = None
    lists: dict[Division, str] = {}
    """Code lists that name the divisions."""


class Shapes(msgspec.Struct, frozen=True):
    """A file of boundaries, read."""

    declared: Boundaries
    content: bytes


class Declared(msgspec.Struct, frozen=True):
    """What all packs of the city say together."""

    shapes: tuple[Shapes, ...]
    positions: tuple[Positions, ...]
    places: tuple[Places, ...]
    grid: MapGrid | None
    lists: dict[Division, str]

    @property
    def datasets(self) -> tuple[str, ...]:
        """Those that maps are drawn from."""
        named = [*(each.dataset for each in self.positions), *(each.dataset for each in self.places)]
        return tuple(dict.fromkeys(named))


@lru_cache(maxsize=4)
def declared(packs: Packs) -> Declared:
    """What the packs say of maps. Raises Invalid `kernel.pack_wrong` naming the file."""
    packs.read("maps", MapsFile)  # names are unique over all packs
    shapes: list[Shapes] = []
    positions: list[Positions] = []
    places: list[Places] = []
    lists: dict[Division, str] = {}
    grid: MapGrid | None = None
    for pack in packs:
        for name, said in Packs((pack,)).read("maps", MapsFile).items():
            for each in said.boundaries:
                path = (pack.folder / each.file).resolve()
                if not path.is_relative_to(pack.folder.resolve()) or not path.is_file():
                    raise Invalid(
                        "kernel.pack_wrong", file=f"{pack.name}/maps/{name}.yaml", reason=f"no file {each.file}"
                    )
                shapes.append(Shapes(each, path.read_bytes()))
            positions += said.positions
            places += said.places
            lists |= said.lists
            grid = said.grid or grid
    return Declared(tuple(shapes), tuple(positions), tuple(places), grid, lists)
