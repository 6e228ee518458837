"""What devices said, as it is written: frames, signs of life, quarantine; and what was said before."""

from collections.abc import Sequence
from datetime import date, datetime

import msgspec

from cityloom.kernel.db import Transaction
from cityloom.sensing.contracts.devices import KeptFrame, Stray


class Heard(msgspec.Struct, frozen=True):
    """A device that speaks."""

    id: int
    keeper: str
    station: str
    state: str
    thing: int | None


def devices(tx: Transaction, ids: Sequence[int]) -> list[Heard]:
    """Those of the ids that there are."""
    return tx.all(
        Heard,
        "SELECT id, keeper, station, state, thing_id AS thing FROM sensing.devices WHERE id = ANY(%s)",
        [list(ids)],
    )


def make_day(tx: Transaction, day: date) -> None:
    """The partition of a day (UTC) for frames."""
    tx.execute("SELECT sensing.make_frames_day(%s)", [day])


def drop_frames(tx: Transaction, before: date, most: int) -> int:
    """Days of frames that went: those before the day, and the oldest while all take more bytes."""
    return tx.scalar(int, "SELECT sensing.drop_frames(%s, %s)", [before, most])


class Frame(msgspec.Struct, frozen=True):
    """A frame to be kept."""

    device: int
    protocol: str
    kind: str
    received: datetime
    deviations: Sequence[str]
    facts: str | None
    raw: bytes


def add_frames(tx: Transaction, keeper: str, found: Sequence[Frame]) -> None:
    """Keep frames of one keeper's devices."""
    tx.execute(
        """INSERT INTO sensing.frames (keeper, device_id, protocol, kind, received, deviations, facts, raw)
           SELECT %s, d, p, k, r, string_to_array(v, ','), f::jsonb, b
           FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::timestamptz[], %s::text[], %s::text[], %s::bytea[])
             u(d, p, k, r, v, f, b)""",
        [
            keeper, [each.device for each in found], [each.protocol for each in found], [each.kind for each in found],
            [each.received for each in found], [",".join(each.deviations) for each in found],
            [each.facts for each in found], [each.raw for each in found],
        ],
    )  # fmt: skip


class Sign(msgspec.Struct):
    """What one device did in a batch."""

    at: datetime
    frames: int = 0
    readings: int = 0
    repeated: int = 0
    undeclared: int = 0


def add_signs(tx: Transaction, keeper: str, found: dict[int, Sign]) -> None:
    """Signs of life, by device; one that was silent is heard again."""
    ids = sorted(found)
    signs = [found[each] for each in ids]
    tx.execute(
        """INSERT INTO sensing.device_signs AS s
             (device_id, keeper, first_seen, last_seen, frames, readings, repeated, undeclared, health_since)
           SELECT d.id, d.keeper, u.at, u.at, u.f, u.r, u.p, u.n, u.at
           FROM unnest(%s::bigint[], %s::timestamptz[], %s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[])
             u(id, at, f, r, p, n) JOIN sensing.devices d ON d.id = u.id
           WHERE d.keeper = %s ORDER BY d.id
           ON CONFLICT (device_id) DO UPDATE SET last_seen = greatest(s.last_seen, excluded.last_seen),
             frames = s.frames + excluded.frames, readings = s.readings + excluded.readings,
             repeated = s.repeated + excluded.repeated, undeclared = s.undeclared + excluded.undeclared,
             health = CASE WHEN s.health = 'silent' THEN 'online' ELSE s.health END,
             health_since = CASE WHEN s.health = 'silent' THEN excluded.last_seen ELSE s.health_since END""",
        [
            ids, [each.at for each in signs], [each.frames for each in signs], [each.readings for each in signs],
            [each.repeated for each in signs], [each.undeclared for each in signs], keeper,
        ],
    )  # fmt: skip


class Said(msgspec.Struct, frozen=True):
    """An Observation that is there."""

    stream: int
    start: datetime
    ends: datetime | None
    number: float | None
    result: str | None


def lock(tx: Transaction, keeper: str) -> None:
    """One batch of a keeper's devices at a time, so that nothing is kept twice."""
    tx.execute("SELECT pg_advisory_xact_lock(7216047, hashtext(%s))", [keeper])


class Last(msgspec.Struct, frozen=True):
    """The latest moment of a Datastream."""

    stream: int
    start: datetime


def last(tx: Transaction, streams: Sequence[int]) -> dict[int, datetime]:
    """The latest moment of each Datastream that has any: what is later was never said."""
    rows = tx.all(
        Last,
        "SELECT datastream_id AS stream, phenomenon_start AS start FROM sensing.latest WHERE datastream_id = ANY(%s)",
        [list(streams)],
    )
    return {each.stream: each.start for each in rows}


def said(tx: Transaction, streams: Sequence[int], starts: Sequence[datetime]) -> list[Said]:
    """What these Datastreams have at these moments, pair by pair."""
    return tx.all(
        Said,
        """SELECT o.datastream_id AS stream, o.phenomenon_start AS start, o.phenomenon_end AS ends, o.number,
             o.result::text AS result
           FROM (SELECT DISTINCT * FROM unnest(%s::bigint[], %s::timestamptz[])) u(stream, start)
           JOIN sensing.observations o ON o.datastream_id = u.stream AND o.phenomenon_start = u.start""",
        [list(streams), list(starts)],
    )


class Strayed(msgspec.Struct, frozen=True):
    """Bytes to be kept in quarantine."""

    keeper: str
    protocol: str
    device: int | None
    source: str
    reason: str
    raw: bytes
    received: datetime


def add_strays(tx: Transaction, found: Sequence[Strayed]) -> None:
    """Keep what could not be read, or came from somebody unknown."""
    tx.execute(
        """INSERT INTO sensing.quarantine (keeper, protocol, device_id, source, reason, raw, received)
           SELECT COALESCE(d.keeper, u.k), u.p, d.id, u.s, u.r, u.b, u.at
           FROM unnest(%s::text[], %s::text[], %s::bigint[], %s::text[], %s::text[], %s::bytea[], %s::timestamptz[])
             u(k, p, d, s, r, b, at) LEFT JOIN sensing.devices d ON d.id = u.d""",
        [
            [each.keeper for each in found], [each.protocol for each in found], [each.device for each in found],
            [each.source for each in found], [each.reason for each in found], [each.raw for each in found],
            [each.received for each in found],
        ],
    )  # fmt: skip


def strays(tx: Transaction, before: int, device: int, reason: str, most: int) -> list[Stray]:
    """The newest first, those before that id."""
    return tx.all(
        Stray,
        """SELECT id, protocol, device_id AS device, source, reason, encode(raw, 'hex') AS raw, received
           FROM sensing.quarantine WHERE (%(before)s = 0 OR id < %(before)s)
             AND (%(device)s = 0 OR device_id = %(device)s) AND (%(reason)s = '' OR reason = %(reason)s)
           ORDER BY id DESC LIMIT %(most)s""",
        {"before": before, "device": device, "reason": reason, "most": most},
    )


def forget_strays(tx: Transaction, before: datetime, most: int) -> int:
    """Rows that went: older than that, and of each keeper the oldest beyond so many."""
    return tx.execute(
        """DELETE FROM sensing.quarantine q USING (
             SELECT id, row_number() OVER (PARTITION BY keeper ORDER BY id DESC) AS place FROM sensing.quarantine) r
           WHERE q.id = r.id AND (q.received < %(before)s OR r.place > %(most)s)""",
        {"before": before, "most": most},
    )


class _FrameRow(msgspec.Struct, frozen=True):
    received: datetime
    protocol: str
    kind: str
    deviations: list[str]
    facts: list[tuple[str, str]] | None
    raw: str


def frames(tx: Transaction, device: int, most: int) -> list[KeptFrame]:
    """The newest frames of a device."""
    rows = tx.all(
        _FrameRow,
        """SELECT received, protocol, kind, deviations, facts, encode(raw, 'hex') AS raw FROM sensing.frames
           WHERE device_id = %s ORDER BY received DESC, id DESC LIMIT %s""",
        [device, most],
    )
    return [
        KeptFrame(each.received, each.protocol, each.kind, tuple(each.deviations), tuple((a, b) for a, b in each.facts or ()), each.raw)
        for each in rows
    ]  # fmt: skip


class Spot(msgspec.Struct, frozen=True):
    """Where a Thing is: its Location and the feature that was made of it."""

    thing: int
    location: int
    feature: int | None


def spots(tx: Transaction, things: Sequence[int]) -> dict[int, Spot]:
    """By Thing."""
    rows = tx.all(
        Spot,
        """SELECT DISTINCT ON (t.thing_id) t.thing_id AS thing, t.location_id AS location, f.id AS feature
           FROM sensing.thing_locations t LEFT JOIN sensing.features f ON f.location_id = t.location_id
           WHERE t.thing_id = ANY(%s) ORDER BY t.thing_id, t.location_id DESC""",
        [list(things)],
    )
    return {each.thing: each for each in rows}


class Moved(msgspec.Struct, frozen=True):
    """A Location that is somewhere else now."""

    location: int
    geojson: str
    shape: bytes
    longitude: float
    latitude: float


def move(tx: Transaction, found: Sequence[Moved]) -> None:
    """Locations of moving things, and the features made of them, are where the things are."""
    values = [
        [each.location for each in found], [each.geojson for each in found], [each.shape for each in found],
        [each.longitude for each in found], [each.latitude for each in found],
    ]  # fmt: skip
    for table, key, column in (("locations", "id", "location"), ("features", "location_id", "feature")):
        tx.execute(
            f"""UPDATE sensing.{table} t SET {column} = u.g::jsonb, shape = u.s, west = u.x, east = u.x, south = u.y,
                  north = u.y
                FROM unnest(%s::bigint[], %s::text[], %s::bytea[], %s::float8[], %s::float8[]) u(id, g, s, x, y)
                WHERE t.{key} = u.id""",
            values,
        )
