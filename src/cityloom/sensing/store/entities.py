"""Entities other than Observations: made, changed, linked and removed."""

from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec

from cityloom.kernel import sql
from cityloom.kernel.db import Transaction
from cityloom.sensing.contracts import Kind
from cityloom.sensing.store import tables


class Owner(msgspec.Struct, frozen=True):
    """Whose an entity is, and whether everybody sees it."""

    keeper: str
    public: bool


def owner(tx: Transaction, kind: Kind, id: int) -> Owner | None:
    """Of an entity, other than an Observation, that the scope sees."""
    where = tables.condition(kind, "t")
    table = tables.PLACES[kind].table
    return tx.first(Owner, f"SELECT t.keeper, t.public FROM {table} t WHERE t.id = %s AND {where}", [id])


def insert(tx: Transaction, kind: Kind, keeper: str, values: Mapping[str, object]) -> int:
    """Make a row; its id. Columns come from the model, never from a client."""
    whole = {"keeper": keeper, **values}
    names = ", ".join(sql.name(name) for name in whole)
    marks = ", ".join(f"%({name})s" for name in whole)
    return tx.scalar(int, f"INSERT INTO {tables.PLACES[kind].table} ({names}) VALUES ({marks}) RETURNING id", whole)


def update(tx: Transaction, kind: Kind, id: int, values: Mapping[str, object]) -> None:
    """Write other values."""
    if values:
        pairs = ", ".join(f"{sql.name(name)} = %({name})s" for name in values)
        tx.execute(f"UPDATE {tables.PLACES[kind].table} SET {pairs} WHERE id = %(own_id)s", {**values, "own_id": id})


def place(tx: Transaction, thing: int, locations: Sequence[int], keeper: str) -> None:
    """The Thing is at these Locations from now on, and at no other."""
    tx.execute("DELETE FROM sensing.thing_locations WHERE thing_id = %s", [thing])
    tx.execute(
        """INSERT INTO sensing.thing_locations (thing_id, location_id, keeper, public)
           SELECT t.id, l, %s, t.public FROM sensing.things t, unnest(%s::bigint[]) l WHERE t.id = %s
           ON CONFLICT DO NOTHING""",
        [keeper, list(locations), thing],
    )


def remember(tx: Transaction, thing: int, at: datetime, locations: Sequence[int], keeper: str) -> int:
    """A HistoricalLocation: the Thing was at these Locations then."""
    id = tx.scalar(
        int,
        """INSERT INTO sensing.historical_locations (keeper, public, thing_id, time)
           SELECT %s, public, id, %s FROM sensing.things WHERE id = %s RETURNING id""",
        [keeper, at, thing],
    )
    set_places(tx, id, locations, keeper)
    return id


def set_places(tx: Transaction, history: int, locations: Sequence[int], keeper: str) -> None:
    """The Locations of a HistoricalLocation."""
    tx.execute("DELETE FROM sensing.historical_location_places WHERE historical_location_id = %s", [history])
    tx.execute(
        """INSERT INTO sensing.historical_location_places (historical_location_id, location_id, keeper, public)
           SELECT h.id, l, %s, h.public FROM sensing.historical_locations h, unnest(%s::bigint[]) l WHERE h.id = %s
           ON CONFLICT DO NOTHING""",
        [keeper, list(locations), history],
    )


def last_moved(tx: Transaction, thing: int) -> datetime | None:
    """When a Thing was last said to be somewhere."""
    row = tx.connection.execute(
        b"SELECT max(time) FROM sensing.historical_locations WHERE thing_id = %s", [thing]
    ).fetchone()
    return row[0] if row else None


def of_history(tx: Transaction, id: int) -> tuple[int, datetime]:
    """Thing and time of a HistoricalLocation."""
    found = tx.one(_Moved, "SELECT thing_id AS thing, time FROM sensing.historical_locations WHERE id = %s", [id])
    return found.thing, found.time


class _Moved(msgspec.Struct, frozen=True):
    thing: int
    time: datetime


def observe(tx: Transaction, stream: int, properties: Sequence[int], keeper: str) -> None:
    """What a Datastream observes, in the order of its results."""
    tx.execute("DELETE FROM sensing.datastream_properties WHERE datastream_id = %s", [stream])
    tx.execute(
        """INSERT INTO sensing.datastream_properties (datastream_id, position, observed_property_id, keeper)
           SELECT %s, n - 1, p, %s FROM unnest(%s::bigint[]) WITH ORDINALITY o(p, n)""",
        [stream, keeper, list(properties)],
    )


def size(tx: Transaction, stream: int) -> int:
    """How many properties a Datastream observes."""
    sql_text = "SELECT count(*) FROM sensing.datastream_properties WHERE datastream_id = %s"
    return tx.scalar(int, sql_text, [stream])


def streams_of(tx: Transaction, kind: Kind, id: int) -> list[int]:
    """Datastreams that go with an entity when it is removed."""
    ways = {
        Kind.things: "SELECT id FROM sensing.datastreams WHERE thing_id = %s",
        Kind.sensors: "SELECT id FROM sensing.datastreams WHERE sensor_id = %s",
        Kind.observed_properties:
            "SELECT DISTINCT datastream_id FROM sensing.datastream_properties WHERE observed_property_id = %s",
    }  # fmt: skip
    if kind in tables.STREAMS:
        return [id]
    return tx.values(int, ways[kind], [id]) if kind in ways else []


def remove(tx: Transaction, kind: Kind, ids: Sequence[int]) -> int:
    """Delete rows, and what belongs to them; how many."""
    return tx.execute(f"DELETE FROM {tables.PLACES[kind].table} WHERE id = ANY(%s)", [list(ids)])


def remove_history_of(tx: Transaction, location: int) -> None:
    """Delete the HistoricalLocations that name a Location."""
    tx.execute(
        """DELETE FROM sensing.historical_locations WHERE id IN (
             SELECT historical_location_id FROM sensing.historical_location_places WHERE location_id = %s)""",
        [location],
    )


SHOWN = (
    ("things", "id = %(thing)s"),
    ("historical_locations", "thing_id = %(thing)s"),
    ("thing_locations", "thing_id = %(thing)s"),
    ("datastreams", "thing_id = %(thing)s"),
)
STREAMS_OF_THING = "SELECT id FROM sensing.datastreams WHERE thing_id = %(thing)s"
OF_STREAMS = ("datastream_properties", "datastream_features", "latest")


def publish(tx: Transaction, thing: int, *, public: bool) -> None:
    """Show a Thing and all that belongs to it to everybody, or no longer.

    What it shares with other Things (Locations, Sensors, what is observed, features) stays shown while one of them is.
    """
    bound = {"thing": thing, "public": public}
    for table, where in SHOWN:
        tx.execute(f"UPDATE sensing.{table} SET public = %(public)s WHERE {where} AND public <> %(public)s", bound)
    for table in OF_STREAMS:
        tx.execute(
            f"""UPDATE sensing.{table} SET public = %(public)s
                WHERE datastream_id IN ({STREAMS_OF_THING}) AND public <> %(public)s""",
            bound,
        )
    tx.execute(
        """UPDATE sensing.historical_location_places p SET public = %(public)s FROM sensing.historical_locations h
           WHERE h.id = p.historical_location_id AND h.thing_id = %(thing)s""",
        bound,
    )
    for table, users in SHARED.items():
        tx.execute(
            f"""UPDATE sensing.{table} t SET public = EXISTS (SELECT FROM {users.table} u WHERE u.{users.column} = t.id AND u.public)
                WHERE id IN (SELECT {users.column} FROM {users.table} u WHERE {users.mine})""",
            bound,
        )


class Users(msgspec.Struct, frozen=True):
    """The rows that use a shared entity, by which column, and which of them are of the Thing."""

    table: str
    column: str
    mine: str


SHARED = {
    "locations": Users("sensing.thing_locations", "location_id", "u.thing_id = %(thing)s"),
    "sensors": Users("sensing.datastreams", "sensor_id", "u.thing_id = %(thing)s"),
    "observed_properties":
        Users("sensing.datastream_properties", "observed_property_id", f"u.datastream_id IN ({STREAMS_OF_THING})"),
    "features": Users("sensing.datastream_features", "feature_id", f"u.datastream_id IN ({STREAMS_OF_THING})"),
}  # fmt: skip
