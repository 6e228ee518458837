"""What the recipes of the datasets look at: the city as a whole, and one block of its people."""

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cityloom.samplecity.rules import chance
from cityloom.samplecity.rules.chance import Index
from cityloom.samplecity.rules.facilities import Clinics, Schools
from cityloom.samplecity.rules.layout import Communities
from cityloom.samplecity.rules.population import Population
from cityloom.samplecity.rules.times import Period
from cityloom.samplecity.spec import City, Feature, Names, Place

Columns = dict[str, pa.Array]
"""A frame: one typed column for each field of a dataset."""


class World(msgspec.Struct, frozen=True):
    """The city without its people."""

    seed: int
    city: City
    names: Names
    periods: tuple[Period, ...]
    districts: tuple[Place, ...]
    """In the order of the census."""
    communities: Communities
    schools: Schools
    clinics: Clinics
    stops: dict[str, list[Feature]]

    @property
    def today(self) -> int:
        """The last day of the first period: the full deliveries describe its evening."""
        return self.periods[0].last

    @property
    def turns(self) -> int:
        """How many months of changes follow the full delivery."""
        return len(self.periods) - 1

    @property
    def firsts(self) -> Index:
        """The first day of each period."""
        return np.array([period.first for period in self.periods], np.int64)

    @property
    def lasts(self) -> Index:
        """The last day of each period."""
        return np.array([period.last for period in self.periods], np.int64)


class Scene(msgspec.Struct, frozen=True):
    """The world and, for datasets that are delivered block by block, the people of one."""

    world: World
    block: Population | None = None

    @property
    def people(self) -> Population:
        """The people of the block. Raises LookupError for a dataset of the whole city."""
        if self.block is None:
            raise LookupError("this dataset is made for the whole city")
        return self.block

    @property
    def key(self) -> int:
        """What chance depends on here."""
        return self.block.key if self.block else chance.key(self.world.seed, "city")


class Roll(msgspec.Struct, frozen=True):
    """Everything that a dataset will ever hold here, in the order in which it comes: its entities."""

    subject: Index
    """What each entity is about: a person, a household, a firm, a place in a list."""
    ends: tuple[int, ...]
    """How many entities there are by the end of each period."""
    referenced: int = 0
    """So many entities, the first ones, are named by other datasets, and must not come wrong in their first file."""
    leaves: Index | None = None
    """The period in which an entity is gone, or -1."""
    other: Index | None = None
    """A second thing an entity is about."""
    changed: tuple[Index, ...] | None = None
    """For each period the entities that change; without it, chance says which."""

    def period(self, entity: Index) -> Index:
        """The period in which an entity comes."""
        return np.searchsorted(np.array(self.ends), entity, side="right").astype(np.int64)


def grown(first: Index, later: list[Index], **more: int) -> Roll:
    """A roll of what is there at first and what comes in each later period."""
    ends = np.cumsum([len(first), *(len(one) for one in later)])
    return Roll(np.concatenate([first, *later]), tuple(int(end) for end in ends), more.get("referenced", 0))


def whole(column: Index) -> pa.Array:
    """A column of integers."""
    return pa.array(np.asarray(column, np.int64))


def dates(days: Index) -> pa.Array:
    """A column of dates from days since 1970-01-01."""
    return pa.array(np.asarray(days, np.int32)).cast(pa.date32())


def moments(seconds: Index) -> pa.Array:
    """A column of timestamps without zone (the city's own time) from seconds since 1970-01-01."""
    return pa.array(np.asarray(seconds, np.int64)).cast(pa.timestamp("s"))


def decimals(units: Index, precision: int, scale: int) -> pa.Array:
    """A column of exact decimals from numbers of the smallest unit, such as cents."""
    wide = np.empty((len(units), 2), np.int64)
    wide[:, 0] = units
    wide[:, 1] = np.asarray(units, np.int64) >> 63
    return pa.Array.from_buffers(pa.decimal128(precision, scale), len(units), [None, pa.py_buffer(wide)])


def degrees(column: chance.Units) -> pa.Array:
    """A column of degrees, to about a metre."""
    return pa.array(np.round(column, 5))


def chosen(texts: list[str] | tuple[str, ...], place: Index | chance.Flags) -> pa.Array:
    """A column of texts from their places in a list."""
    return pa.array(list(texts), pa.string()).take(pa.array(np.asarray(place, np.int64)))


def only_where(flags: chance.Flags, column: pa.Array) -> pa.Array:
    """The column with NULL elsewhere."""
    return pc.if_else(pa.array(flags), column, pa.scalar(None, column.type))


def community_codes(world: World, community: Index) -> pa.Array:
    """Codes of communities."""
    return chosen(world.communities.code, community)


def addresses(scene: Scene, community: Index, what: str, number: Index, version: Index) -> pa.Array:
    """Made-up addresses on made-up roads in real communities; another version is another room."""
    key, roads = scene.key, scene.world.names.roads
    road = chosen(roads, chance.whole(key, what + " road", community, 0, len(roads)))
    gate = whole(chance.whole(key, what + " gate", number, 1, 300)).cast(pa.string())
    floor = chance.whole(key, what + " floor", number, 1, 30)
    room = whole(floor * 100 + 1 + (chance.whole(key, what + " room", number, 0, 8) + version) % 8).cast(pa.string())
    begin = chosen(scene.world.communities.place, community)
    return pc.binary_join_element_wise(begin, road, gate, "号", room, "室", "")


def near(scene: Scene, community: Index, what: str, number: Index) -> tuple[pa.Array, pa.Array]:
    """Longitude and latitude about half a kilometre around the community's centre."""
    east = scene.world.communities.longitude[community] + 0.004 * chance.normal(scene.key, what + " east", number)
    north = scene.world.communities.latitude[community] + 0.004 * chance.normal(scene.key, what + " north", number)
    return degrees(east), degrees(north)
