"""What keeping messages needs to look up: owners of Datastreams, devices by number, marks of messages."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from cityloom.kernel.db import Transaction


class Owner(msgspec.Struct, frozen=True):
    """A Datastream: who keeps it, and the devices whose Thing it belongs to."""

    stream: int
    keeper: str
    devices: list[int]


def owners(tx: Transaction, streams: Sequence[int]) -> list[Owner]:
    """Of those that are there."""
    return tx.all(
        Owner,
        """SELECT d.id AS stream, d.keeper,
             ARRAY(SELECT v.id FROM sensing.devices v WHERE v.thing_id = d.thing_id) AS devices
           FROM sensing.datastreams d WHERE d.id = ANY(%s)""",
        [list(streams)],
    )


class Numbered(msgspec.Struct, frozen=True):
    """A device by one of its numbers."""

    number: str
    id: int
    keeper: str
    state: str


def numbered(tx: Transaction, protocols: Sequence[str], numbers: Sequence[str]) -> list[Numbered]:
    """Devices that have one of these numbers."""
    return tx.all(
        Numbered,
        """SELECT n.number, d.id, d.keeper, d.state FROM sensing.device_numbers n
           JOIN sensing.devices d ON d.id = n.device_id WHERE n.protocol = ANY(%s) AND n.number = ANY(%s)
           ORDER BY n.protocol DESC""",
        [list(protocols), list(numbers)],
    )


def remember(tx: Transaction, at: datetime, marks: Sequence[int]) -> None:
    """Messages that are kept with this transaction."""
    tx.execute("INSERT INTO sensing.message_marks (at, marks) VALUES (%s, %s)", [at, list(marks)])


def remembered(tx: Transaction, since: datetime, marks: Sequence[int]) -> set[int]:
    """Those of the marks that were kept since then."""
    return set(
        tx.values(
            int,
            """SELECT DISTINCT u.mark FROM sensing.message_marks m CROSS JOIN LATERAL unnest(m.marks) u(mark)
               WHERE m.at >= %s AND u.mark = ANY(%s)""",
            [since, list(marks)],
        )
    )


def forget(tx: Transaction, before: datetime) -> int:
    """Marks that are of no use any more."""
    return tx.execute("DELETE FROM sensing.message_marks WHERE at < %s", [before])


def observed(tx: Transaction, streams: Sequence[int], first: int, last: int, received: datetime) -> set[int]:
    """Those of the Datastreams that have Observations with ids in this span, which arrived at this moment."""
    return set(
        tx.values(
            int,
            """SELECT DISTINCT datastream_id FROM sensing.observations
               WHERE id BETWEEN %s AND %s AND received = %s AND datastream_id = ANY(%s)""",
            [first, last, received, list(streams)],
        )
    )


class Secret(msgspec.Struct, frozen=True):
    """A device that speaks MQTT, and its own Datastreams."""

    device: int
    number: str
    digest: str
    turns: int
    multi: list[bool]
    streams: list[int]


def secrets(tx: Transaction) -> list[Secret]:
    """Of all devices with a secret in force that may be heard, by number."""
    return tx.all(
        Secret,
        """SELECT d.id AS device, n.number, n.digest, n.turns,
             COALESCE(array_agg(s.multi ORDER BY s.id) FILTER (WHERE s.id > 0), '{}') AS multi,
             COALESCE(array_agg(s.id ORDER BY s.id) FILTER (WHERE s.id > 0), '{}') AS streams
           FROM sensing.device_numbers n JOIN sensing.devices d ON d.id = n.device_id
           LEFT JOIN sensing.datastreams s ON s.thing_id = d.thing_id
           WHERE n.protocol = 'mqtt' AND n.digest IS NOT NULL AND d.state IN ('approved', 'in_service')
           GROUP BY d.id, n.number, n.digest, n.turns ORDER BY n.number""",
    )
