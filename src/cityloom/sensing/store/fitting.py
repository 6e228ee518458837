"""Entities of SensorThings for devices, many at once: what they share is made once for each keeper."""

from collections.abc import Mapping, Sequence

import msgspec

from cityloom.kernel.db import Transaction


class Shared(msgspec.Struct, frozen=True):
    """What is shared by its key."""

    key: str
    id: int


class Line(msgspec.Struct, frozen=True):
    """A Datastream to be made."""

    name: str
    description: str
    observation_type: str
    unit: Mapping[str, str | None]
    properties: Mapping[str, str]
    observed: int


def properties(tx: Transaction, keeper: str, wanted: Mapping[str, tuple[str, str]]) -> dict[str, int]:
    """ObservedProperties by definition, made where they lack; name and description of each are given."""
    lock(tx, keeper)
    found = _known(tx, keeper, "observed_property_id", list(wanted))
    lacking = sorted(set(wanted) - set(found))
    if lacking:
        made = tx.values(
            int,
            """INSERT INTO sensing.observed_properties (keeper, name, description, definition)
               SELECT %s, n, d, f FROM unnest(%s::text[], %s::text[], %s::text[]) WITH ORDINALITY u(n, d, f, at)
               ORDER BY at RETURNING id""",
            [keeper, [wanted[each][0] for each in lacking], [wanted[each][1] for each in lacking], lacking],
        )
        found |= dict(zip(lacking, sorted(made), strict=True))  # ids ascend in the order of the rows
        _remember(tx, keeper, "observed_property_id", {each: found[each] for each in lacking})
    return found


def sensor(tx: Transaction, keeper: str, key: str, name: str, description: str) -> int:
    """The Sensor of that key, made if there is none."""
    lock(tx, keeper)
    found = _known(tx, keeper, "sensor_id", [key])
    if key not in found:
        found[key] = tx.scalar(
            int,
            """INSERT INTO sensing.sensors (keeper, name, description, encoding_type, metadata)
               VALUES (%s, %s, %s, 'text/plain', to_jsonb(%s::text)) RETURNING id""",
            [keeper, name, description, key],
        )
        _remember(tx, keeper, "sensor_id", found)
    return found[key]


def lock(tx: Transaction, keeper: str) -> None:
    """One transaction at a time makes what a keeper's devices share."""
    tx.execute("SELECT pg_advisory_xact_lock(7216045, hashtext(%s))", [keeper])


def _known(tx: Transaction, keeper: str, column: str, keys: Sequence[str]) -> dict[str, int]:
    rows = tx.all(
        Shared,
        f"""SELECT key, {column} AS id FROM sensing.shared_entities
            WHERE keeper = %s AND key = ANY(%s) AND {column} IS NOT NULL""",
        [keeper, list(keys)],
    )
    return {each.key: each.id for each in rows}


def _remember(tx: Transaction, keeper: str, column: str, found: Mapping[str, int]) -> None:
    tx.execute(
        f"""INSERT INTO sensing.shared_entities (keeper, key, {column})
            SELECT %s, * FROM unnest(%s::text[], %s::bigint[])""",
        [keeper, list(found), list(found.values())],
    )


def datastreams(tx: Transaction, keeper: str, thing: int, sensor: int, lines: Sequence[Line]) -> list[int]:
    """Datastreams of a Thing; their ids in the order of the lines."""
    made = sorted(
        tx.values(
            int,
            """INSERT INTO sensing.datastreams
                 (keeper, public, multi, thing_id, sensor_id, name, description, observation_type, unit, properties)
               SELECT %(keeper)s, t.public, false, t.id, %(sensor)s, u.n, u.d, u.o, u.u, u.p
               FROM unnest(%(names)s::text[], %(descriptions)s::text[], %(types)s::text[], %(units)s::jsonb[],
                 %(properties)s::jsonb[]) WITH ORDINALITY u(n, d, o, u, p, at), sensing.things t
               WHERE t.id = %(thing)s ORDER BY u.at RETURNING id""",
            {
                "keeper": keeper, "thing": thing, "sensor": sensor, "names": [each.name for each in lines],
                "descriptions": [each.description for each in lines], "types": [each.observation_type for each in lines],
                "units": [msgspec.json.encode(each.unit).decode() for each in lines],
                "properties": [msgspec.json.encode(each.properties).decode() for each in lines],
            },
        )
    )  # fmt: skip
    tx.execute(
        """INSERT INTO sensing.datastream_properties (datastream_id, position, observed_property_id, keeper, public)
           SELECT d.id, 0, u.p, d.keeper, d.public FROM unnest(%s::bigint[], %s::bigint[]) u(id, p)
           JOIN sensing.datastreams d ON d.id = u.id""",
        [made, [each.observed for each in lines]],
    )
    return made
